//! The records of one fill, and which of them survives.

use market::{AccountEvent, Fill, Origin};
use serde::{Deserialize, Serialize};

use super::position_history::Place;

/// The records of one (portfolio, id): maxima, so that neither order nor copies matter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct FillRecords {
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
    /// Takes a record. Records that are not about fills are ignored.
    pub(super) fn take(&mut self, origin: Origin, event: &AccountEvent) {
        match event {
            AccountEvent::Fill(fill) => self.take_fill(origin, *fill),
            AccountEvent::Correct(with) => {
                let rank = |origin: Origin, fill: &Fill| (fill.sequence, std::cmp::Reverse(origin));
                let known = self.correction.as_deref();
                if known.is_none_or(|known| rank(origin, with) > rank(known.0, &known.1)) {
                    self.correction = Some(Box::new((origin, *with)));
                }
            }
            AccountEvent::Bust { .. } => self.busted = true,
            AccountEvent::Target(_) | AccountEvent::Fair(_) => {}
        }
    }

    fn take_fill(&mut self, origin: Origin, fill: Fill) {
        let Some((lowest, kept)) = &mut self.original else {
            self.original = Some((origin, fill));
            return;
        };
        let other = if origin < *lowest {
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
    }

    /// Whether the fill itself is known, and not only its corrections or busts.
    pub(super) fn is_known(&self) -> bool {
        self.original.is_some()
    }

    /// What counts of it all, and its place in the order of fills.
    pub(super) fn survivor(&self) -> Option<(Place, Fill)> {
        let (origin, original) = self.original.as_ref().filter(|_| !self.busted)?;
        let fill = self.correction.as_deref().map_or(*original, |(_, with)| *with);
        // The sequence of a correction says which of them counts, and nothing about other fills.
        Some(((fill.time, original.sequence, *origin), fill))
    }

    /// The pairs (kept, dropped) that were not emitted before; they count as emitted from now on.
    pub(super) fn new_conflicts(&mut self) -> Vec<(Fill, Fill)> {
        let (Some((_, kept)), Some(conflict)) = (&self.original, &mut self.conflict) else {
            return Vec::new();
        };
        let pairs = conflict.others.iter().map(|dropped| (*kept, *dropped));
        let new: Vec<_> = pairs.filter(|pair| !conflict.emitted.contains(pair)).collect();
        conflict.emitted.extend(&new);
        new
    }

    /// About how many bytes it retains besides itself.
    pub(super) fn bytes(&self) -> usize {
        let correction = self.correction.as_ref().map_or(0, |_| size_of::<(Origin, Fill)>());
        let conflict = self.conflict.as_ref().map_or(0, |conflict| {
            size_of::<FillConflict>()
                + conflict.others.capacity() * size_of::<Fill>()
                + conflict.emitted.capacity() * size_of::<(Fill, Fill)>()
        });
        correction + conflict
    }
}
