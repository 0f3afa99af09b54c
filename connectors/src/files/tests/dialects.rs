//! What feeds write, and what it means.

use crate::lines::LINE_MAX;
use crate::source::Place;
use market::{Event, IdScope, InputEvent, InstrumentId, TradeId, Updates};

use super::*;

#[test]
fn signed_sizes() {
    let rows = rows_of("bitmex.csv", BITMEX.as_bytes(), &bitmex());
    assert_eq!(
        describe(&rows),
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
    let two_members = [gzip(&BITMEX.as_bytes()[..30]), gzip(&BITMEX.as_bytes()[30..])].concat();
    for bytes in [gzip(BITMEX.as_bytes()), two_members] {
        assert_eq!(rows_of("bitmex.csv", &bytes, &bitmex()), rows);
    }
    let plain = rows_of("bitmex.csv.gz", BITMEX.as_bytes(), &bitmex());
    assert_eq!(describe(&plain), describe(&rows));
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
        describe(&rows_of("aig.txt", lines.as_bytes(), &config)),
        [
            "1 1970-01-01T04:00:00.688Z 49.18 300 unknown",
            "2 1970-01-01T04:03:01.54Z 48.87 2000 unknown",
        ]
    );
}

/// Without a header, columns are counted in the first line that can be read, whatever lies before it.
#[test]
fn a_first_line_that_cannot_be_read_says_nothing_of_the_columns() {
    let rest = "1,10,1,a\n2,20,1,b\n3,30,1\n";
    let config = json!({
        "instrument": "x:A",
        "csv": {"header": false},
        "columns": {"time": 1, "price": 2, "size": 3},
        "units": {"time": "s"},
    });
    let long = "9,".repeat(LINE_MAX);
    for (first, why) in [
        (long.as_bytes(), "the line is longer than 65536 bytes"),
        (&[0; 2 * LINE_MAX], "the line is longer than 65536 bytes"),
        (b"\0\0\0\0", "it holds a byte 0, and so is no text"),
        (b"\0\0\0,10,1", "it holds a byte 0, and so is no text"),
        (b"\xff\xfe junk,1", "byte 1 is not UTF-8"),
        (b"9,\"oops", "a quote is opened and not closed"),
    ] {
        let folder = TempDir::new().unwrap();
        let file = [first, b"\n\n", rest.as_bytes()].concat();
        fs::write(folder.path().join("f.csv"), file).unwrap();
        let source = build(folder.path(), with_path(&config, "f.csv")).unwrap();
        let rows = read_from(source.as_ref(), 0);
        let want = [
            &format!("1 malformed: {why}"),
            "3 1970-01-01T00:00:01Z 10 1 unknown",
            "4 1970-01-01T00:00:02Z 20 1 unknown",
            "5 malformed: 4 fields expected, 3 found",
        ];
        assert_eq!(describe(&rows), want);
        assert_eq!(read_from(source.as_ref(), 4), rows[3..], "{why}");
    }
    // The first line that can be read lacks a column: it is refused, and the next one says how many there are.
    let rows = rows_of("f.csv", b"\0\n1,10\n2,20,1\n", &config);
    let want = [
        "2 malformed: there is no column 3; the first line has 2",
        "3 1970-01-01T00:00:02Z 20 1 unknown",
    ];
    assert_eq!(describe(&rows[1..]), want);
    // Nor is it a header, where only that which begins with a digit is none.
    let codec = json!({"codec": "binance-aggtrades-csv"});
    let rows = b"1,10.0,0.5,1,1,1600000000000,True,True\n2,11.0,0.5,2,2,1600000000001,True,True\n";
    let read =
        |first: &[u8]| rows_of("BTCUSDT-aggTrades-2020-09-13.csv", &[first, rows].concat(), &codec);
    for first in [&[0; 2 * LINE_MAX][..], b"\0", b"\0\nagg_id,price,qty,first,last,time,maker,best"]
    {
        let rows = read(&[first, b"\n"].concat());
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert_eq!(rows.iter().filter(|row| row.event.is_ok()).count(), 2, "{rows:?}");
    }
}

/// What `where` leaves out is no row; if that is everything, what there was is told, after the last file.
#[test]
fn a_filter_that_leaves_out_everything_is_told() {
    let mut config = json!({
        "instrument": "x:A",
        "paths": ["a.csv", "b.csv"],
        "columns": {"time": "t", "price": "p", "size": "q"},
        "units": {"time": "s"},
        "where": {"column": "kind", "equals": "trade"},
    });
    let folder = TempDir::new().unwrap();
    let kinds = ["TRADE", "quote", "", "quote", "x", "y", "z"];
    let rows: String = kinds.iter().map(|kind| format!("1,10,1,{kind}\n")).collect();
    fs::write(folder.path().join("a.csv"), format!("t,p,q,kind\n{rows}")).unwrap();
    fs::write(folder.path().join("b.csv"), "t,p,q,kind\n1,10,1,TRADE\n").unwrap();
    let told = |config: &Value| {
        let source = build(folder.path(), config.clone()).unwrap();
        let told = source.partitions().into_iter().flat_map(|partition| {
            let mut reader = source.open(partition, Place::After(0)).unwrap();
            while reader.read(&mut Vec::new()).unwrap() == Progress::More {}
            reader.incidents()
        });
        told.map(|told| told.detail).collect::<Vec<_>>()
    };
    let want = "b.csv: `where` (--only) leaves out all 8 rows of the source: the column \"kind\" holds \"TRADE\", \
                \"quote\", \"\", \"x\", \"y\" and others, and none of them is \"trade\"";
    assert_eq!(told(&config), [want]);
    // One that is read again while others were not read to their ends.
    let source = build(folder.path(), config.clone()).unwrap();
    for partition in [0, 0] {
        let mut reader = source.open(partition, Place::After(0)).unwrap();
        while reader.read(&mut Vec::new()).unwrap() == Progress::More {}
        assert_eq!(reader.incidents(), []);
    }
    config["where"]["equals"] = json!("z");
    assert_eq!(told(&config), [""; 0]);
    config["where"] = json!({"column": "kind"});
    assert_eq!(told(&config), [""; 0]);
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
        describe(&rows),
        [
            "2 2024-08-08T23:54:16.322Z 61800.3 0.006 buy",
            "4 2024-08-08T23:54:16.323Z 2681.62 0.001 sell",
        ]
    );
    let first = trade(&rows[0]);
    assert_eq!(first.instrument, InstrumentId::of("binance-usdm:BTCUSDT"));
    assert_eq!(first.scope, IdScope::of("binance-usdm"));
    assert_eq!((first.id, first.sequence), (TradeId::Number(5266583935), 5266583935));
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
        describe(&rows_of("trades.csv", quoted.as_bytes(), &config)),
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
        describe(&rows_of("okx.csv", okx, &config)),
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
        describe(&rows_of("barter.ndjson", nested.as_bytes(), &config)),
        ["2 2025-03-25T23:07:00.715Z 87232 0.00012 sell"]
    );
}

#[test]
fn ids_of_several_columns() {
    let csv = "kind,venue,id,of,time,price,size
trade,11,1,,2024-05-01T14:00:00Z,11.70,15
trade,12,1,,2024-05-01T14:00:00Z,11.72,50
trade,1,21,,2024-05-01T14:00:01Z,11.71,5
correct,12,2,1,2024-05-01T14:00:00Z,11.71,50
cancel,11,1,,,,
trade,,1,,2024-05-01T14:00:02Z,11.71,5
";
    let config = json!({
        "instrument": "us:A",
        "columns": {
            "kind": "kind", "id": ["venue", "id"], "of": "of", "time": "time", "price": "price", "size": "size",
        },
    });
    let rows = rows_of("tape.csv", csv.as_bytes(), &config);
    let id = |venue, number| TradeId::of_parts(&[venue, number]);
    let ids: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.event {
            Ok(InputEvent::Market(Event::New(trade))) => Some((None, Some(trade.id))),
            Ok(InputEvent::Market(Event::Correct { of, with })) => {
                Some((Some(of.id), Some(with.id)))
            }
            Ok(InputEvent::Market(Event::Cancel { of, .. })) => Some((Some(of.id), None)),
            _ => None,
        })
        .collect();
    assert_eq!(
        ids,
        [
            (None, Some(id("11", "1"))),
            (None, Some(id("12", "1"))),
            (None, Some(id("1", "21"))),
            (Some(id("12", "1")), Some(id("12", "2"))),
            (Some(id("11", "1")), None),
        ]
    );
    assert_ne!(id("11", "1"), id("1", "11"));
    let refused = rows.last().and_then(|row| row.event.as_ref().err()).unwrap();
    assert!(refused.detail.contains("column \"venue\" is empty"), "{refused:?}");
}

#[test]
fn ids_that_begin_anew_every_day() {
    let csv = "kind,id,of,time,price,size
trade,1,,2026-01-05T23:59:59Z,100,1
trade,1,,2026-01-06T00:00:00Z,101,1
correct,1,,2026-01-06T00:00:00Z,102,1
cancel,1,,2026-01-06T12:00:00Z,,
cancel,1,,,,
";
    let mut config = json!({
        "instrument": "x:A",
        "columns": {"kind": "kind", "id": "id", "of": "of", "time": "time", "price": "price", "size": "size"},
        "id_period": "day",
    });
    let rows = rows_of("daily.csv", csv.as_bytes(), &config);
    let id = |day| TradeId::of_parts(&[day, "1"]);
    let (first, second) = (trade(&rows[0]), trade(&rows[1]));
    assert_eq!((first.id, second.id), (id("2026-01-05"), id("2026-01-06")));
    assert_eq!((first.sequence, first.is_positional), (1, false), "ordered as its source numbers");
    let named: Vec<_> = rows[2..4]
        .iter()
        .map(|row| match &row.event {
            Ok(InputEvent::Market(Event::Correct { of, with })) => (of.id, Some(with.id)),
            Ok(InputEvent::Market(Event::Cancel { of, .. })) => (of.id, None),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(named, [(second.id, Some(second.id)), (second.id, None)]);
    assert!(rows[4].event.is_err(), "a cancel without time is of no period");
    for (period, same) in [("week", true), ("forever", true), ("session", true)] {
        config["id_period"] = json!(period);
        let rows = rows_of("daily.csv", csv.as_bytes(), &config);
        // UTC is one session for ever.
        assert_eq!(trade(&rows[0]).id == trade(&rows[1]).id, same, "{period}");
    }
    config["id_period"] = json!("month");
    let error = build(std::path::Path::new("."), with_path(&config, "daily.csv")).err().unwrap();
    assert!(error.to_string().contains("`month`"), "{error}");
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
    let Ok(InputEvent::Market(Event::Correct { of, with })) = rows[1].event else {
        panic!("{:?}", rows[1])
    };
    assert_eq!(of, original.name());
    assert_eq!(with.id, TradeId::Number(52983525034326));
    assert_eq!(with.updates, Updates::VOLUME.and(Updates::HIGH_LOW));
    let cancel = |row: &Row| match row.event {
        Ok(InputEvent::Market(Event::Cancel { of, time })) => (of, time),
        _ => panic!("{row:?}"),
    };
    assert_eq!(cancel(&rows[2]), (with.name(), None));
    let (of, time) = cancel(&rows[3]);
    assert_eq!(of.id, TradeId::of("A-1"));
    assert_eq!(time.unwrap().rfc3339(), "2024-05-01T14:00:02Z");
    assert_eq!(
        describe(&rows[4..]),
        [
            "6 moves_instrument: column \"old\": \"SPY\" is another instrument than that of the record",
            "7 missing_field: column \"id\" is empty",
            "8 unknown_symbol: column \"old\": \"GONE\" is not in the table of symbols",
            "9 bad_time: column \"time\": \"later\" is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z; `units.time_format` (--time-format) says how times are written",
        ]
    );
}

/// Archives that are too large, or not ours, to be part of the project: the test reports when they are
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
        ("bitmex_xbtusd_1m/Bitmex_XBTUSD_1M.csv.gz", bitmex(), 1_000_000),
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
        let mut reader = source.open(0, Place::After(0)).unwrap();
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
