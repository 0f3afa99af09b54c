//! Which ids name one trade, and which version of it survives.
//!
//! Corrections join ids; the joined ids are one trade. For each id the ledger keeps the `New` that counts, for
//! each trade the correction that counts and whether it was cancelled: maxima, so no order of arrival
//! and no number of copies changes what survives.

use std::collections::{BTreeMap, HashMap};

use market::{EventTime, IdScope, Origin, Trade, TradeId};
use serde::{Deserialize, Serialize};

/// A trade's id within its instrument.
pub(in crate::ledger) type Id = (IdScope, TradeId);

/// Names a trade (all its ids) within its instrument; never used twice.
pub(in crate::ledger) type TradeNo = u64;

/// One reported version of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ledger) struct Version {
    pub(in crate::ledger) trade: Trade,
    pub(in crate::ledger) origin: Origin,
}

/// One id: the trade that it belongs to, and its own `New` with the lowest origin.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot {
    trade: TradeNo,
    original: Option<Version>,
}

/// One trade: what is known of all its ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TradeEntry {
    ids: Vec<Id>,
    correction: Option<Version>,
    cancelled: bool,
    /// The largest event time of any event that names it; before all time if none carried one.
    latest: EventTime,
}

/// The trades of one instrument within the correction horizon.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::ledger) struct Trades {
    slots: HashMap<Id, Slot>,
    entries: BTreeMap<TradeNo, TradeEntry>,
    next: TradeNo,
}

/// What survives of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Surviving {
    /// The `New` with the lowest origin.
    pub(in crate::ledger) original: Version,
    /// The correction that counts, else the `New`.
    pub(in crate::ledger) version: Version,
}

/// The result of adding a `New`.
pub(in crate::ledger) enum Added {
    /// No `New` of this id before.
    First,
    /// One that counted so far; it may not count any more.
    Known(Version),
}

impl Trades {
    /// The trade that `id` belongs to; a new one if the id is unknown.
    pub(in crate::ledger) fn trade_of(&mut self, id: Id) -> TradeNo {
        if let Some(slot) = self.slots.get(&id) {
            return slot.trade;
        }
        let trade = self.next;
        self.next += 1;
        self.slots.insert(id, Slot { trade, original: None });
        let latest = EventTime::NEVER;
        self.entries.insert(
            trade,
            TradeEntry { ids: vec![id], correction: None, cancelled: false, latest },
        );
        trade
    }

    /// Takes a `New` of `id`, which must be known.
    pub(in crate::ledger) fn add_original(&mut self, id: Id, version: Version) -> Added {
        let Some(slot) = self.slots.get_mut(&id) else {
            return Added::First;
        };
        match &mut slot.original {
            None => {
                slot.original = Some(version);
                Added::First
            }
            Some(known) => {
                let known_before = *known;
                if version.origin < known.origin {
                    *known = version;
                }
                Added::Known(known_before)
            }
        }
    }

    /// The `New` of `id` that counts.
    pub(in crate::ledger) fn original(&self, id: Id) -> Option<&Version> {
        self.slots.get(&id).and_then(|slot| slot.original.as_ref())
    }

    /// Takes a correction of `trade`: higher sequence counts, then lower origin; without sequences the later of a
    /// partition.
    pub(in crate::ledger) fn correct(&mut self, trade: TradeNo, version: Version) {
        let Some(entry) = self.entries.get_mut(&trade) else {
            return;
        };
        entry.correction = Some(entry.correction.map_or(version, |known| stronger(known, version)));
    }

    /// Takes a cancel of `trade`.
    pub(in crate::ledger) fn cancel(&mut self, trade: TradeNo) {
        if let Some(entry) = self.entries.get_mut(&trade) {
            entry.cancelled = true;
        }
    }

    /// Joins two trades and returns the number of the result: the smaller one's ids move.
    pub(in crate::ledger) fn join(&mut self, a: TradeNo, b: TradeNo) -> TradeNo {
        let ids = |trade| self.entries.get(&trade).map_or(0, |entry: &TradeEntry| entry.ids.len());
        let (kept, gone) = if ids(a) >= ids(b) { (a, b) } else { (b, a) };
        if kept == gone {
            return kept;
        }
        let Some(TradeEntry { ids, correction, cancelled, latest }) = self.entries.remove(&gone)
        else {
            return kept;
        };
        for id in &ids {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.trade = kept;
            }
        }
        if let Some(entry) = self.entries.get_mut(&kept) {
            entry.ids.extend(ids);
            entry.cancelled |= cancelled;
            entry.latest = entry.latest.max(latest);
        }
        if let Some(version) = correction {
            self.correct(kept, version);
        }
        kept
    }

    /// Whether a `New` of any of the trade's ids is known.
    pub(in crate::ledger) fn is_matched(&self, trade: TradeNo) -> bool {
        self.entries
            .get(&trade)
            .is_some_and(|entry| entry.ids.iter().any(|id| self.original(*id).is_some()))
    }

    /// What survives of `trade`.
    pub(in crate::ledger) fn survivor(&self, trade: TradeNo) -> Option<Trade> {
        self.surviving(trade).map(|Surviving { version, .. }| version.trade)
    }

    /// The same with where it came from.
    pub(in crate::ledger) fn surviving(&self, trade: TradeNo) -> Option<Surviving> {
        let entry = self.entries.get(&trade)?;
        if entry.cancelled {
            return None;
        }
        let originals = entry.ids.iter().filter_map(|id| self.original(*id));
        let original = *originals.min_by_key(|version| version.origin)?;
        Some(Surviving { original, version: entry.correction.unwrap_or(original) })
    }

    /// Whether what survives of `trade`, if anything does, is a correction.
    pub(in crate::ledger) fn is_corrected(&self, trade: TradeNo) -> bool {
        self.entries.get(&trade).is_some_and(|entry| entry.correction.is_some())
    }

    /// Notes that an event that names `trade` carries `time`; returns its latest time.
    pub(in crate::ledger) fn extend_latest(
        &mut self,
        trade: TradeNo,
        time: EventTime,
    ) -> Option<EventTime> {
        let entry = self.entries.get_mut(&trade)?;
        entry.latest = entry.latest.max(time);
        Some(entry.latest)
    }

    /// Whether an id names this trade.
    pub(in crate::ledger) fn is_of(&self, id: Id, trade: TradeNo) -> bool {
        self.entries.get(&trade).is_some_and(|entry| entry.ids.contains(&id))
    }

    /// The largest event time of any event that names `trade`; none if it is not known (any more).
    pub(in crate::ledger) fn latest(&self, trade: TradeNo) -> Option<EventTime> {
        self.entries.get(&trade).map(|entry| entry.latest)
    }

    /// Forgets a trade and all its ids.
    pub(in crate::ledger) fn forget(&mut self, trade: TradeNo) {
        let Some(entry) = self.entries.remove(&trade) else {
            return;
        };
        for id in entry.ids {
            self.slots.remove(&id);
        }
    }

    /// How many ids are known, tombstones included.
    pub(in crate::ledger) fn len(&self) -> usize {
        self.slots.len()
    }

    /// About how many bytes one id with its trade takes.
    pub(in crate::ledger) const BYTES_PER_ID: usize = size_of::<(Id, Slot)>() * 8 / 7
        + size_of::<(TradeNo, TradeEntry)>() * 11 / 8
        + size_of::<Id>();
}

/// Of two corrections the one that counts.
fn stronger(a: Version, b: Version) -> Version {
    use std::cmp::Reverse;
    let rank = |v: &Version| {
        let sequence = (!v.trade.is_positional).then_some(v.trade.sequence);
        let position = v.origin.position;
        let place = if v.trade.is_positional { position } else { !position };
        (sequence, Reverse(Origin { position: 0, ..v.origin }), place)
    };
    if rank(&b) > rank(&a) { b } else { a }
}
