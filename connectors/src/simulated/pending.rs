//! Pending events of a venue: trades, and their amendments after they were emitted.

use std::collections::VecDeque;

use market::{Event, EventTime, Trade, TradeId};

/// Something that will be emitted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PendingEvent {
    /// A trade.
    New(Trade),
    /// What becomes of a trade.
    Amend(Amendments),
}

/// What becomes of a trade of one market, the next thing first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amendments {
    pub(super) market: usize,
    /// As it was last emitted.
    pub(super) trade: Trade,
    pub(super) coming: VecDeque<Amendment>,
}

/// One thing that becomes of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amendment {
    pub(super) at: i64,
    /// By how much its price changes, and whether it gets a new id; none: it is cancelled.
    pub(super) change: Option<(i64, bool)>,
}

impl Amendments {
    /// When the next one is emitted.
    pub(super) fn at(&self) -> Option<i64> {
        self.coming.front().map(|amendment| amendment.at)
    }

    /// The next one. A new id is given only now: given with the trade, it would be a gap for seconds.
    pub(super) fn emit(&mut self, new_id: impl FnOnce() -> TradeId) -> Option<Event> {
        let Amendment { at, change } = self.coming.pop_front()?;
        let of = self.trade.name();
        let Some((away, is_renamed)) = change else {
            return Some(Event::Cancel { of, time: Some(micros(at)) });
        };
        if is_renamed {
            self.trade.id = new_id();
        }
        self.trade.price.0 += away;
        Some(Event::Correct { of, with: self.trade })
    }
}

/// The venue's clock shows whole microseconds.
pub(super) fn micros(ns: i64) -> EventTime {
    EventTime(ns - ns.rem_euclid(1_000))
}
