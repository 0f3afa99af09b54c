//! One record of a mapping: what its texts say.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;

use market::{
    DecimalError, EventTime, IdPeriod, IdScope, IdText, Price, Quantity, RejectionReason, Side,
    Trade, TradeId, TradeRef, Updates, decimal,
};

use super::check::Mapping;
use super::error::DecodeError;
use super::field::Field;
use super::numbers;
use super::readings::Given;
use super::scales::ScaleNeeds;
use super::symbol_map::MappedInstrument;
use super::times::TimeNotes;
use super::vocabulary::{self, Kind};

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// One record being decoded.
pub(super) struct Record<'m, F> {
    pub(super) mapping: &'m Mapping,
    pub(super) given: &'m Given,
    pub(super) partition: IdScope,
    pub(super) position: u64,
    pub(super) text: F,
    pub(super) notes: &'m RefCell<TimeNotes>,
    /// The texts of its ids.
    pub(super) id_texts: RefCell<Vec<IdText>>,
}

impl<'a, F: Fn(Field) -> Option<&'a str>> Record<'_, F> {
    /// The field's text without blanks around it, if there is any.
    pub(super) fn get(&self, field: Field) -> Option<&'a str> {
        self.mapping.column(field)?;
        let text = (self.text)(field)?.trim();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn need(&self, field: Field) -> Result<&'a str, DecodeError> {
        self.get(field).ok_or_else(|| {
            let column = self.column(field);
            let what = match (self.text)(field) {
                Some(_) => "empty",
                None => "absent",
            };
            DecodeError::new(RejectionReason::MissingField, format!("column {column} is {what}"))
        })
    }

    pub(super) fn column(&self, field: Field) -> &dyn Display {
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
    pub(super) fn counts(&self) -> bool {
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

    /// What it is, by the words of the mapping.
    pub(super) fn kind(&self) -> Result<Kind, DecodeError> {
        let kinds = &self.mapping.kinds;
        if kinds.is_empty() {
            return self.word(Field::Kind, vocabulary::kind, Kind::Trade);
        }
        let word = self.get(Field::Kind).unwrap_or_default();
        match kinds.iter().find(|(own, _)| own == word) {
            Some((_, kind)) => Ok(*kind),
            None if word.is_empty() => Ok(Kind::Trade),
            None => {
                let words: Vec<_> = kinds.iter().map(|(word, _)| word.as_str()).collect();
                let why = format!("is not among the words of `kinds` ({})", words.join(", "));
                Err(self.error(RejectionReason::BadField, Field::Kind, word, &why))
            }
        }
    }

    pub(super) fn trade(&self, mapped: MappedInstrument, kind: Kind) -> Result<Trade, DecodeError> {
        let time = self.time()?;
        let price = self.price(mapped)?;
        let (quantity, side) = self.size(mapped)?;
        if !price.summable(quantity) {
            let values = (self.need(Field::Price)?, self.need(Field::Size)?);
            return Err(DecodeError::new(
                RejectionReason::NotionalTooLarge,
                format!(
                    "{} times {} is more than sums can hold at this instrument's decimals; `price_decimals` and \
                     `size_decimals` of its [[instrument]] (--price-scale, --size-scale) say how many are kept",
                    values.0, values.1
                ),
            ));
        }
        let TradeRef { scope, id, .. } = self.own_name(mapped)?;
        let (sequence, is_positional) = self.sequence(id)?;
        // Without a sequence its place says which of several corrections counts.
        let has_sequence = self.mapping.column(Field::Sequence).is_some();
        let is_positional = is_positional || (kind == Kind::Correct && !has_sequence);
        let updates = self.word(Field::Updates, self.mapping.readings.updates, Updates::ALL)?;
        let updates = self.mapping.zero_size.updates(quantity, updates).map_err(|why| {
            let text = self.get(Field::Size).unwrap_or_default();
            self.error(RejectionReason::BadSize, Field::Size, text, &why)
        })?;
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
            updates,
        })
    }

    fn time(&self) -> Result<EventTime, DecodeError> {
        let first = self.need(Field::Time)?;
        let text = match self.mapping.column(Field::TimeOfDay) {
            None => Cow::Borrowed(first),
            Some(_) => Cow::Owned(format!("{first} {}", self.need(Field::TimeOfDay)?)),
        };
        let read =
            self.mapping.times.read(&text, self.mapping.readings.time, self.given, self.notes);
        read.map_err(|why| self.error(RejectionReason::BadTime, Field::Time, &text, &why))
    }

    pub(super) fn time_if_any(&self) -> Result<Option<EventTime>, DecodeError> {
        self.get(Field::Time).map(|_| self.time()).transpose()
    }

    /// Notes which decimals price and size need; numbers that cannot be read need none.
    pub(super) fn note_needs(&self, needs: &mut ScaleNeeds) {
        let units = &self.mapping.units;
        let plain = |field| self.mapping.numbers.plain(self.get(field)?).ok();
        if let (Some(price), Some(size)) = (plain(Field::Price), plain(Field::Size)) {
            let size = size.trim_start_matches(['-', '+']);
            let _ = needs.note((&price, units.price_decimals), (size, units.size_decimals));
        }
    }

    /// The number that a field says, at an instrument's scale; `key` is what says how many decimals are kept.
    fn number(
        &self,
        (field, reason): (Field, RejectionReason),
        text: &str,
        (implied, scale): (u8, u8),
        key: &str,
    ) -> Result<i64, DecodeError> {
        let bad = |why: &dyn Display| self.error(reason, field, text, why);
        let plain = self.mapping.numbers.plain(text).map_err(|why| bad(&why))?;
        decimal::parse_scaled(&plain, implied, scale).map_err(|why| match why {
            DecimalError::Overflow { .. } | DecimalError::ExcessPrecision { .. } => bad(&format!(
                "{why}; `{key}_decimals` of its [[instrument]] (--{key}-scale) says how many are kept"
            )),
            _ => bad(&format!("{why}{}", numbers::hint(text, why))),
        })
    }

    fn price(&self, mapped: MappedInstrument) -> Result<Price, DecodeError> {
        let text = self.need(Field::Price)?;
        let implied = self.mapping.units.price_decimals;
        let scales = (implied, mapped.spec.price_scale);
        let mantissa =
            self.number((Field::Price, RejectionReason::BadPrice), text, scales, "price")?;
        if mantissa <= 0 && !mapped.negative_prices {
            let why = &"is not a positive price; `negative_prices = true` of its [[instrument]] (--negative-prices) \
                        allows others";
            return Err(self.error(RejectionReason::PriceNotPositive, Field::Price, text, why));
        }
        Ok(Price(mantissa))
    }

    /// The size, and the aggressor wherever the feed says it.
    fn size(&self, mapped: MappedInstrument) -> Result<(Quantity, Side), DecodeError> {
        let text = self.need(Field::Size)?;
        let bad = |why: &dyn Display| self.error(RejectionReason::BadSize, Field::Size, text, why);
        let implied = self.mapping.units.size_decimals;
        let scales = (implied, mapped.spec.quantity_scale);
        let signed = self.number((Field::Size, RejectionReason::BadSize), text, scales, "size")?;
        if !self.mapping.units.signed_size {
            if signed < 0 {
                return Err(bad(
                    &"is negative, and `units.signed_size` (--signed-size) is not set",
                ));
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
                let time = self.time()?;
                period.of(self.mapping.symbol_map.calendar(mapped), time)
            }
        };
        let (mut parts, mut count) = ([""; PARTS.len() + 1], 0);
        let mut add = |part| {
            parts[count] = part;
            count += 1;
        };
        period.as_deref().into_iter().for_each(&mut add);
        for at in 0..=last {
            add(part(at)?);
        }
        if self.mapping.readings.ids_by_day
            && let [text] = &parts[..count]
            && let TradeId::Number(number) = TradeId::of(text)
        {
            let day = self.time()?.0.div_euclid(NS_PER_DAY);
            if let Some(id) = TradeId::of_day(day, number) {
                return Ok(id);
            }
        }
        let (id, text) = IdText::of(&parts[..count]);
        self.id_texts.borrow_mut().extend(text);
        Ok(id)
    }

    /// The name of the trade that this correction or cancel is about.
    pub(super) fn named(&self, mapped: MappedInstrument) -> Result<TradeRef, DecodeError> {
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
            return Ok(match id.integer() {
                Some(number) => (number, false),
                None => (self.position, true),
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
