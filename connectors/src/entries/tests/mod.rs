//! Rows as people write them, and what they come to.

mod bodies;
mod documented;
mod errors;
mod files;

use std::sync::Arc;

use market::{
    AccountEvent, CalendarId, Catalog, Event, Fill, InputEvent, InstrumentRule, InstrumentSpec,
    RejectionReason, Trade,
};

use super::*;

/// `us:*` in dollars with 2 and 0 decimals, `fut:*` with a multiplier and prices below zero, all others
/// without a currency.
fn catalog() -> Arc<Catalog> {
    let spec = InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(0) };
    let us = InstrumentRule {
        pattern: "us:*".to_owned(),
        spec,
        quote: Arc::from("USD"),
        ..InstrumentRule::any()
    };
    let futures = InstrumentRule {
        pattern: "fut:*".to_owned(),
        multiplier: 50.into(),
        negative_prices: true,
        ..us.clone()
    };
    Arc::new(Catalog::new(vec![us, futures], 20))
}

/// What the only row of a JSON text comes to, at position 7.
fn read(json: &str) -> Result<InputEvent, FieldError> {
    let decoder = Decoder::new(catalog(), None, "http/process");
    let record = Texts::of_object(json).and_then(|texts| decoder.decode(&texts, 7));
    record.map(|record| record.says)
}

/// A trade in words.
fn trade(t: &Trade) -> String {
    format!(
        "{} at {} seq {}: {} × {} {} {:?}",
        t.id,
        t.time,
        t.sequence,
        t.quantity.text(t.spec.quantity_scale),
        t.price.text(t.spec.price_scale),
        t.side.name(),
        t.updates
    )
}

fn fill(f: &Fill) -> String {
    let Fill { name, contract, time, sequence, price, quantity, fee, fee_currency, .. } = f;
    let price = price.text(contract.spec.price_scale);
    let (id, quote, times) = (name.id, contract.quote, contract.multiplier);
    let paid = if *fee_currency == quote { String::new() } else { format!(" {fee_currency}") };
    format!("{id} at {time} seq {sequence}: {quantity} × {price} {quote} × {times} fee {fee}{paid}")
}

/// An entry in words.
fn words(entry: &InputEvent) -> String {
    match entry {
        InputEvent::Market(Event::New(new)) => format!("new {}", trade(new)),
        InputEvent::Market(Event::Correct { of, with }) => format!("{} is {}", of.id, trade(with)),
        InputEvent::Market(Event::Cancel { of, time }) => format!("no {}, at {time:?}", of.id),
        InputEvent::Account(AccountEvent::Fill(f)) => format!("fill {}", fill(f)),
        InputEvent::Account(AccountEvent::Correct(f)) => format!("correct {}", fill(f)),
        InputEvent::Account(AccountEvent::Bust { of, time, .. }) => {
            format!("bust {}, at {time:?}", of.id)
        }
        InputEvent::Account(AccountEvent::Target(t)) => {
            format!("target {:?} at {}", t.weight, t.time)
        }
        InputEvent::Account(AccountEvent::Fair(f)) => format!("fair {:?} at {}", f.value, f.time),
    }
}

#[test]
fn every_type_of_entry() {
    let t = r#""instrument":"us:AAPL","time":"2026-01-05T14:30:00Z""#;
    let fill = r#""portfolio":"p1","id":"F-1","price":181.5,"quantity":100"#;
    for (json, want) in [
        (
            format!(r#"{{"type":"trade","id":17,"price":"181.50","quantity":3,"side":"buy",{t}}}"#),
            "new 17 at 2026-01-05T14:30:00Z seq 17: 3 × 181.5 buy Updates(7)",
        ),
        (
            // Without an id a trade is known by its position.
            format!(r#"{{"type":"trade","price":1e2,"quantity":1,"updates":"volume",{t}}}"#),
            "new at:7 at 2026-01-05T14:30:00Z seq 7: 1 × 100 unknown Updates(1)",
        ),
        (
            // Nobody traded, so no bar shows it, unless it says that it is a price alone.
            format!(r#"{{"type":"trade","price":1e2,"quantity":0,{t}}}"#),
            "new at:7 at 2026-01-05T14:30:00Z seq 7: 0 × 100 unknown Updates(0)",
        ),
        (
            format!(r#"{{"type":"trade","price":1,"quantity":0,"updates":"open_close",{t}}}"#),
            "new at:7 at 2026-01-05T14:30:00Z seq 7: 0 × 1 unknown Updates(4)",
        ),
        (
            // Without a sequence its place says which correction counts.
            format!(r#"{{"type":"correct","id":17,"price":1,"quantity":1,{t}}}"#),
            "17 is 17 at 2026-01-05T14:30:00Z seq 17: 1 × 1 unknown Updates(7)",
        ),
        (
            format!(r#"{{"type":"trade","id":17,"sequence":5,"price":1,"quantity":1,{t}}}"#),
            "new 17 at 2026-01-05T14:30:00Z seq 5: 1 × 1 unknown Updates(7)",
        ),
        (
            format!(
                r#"{{"type":"correct","of":17,"id":18,"sequence":9,"price":1,"quantity":1,{t}}}"#
            ),
            "17 is 18 at 2026-01-05T14:30:00Z seq 9: 1 × 1 unknown Updates(7)",
        ),
        (
            format!(r#"{{"type":"correct","of":17,"sequence":9,"price":1,"quantity":1,{t}}}"#),
            "17 is 17 at 2026-01-05T14:30:00Z seq 9: 1 × 1 unknown Updates(7)",
        ),
        (r#"{"type":"cancel","instrument":"us:AAPL","id":17}"#.to_owned(), "no 17, at None"),
        (
            r#"{"type":"cancel","instrument":"us:AAPL","of":17,"id":18,"time":"1s"}"#.to_owned(),
            "no 17, at Some(1970-01-01T00:00:01Z)",
        ),
        (
            format!(r#"{{"type":"fill",{fill},"side":"sell","fee":0.35,{t}}}"#),
            "fill text:? at 2026-01-05T14:30:00Z seq 0: -100 × 181.5 USD × 1 fee 350000000",
        ),
        (
            format!(
                r#"{{"type":"fill",{fill},"side":"sell","fee":0.001,"fee_currency":"BNB",{t}}}"#
            ),
            "fill text:? at 2026-01-05T14:30:00Z seq 0: -100 × 181.5 USD × 1 fee 1000000 BNB",
        ),
        (
            format!(r#"{{"type":"fill",{fill},"fee":0.35,"fee_currency":"USD",{t}}}"#),
            "fill text:? at 2026-01-05T14:30:00Z seq 0: 100 × 181.5 USD × 1 fee 350000000",
        ),
        (
            format!(r#"{{"type":"fill",{fill},"fee":0.35,"fee_currency":"",{t}}}"#),
            "fill text:? at 2026-01-05T14:30:00Z seq 0: 100 × 181.5 USD × 1 fee 350000000",
        ),
        (
            // A fill is sold by its sign, or by its side.
            format!(r#"{{"type":"fill",{},{t}}}"#, fill.replace("100", "-100")),
            "fill text:? at 2026-01-05T14:30:00Z seq 0: -100 × 181.5 USD × 1 fee 0",
        ),
        (
            format!(
                r#"{{"type":"fill_correct",{fill},"sequence":4,"instrument":"fut:ES","time":"1700000000s","fee":null}}"#
            ),
            "correct text:? at 2023-11-14T22:13:20Z seq 4: 100 × 181.5 USD × 50 fee 0",
        ),
        (r#"{"type":"bust","portfolio":"p1","id":"F-1"}"#.to_owned(), "bust text:?, at None"),
        (
            format!(r#"{{"type":"target","portfolio":"p1","weight":-0.25,{t}}}"#),
            "target Some(-250000000) at 2026-01-05T14:30:00Z",
        ),
        (
            format!(r#"{{"type":"target","portfolio":"p1","weight":null,{t}}}"#),
            "target None at 2026-01-05T14:30:00Z",
        ),
        (
            format!(r#"{{"type":"fair","model":"dcf","value":"190.01",{t}}}"#),
            "fair Some(Price(19001)) at 2026-01-05T14:30:00Z",
        ),
        (
            format!(r#"{{"type":"fair","model":"dcf","value":"",{t}}}"#),
            "fair None at 2026-01-05T14:30:00Z",
        ),
    ] {
        let entry = read(&json).unwrap_or_else(|error| panic!("{json}: {error:?}"));
        let hash = market::TradeId::of("F-1").to_string();
        assert_eq!(words(&entry), want.replace("text:?", &hash), "{json}");
    }
}

#[test]
fn scopes_are_those_of_feeds() {
    let catalog = catalog();
    // A feed has declared that its ids have no holes; the same id is the same trade.
    let feed = catalog.scopes.resolve("binance", true).unwrap();
    let decoder = Decoder::new(Arc::clone(&catalog), Some(Type::Trade), "http/process");
    let scope = |more: &str| {
        let json = format!(
            r#"{{"instrument":"binance:BTCUSDT","id":1,"time":"1s","price":1,"quantity":1{more}}}"#
        );
        let texts = Texts::of_object(&json).unwrap();
        match decoder.decode(&texts, 1).map(|record| record.says) {
            Ok(InputEvent::Market(Event::New(trade))) => trade.scope,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(scope(""), feed);
    assert_eq!(scope(r#","scope":"agg""#), market::IdScope::of("agg"));
}

#[test]
fn names_are_known_once_the_row_is_bound() {
    let catalog = catalog();
    let decoder = Decoder::new(Arc::clone(&catalog), None, "a");
    let (portfolio, model) = (market::PortfolioId::of("p9"), market::ModelId::of("dcf"));
    for json in [
        r#"{"type":"bust","portfolio":"p9","id":1}"#,
        r#"{"type":"fair","instrument":"us:X","model":"dcf","value":1,"time":"1s"}"#,
    ] {
        let decode = || decoder.decode(&Texts::of_object(json).unwrap(), 1).unwrap().unknown;
        catalog.register(&decode().unwrap()).unwrap();
        assert_eq!(decode(), None, "{json}");
    }
    assert_eq!(&*catalog.portfolios.name(portfolio), "p9");
    assert_eq!(&*catalog.models.name(model), "dcf");
    assert_eq!(catalog.all().len(), 1);
}

#[test]
fn where_a_row_lies_is_no_content() {
    let decoder = Decoder::new(catalog(), Some(Type::Trade), "http/process");
    let content = |json: &str, position| {
        let record = decoder.decode(&Texts::of_object(json).unwrap(), position).unwrap();
        match record.says {
            InputEvent::Market(Event::New(trade)) => Ok(trade.content()),
            InputEvent::Account(AccountEvent::Fill(fill)) => Err(fill),
            other => panic!("{other:?}"),
        }
    };
    let of = r#""instrument":"us:AAPL","time":"1s","price":1,"quantity":1"#;
    for (json, same) in [
        (format!(r#"{{"id":"t-1",{of}}}"#), true),
        (format!(r#"{{"id":1,{of}}}"#), true),
        (format!(r#"{{"id":"t-1","sequence":5,{of}}}"#), true),
        (format!(r#"{{"type":"fill","portfolio":"p","id":"f-1",{of}}}"#), true),
        // A row without an id is identified by its position.
        (format!("{{{of}}}"), false),
    ] {
        assert_eq!(content(&json, 7) == content(&json, 9), same, "{json}");
    }
    let raw = format!(r#"{{"id":"t-1","sequence":7,{of}}}"#);
    assert_ne!(content(&format!(r#"{{"id":"t-1",{of}}}"#), 7), content(&raw, 7));
}

/// People write `size` and `symbol`, as their feeds do. Both words for one field are too many.
#[test]
fn some_fields_and_types_have_another_word() {
    let row = r#"{"type":"trade","instrument":"us:A","id":1,"time":"1700000000s","price":2,"quantity":3}"#;
    let other = row.replace("instrument", "symbol").replace("quantity", "size");
    assert_eq!(read(&other).unwrap(), read(row).unwrap());
    let correct = row.replace("trade", "correct");
    assert_eq!(read(&correct.replace("correct", "correction")).unwrap(), read(&correct).unwrap());
    for (one, both) in [
        ("\"quantity\":3", "\"quantity\":3,\"size\":3"),
        ("\"instrument\":\"us:A\"", "\"symbol\":\"us:A\",\"instrument\":\"us:A\""),
    ] {
        let error = read(&row.replace(one, both)).unwrap_err();
        assert!(error.detail.contains("(or `s") && error.detail.contains("twice"), "{error:?}");
    }
    let header = EntryHeader::read(["type", "size", "quantity"].into_iter());
    assert_eq!(header.unwrap_err(), "there are two columns `quantity` (or `size`)");
}
