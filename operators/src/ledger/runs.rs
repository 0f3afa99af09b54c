//! Where the rows of integer ids are that came in their order, as most do.
//!
//! An id above all earlier ones of its kind and scope goes into a chunk behind the one before it, most
//! of the time into the same. Such rows need no index: a **run** of them lies side by side, in the order of their
//! ids, and runs are in that order too. Which run an id would be in is one binary search, its row another.
//! Entering each id into an index, and rebuilding its tables, took a third of the ledger's time and a quarter of its
//! memory.
//!
//! Memory: one entry of 24 bytes per run, which is a chunk's rows unless others come between them. A chunk is used
//! anew only for a bar that ends later, so a run knows by the end of its bar whether its rows are still there.

use std::collections::VecDeque;

use market::{EventTime, IdScope};

use super::rows::RowNo;
use super::streams::{Id, Kind};

/// How many pairs of scope and kind have runs; ids of others are never in runs.
const SPACES: usize = 8;

/// The integers of the first few kinds and scopes.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    spaces: Vec<Space>,
}

/// The integers of one kind and scope.
#[derive(Clone, Debug)]
struct Space {
    scope: IdScope,
    kind: Kind,
    /// The highest so far.
    highest: u64,
    /// Ascending.
    runs: VecDeque<Run>,
}

/// Rows side by side with ascending ids.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    row: RowNo,
    len: u32,
    /// Of the bar that they are in.
    end: EventTime,
}

impl Runs {
    /// Whether an integer is above all earlier ones of its kind and scope; from now on it is not.
    pub(super) fn is_highest(&mut self, (scope, id): Id) -> bool {
        let (kind, number) = Kind::of(id);
        if kind == Kind::Text {
            return false;
        }
        if let Some(space) = self.space(scope, kind) {
            let is_highest = number > space.highest;
            space.highest = number.max(space.highest);
            return is_highest;
        }
        let has_room = self.spaces.len() < SPACES;
        if has_room {
            self.spaces.push(Space { scope, kind, highest: number, runs: VecDeque::new() });
        }
        has_room
    }

    /// The row of the integer that [`Self::is_highest`] has just found to be the highest, in a bar that ends at `end`.
    pub(super) fn append(&mut self, (scope, id): Id, row: RowNo, end: EventTime) {
        let (kind, first) = Kind::of(id);
        let Some(space) = self.space(scope, kind) else { return };
        let beside = |last: &Run| last.row + last.len == row && last.row >> 8 == row >> 8;
        match space.runs.back_mut() {
            Some(last) if beside(last) && last.end == end => last.len += 1,
            _ => space.runs.push_back(Run { first, row, len: 1, end }),
        }
    }

    /// The row of an id if it is in a run. `end` returns the end of the bar that a row is in, if it is not forgotten;
    /// `number_in` the number in the id of a row, void or not.
    pub(super) fn find(
        &self,
        (scope, id): Id,
        end: impl Fn(RowNo) -> Option<EventTime>,
        number_in: impl Fn(RowNo) -> Option<u64>,
    ) -> Option<RowNo> {
        let (kind, number) = Kind::of(id);
        let space = self.spaces.iter().find(|one| (one.scope, one.kind) == (scope, kind))?;
        let after = space.runs.partition_point(|run| run.first <= number);
        let run = space.runs.get(after.checked_sub(1)?)?;
        if end(run.row) != Some(run.end) {
            return None;
        }
        // Ids without holes are as far from the first as their rows.
        let near = u32::try_from(number - run.first).ok().filter(|far| *far < run.len);
        if let Some(row) =
            near.map(|far| run.row + far).filter(|row| number_in(*row) == Some(number))
        {
            return Some(row);
        }
        let (mut low, mut high) = (run.row, run.row + run.len);
        while low < high {
            let middle = low + (high - low) / 2;
            match number_in(middle)?.cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Drops some of the oldest runs whose rows are forgotten; `end` as in [`Self::find`].
    pub(super) fn free_forgotten(&mut self, end: impl Fn(RowNo) -> Option<EventTime>) {
        for space in &mut self.spaces {
            for _ in 0..FREED_PER_COMMIT {
                match space.runs.front() {
                    Some(run) if end(run.row) != Some(run.end) => space.runs.pop_front(),
                    _ => break,
                };
            }
        }
    }

    /// About how many bytes they retain.
    pub(super) fn bytes(&self) -> usize {
        let runs: usize = self.spaces.iter().map(|space| space.runs.capacity()).sum();
        runs * size_of::<Run>() + self.spaces.capacity() * size_of::<Space>()
    }

    fn space(&mut self, scope: IdScope, kind: Kind) -> Option<&mut Space> {
        self.spaces.iter_mut().find(|one| (one.scope, one.kind) == (scope, kind))
    }
}

/// How many runs go at a time.
const FREED_PER_COMMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use market::TradeId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const SCOPE: IdScope = IdScope(3);

    proptest! {
        /// Ids come in mostly ascending order into chunks that change, grow side by side and are used anew.
        #[test]
        fn what_came_in_order_is_found_and_nothing_else(
            steps in prop::collection::vec((0..6_u64, 0..4_u32, any::<bool>(), 0..40_u8), 1..400),
        ) {
            let mut runs = Runs::default();
            // Of each chunk the end of its bar, and the ids of its rows.
            let mut chunks: Vec<(i64, Vec<u64>)> = vec![(0, Vec::new()); 4];
            let (mut next, mut rows, mut time) = (100_u64, BTreeMap::new(), 0);
            for (far, chunk, back, what) in steps {
                next += far;
                let (own_end, own) = &mut chunks[chunk as usize];
                if what == 0 || own.len() == 256 {
                    time += 1; // its bar is forgotten, and it is used anew
                    *own_end = time;
                    own.clear();
                    rows.retain(|_, row| *row >> 8 != chunk);
                }
                let number = if back { next - 50 } else { next };
                let id = (SCOPE, TradeId::Number(number));
                let row = chunk << 8 | own.len() as u32;
                own.push(number);
                if runs.is_highest(id) {
                    runs.append(id, row, EventTime(*own_end));
                    rows.insert(number, row);
                }
                let end = |row: RowNo| Some(EventTime(chunks[(row >> 8) as usize].0));
                let number_in = |row: RowNo| {
                    chunks[(row >> 8) as usize].1.get((row & 0xff) as usize).copied()
                };
                if what == 1 {
                    runs.free_forgotten(end);
                }
                for number in next - 60..next + 3 {
                    let id = (SCOPE, TradeId::Number(number));
                    prop_assert_eq!(runs.find(id, end, number_in), rows.get(&number).copied());
                }
            }
        }
    }

    #[test]
    fn texts_are_in_no_run_and_kinds_do_not_meet() {
        let mut runs = Runs::default();
        assert!(!runs.is_highest((SCOPE, TradeId::Text(9))));
        assert!(runs.is_highest((SCOPE, TradeId::Number(9))));
        runs.append((SCOPE, TradeId::Number(9)), 0, EventTime(1));
        assert!(runs.is_highest((SCOPE, TradeId::Position(7))));
        assert!(runs.is_highest((IdScope(4), TradeId::Number(2))));
        assert!(!runs.is_highest((SCOPE, TradeId::Number(9))));
        let found = |scope, id| runs.find((scope, id), |_| Some(EventTime(1)), |_| Some(9));
        assert_eq!(found(SCOPE, TradeId::Number(9)), Some(0));
        assert_eq!(found(IdScope(4), TradeId::Number(9)), None);
        assert_eq!(found(SCOPE, TradeId::Position(7)), None, "none was appended");
    }
}
