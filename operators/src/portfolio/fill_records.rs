//! The records of one fill, and which of them survives.

use std::cmp::Reverse;

use market::{AccountEvent, Fill, Origin, Side};
use serde::{Deserialize, Serialize};

use super::position_history::Place;

/// The records of one (portfolio, id): maxima, so that neither order nor copies matter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct FillRecords {
    /// The records of the side that was told of first, or of both if ids are not by side.
    own: SideRecords,
    /// Which side that is, if ids are by side and a record has said one.
    side: Option<Side>,
    /// The records of the other side. Rare: a trade with oneself, or a correction of the side.
    other: Option<Box<SideRecords>>,
    /// Whether a bust that names no side was told.
    busted: bool,
}

/// The records of one side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SideRecords {
    /// The fill with the lowest origin.
    original: Option<(Origin, Fill)>,
    /// The strongest correction. Rare, as is what follows.
    correction: Option<Box<(Origin, Fill)>>,
    busted: bool,
    conflict: Option<Box<FillConflict>>,
}

/// Fills of one name that have different contents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct FillConflict {
    /// Contents other than that of the original.
    others: Vec<Fill>,
    /// The pairs (kept, dropped) that were emitted.
    emitted: Vec<(Fill, Fill)>,
}

impl FillRecords {
    /// Takes a record; `by_side` must always be the same. Records that are not about fills are ignored. Returns whether
    /// it may change something: a copy of a fill with a higher origin changes nothing.
    pub(super) fn take(&mut self, origin: Origin, event: &AccountEvent, by_side: bool) -> bool {
        match event {
            AccountEvent::Fill(fill) => {
                return self.of(fill.side(), by_side).take_fill(origin, *fill);
            }
            AccountEvent::Correct(with) => {
                self.of(with.side(), by_side).take_correction(origin, *with)
            }
            AccountEvent::Bust { side: Side::Unknown, .. } => self.busted = true,
            AccountEvent::Bust { side, .. } => self.of(*side, by_side).busted = true,
            AccountEvent::Target(_) | AccountEvent::Fair(_) => return false,
        }
        true
    }

    /// The records of this side.
    fn of(&mut self, side: Side, by_side: bool) -> &mut SideRecords {
        if !by_side || *self.side.get_or_insert(side) == side {
            return &mut self.own;
        }
        self.other.get_or_insert_default()
    }

    /// Whether the fill itself is known, and not only its corrections or busts.
    pub(super) fn is_known(&self) -> bool {
        self.sides().any(|side| side.original.is_some())
    }

    /// What counts of it all, and its place in the order of fills; of each side, always in one order. If only one side has a
    /// fill, all corrections and busts are of that.
    pub(super) fn survivors(&self) -> [Option<(Place, Fill)>; 2] {
        let other = self.other.as_deref();
        let is_known =
            |side: Option<&SideRecords>| side.is_some_and(|side| side.original.is_some());
        let survivor = |side: &SideRecords, beside: Option<&SideRecords>| {
            side.survivor(beside.filter(|beside| !is_known(Some(beside)))).filter(|_| !self.busted)
        };
        [survivor(&self.own, other), other.and_then(|other| survivor(other, Some(&self.own)))]
    }

    /// The pairs (kept, dropped) that were not emitted before; they count as emitted from now on.
    pub(super) fn new_conflicts(&mut self) -> Vec<(Fill, Fill)> {
        let mut pairs = self.own.new_conflicts();
        if let Some(other) = &mut self.other {
            pairs.extend(other.new_conflicts());
        }
        pairs.sort();
        pairs
    }

    /// About how many bytes it retains besides itself.
    pub(super) fn bytes(&self) -> usize {
        let other = self.other.as_ref().map_or(0, |_| size_of::<SideRecords>());
        other + self.sides().map(SideRecords::bytes).sum::<usize>()
    }

    fn sides(&self) -> impl Iterator<Item = &SideRecords> {
        [Some(&self.own), self.other.as_deref()].into_iter().flatten()
    }
}

impl SideRecords {
    fn take_correction(&mut self, origin: Origin, with: Fill) {
        let known = self.correction.as_deref();
        if known.is_none_or(|known| rank(&(origin, with)) > rank(known)) {
            self.correction = Some(Box::new((origin, with)));
        }
    }

    /// Returns whether this is the fill with the lowest origin.
    fn take_fill(&mut self, origin: Origin, fill: Fill) -> bool {
        let Some((lowest, kept)) = &mut self.original else {
            self.original = Some((origin, fill));
            return true;
        };
        let is_lowest = origin < *lowest;
        let other = if is_lowest {
            *lowest = origin;
            std::mem::replace(kept, fill)
        } else {
            fill
        };
        if other != *kept || self.conflict.is_some() {
            let kept = *kept;
            let conflict = self.conflict.get_or_insert_default();
            if !conflict.others.contains(&other) {
                conflict.others.push(other);
            }
            conflict.others.retain(|other| *other != kept);
        }
        is_lowest
    }

    /// What counts of this side, and its place in the order of fills. `beside` is the other side if it has no fill.
    fn survivor(&self, beside: Option<&SideRecords>) -> Option<(Place, Fill)> {
        let is_busted = self.busted || beside.is_some_and(|beside| beside.busted);
        let (origin, original) = self.original.as_ref().filter(|_| !is_busted)?;
        let beside = beside.and_then(|beside| beside.correction.as_deref());
        let correction =
            self.correction.as_deref().into_iter().chain(beside).max_by_key(|it| rank(it));
        let fill = correction.map_or(*original, |(_, with)| *with);
        // The sequence of a correction says which of them counts, and nothing about other fills.
        Some(((fill.time, original.sequence, *origin), fill))
    }

    /// The pairs (kept, dropped) that were not emitted before; they count as emitted from now on.
    fn new_conflicts(&mut self) -> Vec<(Fill, Fill)> {
        let (Some((_, kept)), Some(conflict)) = (&self.original, &mut self.conflict) else {
            return Vec::new();
        };
        let pairs = conflict.others.iter().map(|dropped| (*kept, *dropped));
        let new: Vec<_> = pairs.filter(|pair| !conflict.emitted.contains(pair)).collect();
        conflict.emitted.extend(&new);
        new
    }

    /// About how many bytes it retains besides itself.
    fn bytes(&self) -> usize {
        let correction = self.correction.as_ref().map_or(0, |_| size_of::<(Origin, Fill)>());
        let conflict = self.conflict.as_ref().map_or(0, |conflict| {
            size_of::<FillConflict>()
                + conflict.others.capacity() * size_of::<Fill>()
                + conflict.emitted.capacity() * size_of::<(Fill, Fill)>()
        });
        correction + conflict
    }
}

/// By which corrections outrank each other.
pub(super) fn rank((origin, fill): &(Origin, Fill)) -> (u64, Reverse<Origin>) {
    (fill.sequence, Reverse(*origin))
}
