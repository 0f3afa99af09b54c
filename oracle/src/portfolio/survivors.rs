//! Which records count: section *Records*.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use market::{
    AccountEvent, AccountRecord, EventTime, FairValue, Fill, FillRef, InstrumentId, ModelId,
    Origin, PortfolioId, Side, Target,
};

/// The records of one fill.
#[derive(Clone, Debug, Default)]
pub(super) struct Sayings {
    /// Its `Fill`s, the lowest origin first.
    pub(super) fills: Vec<(Origin, Fill)>,
    /// Its `Correct`s.
    corrections: Vec<(Origin, Fill)>,
    /// Whether there is a `Bust`.
    busted: bool,
}

/// The surviving fills, in the order of (time, sequence, origin) within a portfolio.
pub(super) fn fills(records: &[AccountRecord], ids_by_side: bool) -> Vec<Fill> {
    let all = by_fill(records, ids_by_side);
    let mut fills: Vec<(u64, Origin, Fill)> = all
        .values()
        .filter_map(|sayings| {
            let (origin, first) = sayings.fills.first()?;
            Some((first.sequence, *origin, sayings.survivor()?))
        })
        .collect();
    fills.sort_by_key(|(sequence, origin, fill)| {
        (fill.name.portfolio, fill.time, *sequence, *origin)
    });
    fills.into_iter().map(|(_, _, fill)| fill).collect()
}

/// The targets that count, without those taken back.
pub(super) fn targets(
    records: &[AccountRecord],
) -> BTreeMap<(PortfolioId, InstrumentId), (Target, i64)> {
    let values = records.iter().filter_map(|record| match record.event {
        AccountEvent::Target(target) => {
            Some(((target.portfolio, target.instrument), (record.origin, target.time, target)))
        }
        _ => None,
    });
    let latest = latest(values).into_iter();
    latest.filter_map(|(key, target)| Some((key, (target, target.weight?)))).collect()
}

/// The fair values that count, also those taken back.
pub(super) fn fairs(records: &[AccountRecord]) -> BTreeMap<(InstrumentId, ModelId), FairValue> {
    latest(records.iter().filter_map(|record| match record.event {
        AccountEvent::Fair(fair) => {
            Some(((fair.instrument, fair.model), (record.origin, fair.time, fair)))
        }
        _ => None,
    }))
}

/// A fill: its name and, where what was bought and what was sold are two, its side.
pub(super) type FillName = (FillRef, Option<Side>);

/// The records of each fill of which there is a `Fill`.
pub(super) fn by_fill(records: &[AccountRecord], ids_by_side: bool) -> BTreeMap<FillName, Sayings> {
    let mut all: BTreeMap<FillName, Sayings> = BTreeMap::new();
    let side = |fill: &Fill| ids_by_side.then(|| fill.side());
    for record in records {
        if let AccountEvent::Fill(fill) = &record.event {
            all.entry((fill.name, side(fill))).or_default().fills.push((record.origin, *fill));
        }
    }
    for AccountRecord { origin, event } in records {
        let (name, told) = match event {
            AccountEvent::Correct(with) => (with.name, side(with)),
            AccountEvent::Bust { of, side, .. } => {
                (*of, Some(*side).filter(|side| ids_by_side && *side != Side::Unknown))
            }
            _ => continue,
        };
        let known: Vec<FillName> = all.range(of(name)).map(|(fill, _)| *fill).collect();
        let is_meant = |(_, side): &&FillName| told.is_none() || *side == told || known.len() == 1;
        for fill in known.iter().filter(is_meant) {
            let Some(sayings) = all.get_mut(fill) else { continue };
            match event {
                AccountEvent::Correct(with) => sayings.corrections.push((*origin, *with)),
                _ => sayings.busted = true,
            }
        }
    }
    for sayings in all.values_mut() {
        sayings.fills.sort();
    }
    all
}

/// The fills of this name.
pub(super) fn of(name: FillRef) -> RangeInclusive<FillName> {
    (name, None)..=(name, Some(Side::Sell))
}

/// The fill that an event speaks of, if it speaks of one.
pub(super) fn fill_of(event: &AccountEvent) -> Option<FillRef> {
    match event {
        AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => Some(fill.name),
        AccountEvent::Bust { of, .. } => Some(*of),
        AccountEvent::Target(_) | AccountEvent::Fair(_) => None,
    }
}

impl Sayings {
    /// The `Fill` that is kept.
    pub(super) fn kept(&self) -> Option<Fill> {
        self.fills.first().map(|(_, fill)| *fill)
    }

    /// The contents that disagree with the one that is kept, each once.
    pub(super) fn dropped(&self) -> BTreeSet<Fill> {
        let all = self.fills.iter().map(|(_, fill)| *fill);
        all.filter(|fill| Some(*fill) != self.kept()).collect()
    }

    /// What survives.
    fn survivor(&self) -> Option<Fill> {
        let kept = self.kept()?;
        if self.busted {
            return None;
        }
        let rank = |(origin, fill): &&(Origin, Fill)| (Reverse(fill.sequence), *origin);
        let correction = self.corrections.iter().min_by_key(rank);
        Some(correction.map_or(kept, |(_, fill)| *fill))
    }
}

/// Of each key the value at the latest time, then at the highest position, then by the lowest
/// origin.
fn latest<K: Ord, V: Copy>(
    values: impl Iterator<Item = (K, (Origin, EventTime, V))>,
) -> BTreeMap<K, V> {
    let mut by_key: BTreeMap<K, Vec<(Origin, EventTime, V)>> = BTreeMap::new();
    for (key, value) in values {
        by_key.entry(key).or_default().push(value);
    }
    let counts = |sayings: Vec<(Origin, EventTime, V)>| {
        let rank = |(origin, time, _): &&(Origin, EventTime, V)| {
            (Reverse(*time), Reverse(origin.position), *origin)
        };
        sayings.iter().min_by_key(rank).map(|(_, _, value)| *value)
    };
    by_key.into_iter().filter_map(|(key, sayings)| Some((key, counts(sayings)?))).collect()
}
