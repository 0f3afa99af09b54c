//! Ticks from the bytes of a CSV file of `ts_ns,symbol,trade_id,price,size`, with a header and without quotes.

use market::{
    Event, EventTime, IdScope, InstrumentId, InstrumentSpec, NameOrder, Origin, PartitionId, Price,
    Quantity, Record, Side, SourceId, Trade, TradeId, Updates,
};

use crate::ids::Map;

/// Reads lines; at the default scales.
pub struct Lines<'a> {
    text: &'a [u8],
    venue: &'a str,
    scope: IdScope,
    symbols: Map<&'a [u8], InstrumentId>,
    position: u64,
}

const UNIT: i64 = 100_000_000;
const ONE: i64 = 1_000_000_000;

impl<'a> Lines<'a> {
    /// The lines of `text` after its header; instruments are called `venue:SYMBOL`.
    pub fn new(text: &'a [u8], venue: &'a str) -> Lines<'a> {
        let header = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        let text = &text[header..];
        Lines { text, venue, scope: IdScope::of(venue), symbols: Map::default(), position: 1 }
    }

    /// Appends the next records, at most so many; an error is a line that is not as it should be.
    pub fn read(&mut self, records: &mut Vec<Record>, most: usize) -> Result<(), String> {
        while records.len() < most && !self.text.is_empty() {
            self.position += 1;
            let record = self.next().ok_or_else(|| format!("line {} is no tick", self.position))?;
            records.push(record);
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Record> {
        let time = integer(self.field(b',')?)?;
        let symbol = self.field(b',')?;
        let id = self.field(b',')?;
        let price = decimal(self.field(b',')?, ONE)?;
        let size = self.field(b'\n').or_else(|| Some(std::mem::take(&mut self.text)))?;
        let size = decimal(size.strip_suffix(b"\r").unwrap_or(size), UNIT)?;
        let instrument = match self.symbols.get(symbol) {
            Some(instrument) => *instrument,
            None => {
                let name = format!("{}:{}", self.venue, std::str::from_utf8(symbol).ok()?);
                *self.symbols.entry(symbol).or_insert(InstrumentId::of(&name))
            }
        };
        let id = match integer(id) {
            Some(number) => TradeId::Number(number.cast_unsigned()),
            None => TradeId::of(std::str::from_utf8(id).ok()?),
        };
        let trade = Trade {
            instrument,
            spec: InstrumentSpec::DEFAULT,
            scope: self.scope,
            id,
            time: EventTime(time),
            sequence: if let TradeId::Number(number) = id { number } else { self.position },
            is_positional: !matches!(id, TradeId::Number(_)),
            price: Price(price),
            quantity: Quantity(size),
            side: Side::Unknown,
            updates: Updates::ALL,
        };
        let origin = Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(0),
            partition: PartitionId(0),
            position: self.position,
        };
        Some(Record { origin, event: Event::New(trade) })
    }

    /// What comes before the next `end`.
    fn field(&mut self, end: u8) -> Option<&'a [u8]> {
        let at = memchr::memchr(end, self.text)?;
        let (field, rest) = self.text.split_at(at);
        self.text = &rest[1..];
        Some(field)
    }
}

/// A number of at most 18 digits.
fn integer(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(digit.into()))
    })
}

/// A decimal number above zero as a multiple of 1/`one`.
fn decimal(text: &[u8], one: i64) -> Option<i64> {
    let (mut number, mut scale) = (0_i64, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number = number.checked_mul(10)?.checked_add(digit.into())?;
            scale *= 10;
        } else if *byte == b'.' && scale == 0 {
            scale = 1;
        } else {
            return None;
        }
    }
    match scale {
        0 => number.checked_mul(one),
        scale => number.checked_mul(one / scale),
    }
}
