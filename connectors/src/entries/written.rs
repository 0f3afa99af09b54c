//! Entries as text again: what `tickweave produce` writes, and what dead letters show of rows that were decoded.

use market::{
    AccountEvent, Catalog, Event, EventTime, Fill, InputEvent, InstrumentId, MONEY_SCALE, Side,
    Trade, TradeId, Updates, WEIGHT_SCALE, decimal,
};
use serde_json::{Map, Value};

use super::fields::{FIELDS, Field, Type};

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

/// What each field of an entry says; none if the entry does not have it. Names that are not in the catalog are written as
/// their hashes.
pub fn written_fields(entry: &InputEvent, catalog: &Catalog) -> WrittenFields {
    let mut texts = WrittenFields::default();
    let mut say = |field: Field, text: String| texts[field as usize] = Some(text);
    let instrument = |id: InstrumentId| catalog.name(id).to_string();
    match entry {
        InputEvent::Market(Event::New(trade)) => {
            say(Field::Type, Type::Trade.name().to_owned());
            say_trade(&mut say, trade, catalog);
        }
        InputEvent::Market(Event::Correct { of, with }) => {
            say(Field::Type, Type::Correct.name().to_owned());
            say(Field::Of, catalog.ids.show(of.id));
            say_trade(&mut say, with, catalog);
        }
        InputEvent::Market(Event::Cancel { of, time }) => {
            say(Field::Type, Type::Cancel.name().to_owned());
            say(Field::Instrument, instrument(of.instrument));
            say(Field::Scope, catalog.scopes.name(of.scope).to_string());
            say(Field::Id, catalog.ids.show(of.id));
            time.iter().for_each(|time| say(Field::Time, ns(*time)));
        }
        InputEvent::Account(AccountEvent::Fill(fill)) => {
            say(Field::Type, Type::Fill.name().to_owned());
            say_fill(&mut say, fill, catalog);
        }
        InputEvent::Account(AccountEvent::Correct(fill)) => {
            say(Field::Type, Type::FillCorrect.name().to_owned());
            say_fill(&mut say, fill, catalog);
        }
        InputEvent::Account(AccountEvent::Bust { of, side, time }) => {
            say(Field::Type, Type::Bust.name().to_owned());
            say(Field::Portfolio, catalog.portfolios.name(of.portfolio).to_string());
            say(Field::Id, catalog.ids.show(of.id));
            if *side != Side::Unknown {
                say(Field::Side, side.name().to_owned());
            }
            time.iter().for_each(|time| say(Field::Time, ns(*time)));
        }
        InputEvent::Account(AccountEvent::Target(target)) => {
            say(Field::Type, Type::Target.name().to_owned());
            say(Field::Portfolio, catalog.portfolios.name(target.portfolio).to_string());
            say(Field::Instrument, instrument(target.instrument));
            say(Field::Time, ns(target.time));
            let weight = target.weight.map(|weight| decimal::format(weight.into(), WEIGHT_SCALE));
            say(Field::Weight, weight.unwrap_or_default());
        }
        InputEvent::Account(AccountEvent::Fair(fair)) => {
            say(Field::Type, Type::Fair.name().to_owned());
            say(Field::Instrument, instrument(fair.instrument));
            say(Field::Model, catalog.models.name(fair.model).to_string());
            say(Field::Time, ns(fair.time));
            let value = fair.value.map(|value| value.text(fair.spec.price_scale));
            say(Field::Value, value.unwrap_or_default());
        }
    }
    texts
}

fn say_trade(say: &mut impl FnMut(Field, String), trade: &Trade, catalog: &Catalog) {
    say(Field::Instrument, catalog.name(trade.instrument).to_string());
    // A row without an id is identified by its position alone, which is the reader's to give.
    if !matches!(trade.id, TradeId::Position(_)) {
        say(Field::Scope, catalog.scopes.name(trade.scope).to_string());
        say(Field::Id, catalog.ids.show(trade.id));
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
        let parts = [
            (Updates::VOLUME, "volume"),
            (Updates::HIGH_LOW, "high_low"),
            (Updates::OPEN_CLOSE, "open_close"),
        ];
        let has = parts.iter().filter(|(part, _)| trade.updates.has(*part));
        let words = has.map(|(_, word)| *word).collect::<Vec<_>>().join("+");
        say(Field::Updates, if words.is_empty() { "none".to_owned() } else { words });
    }
}

fn say_fill(say: &mut impl FnMut(Field, String), fill: &Fill, catalog: &Catalog) {
    let spec = fill.contract.spec;
    say(Field::Portfolio, catalog.portfolios.name(fill.name.portfolio).to_string());
    say(Field::Id, catalog.ids.show(fill.name.id));
    say(Field::Instrument, catalog.name(fill.instrument).to_string());
    say(Field::Time, ns(fill.time));
    say(Field::Sequence, fill.sequence.to_string());
    say(Field::Price, fill.price.text(spec.price_scale));
    say(Field::Quantity, decimal::format(fill.quantity.into(), spec.quantity_scale));
    say(Field::Fee, decimal::format(fill.fee.into(), MONEY_SCALE));
}

fn ns(time: EventTime) -> String {
    format!("{}ns", time.0)
}
