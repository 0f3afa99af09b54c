use std::sync::Arc;

use market::{
    AccountEvent, Catalog, Event, InputEvent, InstrumentRule, Rejection, RejectionReason, Trade,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::source::Row;

fn checked(config: Value) -> Result<MessageDecoder, String> {
    let usd = InstrumentRule { quote: Arc::from("USD"), ..InstrumentRule::any() };
    let (config, rest) = MessageConfig::split(config.as_object().unwrap().clone())?;
    assert!(rest.is_empty(), "{rest:?}");
    let messages = Messages::check(config, Arc::new(Catalog::new(vec![usd], 100)))?;
    Ok(MessageDecoder::new(&Arc::new(messages), "s/p"))
}

fn trade(row: Option<Row>) -> (u64, Trade) {
    match row.unwrap() {
        Row { position, event: Ok(InputEvent::Market(Event::New(trade))), .. } => (position, trade),
        other => panic!("{other:?}"),
    }
}

fn refused(row: Option<Row>) -> Rejection {
    *row.unwrap().event.unwrap_err()
}

const JSON: &[u8] = br#"{"ts":1514764808562,"px":"13887.5","qty":2,"s":"BTC","id":7}"#;

fn json_columns() -> Value {
    json!({"time": "ts", "price": "px", "size": "qty", "id": "id"})
}

#[test]
fn the_symbol_may_be_in_a_column_the_key_the_channel_or_a_header() {
    let mut columns = json_columns();
    columns["symbol"] = json!("s");
    let common = json!({"instrument": "x:{symbol}", "units": {"time": "ms"}});
    let with = |key: &str, value: Value, columns: Value| {
        let mut config = common.clone();
        config["columns"] = columns;
        config[key] = value;
        checked(config).unwrap()
    };
    let headers = |name: &str| (name == "sym").then_some(&b"BTC"[..]);
    let message =
        Message { key: Some(b"BTC"), channel: "BTC", headers: &headers, ..Message::of(JSON) };
    let want = trade(with("format", json!("json"), columns).decode(&message, 3));
    assert_eq!(want.0, 3);
    for from in ["key", "channel", "header:sym"] {
        let mut decoder = with("symbol_from", json!(from), json_columns());
        assert_eq!(trade(decoder.decode(&message, 3)), want, "{from}");
    }
    let mut by_key = with("symbol_from", json!("key"), json_columns());
    let rejection = refused(by_key.decode(&Message::of(JSON), 4));
    assert_eq!(rejection.reason, RejectionReason::MissingField);
    assert_eq!(rejection.detail, "column \"(key)\" is absent");
    let rejection = refused(by_key.decode(&Message { key: Some(b"\xff"), ..message }, 5));
    assert_eq!(rejection.detail, "byte 1 of the key is not UTF-8");
}

#[test]
fn a_message_may_hold_several_rows() {
    // OKX: what all rows share stands outside.
    let config = json!({
        "instrument": "okx:{symbol}", "rows": ["data"],
        "columns": {"time": "ts", "price": "px", "size": "sz", "id": "tradeId", "symbol": "$.arg.instId"},
        "units": {"time": "ms"}, "where": {"column": "$.arg.channel", "equals": "trades"},
    });
    let mut decoder = checked(config).unwrap();
    let mut rows = |payload: &str, number| {
        let mut rows = Vec::new();
        decoder.decode_each(&Message::of(payload.as_bytes()), number, &mut |row| rows.push(row));
        rows
    };
    let two = r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[
        {"tradeId":"1","px":"42219.9","sz":"0.12","ts":"1630048897897"},
        {"tradeId":"2","px":"42220.0","sz":"0.5","ts":"1630048897898"}]}"#;
    let found: Vec<_> = rows(two, 7).into_iter().map(|row| trade(Some(row))).collect();
    let ids: Vec<_> =
        found.iter().map(|(position, trade)| (*position, trade.id.to_string())).collect();
    assert_eq!(ids, [(7 * 4_096, "1".to_owned()), (7 * 4_096 + 1, "2".to_owned())]);
    assert_eq!(found[0].1.instrument, market::InstrumentId::of("okx:BTC-USDT"));
    // One row that is wrong refuses itself alone.
    let wrong = two.replace("42220.0", "-");
    let found = rows(&wrong, 8);
    assert_eq!(trade(Some(found[0].clone())).0, 8 * 4_096);
    let rejection = refused(Some(found[1].clone()));
    assert_eq!(found[1].position, 8 * 4_096 + 1);
    assert!(rejection.detail.starts_with("row 2 of it: column \"px\": \"-\""), "{rejection:?}");
    // What `where` leaves out needs no rows, what it keeps does; no row is none.
    assert_eq!(rows(r#"{"event":"subscribe"}"#, 9), []);
    assert_eq!(rows(r#"{"arg":{"channel":"trades","instId":"X"},"data":[]}"#, 9), []);
    let rejection = refused(rows(r#"{"arg":{"channel":"trades"}}"#, 9).pop());
    assert!(rejection.detail.starts_with("nothing is at `data` (`rows`)"), "{rejection:?}");
    for (key, value, want) in [
        ("format", json!("csv"), "`rows` says where rows lie in JSON, and `format` is another"),
        ("codec", json!("binance-stream"), "codec = \"binance-stream\" says what `rows` would say"),
    ] {
        let mut config = json!({"instrument": "x:A", "rows": ["data"], "columns": json_columns()});
        if key == "codec" {
            config.as_object_mut().unwrap().remove("columns");
        }
        config[key] = value;
        assert!(checked(config).err().unwrap().starts_with(want));
    }
}

#[test]
fn csv_and_fields_say_the_same_as_json() {
    let units = json!({"time": "ms"});
    let json = json!({"instrument": "x:A", "columns": json_columns(), "units": units});
    let want = trade(checked(json).unwrap().decode(&Message::of(JSON), 1));
    let columns = json!({"time": 1, "price": "2", "size": 3, "id": 5});
    let csv = json!({"format": "csv", "instrument": "x:A", "columns": columns, "units": units});
    let mut csv = checked(csv).unwrap();
    let line = Message::of(b"1514764808562,13887.5,2,buy,7\r\n");
    assert_eq!(trade(csv.decode(&line, 1)), want);
    let rejection = refused(csv.decode(&Message::of(b"1514764808562,13887.5"), 1));
    assert_eq!(rejection.detail, "5 fields expected, 2 found");

    let fields =
        json!({"format": "fields", "instrument": "x:A", "columns": json_columns(), "units": units});
    let mut fields = checked(fields).unwrap();
    let fields_of: [(&[u8], &[u8]); 5] = [
        (b"ts", b"1514764808562"),
        (b"px", b"13887.5"),
        (b"qty", b"2"),
        (b"other", b"\xff"),
        (b"id", b"7"),
    ];
    let entry = Message { payload: None, fields: &fields_of, ..Message::of(b"") };
    assert_eq!(trade(fields.decode(&entry, 1)), want);
    let refusal = refused(fields.decode(&Message { fields: &fields_of[1..], ..entry }, 2));
    assert_eq!(refusal.reason, RejectionReason::MissingField);
    assert!(refusal.raw.starts_with("px=13887.5 qty=2"), "{}", refusal.raw);
}

#[test]
fn codecs_and_entries_are_read_from_messages_too() {
    let mut codec = checked(json!({"codec": "binance-stream"})).unwrap();
    let frame = br#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161600163,"T":1723161600162,"s":"BTCUSDT","t":3719288,"p":"61800.30","q":"0.0060","X":"MARKET","m":false}}"#;
    let (_, of_codec) = trade(codec.decode(&Message::of(frame), 1));
    assert_eq!(of_codec.id, market::TradeId::Number(3_719_288));

    let mut entries = checked(json!({"format": "entries", "type": "fill"})).unwrap();
    let fill = br#"{"portfolio":"p1","id":17,"instrument":"us:AAPL","time":"2026-01-05T14:30:00Z","side":"sell","quantity":100,"price":181.5}"#;
    let row = entries.decode(&Message::of(fill), 1).unwrap();
    assert!(matches!(row.event, Ok(InputEvent::Account(AccountEvent::Fill(_)))), "{row:?}");
    let rejection = refused(entries.decode(&Message::of(b"[]"), 2));
    assert_eq!((rejection.reason, rejection.raw.as_str()), (RejectionReason::Malformed, "[]"));
    let tombstone = Message { payload: None, ..Message::of(b"") };
    assert_eq!(refused(entries.decode(&tombstone, 3)).detail, "the message has no payload");
}

#[test]
fn what_where_leaves_out_is_no_row() {
    let only = json!({"instrument": "x:A", "columns": json_columns(), "units": {"time": "ms"},
        "where": {"column": "s", "equals": "ETH"}});
    assert_eq!(checked(only).unwrap().decode(&Message::of(JSON), 1), None);
}

#[test]
fn what_cannot_be_is_said() {
    let wrong = |config: Value| checked(config).err().unwrap();
    let columns = json_columns();
    for (config, wanted) in [
        (json!({}), "`columns` is missing"),
        (json!({"instrument": "x:A", "columns": columns, "options": {}}), "belong to a `codec`"),
        (
            json!({"instrument": "x:{symbol}", "columns": columns, "symbol_from": "topic"}),
            "\"channel\"",
        ),
        (json!({"instrument": "x:A", "columns": columns, "format": "csv"}), "is not a number"),
        (json!({"instrument": "x:A", "columns": columns, "csv": {}}), "`format` is another"),
        (json!({"instrument": "x:A", "columns": columns, "type": "fill"}), "format = \"entries\""),
        (json!({"format": "entries", "columns": columns}), "leave it out"),
        (json!({"format": "entries", "type": "fil"}), "fill"),
        (json!({"codec": "binance-stream", "columns": columns}), "keep one"),
        (json!({"codec": "us-equity-ticks"}), "codec \"us-equity-ticks\""),
        (json!({"format": "yaml"}), "unknown variant `yaml`"),
    ] {
        let error = wrong(config.clone());
        assert!(error.contains(wanted), "{config}: {error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..80), which in 0..4_usize) {
        let columns = json!({"time": "1", "price": "2", "size": "3"});
        let format = ["json", "csv", "fields", "entries"][which];
        let config = match format {
            "entries" => json!({"format": format}),
            _ => json!({"format": format, "instrument": "x:A", "columns": columns}),
        };
        let mut decoder = checked(config).unwrap();
        let fields: [(&[u8], &[u8]); 2] = [(b"1", &payload), (&payload, b"2")];
        let message = Message { fields: &fields, ..Message::of(&payload) };
        prop_assert!(decoder.decode(&message, 1).is_some());
    }
}

#[test]
fn a_payload_is_decoded_up_to_the_length_that_is_configured() {
    let with = |more: Value| {
        let mut config =
            json!({"instrument": "x:A", "columns": json_columns(), "units": {"time": "ms"}});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        checked(config)
    };
    let long = |bytes: usize| {
        let text = String::from_utf8(JSON.to_vec()).unwrap();
        text.replace("\"BTC\"", &format!("\"{}\"", "x".repeat(bytes + 3 - JSON.len())))
    };
    let decode = |more: Value, bytes: usize| {
        with(more).unwrap().decode(&Message::of(long(bytes).as_bytes()), 1)
    };
    trade(decode(json!({}), 65_536));
    let rejection = refused(decode(json!({}), 65_537));
    let want = "the payload has 65537 bytes, more than 65536 (`max_payload_bytes`)";
    assert_eq!(rejection.detail, want);
    trade(decode(json!({"max_payload_bytes": 1_000_000}), 1_000_000));
    refused(decode(json!({"max_payload_bytes": 100}), 101));
    for wrong in [0, (64 << 20) + 1] {
        let error = with(json!({"max_payload_bytes": wrong})).err().unwrap();
        assert!(error.contains("it must be from 1 to 67108864"), "{error}");
    }
}

#[test]
fn of_a_field_that_comes_twice_the_last_counts() {
    let mut decoder = checked(json!({
        "format": "fields", "instrument": "x:A", "columns": json_columns(), "units": {"time": "ms"},
    }))
    .unwrap();
    let fields: [(&[u8], &[u8]); 5] = [
        (b"px", b"none"),
        (b"ts", b"1514764808562"),
        (b"qty", b"2"),
        (b"id", b"7"),
        (b"px", b"13887.5"),
    ];
    let message = Message { payload: None, fields: &fields, ..Message::of(b"") };
    let (_, trade) = trade(decoder.decode(&message, 1));
    assert_eq!(trade.price.text(trade.spec.price_scale).as_str(), "13887.5");
}
