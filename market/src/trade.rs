//! Trades, and their later corrections and cancels.
//!
//! Feeds identify a trade by (instrument, id scope, trade id), corrections and cancels name it so.
//! A [`Record`] is one such event with its [`Origin`]: where it came from, which is what makes any
//! two records comparable without asking when they arrived.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::contract::InstrumentSpec;
use crate::id::{IdScope, InstrumentId, Origin, TradeId};
use crate::price::{Price, Quantity};
use crate::time::EventTime;
use crate::updates::Updates;

/// Who took liquidity.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Side {
    /// The feed does not report it.
    #[default]
    Unknown,
    /// A buyer took an offer.
    Buy,
    /// A seller hit a bid.
    Sell,
}

/// One trade as a venue reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trade {
    /// What was traded.
    pub instrument: InstrumentId,
    /// Scales and calendar of the instrument.
    pub spec: InstrumentSpec,
    /// The space of its id.
    pub scope: IdScope,
    /// Its id.
    pub id: TradeId,
    /// When it happened, by the venue's clock.
    pub time: EventTime,
    /// Order within one time: the venue's sequence, else the integer id, else the position.
    pub sequence: u64,
    /// Whether that is the position of the row: then it orders trades of one time, and is no content. Of a correction:
    /// whether its source sends no sequence, so that its place says which correction counts.
    pub is_positional: bool,
    /// Price at the instrument's scale.
    pub price: Price,
    /// Size at the instrument's scale; what a size of zero means is in `updates`.
    pub quantity: Quantity,
    /// Aggressor.
    pub side: Side,
    /// What it may change in a candle, and of which session.
    pub updates: Updates,
}

/// Names a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TradeRef {
    /// What was traded. Corrections and cancels name it too; none may move a trade to another.
    pub instrument: InstrumentId,
    /// The space of its id.
    pub scope: IdScope,
    /// Its id.
    pub id: TradeId,
}

/// What a record reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// A trade happened.
    New(Trade),
    /// The trade `of` was really `with`, which may carry a new id: then both ids name the one trade.
    Correct {
        /// The trade as known so far.
        of: TradeRef,
        /// What it is now; same instrument.
        with: Trade,
    },
    /// The trade `of` did not happen.
    Cancel {
        /// The trade.
        of: TradeRef,
        /// When the venue reported it, if known.
        time: Option<EventTime>,
    },
}

/// One accepted line, frame or message: its event and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Where it came from.
    pub origin: Origin,
    /// The event.
    pub event: Event,
}

impl Side {
    /// The names of all.
    pub const NAMES: [&'static str; 3] =
        [Side::Buy.name(), Side::Sell.name(), Side::Unknown.name()];

    /// `buy`, `sell` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
            Side::Unknown => "unknown",
        }
    }
}

impl Trade {
    /// The content that its source reported. Copies of one trade have the same content, wherever they lie in their
    /// partitions: the position that orders a trade without a sequence is left out.
    ///
    /// ```
    /// # use market::*;
    /// let first = Trade {
    ///     instrument: InstrumentId::of("x:A"), spec: InstrumentSpec::DEFAULT,
    ///     scope: IdScope::of("x"), id: TradeId::of("t-1"), time: EventTime(1), sequence: 7, is_positional: true,
    ///     price: Price(1), quantity: Quantity(1), side: Side::Unknown, updates: Updates::ALL,
    /// };
    /// let copy = Trade { sequence: 9, ..first };
    /// assert!(copy != first && copy.content() == first.content());
    /// let other = Trade { is_positional: false, ..first };
    /// assert!(other.content() != first.content());
    /// ```
    #[must_use]
    pub fn content(&self) -> Trade {
        let sequence = if self.is_positional { 0 } else { self.sequence };
        Trade { sequence, ..*self }
    }

    /// Whether this correction, which came from `origin`, counts more than `other`: one with a sequence more than one
    /// without, then the higher sequence, then the lower origin; but without sequences, of one partition the later.
    ///
    /// ```
    /// # use market::*;
    /// # let trade = Trade {
    /// #     instrument: InstrumentId::of("x:A"), spec: InstrumentSpec::DEFAULT,
    /// #     scope: IdScope::of("x"), id: TradeId::of("1"), time: EventTime(1), sequence: 7, is_positional: true,
    /// #     price: Price(1), quantity: Quantity(1), side: Side::Unknown, updates: Updates::ALL,
    /// # };
    /// let origin = |rank, position| Origin {
    ///     rank, order: NameOrder(0), source: SourceId(0), partition: PartitionId(0), position,
    /// };
    /// assert!(trade.outranks(origin(0, 6), (&trade, origin(0, 5))), "the later of two");
    /// assert!(trade.outranks(origin(0, 5), (&trade, origin(1, 6))), "the better provider");
    /// let sent = Trade { is_positional: false, ..trade };
    /// assert!(sent.outranks(origin(1, 5), (&trade, origin(0, 6))), "what has a sequence");
    /// assert!(sent.outranks(origin(0, 5), (&sent, origin(0, 6))), "the first that said so");
    /// ```
    pub fn outranks(&self, origin: Origin, (other, at): (&Trade, Origin)) -> bool {
        let sent = |trade: &Trade| (!trade.is_positional).then_some(trade.sequence);
        let stream = |origin: Origin| Origin { position: 0, ..origin };
        match sent(self).cmp(&sent(other)).then(stream(at).cmp(&stream(origin))) {
            Ordering::Equal if self.is_positional => origin.position > at.position,
            Ordering::Equal => origin.position < at.position,
            decided => decided.is_gt(),
        }
    }

    /// The name of this trade.
    pub fn name(&self) -> TradeRef {
        TradeRef { instrument: self.instrument, scope: self.scope, id: self.id }
    }
}

impl Event {
    /// The instrument that the event speaks of.
    pub fn instrument(&self) -> InstrumentId {
        match self {
            Event::New(trade) => trade.instrument,
            Event::Correct { of, .. } | Event::Cancel { of, .. } => of.instrument,
        }
    }

    /// The event time that this event carries, if any.
    pub fn time(&self) -> Option<EventTime> {
        match self {
            Event::New(trade) | Event::Correct { with: trade, .. } => Some(trade.time),
            Event::Cancel { time, .. } => *time,
        }
    }
}
