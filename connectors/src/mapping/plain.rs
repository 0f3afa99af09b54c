//! The common case straight from bytes: a trade of a known symbol whose fields are written plainly.
//!
//! Gives exactly what [`Decoder::decode`](super::Decoder::decode) gives, or nothing: blanks, exponents, faults, new symbols, corrections, … are left to
//! it. A property test of files holds the two equal.

use std::str;
use std::sync::Arc;

use market::{
    Event, EventTime, IdPeriod, IdScope, IdText, InstrumentSpec, Price, Quantity, Side, Trade,
    TradeId, Updates,
};

use super::check::Mapping;
use super::field::Field;
use super::readings::TimeReading;
use super::symbol_map::SymbolMap;
use super::times::Times;
use super::vocabulary;
use crate::source::Decoded;

/// Reads the plain records of one partition.
pub(super) struct PlainDecoder {
    mapping: Arc<Mapping>,
    /// The space of positions, for feeds without ids.
    partition: IdScope,
    /// The unit of times in nanoseconds; none if no record of the mapping is plain.
    unit: Option<u64>,
}

impl PlainDecoder {
    /// Of a mapping.
    pub(super) fn new(mapping: Arc<Mapping>, partition: IdScope) -> PlainDecoder {
        let amends = [
            Field::Kind,
            Field::Of,
            Field::OfSymbol,
            Field::Updates,
            Field::Where,
            Field::IdSecond,
            Field::TimeOfDay,
        ];
        let is_plain = mapping.readings.time == TimeReading::InUnit
            && !mapping.needs_symbol()
            && mapping.id_period == IdPeriod::Forever
            && !mapping.readings.ids_by_day
            && !mapping.has_alternatives()
            && amends.iter().all(|field| mapping.column(*field).is_none());
        let unit = mapping.times.plain_unit().filter(|_| is_plain && mapping.numbers.is_plain());
        PlainDecoder { mapping, partition, unit }
    }

    /// Whether [`Self::decode`] may give anything.
    pub(super) fn may_decode(&self) -> bool {
        self.unit.is_some()
    }

    /// Whether price and size are plain numbers that fit at the default scales, and their product, too.
    pub(super) fn is_common<'a, F>(&self, bytes: F) -> bool
    where
        F: Fn(Field) -> Option<&'a [u8]>,
    {
        let units = &self.mapping.units;
        let digits = |field, decimals_max| whole_digits(bytes(field)?, decimals_max);
        let is_plain = units.price_decimals == 0 && units.size_decimals == 0;
        if !is_plain || !self.mapping.numbers.is_plain() {
            return false;
        }
        let InstrumentSpec { price_scale, quantity_scale, .. } = InstrumentSpec::DEFAULT;
        match (digits(Field::Price, price_scale), digits(Field::Size, quantity_scale)) {
            // 9 digits fit at 9 decimals, 10 at 8, and a product of 11 into sums.
            (Some(price), Some(size)) => price <= 9 && size <= 10 && price + size <= 11,
            _ => false,
        }
    }

    /// The event of a record if it is plain and `symbol_map` knows its symbol; `bytes` gives a field's bytes.
    pub(super) fn decode<'a, F>(
        &self,
        symbol_map: &SymbolMap,
        bytes: F,
        position: u64,
    ) -> Option<Decoded<Event>>
    where
        F: Fn(Field) -> Option<&'a [u8]>,
    {
        let mapping = &*self.mapping;
        let mapped = match symbol_map.constant() {
            Some(mapped) => mapped,
            None => symbol_map.known(bytes(Field::Symbol)?)?,
        };
        let ns = integer(bytes(Field::Time)?)?.checked_mul(self.unit?)?;
        let time = EventTime(i64::try_from(ns).ok()?).checked().ok()?;
        if Times::is_suspicious(time) {
            return None;
        }
        let units = &mapping.units;
        let price = decimal(bytes(Field::Price)?, units.price_decimals, mapped.spec.price_scale)?;
        if price == 0 {
            return None;
        }
        let size = bytes(Field::Size)?;
        let sold = size.strip_prefix(b"-").filter(|_| units.signed_size);
        let implied = units.size_decimals;
        let quantity = decimal(sold.unwrap_or(size), implied, mapped.spec.quantity_scale)?;
        let side = match (units.signed_size, sold) {
            _ if quantity == 0 => return None,
            (true, Some(_)) => Side::Sell,
            (true, None) => Side::Buy,
            (false, _) => self.side(&bytes)?,
        };
        let (price, quantity) = (Price(price), Quantity(quantity));
        if !price.summable(quantity) {
            return None;
        }
        let (scope, (id, id_text)) = match mapping.column(Field::Id) {
            Some(_) => (mapped.scope, id(bytes(Field::Id)?)?),
            None => (self.partition, (TradeId::Position(position), None)),
        };
        let (sequence, is_positional) = match (mapping.column(Field::Sequence), id) {
            (Some(_), _) => (integer(bytes(Field::Sequence)?)?, false),
            (None, TradeId::Number(number)) => (number, false),
            (None, _) => (position, true),
        };
        let says = Event::New(Trade {
            instrument: mapped.id,
            spec: mapped.spec,
            scope,
            id,
            time,
            sequence,
            is_positional,
            price,
            quantity,
            side,
            updates: Updates::ALL,
        });
        let id_texts = id_text.map_or_else(Vec::new, |text| vec![text]);
        Some(Decoded { says, unknown: None, id_texts })
    }

    fn side<'a>(&self, bytes: &impl Fn(Field) -> Option<&'a [u8]>) -> Option<Side> {
        let (field, read): (_, fn(&str) -> _) = match self.mapping.column(Field::Maker) {
            Some(_) => (Field::Maker, vocabulary::maker),
            None => (Field::Side, vocabulary::side),
        };
        match self.mapping.column(field) {
            Some(_) => read(word(bytes(field)?)?).ok(),
            None => Some(Side::Unknown),
        }
    }
}

/// Text without blanks around it, if it is ASCII and not empty.
fn word(bytes: &[u8]) -> Option<&str> {
    let (first, last) = (bytes.first()?, bytes.last()?);
    let is_plain = first.is_ascii_graphic() && last.is_ascii_graphic() && bytes.is_ascii();
    str::from_utf8(bytes).ok().filter(|_| is_plain)
}

fn id(bytes: &[u8]) -> Option<(TradeId, Option<IdText>)> {
    match integer(bytes) {
        Some(number) if bytes[0] != b'0' => Some((TradeId::Number(number), None)),
        _ => word(bytes).map(|word| IdText::of(&[word])),
    }
}

/// How many digits a plain number has before its decimals; none if it is not plain, or has more decimals than that.
fn whole_digits(bytes: &[u8], decimals_max: u8) -> Option<usize> {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let point = memchr::memchr(b'.', bytes).unwrap_or(bytes.len());
    let decimals = bytes.get(point + 1..).unwrap_or_default();
    let are_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    let is_plain = !bytes.is_empty() && are_digits(&bytes[..point]) && are_digits(decimals);
    (is_plain && decimals.len() <= usize::from(decimals_max)).then_some(point)
}

/// A number of 1 to 19 digits.
fn integer(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    let mut number = 0_u64;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// A number of at most 18 digits, none of them beyond what `scale` holds.
fn decimal(bytes: &[u8], implied: u8, scale: u8) -> Option<i64> {
    let (mut number, mut digits, mut decimals, mut point) = (0_i64, 0_u8, 0_u8, false);
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits += 1;
            if digits > 18 {
                return None;
            }
            number = number * 10 + i64::from(digit);
            decimals += u8::from(point);
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return None;
        }
    }
    let shift = scale.checked_sub(implied.checked_add(decimals)?)?;
    let factor = POWERS.get(usize::from(shift)).filter(|_| digits > 0)?;
    number.checked_mul(*factor)
}

/// 1, 10, 100, …
const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

#[cfg(test)]
mod tests {
    use super::*;
    use market::decimal::parse_scaled;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_the_full_reading(
            text in "[0-9]{0,12}[.]?[0-9]{0,12}|[-+0-9.e ]{0,6}",
            implied in 0..10_u8,
            scale in 0..=18_u8,
        ) {
            if let Some(number) = decimal(text.as_bytes(), implied, scale) {
                prop_assert_eq!(parse_scaled(&text, implied, scale), Ok(number));
            }
            if let Some(number) = integer(text.as_bytes()) {
                prop_assert_eq!(text.parse(), Ok(number));
            }
            if let Some(id) = id(text.as_bytes()) {
                prop_assert_eq!(IdText::of(&[&text]), id);
            }
        }
    }

    #[test]
    fn what_feeds_write_is_plain() {
        for (text, implied, scale, want) in [
            ("61685.99", 0, 9, Some(61_685_990_000_000)),
            ("300", 0, 8, Some(30_000_000_000)),
            ("1815200", 4, 9, Some(181_520_000_000)),
            ("7.", 0, 0, Some(7)),
            (".5", 0, 1, Some(5)),
            ("", 0, 1, None),
            (".", 0, 1, None),
            ("1.0", 0, 0, None),
            ("9223372036.854775808", 0, 9, None),
        ] {
            assert_eq!(decimal(text.as_bytes(), implied, scale), want, "{text}");
        }
        assert_eq!(id(b"0"), Some((TradeId::Number(0), None)));
        assert_eq!(id(b"17"), Some((TradeId::Number(17), None)));
        assert_eq!((id(b""), id(b" 1"), id("é".as_bytes())), (None, None, None));
    }
}
