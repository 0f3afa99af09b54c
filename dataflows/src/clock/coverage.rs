//! Which sources carry on for one that has fallen silent.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use market::{EventTime, InstrumentId};

/// Whether other sources send what a source sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// No: it has a part of its own. While it is silent, its watermark stands, and finality waits for it.
    #[default]
    All,
    /// Yes: sources of this kind that share instruments send the same trades. While one is silent, the others
    /// carry on.
    Any,
}

impl Coverage {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Coverage::All => "all",
            Coverage::Any => "any",
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Coverage {
    type Err = String;

    fn from_str(text: &str) -> Result<Coverage, String> {
        [Coverage::All, Coverage::Any].into_iter().find(|one| one.name() == text).ok_or_else(|| {
            format!(
                "`{text}` is no coverage; write any (others send the same trades, and carry on while it is silent) \
                 or all (it has a part of its own, which is waited for)"
            )
        })
    }
}

/// The instruments that each source of coverage `any` has sent, to know which of them covers which.
///
/// Bounded by their number times `limits.instruments`. Empty, and free, where fewer than two are configured.
pub(super) struct Redundancy {
    /// By number of the source; none for those of coverage `all`.
    instruments: Vec<Option<HashSet<InstrumentId>>>,
    /// What was noted last, since records of one instrument come in runs.
    last: Option<(usize, InstrumentId)>,
}

impl Redundancy {
    /// Of sources with these coverages, by number.
    pub(super) fn of(coverages: impl Iterator<Item = Coverage>) -> Redundancy {
        let coverages: Vec<Coverage> = coverages.collect();
        let redundant = coverages.iter().filter(|one| **one == Coverage::Any).count() > 1;
        let known = |one| (redundant && one == Coverage::Any).then(HashSet::new);
        Redundancy { instruments: coverages.into_iter().map(known).collect(), last: None }
    }

    /// Notes that a source sent an instrument.
    pub(super) fn note(&mut self, source: usize, instrument: InstrumentId) {
        let Some(Some(known)) = self.instruments.get_mut(source) else { return };
        if self.last != Some((source, instrument)) {
            known.insert(instrument);
            self.last = Some((source, instrument));
        }
    }

    /// Which sources of coverage `any` have sent which instruments.
    pub(super) fn sent(&self) -> impl Iterator<Item = (usize, InstrumentId)> {
        let known = self.instruments.iter().enumerate();
        known.flat_map(|(source, known)| known.iter().flatten().map(move |own| (source, *own)))
    }

    /// The watermark that a silent source may take from others: the least of those that are live and share an
    /// instrument with it. None if none of them sends one of its instruments: watermarks wait for what it alone sends.
    /// This is learned from the rows, so nobody has to configure which source carries what.
    pub(super) fn covering_watermark(
        &self,
        silent: usize,
        live: impl Fn(usize) -> Option<EventTime>,
    ) -> Option<EventTime> {
        let own = self.instruments[silent].as_ref()?;
        let others = self.instruments.iter().enumerate().filter(|(other, _)| *other != silent);
        let carrying: Vec<(&HashSet<InstrumentId>, EventTime)> = others
            .filter_map(|(other, known)| known.as_ref().zip(live(other)))
            .filter(|(known, _)| !own.is_disjoint(known))
            .collect();
        let is_covered = |instrument| carrying.iter().any(|(known, _)| known.contains(instrument));
        if !own.iter().all(is_covered) {
            return None;
        }
        carrying.iter().map(|(_, watermark)| *watermark).min()
    }
}
