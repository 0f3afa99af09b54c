//! Plain ids: what names an instrument, a portfolio, a trade, a source, eight bytes or less each.
//!
//! Instruments, portfolios, models and id scopes are known by hashes of their names. So their ids are the same in every
//! process, after every restart and with every configuration.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// XXH3-64 of an instrument's name. Two names with one id are refused by the [`crate::Catalog`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstrumentId(pub u64);

/// One of 256 fixed parts of the instruments. Fixed for the life of the data: a worker owns shards
/// (`shard % workers`), and saved state is kept per shard, so any number of workers can restore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard(pub u8);

/// XXH3-64 of a portfolio's name. Its top byte is its shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortfolioId(pub u64);

/// XXH3-64 of the name of a way to find fair values: a client's, or a rule's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(pub u64);

/// A space within which trade ids are unique: hash of a configured name such as `binance-usdm`, or of
/// a source's partition for feeds without ids.
///
/// The highest bit is set if a venue numbers the trades of each instrument without holes in it, so
/// that a hole means that something is missing. The other 31 bits are the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdScope(pub u32);

/// A trade's id within its scope.
///
/// Text ids travel as their 64-bit XXH3; a billion of them collide with a probability of 3 %. Their texts are kept
/// beside ([`crate::IdTexts`]), so that two that collide are noticed. The kinds never equal each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TradeId {
    /// An integer id, as most venues have.
    Number(u64),
    /// A text id, hashed.
    Text(u64),
    /// A feed without ids: the record's position in its partition.
    Position(u64),
    /// An integer id that its venue may use again on another day: both in one number, see [`TradeId::of_day`].
    OfDay(u64),
}

/// A source, by the number that the job's registry of sources gave to its name: 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u8);

/// A partition of a source, by the number that the job's registry gave to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId(pub u16);

/// A rule, by the number that the job's registry of rules gave to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub u16);

/// A number of an indicator that rules refer to, such as `macd12_26_9.signal`, by the number that the job's registry gave
/// to this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesId(pub u16);

/// A calendar, by the number that the job's registry of calendars gave to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CalendarId(pub u8);

/// Where the name of a source stands among the names of all sources that its job has had, in the order of their bytes.
/// The job's registry gives it, and it never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameOrder(pub u32);

/// Where a record came from. Its order decides between otherwise equal records: better (lower) provider rank, then the
/// name of the source, then lower partition and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The provider's rank, 0 is best.
    pub rank: u8,
    /// The place of the source's name in the order of names: it decides, and not the number of the source, which says
    /// when the name was first configured.
    pub order: NameOrder,
    /// The source.
    pub source: SourceId,
    /// The partition within the source.
    pub partition: PartitionId,
    /// The position within the partition; strictly ascending, unique.
    pub position: u64,
}

impl InstrumentId {
    /// The id of a name.
    pub fn of(name: &str) -> InstrumentId {
        InstrumentId(xxh3_64(name.as_bytes()))
    }

    /// The shard that owns this instrument.
    pub fn shard(self) -> Shard {
        Shard((self.0 >> 56) as u8)
    }
}

impl Shard {
    /// How many shards there are.
    pub const COUNT: usize = 256;

    /// The worker that owns this shard among `peers`.
    pub fn worker(self, peers: usize) -> usize {
        usize::from(self.0) % peers
    }
}

impl PortfolioId {
    /// The id of a name.
    pub fn of(name: &str) -> PortfolioId {
        PortfolioId(xxh3_64(name.as_bytes()))
    }

    /// The shard that owns this portfolio.
    pub fn shard(self) -> Shard {
        Shard((self.0 >> 56) as u8)
    }
}

impl ModelId {
    /// The id of a name.
    pub fn of(name: &str) -> ModelId {
        ModelId(xxh3_64(name.as_bytes()))
    }
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

    /// The id that is this number on this day (since 1970); none if they do not fit: the years are those that event times
    /// may have, and the number must be below 2⁴⁶.
    ///
    /// ```
    /// use market::TradeId;
    /// let [one, other] = [18_687, 18_688].map(|day| TradeId::of_day(day, 500_003).unwrap());
    /// assert!(one != other && one.integer() == other.integer());
    /// assert_eq!(one.to_string(), "500003");
    /// assert_eq!(TradeId::of_day(18_687, 1 << 46), None);
    /// ```
    pub fn of_day(day: i64, number: u64) -> Option<TradeId> {
        let day = u64::try_from(day.checked_add(TradeId::DAYS_BEFORE_1970)?).ok()?;
        let fits = day < 1 << (64 - TradeId::BITS) && number < 1 << TradeId::BITS;
        fits.then_some(TradeId::OfDay(day << TradeId::BITS | number))
    }

    /// The number that its venue gave it, if it gave one: ids of one space follow each other by it.
    pub const fn integer(self) -> Option<u64> {
        match self {
            TradeId::Number(number) => Some(number),
            TradeId::OfDay(packed) => Some(packed & ((1 << TradeId::BITS) - 1)),
            TradeId::Text(_) | TradeId::Position(_) => None,
        }
    }

    /// Bits of the number of an id of a day.
    const BITS: u32 = 46;
    /// More than there are from 1700 on.
    const DAYS_BEFORE_1970: i64 = 100_000;

    /// The id that several texts are together: a text, in which each part has its length before it.
    ///
    /// ```
    /// use market::TradeId;
    /// assert_ne!(TradeId::of_parts(&["1", "23"]), TradeId::of_parts(&["12", "3"]));
    /// ```
    pub fn of_parts<S: AsRef<str>>(parts: &[S]) -> TradeId {
        let mut all = Xxh3Default::new();
        for part in parts.iter().map(AsRef::as_ref) {
            all.update(&(part.len() as u64).to_le_bytes());
            all.update(part.as_bytes());
        }
        TradeId::Text(all.digest())
    }
}

/// With the bits reversed: places are far apart, so most are multiples of large powers of two, which take one byte so.
impl Serialize for NameOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0.reverse_bits())
    }
}

impl<'de> Deserialize<'de> for NameOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NameOrder, D::Error> {
        u32::deserialize(deserializer).map(|bits| NameOrder(bits.reverse_bits()))
    }
}

impl fmt::Display for TradeId {
    /// Numbers as such, also those of a day, hashed text as `text:<hash>`, positions as `at:<position>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TradeId::Number(id) => write!(f, "{id}"),
            TradeId::Text(hash) => write!(f, "text:{hash:016x}"),
            TradeId::Position(position) => write!(f, "at:{position}"),
            TradeId::OfDay(packed) => write!(f, "{}", packed & ((1 << TradeId::BITS) - 1)),
        }
    }
}

impl fmt::Debug for TradeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for InstrumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for PortfolioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
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
    fn an_origin_takes_sixteen_bytes() {
        // One is retained per version of an amended trade.
        assert_eq!(size_of::<Origin>(), 16);
        let order = NameOrder((1 << 31) + (63 << 25));
        let origin = Origin {
            rank: 0,
            order,
            source: SourceId(63),
            partition: PartitionId(127),
            position: 127,
        };
        let saved = postcard::to_stdvec(&origin).unwrap();
        assert_eq!(saved.len(), 5, "a byte each");
        assert_eq!(postcard::from_bytes::<Origin>(&saved).unwrap(), origin);
    }

    #[test]
    fn ids_never_change() {
        // Stored state and recordings hold these numbers.
        assert_eq!(InstrumentId::of("binance:BTCUSDT").0, 0x46ea_539d_83b1_477a);
    }

    proptest! {
        #[test]
        fn every_number_is_its_own_id(id: u64) {
            prop_assert_eq!(TradeId::of(&id.to_string()), TradeId::Number(id));
        }
    }
}
