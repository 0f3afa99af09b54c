//! All that was said of one fill, and which of it survives.

use market::{AccountEvent, Fill, Origin};
use serde::{Deserialize, Serialize};

/// The records of one (portfolio, id): maxima, so that neither order nor copies matter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Dossier {
    /// The fill with the lowest origin.
    original: Option<(Origin, Fill)>,
    /// The strongest correction. Rare, as is what follows.
    correction: Option<Box<(Origin, Fill)>>,
    busted: bool,
    dispute: Option<Box<Dispute>>,
}

/// Fills of one name that have different contents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Dispute {
    /// Contents other than that of the original.
    others: Vec<Fill>,
    /// The pairs (kept, dropped) that were told.
    told: Vec<(Fill, Fill)>,
}

impl Dossier {
    /// Takes a record. Those that speak of no fill say nothing.
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
        if other != *kept || self.dispute.is_some() {
            let kept = *kept;
            let dispute = self.dispute.get_or_insert_default();
            if !dispute.others.contains(&other) {
                dispute.others.push(other);
            }
            dispute.others.retain(|other| *other != kept);
        }
    }

    /// Whether the fill itself was told, and not only what became of it.
    pub(super) fn is_known(&self) -> bool {
        self.original.is_some()
    }

    /// What counts of it all.
    pub(super) fn survivor(&self) -> Option<Fill> {
        let (_, original) = self.original.as_ref().filter(|_| !self.busted)?;
        Some(self.correction.as_deref().map_or(*original, |(_, with)| *with))
    }

    /// The pairs (kept, dropped) that were not told before; from now on they were.
    pub(super) fn tell_conflicts(&mut self) -> Vec<(Fill, Fill)> {
        let (Some((_, kept)), Some(dispute)) = (&self.original, &mut self.dispute) else {
            return Vec::new();
        };
        let pairs = dispute.others.iter().map(|dropped| (*kept, *dropped));
        let new: Vec<_> = pairs.filter(|pair| !dispute.told.contains(pair)).collect();
        dispute.told.extend(&new);
        new
    }

    /// About how many bytes it retains besides itself.
    pub(super) fn bytes(&self) -> usize {
        let correction = self.correction.as_ref().map_or(0, |_| size_of::<(Origin, Fill)>());
        let dispute = self.dispute.as_ref().map_or(0, |dispute| {
            size_of::<Dispute>()
                + dispute.others.capacity() * size_of::<Fill>()
                + dispute.told.capacity() * size_of::<(Fill, Fill)>()
        });
        correction + dispute
    }
}
