//! Which trades of an instrument are missing: holes in ids that its venue gives out without holes.
//!
//! Ids that were seen never become unseen again, so what is kept of them are the gaps alone and the two
//! ends: forgotten trades leave no hole. An id that comes in order costs a comparison, any other O(log n)
//! of the gaps. Memory is bounded by the number of gaps that are kept apart.

use std::collections::BTreeMap;

use market::{EventTime, Gap, GapKey, IdScope, InstrumentId, TradeId};
use serde::{Deserialize, Serialize};

use crate::output::{GapChange, GapOut, LedgerOut};

/// The gaps of one instrument.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gaps {
    scopes: BTreeMap<IdScope, KnownIds>,
}

/// The ids of one scope that were seen: all from the lowest to the highest, but for the gaps.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KnownIds {
    lowest: End,
    highest: End,
    /// By first id. Two of them have an id between them that was seen.
    gaps: BTreeMap<u64, Gap>,
    /// What was at each first id before the commit at hand; only for those that the commit changed.
    #[serde(skip)]
    before: BTreeMap<u64, Option<Gap>>,
}

/// The lowest or highest id seen, and the earliest event time of a trade with it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct End {
    id: u64,
    time: EventTime,
}

impl Gaps {
    /// Notes a trade with this `id`, perhaps once more. An id that only a correction or a cancel names is not noted:
    /// its trade has not come and is in no bar, and it would have no event time.
    pub(super) fn observe(&mut self, scope: IdScope, id: TradeId, time: EventTime) {
        let (true, Some(id)) = (scope.is_contiguous(), id.integer()) else {
            return;
        };
        match self.scopes.get_mut(&scope) {
            Some(known) => known.observe(End { id, time }),
            None => {
                self.scopes.insert(scope, KnownIds::only(End { id, time }));
            }
        }
    }

    /// Ends a commit: keeps at most `gaps_max` gaps per scope apart, and puts out what changed.
    pub(super) fn settle(
        &mut self,
        instrument: InstrumentId,
        gaps_max: usize,
        out: &mut Vec<LedgerOut>,
    ) {
        for (scope, known) in &mut self.scopes {
            known.merge_down_to(gaps_max);
            for (first_id, before) in std::mem::take(&mut known.before) {
                let after = known.gaps.get(&first_id).copied();
                if before != after {
                    let key = GapKey { instrument, scope: *scope, first_id };
                    let change = GapChange { key, before, after };
                    out.push(LedgerOut::Gap(Box::new(GapOut::Changed(change))));
                }
            }
        }
    }

    /// Every gap.
    pub(super) fn restate(&self, instrument: InstrumentId, out: &mut Vec<LedgerOut>) {
        for (scope, known) in &self.scopes {
            out.extend(known.gaps.iter().map(|(first_id, gap)| {
                let key = GapKey { instrument, scope: *scope, first_id: *first_id };
                LedgerOut::Gap(Box::new(GapOut::Restored(key, *gap)))
            }));
        }
    }

    /// About how many bytes are retained.
    pub(super) fn bytes(&self) -> usize {
        let gaps: usize = self.scopes.values().map(|known| known.gaps.len()).sum();
        // A B-tree's nodes are two thirds full on average.
        gaps * size_of::<(u64, Gap)>() * 3 / 2
            + self.scopes.len() * size_of::<(IdScope, KnownIds)>()
    }
}

impl KnownIds {
    fn only(end: End) -> KnownIds {
        KnownIds { lowest: end, highest: end, gaps: BTreeMap::new(), before: BTreeMap::new() }
    }

    fn observe(&mut self, end: End) {
        if end.id > self.highest.id {
            self.open_gap(self.highest, end);
            self.highest = end;
        } else if end.id < self.lowest.id {
            self.open_gap(end, self.lowest);
            self.lowest = end;
        } else {
            self.observe_within(end);
        }
    }

    /// Two ids were seen and none between them: opens a gap.
    fn open_gap(&mut self, low: End, high: End) {
        let missing = high.id - low.id - 1;
        if missing > 0 {
            let (from_time, to_time) = (low.time, high.time);
            let gap = Gap { last_id: high.id - 1, missing, from_time, to_time };
            self.put(low.id + 1, Some(gap));
        }
    }

    /// An id that is neither below nor above all others.
    fn observe_within(&mut self, End { id, time }: End) {
        for end in [&mut self.lowest, &mut self.highest] {
            if end.id == id {
                end.time = end.time.min(time);
            }
        }
        if let Some((first, gap)) = self.gaps.range(..=id).next_back().map(|(id, gap)| (*id, *gap))
        {
            if id <= gap.last_id {
                self.fill(first, gap, End { id, time });
                return;
            }
            if gap.last_id + 1 == id && time < gap.to_time {
                self.put(first, Some(Gap { to_time: time, ..gap }));
            }
        }
        let next = id.saturating_add(1);
        if let Some(gap) = self.gaps.get(&next).filter(|gap| time < gap.from_time) {
            let gap = Gap { from_time: time, ..*gap };
            self.put(next, Some(gap));
        }
    }

    /// An id comes that is in a gap, which shrinks, splits or goes. Of a gap that was merged nobody
    /// knows which ids are missing, so it stays as it is.
    fn fill(&mut self, first: u64, gap: Gap, at: End) {
        if gap.is_merged(first) {
            return;
        }
        self.put(first, None);
        // The ids next to the gap; they exist, for a gap lies between seen ids.
        let below = End { id: first - 1, time: gap.from_time };
        let above = End { id: gap.last_id + 1, time: gap.to_time };
        self.open_gap(below, at);
        self.open_gap(at, above);
    }

    /// Beyond the bound the two gaps with the lowest ids become one: what is missing stays counted, only
    /// where it is becomes less exact, and there first where it is longest ago.
    fn merge_down_to(&mut self, gaps_max: usize) {
        while self.gaps.len() > gaps_max.max(1) {
            let lowest: Vec<_> = self.gaps.iter().take(2).map(|(id, gap)| (*id, *gap)).collect();
            let &[(first, low), (next, high)] = lowest.as_slice() else { return };
            self.put(next, None);
            let missing = low.missing + high.missing;
            let (last_id, to_time) = (high.last_id, high.to_time);
            self.put(first, Some(Gap { last_id, missing, from_time: low.from_time, to_time }));
        }
    }

    /// Changes what is at `first`, and remembers what was there before the commit.
    fn put(&mut self, first: u64, gap: Option<Gap>) {
        let was = match gap {
            Some(gap) => self.gaps.insert(first, gap),
            None => self.gaps.remove(&first),
        };
        self.before.entry(first).or_insert(was);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENUE: IdScope = IdScope(1).contiguous(true);
    const ANY: InstrumentId = InstrumentId(7);

    /// The gaps after each commit of ids, as `first-last/missing`.
    fn after(commits: &[&[u64]], gaps_max: usize) -> Vec<String> {
        let (mut gaps, mut rows) = (Gaps::default(), BTreeMap::new());
        let mut shown = Vec::new();
        for ids in commits {
            ids.iter()
                .for_each(|id| gaps.observe(VENUE, TradeId::Number(*id), EventTime(*id as i64)));
            let mut out = Vec::new();
            gaps.settle(ANY, gaps_max, &mut out);
            for timed_ids in out {
                let Some(GapOut::Changed(change)) = timed_ids.gap() else { panic!() };
                let GapChange { key, before, after } = change;
                assert_eq!(rows.remove(&key), before);
                after.map(|gap| rows.insert(key, gap));
            }
            let row = |(key, gap): (&GapKey, &Gap)| {
                format!("{}-{}/{}", key.first_id, gap.last_id, gap.missing)
            };
            shown.push(rows.iter().map(row).collect::<Vec<_>>().join(" "));
        }
        shown
    }

    #[test]
    fn the_highest_and_the_lowest_number_are_ids_as_any_other() {
        let all = [&[u64::MAX, 0][..], &[1, u64::MAX - 1], &[0, u64::MAX], &[5]];
        let most = format!("1-{}/{}", u64::MAX - 1, u64::MAX - 1);
        let less = format!("2-{}/{}", u64::MAX - 2, u64::MAX - 3);
        let split = format!("2-4/3 6-{}/{}", u64::MAX - 2, u64::MAX - 7);
        assert_eq!(after(&all, 9), [most, less.clone(), less, split]);
    }

    #[test]
    fn beyond_the_bound_the_lowest_gaps_are_merged_and_stay_counted() {
        let commits = [&[10, 20, 30, 40][..], &[15], &[35], &[5], &[11, 21], &[31]];
        let want = [
            "11-29/18 31-39/9", // 15 may be missing or not from now on
            "11-29/18 31-39/9",
            "11-34/22 36-39/4",
            "6-34/26 36-39/4",
            "6-34/26 36-39/4",
            "6-34/26 36-39/4",
        ];
        assert_eq!(after(&commits, 2), want);
    }

    #[test]
    fn texts_positions_and_ids_with_holes_are_no_business_of_gaps() {
        let mut gaps = Gaps::default();
        for (scope, id) in [
            (VENUE, TradeId::of("A1")),
            (VENUE, TradeId::Position(3)),
            (VENUE.contiguous(false), TradeId::Number(1)),
            (VENUE.contiguous(false), TradeId::Number(3)),
        ] {
            gaps.observe(scope, id, EventTime(0));
        }
        assert!(gaps.scopes.is_empty());
    }
}
