//! Raw payloads in, rows out.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use market::{
    Catalog, Event, IdScope, InstrumentId, InstrumentRule, RefusalReason, Terms, Trade, TradeId,
    Updates,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Progress, Row, Setting, Source, SourceError};

fn setting(folder: &Path) -> Setting {
    let signed = InstrumentRule {
        pattern: "future:*".to_owned(),
        negative_prices: true,
        terms: Terms {
            price_scale: 2,
            quantity_scale: 0,
            calendar: 0,
        },
        ..InstrumentRule::any()
    };
    Setting {
        name: "test".to_owned(),
        folder: folder.to_owned(),
        catalog: Arc::new(Catalog::new(vec![signed], 4)),
    }
}

fn build(folder: &Path, config: Value) -> Result<Box<dyn Source>, SourceError> {
    crate::sources().build("file", config, setting(folder))
}

fn read_from(source: &dyn Source, after: u64) -> Vec<Row> {
    let mut reader = source.open(0, after).unwrap();
    let mut rows = Vec::new();
    while reader.read(&mut rows).unwrap() == Progress::More {}
    rows
}

/// The rows of one file with these bytes; `config` lacks `paths`.
fn rows_of(name: &str, bytes: &[u8], config: &Value) -> Vec<Row> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let source = build(folder.path(), with_path(config, name)).unwrap();
    read_from(source.as_ref(), 0)
}

fn with_path(config: &Value, name: &str) -> Value {
    let mut config = config.clone();
    config["paths"] = json!([name]);
    config
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The trade of a row that must be a new one.
fn trade(row: &Row) -> Trade {
    match &row.event {
        Ok(Event::New(trade)) => *trade,
        other => panic!("line {}: {other:?}", row.position),
    }
}

/// `position time price size side` of each row, or `position reason: detail`.
fn tell(rows: &[Row]) -> Vec<String> {
    let tell = |row: &Row| match &row.event {
        Ok(Event::New(t)) => format!(
            "{} {} {} {} {}",
            row.position,
            t.time,
            t.price.text(t.terms.price_scale),
            t.quantity.text(t.terms.quantity_scale),
            t.side.name()
        ),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => format!("{} {}: {}", row.position, refusal.reason, refusal.detail),
    };
    rows.iter().map(tell).collect()
}

/// BitMEX's archive: the sign of the size is the aggressor's side; no ids.
fn bitmex() -> Value {
    json!({
        "instrument": "bitmex:XBTUSD",
        "columns": {"time": "timestamp", "price": "price", "size": "size"},
        "units": {"time": "ms", "signed_size": true},
    })
}

const BITMEX: &str = "timestamp,price,size
1514764802610,13873,10
1514764808562,13887,-2000
1514764808562,13887.5,0
";

#[test]
fn signed_sizes() {
    let rows = rows_of("bitmex.csv", BITMEX.as_bytes(), &bitmex());
    assert_eq!(
        tell(&rows),
        [
            "2 2018-01-01T00:00:02.61Z 13873 10 buy",
            "3 2018-01-01T00:00:08.562Z 13887 2000 sell",
            "4 2018-01-01T00:00:08.562Z 13887.5 0 unknown",
        ]
    );
    let first = trade(&rows[0]);
    assert_eq!(first.instrument, InstrumentId::of("bitmex:XBTUSD"));
    assert_eq!(first.scope, IdScope::of("test/bitmex.csv"));
    assert_eq!((first.id, first.sequence), (TradeId::Position(2), 2));
}

#[test]
fn gzip_whatever_its_name() {
    let rows = rows_of("bitmex.csv", BITMEX.as_bytes(), &bitmex());
    let two_members = [
        gzip(&BITMEX.as_bytes()[..30]),
        gzip(&BITMEX.as_bytes()[30..]),
    ]
    .concat();
    for bytes in [gzip(BITMEX.as_bytes()), two_members] {
        assert_eq!(rows_of("bitmex.csv", &bytes, &bitmex()), rows);
    }
    let plain = rows_of("bitmex.csv.gz", BITMEX.as_bytes(), &bitmex());
    assert_eq!(tell(&plain), tell(&rows));
}

#[test]
fn us_equities_without_header_and_with_implied_decimals() {
    // ms since midnight, price × 10 000, size, venue, conditions, suspicious
    let lines = "14400688,491800,300,P,2000,0\n14581540,488700,2000,Q,20002020,0";
    let config = json!({
        "instrument": "us:AIG",
        "csv": {"header": false},
        "columns": {"time": 1, "price": "2", "size": 3},
        "units": {"time": "ms", "price_decimals": 4},
    });
    assert_eq!(
        tell(&rows_of("aig.txt", lines.as_bytes(), &config)),
        [
            "1 1970-01-01T04:00:00.688Z 49.18 300 unknown",
            "2 1970-01-01T04:03:01.54Z 48.87 2000 unknown",
        ]
    );
}

#[test]
fn combined_stream_frames_of_binance() {
    let frames = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","T":1723161256298,"b":[["58710.20","0.014"]]}}
{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}

{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161256323,"T":1723161256323,"s":"ETHUSDT","t":17,"p":2681.620,"q":1e-3,"m":true}}
"#;
    let config = json!({
        "instrument": "binance-usdm:{symbol}",
        "columns": {
            "time": "data.T", "price": "data.p", "size": "data.q", "symbol": "data.s", "id": "data.t",
            "maker": "data.m",
        },
        "units": {"time": "ms"},
        "where": {"column": "data.e", "equals": "trade"},
    });
    let rows = rows_of("frames.jsonl", frames.as_bytes(), &config);
    assert_eq!(
        tell(&rows),
        [
            "2 2024-08-08T23:54:16.322Z 61800.3 0.006 buy",
            "4 2024-08-08T23:54:16.323Z 2681.62 0.001 sell",
        ]
    );
    let first = trade(&rows[0]);
    assert_eq!(first.instrument, InstrumentId::of("binance-usdm:BTCUSDT"));
    assert_eq!(first.scope, IdScope::of("binance-usdm"));
    assert_eq!(
        (first.id, first.sequence),
        (TradeId::Number(5266583935), 5266583935)
    );
}

#[test]
fn other_dialects() {
    let quoted = "\u{feff}\"symbol\",\"side\",\"price\",\"amount\",\"timestamp\"\r\n\
        \"BTC-USD\",\"sell\",25741.02,3.844E-5,\"2023-09-05T16:00:01.281719Z\"\r\n";
    let config = json!({
        "symbols": {"BTC-USD": "coinbase:BTC-USD"},
        "columns": {"time": "timestamp", "price": "price", "size": "amount", "symbol": "symbol", "side": "side"},
    });
    assert_eq!(
        tell(&rows_of("trades.csv", quoted.as_bytes(), &config)),
        ["2 2023-09-05T16:00:01.281719Z 25741.02 0.00003844 sell"]
    );
    // A header in GBK: columns by number.
    let okx = b"trade_id/\xb3\xc9,side/\xbd\xbb,size,price,created\n450372093,buy,0.00418025,35910.6,1700239042832\n";
    let config = json!({
        "instrument": "okx:BTC-USDT",
        "columns": {"time": 5, "price": 4, "size": 3, "id": 1, "side": 2},
        "units": {"time": "ms"},
    });
    assert_eq!(
        tell(&rows_of("okx.csv", okx, &config)),
        ["2 2023-11-17T16:37:22.832Z 35910.6 0.00418025 buy"]
    );
    let nested = r#"{"Item":{"time_exchange":"2025-03-25T23:07:00.715Z","kind":{"OrderBookL1":{"best_bid":null}}}}
{"Item":{"time_exchange":"2025-03-25T23:07:00.715Z","kind":{"Trade":{"id":"4744868157","price":87232.0,"amount":0.00012,"side":"Sell"}}}}"#;
    let config = json!({
        "instrument": "binance:BTCUSDT",
        "columns": {
            "time": "Item.time_exchange", "price": "Item.kind.Trade.price",
            "size": "Item.kind.Trade.amount", "id": "Item.kind.Trade.id", "side": "Item.kind.Trade.side",
        },
        "where": {"column": "Item.kind.Trade.id"},
    });
    assert_eq!(
        tell(&rows_of("barter.ndjson", nested.as_bytes(), &config)),
        ["2 2025-03-25T23:07:00.715Z 87232 0.00012 sell"]
    );
}

#[test]
fn corrections_and_cancels() {
    let lines = "kind\tid\tof\told\tsym\ttime\tprice\tsize\tupdates
trade\t52983525033527\t\t\tEEM\t2024-05-01T14:00:00Z\t39.1582\t100\t
Correction\t52983525034326\t52983525033527\tEEM\tEEM\t2024-05-01T14:00:00Z\t39.1809\t100\tvolume+high_low
cancel\t52983525034326\t\t\tEEM\t\t\t\t
BUST\t\tA-1\t\tEEM\t2024-05-01T14:00:02Z\t\t\t
correct\t9\t8\tSPY\tEEM\t2024-05-01T14:00:00Z\t1\t1\t
cancel\t\t\t\tEEM\t\t\t\t
correct\t9\t8\tGONE\tEEM\t2024-05-01T14:00:00Z\t1\t1\t
cancel\t9\t\t\tEEM\tlater\t\t\t
";
    let config = json!({
        "symbols": {"EEM": "us:EEM", "SPY": "us:SPY"},
        "id_scope": "alpaca",
        "csv": {"delimiter": "tab"},
        "columns": {
            "time": "time", "price": "price", "size": "size", "symbol": "sym", "id": "id",
            "kind": "kind", "of": "of", "of_symbol": "old", "updates": "updates",
        },
    });
    let rows = rows_of("alpaca.csv", lines.as_bytes(), &config);
    let original = trade(&rows[0]);
    assert_eq!(original.updates, Updates::ALL);
    assert_eq!(original.scope, IdScope::of("alpaca"));
    let Ok(Event::Correct { of, with }) = rows[1].event else {
        panic!("{:?}", rows[1])
    };
    assert_eq!(of, original.name());
    assert_eq!(with.id, TradeId::Number(52983525034326));
    assert_eq!(with.updates, Updates::VOLUME.and(Updates::HIGH_LOW));
    let cancel = |row: &Row| match row.event {
        Ok(Event::Cancel { of, time }) => (of, time),
        _ => panic!("{row:?}"),
    };
    assert_eq!(cancel(&rows[2]), (with.name(), None));
    let (of, time) = cancel(&rows[3]);
    assert_eq!(of.id, TradeId::of("A-1"));
    assert_eq!(time.unwrap().rfc3339(), "2024-05-01T14:00:02Z");
    assert_eq!(
        tell(&rows[4..]),
        [
            "6 moves_instrument: column \"old\": \"SPY\" is another instrument than that of the record",
            "7 missing_field: column \"id\" is empty",
            "8 unknown_symbol: column \"old\": \"GONE\" is not in the table of symbols",
            "9 bad_time: column \"time\": \"later\" is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z",
        ]
    );
}

#[test]
fn bad_rows_say_what_is_wrong() {
    let config = json!({
        "instrument": "future:{symbol}",
        "columns": {
            "time": "t", "price": "p", "size": "q", "symbol": "s", "sequence": "n", "side": "side",
            "updates": "u",
        },
        "units": {"time": "ms"},
    });
    for (line, want) in [
        ("1,2,3,A,5,b,none", "2 1970-01-01T00:00:00.001Z 2 3 buy"),
        (
            "1,-37.63,3,A,5,,",
            "2 1970-01-01T00:00:00.001Z -37.63 3 unknown",
        ),
        (
            "1,12x,3,A,5,b,",
            "2 bad_price: column \"p\": \"12x\" is not a decimal number",
        ),
        (
            "1,0.125,3,A,5,b,",
            "2 bad_price: column \"p\": \"0.125\" has more than 2 decimals",
        ),
        (
            "1,1e30,3,A,5,b,",
            "2 bad_price: column \"p\": \"1e30\" does not fit in 64 bits at 2 decimals",
        ),
        (
            "1,2,0.5,A,5,b,",
            "2 bad_size: column \"q\": \"0.5\" has more than 0 decimals",
        ),
        (
            "1,2,-3,A,5,b,",
            "2 bad_size: column \"q\": \"-3\" is negative, and `units.signed_size` is not set",
        ),
        (
            "1,90000000000000000,9000000000000000000,A,5,b,",
            "2 notional_too_large: 90000000000000000 times 9000000000000000000 is more than sums can hold at this instrument's decimals",
        ),
        (
            "x,2,3,A,5,b,",
            "2 bad_time: column \"t\": \"x\" as a number of ms since 1970 is not a decimal number",
        ),
        (",2,3,A,5,b,", "2 missing_field: column \"t\" is empty"),
        ("1, ,3,A,5,b,", "2 missing_field: column \"p\" is empty"),
        ("1,2,3,,5,b,", "2 missing_field: column \"s\" is empty"),
        (
            "1,2,3,A B,5,b,",
            "2 bad_instrument: `future:A B` is not an instrument name (1 to 128 visible ASCII characters)",
        ),
        (
            "1,2,3,A,-5,b,",
            "2 bad_field: column \"n\": \"-5\" is not an unsigned integer of 64 bits",
        ),
        ("1,2,3,A,,b,", "2 missing_field: column \"n\" is empty"),
        (
            "1,2,3,A,5,1,",
            "2 bad_field: column \"side\": \"1\" is not a side (buy, b, bid, buyer; sell, s, ask, a, seller; unknown, n, none, any)",
        ),
        (
            "1,2,3,A,5,b,volume+",
            "2 bad_field: column \"u\": \"volume+\" is not a set of updates (all, none, or volume, high_low, open_close joined by +)",
        ),
        ("1,2,3,A,5", "2 malformed: 7 fields expected, 5 found"),
        ("1,2,3,A,5,b,,", "2 malformed: 7 fields expected, 8 found"),
        (
            "1,2,3,A,5,\"b,",
            "2 malformed: a quote is opened and not closed",
        ),
        ("1,2,3,A,5,\"b\",", "2 1970-01-01T00:00:00.001Z 2 3 buy"),
    ] {
        let file = format!("t,p,q,s,n,side,u\n{line}\n");
        assert_eq!(
            tell(&rows_of("f.csv", file.as_bytes(), &config)),
            [want],
            "{line}"
        );
    }
    let not_utf8 = rows_of("f.csv", b"t,p,q,s,n,side,u\n1,2,3,A\xff,5,b,\n", &config);
    assert_eq!(tell(&not_utf8), ["2 malformed: byte 8 is not UTF-8"]);
    assert_eq!(
        not_utf8[0].event.as_ref().unwrap_err().raw,
        "1,2,3,A\u{fffd},5,b,"
    );
    for price in ["0", "-1"] {
        let rows = rows_of(
            "f.csv",
            format!("timestamp,price,size\n1,{price},1").as_bytes(),
            &bitmex(),
        );
        assert_eq!(
            tell(&rows),
            [format!(
                "2 price_not_positive: column \"price\": \"{price}\" is not a positive price"
            )]
        );
    }
}

#[test]
fn bad_json_says_what_is_wrong() {
    let config = json!({
        "instrument": "a:B",
        "columns": {"time": "t", "price": "p", "size": "d.q"},
        "units": {"time": "s"},
    });
    for (line, want) in [
        (
            r#"{"t":1,"p":"2","d":{"q":3}}"#,
            "1 1970-01-01T00:00:01Z 2 3 unknown",
        ),
        (
            r#"{"t":1,"p":null,"d":{"q":3}}"#,
            "1 missing_field: column \"p\" is absent",
        ),
        (
            r#"{"t":1,"p":2,"d":7}"#,
            "1 missing_field: column \"d.q\" is absent",
        ),
        (
            r#"{"t":1,"p":true,"d":{"q":3}}"#,
            "1 bad_price: column \"p\": \"true\" is not a decimal number",
        ),
        (
            r#"{"t":1,"p":{"q":3}}"#,
            "1 malformed: not a JSON object that can be read: a column holds an object or an array at byte 19",
        ),
        (
            "[1]",
            "1 malformed: not a JSON object that can be read: invalid type: sequence, expected an object at byte 0",
        ),
        (
            r#"{"t":1"#,
            "1 malformed: not a JSON object that can be read: EOF while parsing an object at byte 6",
        ),
    ] {
        assert_eq!(
            tell(&rows_of("f.jsonl", line.as_bytes(), &config)),
            [want],
            "{line}"
        );
    }
}

#[test]
fn a_full_catalog_refuses_rows() {
    let lines = "t,p,q,s\n1,1,1,A\n1,1,1,B\n1,1,1,C\n1,1,1,D\n1,1,1,E\n1,1,1,A\n";
    let config = json!({
        "instrument": "x:{symbol}",
        "columns": {"time": "t", "price": "p", "size": "q", "symbol": "s"},
        "units": {"time": "s"},
    });
    let rows = rows_of("f.csv", lines.as_bytes(), &config);
    let refused: Vec<_> = rows
        .iter()
        .filter(|row| row.event.is_err())
        .map(|row| row.position)
        .collect();
    assert_eq!(refused, [6]);
}

#[test]
fn what_breaks_off_ends_with_a_refusal() {
    let mut lines = "timestamp,price,size\n".to_owned();
    for n in 0..5_000_u64 {
        // Hard to compress, so that the cut loses something.
        lines += &format!(
            "{},{},{}\n",
            1_514_764_802_610 + n,
            1 + n * 7_919 % 99_991,
            n * 104_729 % 6_151
        );
    }
    let whole = gzip(lines.as_bytes());
    let rows = rows_of("f.csv.gz", &whole, &bitmex());
    assert_eq!(rows.len(), 5_000);
    for cut in [
        12,
        40,
        1_000,
        whole.len() / 2,
        whole.len() - 20,
        whole.len() - 1,
    ] {
        let read = rows_of("f.csv.gz", &whole[..cut], &bitmex());
        let (last, accepted) = read.split_last().unwrap();
        assert_eq!(accepted, &rows[..accepted.len()], "cut at {cut}");
        let refusal = last.event.as_ref().unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::Truncated, "cut at {cut}");
        assert!(last.position >= accepted.len() as u64);
    }
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 50].fill(0x55);
    let read = rows_of("f.csv.gz", &damaged, &bitmex());
    assert_eq!(
        read.last().unwrap().event.as_ref().unwrap_err().reason,
        RefusalReason::Truncated
    );
    // A plain file cannot be told from a shorter one but by its last line.
    assert_eq!(
        tell(&rows_of(
            "f.csv",
            b"timestamp,price,size\n15147648",
            &bitmex()
        )),
        ["2 malformed: 3 fields expected, 1 found"]
    );
    assert_eq!(rows_of("f.csv", b"", &bitmex()), []);
}

#[test]
fn reading_again_from_any_line_gives_the_same_rows() {
    let file = "\ntimestamp,price,size\n1,1,1\n\n2,\"2\n\",3\n3,x,3\n4,\"4,5\n5,5,5\n6,6,6";
    let folder = TempDir::new().unwrap();
    for (name, bytes) in [
        ("f.csv", file.as_bytes().to_vec()),
        ("g.csv", gzip(file.as_bytes())),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let source = build(folder.path(), with_path(&bitmex(), name)).unwrap();
        let all = read_from(source.as_ref(), 0);
        let positions: Vec<_> = all.iter().map(|row| row.position).collect();
        // Line 8 opens a quote that only line 10 could close, which it does not.
        assert_eq!(positions, [3, 5, 7, 8, 9, 10]);
        for after in 0..14 {
            let want: Vec<_> = all
                .iter()
                .filter(|row| row.position > after)
                .cloned()
                .collect();
            assert_eq!(read_from(source.as_ref(), after), want, "after {after}");
        }
    }
}

#[test]
fn long_lines_and_open_quotes_are_bounded() {
    let long = "9".repeat(200_000);
    let file = format!(
        "timestamp,price,size\n1,{long},1\n2,2,2\n3,\"{}\n4,4,4\n",
        "a\n".repeat(60_000)
    );
    let rows = rows_of("f.csv", file.as_bytes(), &bitmex());
    assert_eq!(rows.len(), 60_000 + 3);
    assert_eq!(
        tell(&rows[..1]),
        ["2 malformed: the line is longer than 65536 bytes"]
    );
    assert_eq!(
        tell(&rows[2..3]),
        ["4 malformed: a quote is opened and not closed"]
    );
    assert_eq!(trade(rows.last().unwrap()).quantity.text(8), "4");
}

#[test]
fn what_cannot_be_opened() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f.csv"), "time,px,size\n").unwrap();
    let absent = build(folder.path(), with_path(&bitmex(), "absent.csv")).unwrap();
    let error = absent.open(0, 0).err().unwrap();
    assert!(matches!(error, SourceError::Open { .. }) && !error.is_retryable());
    let error = absent.open(1, 0).err().unwrap();
    assert_eq!(
        error.to_string(),
        "source `test`: there is no partition 1; it has 1"
    );
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let directory = build(folder.path(), with_path(&bitmex(), "folder.csv")).unwrap();
    assert!(matches!(
        directory.open(0, 0),
        Err(SourceError::Open { .. })
    ));
    let mut config = with_path(&bitmex(), "f.csv");
    for (csv, columns, want) in [
        (
            json!({}),
            json!({"time": "time", "price": "price", "size": "size"}),
            "f.csv: there is no column \"price\" (there are: time, px, size)",
        ),
        (
            json!({}),
            json!({"time": "time", "price": 4, "size": "size"}),
            "f.csv: there is no column 4; the first line has 3",
        ),
        (
            json!({"header": false}),
            json!({"time": "time", "price": 2, "size": 3}),
            "f.csv: column \"time\" is not a number, and `csv.header` is false: columns are numbered from 1",
        ),
    ] {
        config["csv"] = csv;
        config["columns"] = columns;
        let error = build(folder.path(), config.clone())
            .unwrap()
            .open(0, 0)
            .err()
            .unwrap();
        assert_eq!(error.to_string(), format!("source `test`: {want}"));
    }
}

/// Archives that are too large, or not ours, to be part of the project: the test tells when they are
/// absent.
#[test]
fn real_archives() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let binance = json!({
        "instrument": "binance:{symbol}",
        "columns": {
            "time": "TransactionTime", "price": "Price", "size": "Quantity", "symbol": "Symbol",
            "id": "TradeId", "maker": "IsBuyerMarketMaker",
        },
        "units": {"time": "us"},
    });
    let quest = json!({
        "instrument": "coinbase:{symbol}",
        "columns": {"time": "timestamp", "price": "price", "size": "amount", "symbol": "symbol", "side": "side"},
    });
    let barter = json!({
        "symbols": {"0": "binance:BTCUSDT", "1": "binance:ETHUSDT", "2": "binance:SOLUSDT"},
        "columns": {
            "time": "Item.time_exchange", "price": "Item.kind.Trade.price", "symbol": "Item.instrument",
            "size": "Item.kind.Trade.amount", "id": "Item.kind.Trade.id", "side": "Item.kind.Trade.side",
        },
        "where": {"column": "Item.kind.Trade.id"},
    });
    for (path, config, trades) in [
        (
            "bitmex_xbtusd_1m/Bitmex_XBTUSD_1M.csv.gz",
            bitmex(),
            1_000_000,
        ),
        (
            "binance_trx_stream_csv/test_positive_binance_trade_stream_spot_trxusdt_04-03-2025.csv",
            binance,
            10_000,
        ),
        ("questdb_btc_trades/btc_trades.csv", quest, 5_882),
        (
            "binance_spot_barter/binance_spot_trades_l1_btcusdt_ethusdt_solusdt.jsonl.gz",
            barter,
            11_032,
        ),
    ] {
        if !data.join(path).exists() {
            println!("skipped: there is no {path} in {}", data.display());
            continue;
        }
        let source = build(&data, with_path(&config, path)).unwrap();
        let start = std::time::Instant::now();
        let mut reader = source.open(0, 0).unwrap();
        let (mut rows, mut accepted) = (Vec::new(), 0);
        loop {
            let progress = reader.read(&mut rows).unwrap();
            accepted += rows.iter().map(trade).count();
            rows.clear();
            if progress == Progress::Ended {
                break;
            }
        }
        println!("{path}: {accepted} trades in {:?}", start.elapsed());
        assert_eq!(accepted, trades, "{path}");
    }
}
