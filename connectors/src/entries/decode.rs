//! From the texts of a row to an entry. Values in, value out: no input, no clock.

use std::cell::RefCell;
use std::sync::Arc;

use market::{
    AccountEvent, Catalog, Event, EventTime, IdScope, IdText, InputEvent, Instrument, Price,
    Quantity, RejectionReason, Side, TimeError, Trade, TradeId, TradeRef, UnknownNames, Updates,
    decimal,
};

use super::error::{FieldError, error, wrong};
use super::fields::{FIELDS, Field, Type};
use super::texts::{RawField, Texts};
use crate::mapping::{ZeroSize, vocabulary};
use crate::source::Decoded;

/// Decodes rows that hold their own type.
pub struct Decoder {
    catalog: Arc<Catalog>,
    default: Option<Type>,
    /// The space of positions, for trades without ids.
    partition: IdScope,
}

impl Decoder {
    /// A decoder for the partition of this name (with its source, so that it is unique); rows that have no
    /// type are of the default, if there is one.
    pub fn new(catalog: Arc<Catalog>, default: Option<Type>, partition: &str) -> Decoder {
        Decoder { catalog, default, partition: IdScope::of(partition) }
    }

    /// The entry that a row says. `position` must be unique in the partition.
    ///
    /// Registers no name: those that the catalog does not know come with the entry.
    pub fn decode(
        &self,
        texts: &Texts<'_>,
        position: u64,
    ) -> Result<Decoded<InputEvent>, FieldError> {
        let of = match texts.get(Field::Type) {
            Some(name) => Type::named(name).map_err(|why| wrong(Field::Type, name, &why))?,
            None => self.default.ok_or_else(|| missing(texts, Field::Type))?,
        };
        let (unknown, id_texts) = (RefCell::default(), RefCell::default());
        let row = Row { texts, of, position, catalog: &self.catalog, unknown, id_texts };
        let says = match row.useless().next() {
            Some(error) => Err(error),
            None => self.entry(&row),
        };
        let says = says.map_err(|first| first.with(row.faults()))?;
        let unknown = row.unknown.into_inner().boxed();
        Ok(Decoded { says, unknown, id_texts: row.id_texts.into_inner() })
    }

    /// The entry of a row whose type is known.
    fn entry(&self, row: &Row<'_>) -> Result<InputEvent, FieldError> {
        Ok(match row.of {
            Type::Trade => {
                let instrument = row.instrument()?;
                let name = self.own_name(row, &instrument)?;
                InputEvent::Market(Event::New(row.trade(&instrument, name)?))
            }
            Type::Correct => {
                let instrument = row.instrument()?;
                let (of, own) = self.named(row, &instrument)?;
                InputEvent::Market(Event::Correct { of, with: row.trade(&instrument, own)? })
            }
            Type::Cancel => {
                let (of, _) = self.named(row, &*row.instrument()?)?;
                InputEvent::Market(Event::Cancel { of, time: row.time_if_any()? })
            }
            Type::Fill => InputEvent::Account(AccountEvent::Fill(row.fill()?)),
            Type::FillCorrect => InputEvent::Account(AccountEvent::Correct(row.fill()?)),
            Type::Bust => InputEvent::Account(AccountEvent::Bust {
                of: row.fill_ref()?,
                side: row.word(Field::Side, vocabulary::side, Side::Unknown)?,
                time: row.time_if_any()?,
            }),
            Type::Target => InputEvent::Account(AccountEvent::Target(row.target()?)),
            Type::Fair => InputEvent::Account(AccountEvent::Fair(row.fair()?)),
        })
    }

    /// The name of a new trade.
    fn own_name(&self, row: &Row<'_>, instrument: &Instrument) -> Result<TradeRef, FieldError> {
        let position = TradeId::Position(row.position);
        let nameless = TradeRef { instrument: instrument.id, scope: self.partition, id: position };
        Ok(row.texts.get(Field::Id).map_or(nameless, |id| row.trade_ref(instrument, id)))
    }

    /// The trade that a correction or cancel is about, and the name that it has from then on.
    fn named(
        &self,
        row: &Row<'_>,
        instrument: &Instrument,
    ) -> Result<(TradeRef, TradeRef), FieldError> {
        let (id, of) = (row.texts.get(Field::Id), row.texts.get(Field::Of));
        let Some(known) = of.or(id) else {
            return Err(missing(row.texts, Field::Id));
        };
        let own = id.filter(|_| row.of == Type::Correct).unwrap_or(known);
        Ok((row.trade_ref(instrument, known), row.trade_ref(instrument, own)))
    }
}

/// One row being decoded.
pub(super) struct Row<'r> {
    pub(super) texts: &'r Texts<'r>,
    pub(super) of: Type,
    pub(super) position: u64,
    pub(super) catalog: &'r Catalog,
    /// Of the names that were looked up those that are not registered.
    pub(super) unknown: RefCell<UnknownNames>,
    /// The texts of its ids.
    id_texts: RefCell<Vec<IdText>>,
}

impl Row<'_> {
    fn useless(&self) -> impl Iterator<Item = FieldError> {
        self.texts.useless(self.of).map(|field| {
            let detail = format!("`{}` says nothing in a `{}`", field.doc().name, self.of.name());
            FieldError::of(RejectionReason::BadField, field, detail)
        })
    }

    /// What is wrong with single fields: those that the type does not have or that are missing, and values that cannot
    /// be read. What fields say together is looked at only where none is wrong.
    fn faults(&self) -> Vec<FieldError> {
        // `null` withdraws a target or a fair value.
        let may_be_empty = |field: Field| matches!(field, Field::Weight | Field::Value);
        let is_there = |field| match self.texts.raw(field) {
            RawField::Absent => false,
            RawField::Empty => may_be_empty(field),
            RawField::Text(_) => true,
        };
        let needed = FIELDS.iter().filter(|field| field.needed.contains(&self.of));
        let missing_fields = needed.map(|field| field.of).filter(|field| !is_there(*field));
        let mut faults: Vec<FieldError> = self.useless().collect();
        faults.extend(missing_fields.map(|field| missing(self.texts, field)));
        let instrument = self.texts.get(Field::Instrument).map(|_| self.instrument());
        let values = [
            self.time_if_any().err(),
            self.sequence(0).err(),
            self.word(Field::Side, vocabulary::side, Side::Unknown).err(),
            self.word(Field::Updates, vocabulary::updates, Updates::ALL).err(),
        ];
        faults.extend(values.into_iter().flatten());
        match instrument {
            Some(Err(error)) => faults.push(error),
            Some(Ok(instrument)) => {
                let price =
                    self.texts.get(Field::Price).and_then(|_| self.price(&instrument).err());
                let quantity = self.texts.get(Field::Quantity);
                let quantity = quantity.and_then(|_| self.quantity(&instrument).err());
                faults.extend([price, quantity].into_iter().flatten());
            }
            None => {}
        }
        faults
    }

    pub(super) fn need(&self, field: Field) -> Result<&str, FieldError> {
        self.texts.get(field).ok_or_else(|| missing(self.texts, field))
    }

    pub(super) fn instrument(&self) -> Result<Arc<Instrument>, FieldError> {
        let found = self.catalog.find(self.need(Field::Instrument)?);
        let reason = RejectionReason::BadInstrument;
        let found =
            found.map_err(|why| FieldError::of(reason, Field::Instrument, why.to_string()))?;
        if !found.is_registered {
            self.unknown.borrow_mut().instrument = Some(Arc::clone(&found.instrument));
        }
        Ok(found.instrument)
    }

    pub(super) fn time(&self) -> Result<EventTime, FieldError> {
        read_time(self.need(Field::Time)?)
    }

    fn time_if_any(&self) -> Result<Option<EventTime>, FieldError> {
        self.texts.get(Field::Time).map(read_time).transpose()
    }

    /// A trade's name by id. Its scope is what feeds call it, so that copies meet.
    fn trade_ref(&self, instrument: &Instrument, id: &str) -> TradeRef {
        let venue = instrument.name.split(':').next().unwrap_or_default();
        let scope = self.catalog.scopes.find(self.texts.get(Field::Scope).unwrap_or(venue));
        TradeRef { instrument: instrument.id, scope, id: self.id(id) }
    }

    /// The id that is written so.
    pub(super) fn id(&self, text: &str) -> TradeId {
        let (id, text) = IdText::of(&[text]);
        self.id_texts.borrow_mut().extend(text);
        id
    }

    fn trade(&self, instrument: &Instrument, name: TradeRef) -> Result<Trade, FieldError> {
        let price = self.price(instrument)?;
        let quantity = Quantity(self.quantity(instrument)?);
        if quantity.0 < 0 {
            let why = "is below zero; `side` says who took liquidity";
            return Err(error(
                RejectionReason::BadSize,
                Field::Quantity,
                self.need(Field::Quantity)?,
                &why,
            ));
        }
        if !price.summable(quantity) {
            return Err(self.too_large());
        }
        let TradeRef { scope, id, .. } = name;
        let (sequence, is_positional) = match (self.texts.get(Field::Sequence), id) {
            (Some(_), _) => (self.sequence(0)?, false),
            // Without one its place says which of several corrections counts.
            (None, TradeId::Number(number)) => (number, self.of == Type::Correct),
            (None, _) => (self.position, true),
        };
        let updates = self.word(Field::Updates, vocabulary::updates, Updates::ALL)?;
        let updates = ZeroSize::Ignore.updates(quantity, updates).unwrap_or(updates);
        Ok(Trade {
            instrument: instrument.id,
            spec: instrument.spec,
            scope,
            id,
            time: self.time()?,
            sequence,
            is_positional,
            price,
            quantity,
            side: self.word(Field::Side, vocabulary::side, Side::Unknown)?,
            updates,
        })
    }

    /// A field of words, by one of the readers of [`vocabulary`].
    pub(super) fn word<T>(
        &self,
        field: Field,
        read: fn(&str) -> Result<T, &'static str>,
        default: T,
    ) -> Result<T, FieldError> {
        let word = self.texts.get(field);
        word.map_or(Ok(default), |word| read(word).map_err(|why| wrong(field, word, &why)))
    }

    pub(super) fn sequence(&self, default: u64) -> Result<u64, FieldError> {
        let Some(text) = self.texts.get(Field::Sequence) else { return Ok(default) };
        let why = "is not an unsigned integer of 64 bits";
        text.parse().map_err(|_| wrong(Field::Sequence, text, &why))
    }

    pub(super) fn price(&self, instrument: &Instrument) -> Result<Price, FieldError> {
        let text = self.need(Field::Price)?;
        let price = Price::parse(text, instrument.spec.price_scale)
            .map_err(|why| error(RejectionReason::BadPrice, Field::Price, text, &why))?;
        // What expires without value is closed at 0.
        let lowest = i64::from(!matches!(self.of, Type::Fill | Type::FillCorrect));
        if price.0 < lowest && !instrument.negative_prices {
            let why = match lowest {
                0 => {
                    "is below 0; set `negative_prices = true` in its [[instrument]] if that is right"
                }
                _ => {
                    "is not a positive price; `negative_prices = true` of its [[instrument]] (--negative-prices) allows \
                     others"
                }
            };
            return Err(error(RejectionReason::PriceNotPositive, Field::Price, text, &why));
        }
        Ok(price)
    }

    pub(super) fn quantity(&self, instrument: &Instrument) -> Result<i64, FieldError> {
        let text = self.need(Field::Quantity)?;
        decimal::parse(text, instrument.spec.quantity_scale)
            .map_err(|why| error(RejectionReason::BadSize, Field::Quantity, text, &why))
    }

    pub(super) fn too_large(&self) -> FieldError {
        let text = |field| self.texts.get(field).unwrap_or_default();
        let (price, quantity) = (text(Field::Price), text(Field::Quantity));
        let detail = format!(
            "{price} times {quantity} is more than sums can hold at this instrument's decimals"
        );
        FieldError::of(RejectionReason::NotionalTooLarge, Field::Quantity, detail)
    }
}

fn read_time(text: &str) -> Result<EventTime, FieldError> {
    EventTime::parse_any(text).map_err(|why| {
        let or = match why {
            TimeError::NotRfc3339 => " (or a number with its unit, such as 1700000000s)",
            _ => "",
        };
        error(RejectionReason::BadTime, Field::Time, text, &format!("{why}{or}"))
    })
}

/// A field that is needed and says nothing.
pub(super) fn missing(texts: &Texts<'_>, field: Field) -> FieldError {
    let what = match texts.raw(field) {
        RawField::Absent => "absent",
        _ => "empty",
    };
    let detail = format!("`{}` is {what}", field.doc().name);
    FieldError::of(RejectionReason::MissingField, field, detail)
}
