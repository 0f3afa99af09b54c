//! What survives of a set of records: section *Trades and what survives*, and nothing that depends on
//! when a record came.
//!
//! This is the whole truth about values if nothing is ever refused or forgotten, that is, if both
//! horizons are `forever`: then commits and their order do not matter.

use std::collections::{BTreeMap, BTreeSet};

use market::{Bar, Calendars, CandleKey, Event, Origin, Record, Timeframe, Trade, TradeRef};

use crate::values;

/// One trade in the sense of the definition: ids joined by corrections, and every record that names
/// one of them.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Its ids, in order.
    pub ids: BTreeSet<TradeRef>,
    /// The records that name them, in the order given.
    pub records: Vec<Record>,
}

/// The surviving trades of `records`, all of them taken as accepted; sorted.
pub fn survivors(records: &[Record]) -> Vec<Trade> {
    let mut trades: Vec<Trade> = joined(records).iter().filter_map(Joined::survivor).collect();
    trades.sort();
    trades
}

/// The bars of `timeframes` that `records` make, all of them taken as accepted.
pub fn value_bars(
    records: &[Record],
    timeframes: &[Timeframe],
    calendars: &Calendars,
) -> BTreeMap<CandleKey, Bar> {
    let trades = survivors(records);
    timeframes.iter().flat_map(|timeframe| values::bars(&trades, *timeframe, calendars)).collect()
}

/// `records` by the trade that they speak of. A reference carries its instrument, so trades of
/// different instruments stay apart.
///
/// Every id starts alone, under its own name. Each correction gives both its ids the lesser name of
/// the two, over and over until none changes one.
pub fn joined(records: &[Record]) -> Vec<Joined> {
    let mut name: BTreeMap<TradeRef, TradeRef> = BTreeMap::new();
    for record in records {
        for id in ids(&record.event) {
            name.insert(id, id);
        }
    }
    loop {
        let before = name.clone();
        for record in records {
            let ids = ids(&record.event);
            if let Some(least) = ids.iter().map(|id| name[id]).min() {
                name.extend(ids.iter().map(|id| (*id, least)));
            }
        }
        if name == before {
            break;
        }
    }

    let mut trades: BTreeMap<TradeRef, Joined> = BTreeMap::new();
    for (id, name) in &name {
        let empty = || Joined { ids: BTreeSet::new(), records: Vec::new() };
        let trade = trades.entry(*name).or_insert_with(empty);
        trade.ids.insert(*id);
    }
    for record in records {
        // All ids of a record have one name.
        let name = ids(&record.event).first().map(|id| name[id]);
        if let Some(trade) = name.and_then(|name| trades.get_mut(&name)) {
            trade.records.push(*record);
        }
    }
    trades.into_values().collect()
}

/// The ids that an event names: one, or two for a correction.
fn ids(event: &Event) -> Vec<TradeRef> {
    match event {
        Event::New(trade) => vec![trade.name()],
        Event::Correct { of, with } => vec![*of, with.name()],
        Event::Cancel { of, .. } => vec![*of],
    }
}

impl Joined {
    /// Whether a `New` of one of its ids is there.
    pub fn matched(&self) -> bool {
        self.records.iter().any(|r| matches!(r.event, Event::New(_)))
    }

    /// What survives of it.
    pub fn survivor(&self) -> Option<Trade> {
        if !self.matched() || self.cancelled() {
            return None;
        }
        self.highest_correction().or_else(|| self.best_original())
    }

    /// Whether what survives of it, if anything does, is a correction.
    pub fn corrected(&self) -> bool {
        self.highest_correction().is_some()
    }

    fn cancelled(&self) -> bool {
        self.records.iter().any(|r| matches!(r.event, Event::Cancel { .. }))
    }

    /// The one with the highest sequence, then the lowest origin. Those without a sequence come after all others, and
    /// of these the last of the lowest partition counts.
    fn highest_correction(&self) -> Option<Trade> {
        let corrections: Vec<_> = self
            .records
            .iter()
            .filter_map(|r| match r.event {
                Event::Correct { with, .. } => Some((r.origin, with)),
                Event::New(_) | Event::Cancel { .. } => None,
            })
            .collect();
        let (placed, mut numbered): (Vec<_>, Vec<_>) =
            corrections.into_iter().partition(|(_, with)| with.is_positional);
        numbered.sort_by_key(|(origin, with)| (std::cmp::Reverse(with.sequence), *origin));
        if let Some((_, with)) = numbered.first() {
            return Some(*with);
        }
        let partition =
            |origin: &Origin| (origin.rank, origin.order, origin.source, origin.partition);
        let lowest = placed.iter().map(|(origin, _)| partition(origin)).min()?;
        let own = placed.iter().filter(|(origin, _)| partition(origin) == lowest);
        own.max_by_key(|(origin, _)| origin.position).map(|(_, with)| *with)
    }

    /// The `New` with the lowest origin.
    fn best_original(&self) -> Option<Trade> {
        let originals = self.records.iter().filter_map(|r| match r.event {
            Event::New(trade) => Some((r.origin, trade)),
            Event::Correct { .. } | Event::Cancel { .. } => None,
        });
        originals.min().map(|(_, trade)| trade)
    }
}
