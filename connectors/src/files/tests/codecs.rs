//! Feeds that need no mapping: lines as they are written, rows as they come out.

use market::{IdScope, RejectionReason, SessionPrint, TradeId, Updates};

use super::*;

/// The rows of one file of `lines` by the codec.
fn by_codec(codec: &str, options: Value, name: &str, lines: &[&str]) -> Vec<Row> {
    let config = json!({"codec": codec, "options": options});
    rows_of(name, lines.join("\n").as_bytes(), &config)
}

/// The error of a codec that cannot be used so.
fn problem(config: Value) -> String {
    let folder = TempDir::new().unwrap();
    build(folder.path(), config).err().map(|error| error.to_string()).unwrap_or_default()
}

const STREAM: [&str; 7] = [
    r#"1680652806996641 {"stream":"btcusdt@trade","data":{"e":"trade","E":1680652807006,"T":1680652804962,"s":"BTCUSDT","t":3535188229,"p":"28155.10","q":"0.001","X":"MARKET","m":true}}"#,
    r#"1680652874408176 {"stream":"btcusdt@trade","data":{"e":"trade","E":1680652874406,"T":1680652874400,"s":"BTCUSDT","t":3535191080,"p":"28722.50","q":"0.001","X":"INSURANCE_FUND","m":true}}"#,
    r#"1723161600001692584 {"stream":"btcusdt@bookTicker","data":{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000"}}"#,
    r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","a":7,"p":"2","q":"3","f":1,"l":2,"T":1741046401271497,"m":false,"M":true}}"#,
    r#"{"result":null,"id":1}"#,
    "1723161600 nothing",
    "1723161600",
];

#[test]
fn combined_streams() {
    let rows = by_codec("binance-stream", json!({}), "capture", &STREAM);
    assert_eq!(
        describe(&rows),
        [
            "1 2023-04-05T00:00:04.962Z 28155.1 0.001 sell",
            "2 2023-04-05T00:01:14.4Z 28722.5 0.001 sell",
            "6 malformed: not a JSON object that can be read: expected ident at byte 2",
            "7 malformed: not a JSON object that can be read: invalid type: integer `1723161600`, expected an object at byte 10",
        ]
    );
    assert_eq!(rows[2].event.as_ref().unwrap_err().raw, STREAM[5]);
    assert_eq!(trade(&rows[0]).id, TradeId::Number(3_535_188_229));
    assert_eq!([0, 1].map(|at| trade(&rows[at]).updates), [Updates::ALL, Updates::NONE]);
    let all = json!({"exclude_fund_prints": false});
    let rows = by_codec("binance-stream", all, "capture", &STREAM[..2]);
    assert_eq!(trade(&rows[1]).updates, Updates::ALL);

    let aggregated = by_codec("binance-stream", json!({"event": "aggTrade"}), "c", &STREAM[..5]);
    assert_eq!(describe(&aggregated), ["4 2025-03-04T00:00:01.271497Z 2 3 buy"]);
    assert_ne!(trade(&aggregated[0]).scope, trade(&rows[0]).scope, "ids of two kinds");
}

#[test]
fn streams_as_csv() {
    let spot = by_codec(
        "binance-stream-csv",
        json!({}),
        "spot.csv",
        &[
            "TimestampOfReceive,Stream,EventType,EventTime,TransactionTime,Symbol,TradeId,Price,Quantity,IsBuyerMarketMaker,MUnknownParameter",
            "1741046401272286,trxusdt@trade,trade,1741046401271969,1741046401271497,TRXUSDT,348656870,0.2312,2619.4,1,True",
            "1741046401272286,trxusdt@depth,depth,,,TRXUSDT,,,,,",
        ],
    );
    assert_eq!(describe(&spot), ["2 2025-03-04T00:00:01.271497Z 0.2312 2619.4 sell"]);
    assert_eq!(trade(&spot[0]).updates, Updates::ALL);
    let futures = by_codec(
        "binance-stream-csv",
        json!({}),
        "futures.csv",
        &[
            "TimestampOfReceive,Stream,EventType,EventTime,TransactionTime,Symbol,TradeId,Price,Quantity,IsBuyerMarketMaker,XUnknownParameter",
            "1741046404989,trxusd_perp@trade,trade,1741046404988,1741046404986,TRXUSD_PERP,39605682,0.23097,32.0,0,ADL",
        ],
    );
    assert_eq!(describe(&futures), ["2 2025-03-04T00:00:04.986Z 0.23097 32 buy"]);
    assert_eq!(trade(&futures[0]).updates, Updates::NONE);
}

#[test]
fn archives_of_binance() {
    let name = "BTCUSDT-trades-2024-01.csv";
    let futures = [
        "id,price,qty,quote_qty,time,is_buyer_maker",
        "3535188229,28155.1,0.001,28.1551,1680652804962,true",
    ];
    let rows = by_codec("binance-trades-csv", json!({}), name, &futures);
    assert_eq!(describe(&rows), ["2 2023-04-05T00:00:04.962Z 28155.1 0.001 sell"]);
    let spot = ["3535188229,28155.1,0.001,28.1551,1741046401271497,False,True"];
    let rows = by_codec("binance-trades-csv", json!({}), name, &spot);
    assert_eq!(describe(&rows), ["1 2025-03-04T00:00:01.271497Z 28155.1 0.001 buy"]);

    let aggregated = ["13519807,0.00141342,23.00000000,15373518,15373520,1570752011620,True,True"];
    let name = "XRPETH-aggTrades-2019-10.csv";
    let rows = by_codec("binance-aggtrades-csv", json!({}), name, &aggregated);
    assert_eq!(describe(&rows), ["1 2019-10-11T00:00:11.62Z 0.00141342 23 sell"]);
    // The other file's rows are refused, and not misread.
    let name = "XRPETH-trades-2019-10.csv";
    let rows = by_codec("binance-trades-csv", json!({}), name, &aggregated);
    assert_eq!(rows[0].event.as_ref().unwrap_err().reason, RejectionReason::BadField);
}

#[test]
fn ticks_of_us_equities() {
    let ticks = [
        "14400795,1664300,200,P,20002000,0",
        "34200000,1664400,100,P,0,0",
        "34200001,1664500,300,D,20100200,0",
        "34200002,1,300,D,0,1",
        "34200003,1664500,300,D,sweep,0",
        "86400000,1664500,300,D,0,0",
    ];
    let name = "spy_20131010_trade.csv";
    let conditions = json!({"conditions": "us-sip"});
    let rows = by_codec("us-equity-ticks", conditions, name, &ticks);
    assert_eq!(
        describe(&rows),
        [
            "1 2013-10-10T08:00:00.795Z 166.43 200 unknown",
            "2 2013-10-10T13:30:00Z 166.44 100 unknown",
            "3 2013-10-10T13:30:00.001Z 166.45 300 unknown",
            "5 bad_field: column 5: \"sweep\" is not a set of sale conditions (up to 8 hexadecimal digits)",
            "6 bad_time: column 1: \"86400000\" is not a number of ms since midnight, below 86400000",
        ]
    );
    let updates = [0, 1, 2].map(|at| trade(&rows[at]).updates);
    let extended = Updates::VOLUME.of_print(SessionPrint::Ordinary);
    assert_eq!(updates, [extended, Updates::ALL, Updates::VOLUME]);

    let rows = by_codec("us-equity-ticks", json!({"wall_time_as_utc": true}), name, &ticks);
    assert_eq!(describe(&rows[..1]), ["1 2013-10-10T04:00:00.795Z 166.43 200 unknown"]);
    assert_eq!(trade(&rows[2]).updates, Updates::ALL);
    assert_eq!(rows.len(), 5, "conditions are not looked at, suspicious rows are skipped");
}

#[test]
fn a_codec_leaves_only_instruments_to_be_said() {
    let config = json!({
        "codec": "binance-trades-csv", "instrument": "binance:BTCUSDT", "id_scope": "archive",
    });
    let rows = rows_of("any.csv", b"1,2,3,6,1680652804962,true,true", &config);
    assert_eq!(describe(&rows), ["1 2023-04-05T00:00:04.962Z 2 3 sell"]);
    let scope_of = |contiguous: Option<bool>| {
        let mut config = json!({"codec": "binance-trades-csv", "instrument": "binance:BTCUSDT"});
        if let Some(is) = contiguous {
            config["contiguous_ids"] = json!(is);
        }
        let rows = rows_of("any.csv", b"1,2,3,6,1680652804962,true,true", &config);
        trade(&rows[0]).scope
    };
    let scope = IdScope::of("binance");
    assert_eq!(scope_of(None), scope.contiguous(true), "Binance numbers its trades without holes");
    assert_eq!(scope_of(Some(false)), scope);
    let config = json!({"codec": "binance-stream", "symbols": {"BTCUSDT": "own:XBT"}});
    assert_eq!(rows_of("c", STREAM[0].as_bytes(), &config).len(), 1);

    for (config, want) in [
        (json!({"codec": "bnance", "paths": ["a"]}), "unknown codec `bnance` (known: binance-agg"),
        (
            json!({"codec": "binance-stream", "paths": ["a"], "units": {"time": "s"}}),
            "codec = \"binance-stream\" says what `units` would say; keep one",
        ),
        (
            json!({"codec": "binance-stream", "paths": ["a"], "options": {"event": "kline"}}),
            "`options` of codec \"binance-stream\": `event`: unknown variant `kline`, expected `trade` or",
        ),
        (
            json!({"codec": "binance-trades-csv", "paths": ["a.csv"]}),
            "the name of \"a.csv\" does not begin with a symbol, as BTCUSDT-trades-2024-01.zip does",
        ),
        (
            json!({"codec": "us-equity-ticks", "paths": ["spy.zip"], "instrument": "us:SPY"}),
            "the name of \"spy.zip\" does not contain a day",
        ),
        (
            json!({"codec": "us-equity-ticks", "paths": ["spy_20139999.zip"]}),
            "`20139999` is not a date such as 20131010",
        ),
        (json!({"paths": ["a.csv"], "instrument": "a:B"}), "`columns` is missing: say which"),
        (
            json!({"paths": ["a.csv"], "options": {}, "columns": {"time": 1, "price": 2, "size": 3}}),
            "`options` belong to a `codec`",
        ),
    ] {
        let found = problem(config.clone());
        assert!(found.starts_with(&format!("source `test`: {want}")), "{config}: {found}");
    }
}
