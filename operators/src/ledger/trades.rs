//! Which ids name one trade, and which version of it survives.
//!
//! A trade is **plain** as long as only copies of one `New` arrive, as most are: it is a
//! row ([`Rows`]). Any other event that names its ids makes it an **amended trade**: corrections join ids, the joined
//! ids are one trade. For each id the ledger keeps the `New` that counts, for each trade the correction that
//! counts and whether it was cancelled: maxima, so no order of arrival and no number of copies changes what
//! survives. An integer above all earlier ones is not looked up, and is found by its [`Runs`]; one
//! [`Index`] finds the others and the ids of amended trades.

use std::collections::BTreeMap;

use market::{EventTime, InstrumentId, Origin, Trade};
use serde::{Deserialize, Serialize};

use super::index::{Hash, Index};
use super::rows::{ROW_NUMBERS, RowNo, Rows};
use super::runs::Runs;
use super::streams::{Id, hash};
use super::version::Version;

/// Names an amended trade (all its ids) within its instrument; never used twice.
pub(super) type TradeNo = u64;

/// Names an id of an amended trade; reused when the trade is forgotten.
pub(super) type IdNo = u32;

/// One id of an amended trade: the trade that it belongs to, and its own `New` with the lowest origin.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot {
    id: Id,
    trade: TradeNo,
    original: Option<Version>,
}

/// One amended trade: what is known of all its ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AmendedTrade {
    ids: Vec<IdNo>,
    correction: Option<Version>,
    cancelled: bool,
    /// The largest event time of any event that names it; before all time if none carried one.
    latest: EventTime,
}

/// The trades of one instrument within the correction horizon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trades {
    pub(super) rows: Rows,
    slots: Vec<Option<Slot>>,
    free: Vec<IdNo>,
    amended_trades: BTreeMap<TradeNo, AmendedTrade>,
    next: TradeNo,
    /// Follows from the others, see [`Trades::restored`].
    #[serde(skip)]
    index: Index,
    /// Follows too. What is in a run need not be in the index.
    #[serde(skip)]
    runs: Runs,
}

/// What there is of an id.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Nothing is known of it, nor of any integer above it.
    Highest,
    /// Nothing is known of it.
    Nothing,
    /// A plain trade.
    Plain(RowNo),
    /// An id of an amended trade.
    Amended(IdNo),
}

/// The result of adding a `New`.
pub(super) enum Added {
    /// No `New` of this id before.
    First,
    /// One that counted so far; it may not count any more.
    Known(Version),
}

impl Trades {
    pub(super) fn new(instrument: InstrumentId) -> Trades {
        Trades {
            rows: Rows::new(instrument),
            slots: Vec::new(),
            free: Vec::new(),
            amended_trades: BTreeMap::new(),
            next: 0,
            index: Index::default(),
            runs: Runs::default(),
        }
    }

    /// Makes what is not saved from what is.
    pub(super) fn restored(&mut self) {
        // Chunk by chunk, in the order of what came first into each.
        let all: Vec<(RowNo, Id)> = self.rows.all().collect();
        let mut chunks: Vec<&[(RowNo, Id)]> = all.chunk_by(|a, b| a.0 >> 8 == b.0 >> 8).collect();
        chunks.sort_by_key(|rows| rows.first().map(|(_, id)| *id));
        for (row, id) in chunks.into_iter().flatten() {
            match self.runs.is_highest(*id) {
                true => self.runs.append(*id, *row, self.rows.end(*row)),
                false => self.enter(*id, *row),
            }
        }
        let ids = (0..).zip(&self.slots);
        let ids = ids.filter_map(|(no, slot)| Some((ROW_NUMBERS + no, slot.as_ref()?.id)));
        for (number, id) in ids.collect::<Vec<_>>() {
            self.runs.is_highest(id);
            self.enter(id, number);
        }
    }

    /// Frees some of the memory of forgotten trades.
    pub(super) fn free_forgotten(&mut self) {
        self.rows.free_forgotten();
        let Trades { rows, runs, .. } = self;
        runs.free_forgotten(|row| rows.end_if_kept(row));
    }

    /// What is known of an id that an event names now.
    pub(super) fn find(&mut self, id: Id) -> Found {
        if self.runs.is_highest(id) { Found::Highest } else { self.look_for(id) }
    }

    /// A number for an unknown id, which names a trade of its own.
    pub(super) fn begin(&mut self, id: Id) -> IdNo {
        let number = self.begin_amended(id, None, EventTime::NEVER);
        self.enter(id, ROW_NUMBERS + number);
        number
    }

    /// Stores a new trade as plain in a chunk that has room; `is_highest` if its id was found
    /// so.
    pub(super) fn add_plain(
        &mut self,
        chunk: u32,
        stream: u16,
        trade: &Trade,
        origin: Origin,
        is_highest: bool,
    ) -> RowNo {
        let (id, row) = ((trade.scope, trade.id), self.rows.add(chunk, stream, trade, origin));
        match is_highest {
            true => self.runs.append(id, row, self.rows.end(row)),
            false => self.enter(id, row),
        }
        row
    }

    /// Promotes a plain trade to an amended one.
    pub(super) fn promote(&mut self, row: RowNo) -> IdNo {
        let version = self.rows.version(row);
        let id = (version.trade.scope, version.trade.id);
        let number = self.begin_amended(id, Some(version), version.trade.time);
        if !self.index.replace(hash(id), row, ROW_NUMBERS + number) {
            self.enter(id, ROW_NUMBERS + number);
        }
        self.rows.let_go(row);
        number
    }

    /// The id of this number.
    pub(super) fn id(&self, id: IdNo) -> Option<Id> {
        self.slot(id).map(|slot| slot.id)
    }

    /// Whether an id names this amended trade.
    pub(super) fn is_of(&self, id: Id, trade: TradeNo) -> bool {
        let ids = self.amended_trades.get(&trade).map_or(&[][..], |entry| &entry.ids);
        ids.iter().any(|number| self.id(*number) == Some(id))
    }

    /// The amended that an id belongs to.
    pub(super) fn trade_of(&self, id: IdNo) -> TradeNo {
        // Numbers that are not given out belong to none.
        self.slot(id).map_or(TradeNo::MAX, |slot| slot.trade)
    }

    /// Takes a `New` of an id.
    pub(super) fn add_original(&mut self, id: IdNo, version: Version) -> Added {
        let Some(Some(slot)) = self.slots.get_mut(id as usize) else {
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

    /// The `New` of an id that counts.
    pub(super) fn original(&self, id: IdNo) -> Option<&Version> {
        self.slot(id).and_then(|slot| slot.original.as_ref())
    }

    /// Takes a correction of `trade`: the strongest counts, see [`market::Trade::outranks`].
    pub(super) fn correct(&mut self, trade: TradeNo, version: Version) {
        let Some(entry) = self.amended_trades.get_mut(&trade) else {
            return;
        };
        entry.correction = Some(entry.correction.map_or(version, |known| stronger(known, version)));
    }

    /// Takes a cancel of `trade`.
    pub(super) fn cancel(&mut self, trade: TradeNo) {
        if let Some(entry) = self.amended_trades.get_mut(&trade) {
            entry.cancelled = true;
        }
    }

    /// Joins two trades and returns the number of the result: the smaller one's ids move.
    pub(super) fn join(&mut self, a: TradeNo, b: TradeNo) -> TradeNo {
        let ids = |trade| {
            self.amended_trades.get(&trade).map_or(0, |entry: &AmendedTrade| entry.ids.len())
        };
        let (kept, gone) = if ids(a) >= ids(b) { (a, b) } else { (b, a) };
        if kept == gone {
            return kept;
        }
        let Some(AmendedTrade { ids, correction, cancelled, latest }) =
            self.amended_trades.remove(&gone)
        else {
            return kept;
        };
        for id in &ids {
            if let Some(Some(slot)) = self.slots.get_mut(*id as usize) {
                slot.trade = kept;
            }
        }
        if let Some(entry) = self.amended_trades.get_mut(&kept) {
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
    pub(super) fn is_matched(&self, trade: TradeNo) -> bool {
        self.amended_trades
            .get(&trade)
            .is_some_and(|entry| entry.ids.iter().any(|id| self.original(*id).is_some()))
    }

    /// What survives of `trade`.
    pub(super) fn survivor(&self, trade: TradeNo) -> Option<Trade> {
        let entry = self.amended_trades.get(&trade)?;
        if entry.cancelled {
            return None;
        }
        let originals = entry.ids.iter().filter_map(|id| self.original(*id));
        let original = originals.min_by_key(|version| version.origin)?;
        Some(entry.correction.as_ref().unwrap_or(original).trade)
    }

    /// Whether what survives of `trade`, if anything does, is a correction.
    pub(super) fn is_corrected(&self, trade: TradeNo) -> bool {
        self.amended_trades.get(&trade).is_some_and(|entry| entry.correction.is_some())
    }

    /// Notes that an event that names `trade` carries `time`; returns its latest time.
    pub(super) fn extend_latest(&mut self, trade: TradeNo, time: EventTime) -> Option<EventTime> {
        let entry = self.amended_trades.get_mut(&trade)?;
        entry.latest = entry.latest.max(time);
        Some(entry.latest)
    }

    /// The largest event time of any event that names `trade`; none if it is not known (any more).
    pub(super) fn latest(&self, trade: TradeNo) -> Option<EventTime> {
        self.amended_trades.get(&trade).map(|entry| entry.latest)
    }

    /// Forgets an amended trade and all its ids.
    pub(super) fn forget(&mut self, trade: TradeNo) {
        let Some(entry) = self.amended_trades.remove(&trade) else {
            return;
        };
        for id in entry.ids {
            self.slots[id as usize] = None;
            self.free.push(id);
        }
    }

    /// How many ids belong to amended trades.
    pub(super) fn ids(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// About how many bytes they retain.
    pub(super) fn bytes(&self) -> usize {
        // A B-tree's nodes are two thirds full on average.
        self.rows.bytes()
            + self.index.bytes()
            + self.runs.bytes()
            + self.slots.capacity() * size_of::<Option<Slot>>()
            + self.free.capacity() * size_of::<IdNo>()
            + self.amended_trades.len()
                * (size_of::<(TradeNo, AmendedTrade)>() * 3 / 2 + size_of::<[IdNo; 4]>())
    }

    fn slot(&self, id: IdNo) -> Option<&Slot> {
        self.slots.get(id as usize)?.as_ref()
    }

    fn look_for(&self, id: Id) -> Found {
        let in_run =
            self.runs.find(id, |row| self.rows.end_if_kept(row), |row| self.rows.number_in(row));
        if let Some(row) = in_run.filter(|row| self.rows.is(*row, id)) {
            return Found::Plain(row);
        }
        let number = self.index.find(hash(id), |number| match number.checked_sub(ROW_NUMBERS) {
            None => self.rows.is(number, id),
            Some(no) => self.slot(no).is_some_and(|slot| slot.id == id),
        });
        match number {
            None => Found::Nothing,
            Some(number) => match number.checked_sub(ROW_NUMBERS) {
                None => Found::Plain(number),
                Some(no) => Found::Amended(no),
            },
        }
    }

    fn enter(&mut self, id: Id, number: u32) {
        let Trades { index, rows, slots, .. } = self;
        let hash_of = |number: u32| -> Option<Hash> {
            match number.checked_sub(ROW_NUMBERS) {
                None => rows.hash(number),
                Some(no) => slots.get(no as usize)?.as_ref().map(|slot| hash(slot.id)),
            }
        };
        index.insert(hash(id), number, hash_of);
    }

    fn begin_amended(&mut self, id: Id, original: Option<Version>, latest: EventTime) -> IdNo {
        let trade = self.next;
        self.next += 1;
        let slot = Some(Slot { id, trade, original });
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as IdNo
            }
        };
        let entry = AmendedTrade { ids: vec![number], correction: None, cancelled: false, latest };
        self.amended_trades.insert(trade, entry);
        number
    }
}

/// Of two corrections the one that counts.
fn stronger(a: Version, b: Version) -> Version {
    if b.trade.outranks(b.origin, (&a.trade, a.origin)) { b } else { a }
}
