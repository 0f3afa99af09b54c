//! From columns of text to an event. Values in, value out: no input, no lock, no clock.

use std::fmt::Display;
use std::sync::Arc;

use market::{
    Event, EventTime, IdPeriod, IdScope, Price, Quantity, RejectionReason, Side, Trade, TradeId,
    TradeRef, UnknownNames, Updates, decimal,
};

use super::check::Mapping;
use super::error::DecodeError;
use super::field::Field;
use super::left_out::LeftOut;
use super::plain::PlainDecoder;
use super::readings::{self, Given};
use super::symbol_map::{LookedUp, MappedInstrument, SymbolMap};
use super::vocabulary::{self, Kind};
use crate::source::Decoded;

/// Decodes the records of one partition.
pub struct Decoder {
    mapping: Arc<Mapping>,
    symbol_map: SymbolMap,
    /// The space of positions, for feeds without ids.
    partition: IdScope,
    given: Given,
    plain: PlainDecoder,
    left_out: LeftOut,
}

impl Decoder {
    /// A decoder for the partition of this name (with its source, so that it is unique).
    pub fn new(mapping: Arc<Mapping>, partition: &str) -> Decoder {
        let partition = IdScope::of(partition);
        Decoder {
            symbol_map: mapping.symbol_map.clone(),
            plain: PlainDecoder::new(Arc::clone(&mapping), partition),
            mapping,
            partition,
            given: Given::default(),
            left_out: LeftOut::default(),
        }
    }

    /// With what is the same for all records of the partition.
    #[must_use]
    pub fn given(mut self, given: Given) -> Decoder {
        self.given = given;
        self
    }

    /// The event of one record, or nothing if `where` leaves it out.
    ///
    /// `text` gives a field's text: none, and text of blanks, is an absent field. It is asked only for
    /// fields that the mapping has a column for. `position` must be unique in the partition.
    ///
    /// Registers no name: those that the catalog does not know come with the event. Allocates only for refusals and
    /// for symbols whose names were not registered before.
    pub fn decode<'a, F>(
        &mut self,
        text: F,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError>
    where
        F: Fn(Field) -> Option<&'a str>,
    {
        let Decoder { mapping, given, partition, .. } = self;
        let record = Record { mapping, given, partition: *partition, position, text };
        if !record.counts() {
            self.left_out.note(record.get(Field::Where).unwrap_or_default());
            return Ok(None);
        }
        let kind = record.word(Field::Kind, vocabulary::kind, Kind::Trade)?;
        let LookedUp { mapped, unknown } = match self.symbol_map.constant() {
            Some(mapped) => LookedUp { mapped, unknown: None },
            None => match &given.symbol {
                Some(symbol) => self.symbol_map.find(symbol, &"of the file's name")?,
                None => {
                    let symbol = record.need(Field::Symbol)?;
                    self.symbol_map.find(symbol, record.column(Field::Symbol))?
                }
            },
        };
        if kind == Kind::Trade {
            return Ok(Some(Decoded { says: Event::New(record.trade(mapped)?), unknown }));
        }
        if let Some(symbol) = record.get(Field::OfSymbol) {
            let column = record.column(Field::OfSymbol);
            let other = self.symbol_map.find(symbol, column)?;
            if other.mapped.id != mapped.id || !same_names(&other.unknown, &unknown) {
                let problem = &"is another instrument than that of the record";
                let reason = RejectionReason::MovesInstrument;
                return Err(DecodeError::value(reason, column, symbol, problem));
            }
        }
        let of = record.named(mapped)?;
        let says = match kind {
            Kind::Correct => Event::Correct { of, with: record.trade(mapped)? },
            _ => Event::Cancel { of, time: record.time_if_any()? },
        };
        Ok(Some(Decoded { says, unknown }))
    }

    /// The records that `where` has left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Whether [`Self::decode_plain`] may give anything.
    pub(crate) fn reads_plain(&self) -> bool {
        self.plain.may_decode()
    }

    /// The event of a record if it is plain; `bytes` gives a field's bytes.
    pub(crate) fn decode_plain<'a, F>(&self, bytes: F, position: u64) -> Option<Event>
    where
        F: Fn(Field) -> Option<&'a [u8]>,
    {
        self.plain.decode(&self.symbol_map, bytes, position)
    }
}

/// Whether two instruments of one id are called alike, as far as they are not registered.
fn same_names(one: &Option<Box<UnknownNames>>, other: &Option<Box<UnknownNames>>) -> bool {
    let name = |unknown: &Option<Box<UnknownNames>>| {
        let instrument = unknown.as_ref().and_then(|names| names.instrument.clone());
        instrument.map(|instrument| Arc::clone(&instrument.name))
    };
    match (name(one), name(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true, // a registered one has been compared with the catalog
    }
}

/// One record being decoded.
struct Record<'m, F> {
    mapping: &'m Mapping,
    given: &'m Given,
    partition: IdScope,
    position: u64,
    text: F,
}

impl<'a, F: Fn(Field) -> Option<&'a str>> Record<'_, F> {
    /// The field's text without blanks around it, if there is any.
    fn get(&self, field: Field) -> Option<&'a str> {
        self.mapping.column(field)?;
        let text = (self.text)(field)?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn need(&self, field: Field) -> Result<&'a str, DecodeError> {
        self.get(field).ok_or_else(|| {
            let column = self.column(field);
            let what = match (self.text)(field) {
                Some(_) => "empty",
                None => "absent",
            };
            DecodeError::new(RejectionReason::MissingField, format!("column {column} is {what}"))
        })
    }

    fn column(&self, field: Field) -> &dyn Display {
        match self.mapping.column(field) {
            Some(column) => column,
            None => &"that is not configured", // no caller asks for one
        }
    }

    fn error(
        &self,
        reason: RejectionReason,
        field: Field,
        value: &str,
        why: &dyn Display,
    ) -> DecodeError {
        DecodeError::value(reason, self.column(field), value, why)
    }

    /// Whether `where` keeps the record.
    fn counts(&self) -> bool {
        let Some(_) = self.mapping.column(Field::Where) else {
            return true;
        };
        match (self.get(Field::Where), &self.mapping.equals) {
            (Some(text), Some(wanted)) => text == wanted,
            (Some(_), None) => true,
            (None, Some(wanted)) => wanted.is_empty(),
            (None, None) => false,
        }
    }

    /// A field of words, by one of the readers of [`vocabulary`].
    fn word<T>(
        &self,
        field: Field,
        read: fn(&str) -> Result<T, &'static str>,
        default: T,
    ) -> Result<T, DecodeError> {
        match self.get(field) {
            Some(word) => {
                read(word).map_err(|why| self.error(RejectionReason::BadField, field, word, &why))
            }
            None => Ok(default),
        }
    }

    fn trade(&self, mapped: MappedInstrument) -> Result<Trade, DecodeError> {
        let time = self.time(self.need(Field::Time)?)?;
        let price = self.price(mapped)?;
        let (quantity, side) = self.size(mapped)?;
        if !price.summable(quantity) {
            let values = (self.need(Field::Price)?, self.need(Field::Size)?);
            return Err(DecodeError::new(
                RejectionReason::NotionalTooLarge,
                format!(
                    "{} times {} is more than sums can hold at this instrument's decimals",
                    values.0, values.1
                ),
            ));
        }
        let TradeRef { scope, id, .. } = self.own_name(mapped)?;
        let (sequence, is_positional) = self.sequence(id)?;
        Ok(Trade {
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
            updates: self.word(Field::Updates, self.mapping.readings.updates, Updates::ALL)?,
        })
    }

    fn time(&self, text: &str) -> Result<EventTime, DecodeError> {
        let reading = self.mapping.readings.time;
        readings::time(text, reading, self.mapping.units.time, self.given)
            .map_err(|why| self.error(RejectionReason::BadTime, Field::Time, text, &why))
    }

    fn time_if_any(&self) -> Result<Option<EventTime>, DecodeError> {
        let text = self.get(Field::Time);
        text.map(|text| self.time(text)).transpose()
    }

    fn price(&self, mapped: MappedInstrument) -> Result<Price, DecodeError> {
        let text = self.need(Field::Price)?;
        let implied = self.mapping.units.price_decimals;
        let mantissa = decimal::parse_scaled(text, implied, mapped.spec.price_scale)
            .map_err(|why| self.error(RejectionReason::BadPrice, Field::Price, text, &why))?;
        if mantissa <= 0 && !mapped.negative_prices {
            let why = &"is not a positive price";
            return Err(self.error(RejectionReason::PriceNotPositive, Field::Price, text, why));
        }
        Ok(Price(mantissa))
    }

    /// The size, and the aggressor wherever the feed says it.
    fn size(&self, mapped: MappedInstrument) -> Result<(Quantity, Side), DecodeError> {
        let text = self.need(Field::Size)?;
        let bad = |why: &dyn Display| self.error(RejectionReason::BadSize, Field::Size, text, why);
        let implied = self.mapping.units.size_decimals;
        let signed = decimal::parse_scaled(text, implied, mapped.spec.quantity_scale)
            .map_err(|why| bad(&why))?;
        if !self.mapping.units.signed_size {
            if signed < 0 {
                return Err(bad(&"is negative, and `units.signed_size` is not set"));
            }
            return Ok((Quantity(signed), self.side()?));
        }
        let size = signed.checked_abs().ok_or_else(|| bad(&"is too large"))?;
        let side = match signed {
            0 => Side::Unknown,
            1.. => Side::Buy,
            _ => Side::Sell,
        };
        Ok((Quantity(size), side))
    }

    fn side(&self) -> Result<Side, DecodeError> {
        if self.mapping.column(Field::Maker).is_some() {
            return self.word(Field::Maker, vocabulary::maker, Side::Unknown);
        }
        self.word(Field::Side, vocabulary::side, Side::Unknown)
    }

    /// The name that this record's trade has.
    fn own_name(&self, mapped: MappedInstrument) -> Result<TradeRef, DecodeError> {
        let (scope, id) = match self.mapping.column(Field::Id) {
            Some(_) => (mapped.scope, self.id(mapped, None)?),
            None => (self.partition, TradeId::Position(self.position)),
        };
        Ok(TradeRef { instrument: mapped.id, scope, id })
    }

    /// The id of this record, or the one that `of` names: that is its last column then.
    fn id(&self, mapped: MappedInstrument, of: Option<&'a str>) -> Result<TradeId, DecodeError> {
        const PARTS: [Field; 3] = [Field::Id, Field::IdSecond, Field::IdThird];
        let last = PARTS.iter().rposition(|part| self.mapping.column(*part).is_some());
        let last = last.unwrap_or(0);
        let part = |at: usize| match of {
            Some(of) if at == last => Ok(of),
            _ => self.need(PARTS[at]),
        };
        let period = match self.mapping.id_period {
            IdPeriod::Forever => None,
            period => {
                let time = self.time(self.need(Field::Time)?)?;
                period.of(self.mapping.symbol_map.calendar(mapped), time)
            }
        };
        if last == 0 && period.is_none() {
            return part(0).map(TradeId::of);
        }
        let mut parts: Vec<&str> = period.as_deref().into_iter().collect();
        for at in 0..=last {
            parts.push(part(at)?);
        }
        Ok(TradeId::of_parts(&parts))
    }

    /// The name of the trade that this correction or cancel is about.
    fn named(&self, mapped: MappedInstrument) -> Result<TradeRef, DecodeError> {
        match self.get(Field::Of) {
            Some(of) => {
                let id = self.id(mapped, Some(of))?;
                Ok(TradeRef { instrument: mapped.id, scope: mapped.scope, id })
            }
            None => self.own_name(mapped),
        }
    }

    /// The order within one time, and whether that is only the position.
    fn sequence(&self, id: TradeId) -> Result<(u64, bool), DecodeError> {
        if self.mapping.column(Field::Sequence).is_none() {
            // Within its period an id of one column orders as it is written.
            let id = match self.mapping.id_period {
                IdPeriod::Forever => id,
                _ if self.mapping.column(Field::IdSecond).is_some() => id,
                _ => TradeId::of(self.need(Field::Id)?),
            };
            return Ok(match id {
                TradeId::Number(number) => (number, false),
                _ => (self.position, true),
            });
        }
        let text = self.need(Field::Sequence)?;
        let number = text.parse().map_err(|_| {
            let why = &"is not an unsigned integer of 64 bits";
            self.error(RejectionReason::BadField, Field::Sequence, text, why)
        })?;
        Ok((number, false))
    }
}
