//! Entries as text again: what `tickweave produce` writes, and what dead letters show of rows that were decoded.

use std::sync::Arc;

use market::{
    AccountEvent, Catalog, Event, EventTime, Fill, IdScope, IdText, InputEvent, InstrumentId,
    MONEY_SCALE, ModelId, PortfolioId, Side, Trade, TradeId, UnknownNames, Updates, WEIGHT_SCALE,
    decimal,
};
use serde_json::{Map, Value};

use super::fields::{FIELDS, Field, Type};
use crate::mapping::vocabulary;

/// The text of each field, in the order of [`FIELDS`].
pub type WrittenFields = [Option<String>; Field::COUNT];

/// An entry as a line of JSON.
pub fn written_json(texts: &WrittenFields) -> String {
    let fields = FIELDS.iter().zip(texts).filter_map(|(field, text)| {
        text.as_ref().map(|text| (field.name.to_owned(), json(field.of, text)))
    });
    Value::Object(fields.collect::<Map<_, _>>()).to_string()
}

/// An empty weight or value takes something back, which JSON says by null. Sequences are numbers.
fn json(field: Field, text: &str) -> Value {
    match field {
        Field::Weight | Field::Value if text.is_empty() => Value::Null,
        Field::Sequence => text.parse::<u64>().map_or(Value::Null, Value::from),
        _ => Value::from(text),
    }
}

/// An entry as people could have written it, so that it can be sent again. `unknown` has the names that travel with it,
/// which the catalog does not know, and `id_texts` the texts of its ids.
pub fn written_entry(
    entry: &InputEvent,
    unknown: Option<&UnknownNames>,
    id_texts: &[IdText],
    catalog: &Catalog,
) -> String {
    written_json(&fields_of(entry, &NamesOfEntry { unknown, id_texts, catalog }))
}

/// What each field of an entry says, of which the catalog knows all names; none if the entry does not have it.
pub fn written_fields(entry: &InputEvent, catalog: &Catalog) -> WrittenFields {
    fields_of(entry, &NamesOfEntry { unknown: None, id_texts: &[], catalog })
}

/// The names that an entry uses, by what is known of them. One that nobody knows is written as its hash.
struct NamesOfEntry<'a> {
    unknown: Option<&'a UnknownNames>,
    id_texts: &'a [IdText],
    catalog: &'a Catalog,
}

impl NamesOfEntry<'_> {
    fn instrument(&self, id: InstrumentId) -> String {
        let own = self.unknown.and_then(|names| names.instrument.as_ref());
        let own = own.filter(|own| own.id == id).map(|own| Arc::clone(&own.name));
        own.unwrap_or_else(|| self.catalog.name(id)).to_string()
    }

    /// The scope of an id of `instrument`. No source need have registered that which entries have by default.
    fn scope(&self, id: IdScope, instrument: InstrumentId) -> String {
        let is_it = |name: &str| IdScope::of(name) == id.contiguous(false);
        let own = self.unknown.and_then(|names| names.scope.as_ref());
        if let Some((name, _)) = own.filter(|(name, _)| is_it(name)) {
            return name.to_string();
        }
        let name = self.instrument(instrument);
        match name.split(':').next().filter(|venue| is_it(venue)) {
            Some(venue) => venue.to_owned(),
            None => self.catalog.scopes.name(id).to_string(),
        }
    }

    fn id(&self, id: TradeId) -> String {
        let own = |hash| self.id_texts.iter().find(|own| own.hash == hash);
        match id {
            TradeId::Text(hash) if let Some(own) = own(hash) => own.text.to_string(),
            _ => self.catalog.ids.show(id),
        }
    }

    fn portfolio(&self, id: PortfolioId) -> String {
        let own = self.unknown.and_then(|names| names.portfolio.as_ref());
        let own = own.filter(|name| PortfolioId::of(name) == id).cloned();
        own.unwrap_or_else(|| self.catalog.portfolios.name(id)).to_string()
    }

    fn model(&self, id: ModelId) -> String {
        let own = self.unknown.and_then(|names| names.model.as_ref());
        let own = own.filter(|name| ModelId::of(name) == id).cloned();
        own.unwrap_or_else(|| self.catalog.models.name(id)).to_string()
    }
}

fn fields_of(entry: &InputEvent, names: &NamesOfEntry<'_>) -> WrittenFields {
    let mut texts = WrittenFields::default();
    let mut say = |field: Field, text: String| texts[field as usize] = Some(text);
    match entry {
        InputEvent::Market(Event::New(trade)) => {
            say(Field::Type, Type::Trade.name().to_owned());
            say_trade(&mut say, trade, names);
        }
        InputEvent::Market(Event::Correct { of, with }) => {
            say(Field::Type, Type::Correct.name().to_owned());
            say(Field::Of, names.id(of.id));
            say_trade(&mut say, with, names);
        }
        InputEvent::Market(Event::Cancel { of, time }) => {
            say(Field::Type, Type::Cancel.name().to_owned());
            say(Field::Instrument, names.instrument(of.instrument));
            say(Field::Scope, names.scope(of.scope, of.instrument));
            say(Field::Id, names.id(of.id));
            time.iter().for_each(|time| say(Field::Time, ns(*time)));
        }
        InputEvent::Account(AccountEvent::Fill(fill)) => {
            say(Field::Type, Type::Fill.name().to_owned());
            say_fill(&mut say, fill, names);
        }
        InputEvent::Account(AccountEvent::Correct(fill)) => {
            say(Field::Type, Type::FillCorrect.name().to_owned());
            say_fill(&mut say, fill, names);
        }
        InputEvent::Account(AccountEvent::Bust { of, side, time }) => {
            say(Field::Type, Type::Bust.name().to_owned());
            say(Field::Portfolio, names.portfolio(of.portfolio));
            say(Field::Id, names.id(of.id));
            if *side != Side::Unknown {
                say(Field::Side, side.name().to_owned());
            }
            time.iter().for_each(|time| say(Field::Time, ns(*time)));
        }
        InputEvent::Account(AccountEvent::Target(target)) => {
            say(Field::Type, Type::Target.name().to_owned());
            say(Field::Portfolio, names.portfolio(target.portfolio));
            say(Field::Instrument, names.instrument(target.instrument));
            say(Field::Time, ns(target.time));
            let weight = target.weight.map(|weight| decimal::format(weight.into(), WEIGHT_SCALE));
            say(Field::Weight, weight.unwrap_or_default());
        }
        InputEvent::Account(AccountEvent::Fair(fair)) => {
            say(Field::Type, Type::Fair.name().to_owned());
            say(Field::Instrument, names.instrument(fair.instrument));
            say(Field::Model, names.model(fair.model));
            say(Field::Time, ns(fair.time));
            let value = fair.value.map(|value| value.text(fair.spec.price_scale));
            say(Field::Value, value.unwrap_or_default());
        }
    }
    texts
}

fn say_trade(say: &mut impl FnMut(Field, String), trade: &Trade, names: &NamesOfEntry<'_>) {
    say(Field::Instrument, names.instrument(trade.instrument));
    // A row without an id is identified by its position alone, which is the reader's to give.
    if !matches!(trade.id, TradeId::Position(_)) {
        say(Field::Scope, names.scope(trade.scope, trade.instrument));
        say(Field::Id, names.id(trade.id));
    }
    say(Field::Time, ns(trade.time));
    // A position is the reader's to give.
    if !trade.is_positional {
        say(Field::Sequence, trade.sequence.to_string());
    }
    say(Field::Price, trade.price.text(trade.spec.price_scale));
    say(Field::Quantity, trade.quantity.text(trade.spec.quantity_scale));
    say(Field::Side, trade.side.name().to_owned());
    if trade.updates != Updates::ALL {
        say(Field::Updates, vocabulary::updates_text(trade.updates));
    }
}

fn say_fill(say: &mut impl FnMut(Field, String), fill: &Fill, names: &NamesOfEntry<'_>) {
    let spec = fill.contract.spec;
    say(Field::Portfolio, names.portfolio(fill.name.portfolio));
    say(Field::Id, names.id(fill.name.id));
    say(Field::Instrument, names.instrument(fill.instrument));
    say(Field::Time, ns(fill.time));
    say(Field::Sequence, fill.sequence.to_string());
    say(Field::Price, fill.price.text(spec.price_scale));
    say(Field::Quantity, decimal::format(fill.quantity.into(), spec.quantity_scale));
    say(Field::Fee, decimal::format(fill.fee.into(), MONEY_SCALE));
    if fill.fee_currency != fill.contract.quote {
        say(Field::FeeCurrency, fill.fee_currency.to_string());
    }
}

fn ns(time: EventTime) -> String {
    format!("{}ns", time.0)
}
