//! Trades, and their later corrections and cancels.
//!
//! Feeds identify a trade by (instrument, id scope, trade id), corrections and cancels name it so.
//! A [`Record`] is one such event with its [`Origin`]: where it came from, which is what makes any
//! two records comparable without asking when they arrived.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::instrument::{InstrumentId, InstrumentSpec};
use crate::price::{Price, Quantity};
use crate::time::EventTime;

/// A space within which trade ids are unique: hash of a configured name such as `binance-usdm`, or of
/// a source's partition for feeds without ids.
///
/// The highest bit is set if a venue numbers the trades of each instrument without holes in it, so
/// that a hole means that something is missing. The other 31 bits are the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdScope(pub u32);

/// A trade's id within its scope.
///
/// Text ids travel as their 64-bit XXH3; a billion of them collide with a probability of 3 %, and
/// within one instrument's horizon never in practice. The three kinds never equal each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TradeId {
    /// An integer id, as most venues have.
    Number(u64),
    /// A text id, hashed.
    Text(u64),
    /// A feed without ids: the record's position in its partition.
    Position(u64),
}

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

/// Which parts of a candle a trade may update; sale conditions decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Updates(u8);

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
    /// Whether that is the position of the row: then it orders trades of one time, and is no content.
    pub is_positional: bool,
    /// Price at the instrument's scale.
    pub price: Price,
    /// Size at the instrument's scale; zero is legal.
    pub quantity: Quantity,
    /// Aggressor.
    pub side: Side,
    /// What it may change in a candle.
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

/// A source's index in its job's list of sources: 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u8);

/// Where a record came from. Its order decides between otherwise equal records: better (lower)
/// provider rank, then lower source, partition and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The provider's rank, 0 is best.
    pub rank: u8,
    /// The source.
    pub source: SourceId,
    /// The partition within the source.
    pub partition: u32,
    /// The position within the partition; strictly ascending, unique.
    pub position: u64,
}

/// One accepted line, frame or message: its event and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Where it came from.
    pub origin: Origin,
    /// The event.
    pub event: Event,
}

impl IdScope {
    const CONTIGUOUS: u32 = 1 << 31;

    /// The scope of a configured name, whose ids may have holes.
    pub fn of(name: &str) -> IdScope {
        IdScope(xxh3_64(name.as_bytes()) as u32 & !IdScope::CONTIGUOUS)
    }

    /// The scope of this hash whose ids are contiguous integers per instrument, or need not be.
    #[must_use]
    pub const fn contiguous(self, are_contiguous: bool) -> IdScope {
        let hash = self.0 & !IdScope::CONTIGUOUS;
        IdScope(if are_contiguous { hash | IdScope::CONTIGUOUS } else { hash })
    }

    /// Whether its ids are contiguous integers per instrument. This is a bit of the scope, so it travels with each
    /// record and in recordings, and the hot path needs no table.
    pub const fn is_contiguous(self) -> bool {
        self.0 & IdScope::CONTIGUOUS != 0
    }
}

impl TradeId {
    /// The id that a feed writes: a number if it is one in its only spelling, else hashed text.
    ///
    /// ```
    /// use market::TradeId;
    /// assert_eq!(TradeId::of("3535188229"), TradeId::Number(3535188229));
    /// assert!(matches!(TradeId::of("007"), TradeId::Text(_)));
    /// ```
    pub fn of(text: &str) -> TradeId {
        let number = text.parse::<u64>().ok().filter(|_| {
            text == "0" || (!text.starts_with('0') && text.as_bytes()[0].is_ascii_digit())
        });
        number.map_or_else(|| TradeId::Text(xxh3_64(text.as_bytes())), TradeId::Number)
    }
}

impl fmt::Display for TradeId {
    /// Numbers as such, hashed text as `text:<hash>`, positions as `at:<position>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TradeId::Number(id) => write!(f, "{id}"),
            TradeId::Text(hash) => write!(f, "text:{hash:016x}"),
            TradeId::Position(position) => write!(f, "at:{position}"),
        }
    }
}

impl fmt::Debug for TradeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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

impl Updates {
    /// Nothing: the print is known, and a cancel of it too, but no candle shows it.
    pub const NONE: Updates = Updates(0);
    /// Volume, notional and trade count.
    pub const VOLUME: Updates = Updates(1);
    /// High and low.
    pub const HIGH_LOW: Updates = Updates(2);
    /// Open and close.
    pub const OPEN_CLOSE: Updates = Updates(4);
    /// Everything: a regular trade.
    pub const ALL: Updates = Updates(7);

    /// The parts as the lowest three bits.
    pub const fn bits(self) -> u8 {
        self.0 & Updates::ALL.0
    }

    /// The parts that [`Self::bits`] gave; higher bits mean nothing.
    pub const fn of_bits(bits: u8) -> Updates {
        Updates(bits & Updates::ALL.0)
    }

    /// Both sets of parts.
    pub const fn and(self, other: Updates) -> Updates {
        Updates(self.0 | other.0)
    }

    /// The parts that both sets have.
    #[must_use]
    pub const fn common(self, other: Updates) -> Updates {
        Updates(self.0 & other.0)
    }

    /// Whether all of `parts` are among these.
    pub const fn has(self, parts: Updates) -> bool {
        self.0 & parts.0 == parts.0
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_different_kinds_differ() {
        let TradeId::Text(hash) = TradeId::of("A1") else { panic!("A1 is no number") };
        assert_ne!(TradeId::Number(hash), TradeId::Text(hash));
        for text in ["", "00", "+1", "-1", "18446744073709551616", "1.0", " 1"] {
            assert!(matches!(TradeId::of(text), TradeId::Text(_)), "{text:?}");
        }
    }

    #[test]
    fn a_scope_knows_whether_its_ids_have_holes() {
        let scope = IdScope::of("binance");
        let contiguous = scope.contiguous(true);
        assert!(!scope.is_contiguous() && contiguous.is_contiguous());
        assert_ne!(scope, contiguous);
        assert_eq!(scope, contiguous.contiguous(false));
    }

    #[test]
    fn parts_of_a_candle() {
        let official_close = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);
        assert!(Updates::ALL.has(official_close) && !official_close.has(Updates::VOLUME));
        assert!(!Updates::NONE.has(Updates::OPEN_CLOSE));
    }

    proptest! {
        #[test]
        fn every_number_is_its_own_id(id: u64) {
            prop_assert_eq!(TradeId::of(&id.to_string()), TradeId::Number(id));
        }
    }
}
