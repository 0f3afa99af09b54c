//! Rows that are no records.

use std::fs;
use std::path::Path;

use super::{letters, replay};
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;

const HEADER: &str = "time,symbol,id,kind,of,seq,price,size,side";
const GOOD: &str = "2024-03-04T12:00:00Z,A,1,trade,,1,10.5,2,buy";

/// How the files of this module are read.
const FLAGS: [&str; 16] = [
    "--symbol",
    "symbol",
    "--id",
    "id",
    "--kind",
    "kind",
    "--of",
    "of",
    "--price-scale",
    "9",
    "--size-scale",
    "8",
    "--sequence",
    "seq",
    "--side",
    "side",
];

/// A line, the reason why it is refused, and what the detail says.
const LINES: &[(&str, &str, &[&str])] = &[
    ("nope,A,2,trade,,2,10,1,buy", "bad_time", &["column \"time\"", "\"nope\"", "RFC 3339"]),
    ("1709553600,A,2,trade,,2,10,1,buy", "bad_time", &["column \"time\"", "\"1709553600\""]),
    ("2500-01-01T00:00:00Z,A,2,trade,,2,10,1,buy", "bad_time", &["outside the years 1700 to 2200"]),
    (",A,2,trade,,2,10,1,buy", "missing_field", &["column \"time\" is empty"]),
    ("2024-03-04T12:00:00Z,,2,trade,,2,10,1,buy", "missing_field", &["column \"symbol\" is empty"]),
    ("2024-03-04T12:00:00Z,A,,trade,,2,10,1,buy", "missing_field", &["column \"id\" is empty"]),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,,1,buy", "missing_field", &["column \"price\" is empty"]),
    ("2024-03-04T12:00:00Z,A,2,trade,,,10,1,buy", "missing_field", &["column \"seq\" is empty"]),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,0,1,buy",
        "price_not_positive",
        &["column \"price\"", "\"0\""],
    ),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,-10.5,1,buy", "price_not_positive", &["\"-10.5\""]),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,ten,1,buy", "bad_price", &["column \"price\"", "\"ten\""]),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,NaN,1,buy", "bad_price", &["\"NaN\""]),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,1e400,1,buy", "bad_price", &["\"1e400\""]),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,99999999999,1,buy",
        "bad_price",
        &["64 bits at 9 decimals"],
    ),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,0.0000000001,1,buy",
        "bad_price",
        &["more than 9 decimals"],
    ),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,10,-1,buy",
        "bad_size",
        &["column \"size\"", "`units.signed_size`"],
    ),
    ("2024-03-04T12:00:00Z,A,2,trade,,2,10,0.000000001,buy", "bad_size", &["more than 8 decimals"]),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,9000000000,90000000000,buy",
        "notional_too_large",
        &["9000000000 times 90000000000", "sums can hold"],
    ),
    (
        "2024-03-04T12:00:00Z,A,2,undo,,2,10,1,buy",
        "bad_field",
        &["column \"kind\"", "\"undo\"", "cancel"],
    ),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,10,1,up",
        "bad_field",
        &["column \"side\"", "\"up\"", "sell"],
    ),
    ("2024-03-04T12:00:00Z,A,2,trade,,-2,10,1,buy", "bad_field", &["column \"seq\"", "64 bits"]),
    (
        "2024-03-04T12:00:00Z,A B,2,trade,,2,10,1,buy",
        "bad_instrument",
        &["`x:A B`", "visible ASCII"],
    ),
    ("2024-03-04T12:00:00Z,A,2", "malformed", &["9 fields expected, 3 found"]),
    (
        "2024-03-04T12:00:00Z,A,2,trade,,2,10,1,buy,more",
        "malformed",
        &["9 fields expected, 10 found"],
    ),
];

#[test]
fn a_bad_line_becomes_a_dead_letter_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut text = format!("{HEADER}\n");
    for (line, ..) in LINES {
        text.push_str(&format!("{GOOD}\n{line}\n"));
    }
    text.push_str(&format!("{}\n", GOOD.replace(",1,trade", ",last,trade")));
    fs::write(folder.join("t.csv"), text).unwrap();
    let args = [&["t.csv", "--instrument", "x:{symbol}"], &FLAGS[..]].concat();
    let (letters, records, accepted) = replay(folder, &args);
    assert_eq!((records, accepted), (2 * LINES.len() as u64 + 1, 2));
    assert_eq!(letters.len(), LINES.len(), "{letters:#?}");
    for (number, ((line, reason, message), letter)) in LINES.iter().zip(&letters).enumerate() {
        assert_eq!(
            (letter.0, letter.1.as_str()),
            (number as u64 * 2 + 3, *reason),
            "{line}: {letter:?}"
        );
        message.iter().for_each(|message| {
            assert!(letter.2.contains(message), "`{message}` not in {letter:?}")
        });
    }
}

#[test]
fn a_bad_object_becomes_a_dead_letter_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cases: &[(&str, &str, &str)] = &[
        ("{", "malformed", ""),
        ("[1,2]", "malformed", ""),
        ("null", "malformed", ""),
        (r#"{"time":"2024-03-04T12:00:00Z","d":{"p":10},"size":1} x"#, "malformed", ""),
        (
            r#"{"time":"2024-03-04T12:00:00Z","d":5,"size":1}"#,
            "missing_field",
            "column \"d.p\" is absent",
        ),
        (
            r#"{"time":"2024-03-04T12:00:00Z","d":{"p":{}},"size":1}"#,
            "malformed",
            "holds an object or an array at byte 43",
        ),
        (r#"{"time":"2024-03-04T12:00:00Z","d":{"p":1,"p":2},"size":1}"#, "malformed", "p"),
        (r#"{"time":true,"d":{"p":10},"size":1}"#, "bad_time", "\"true\""),
        (r#"{"time":"2024-03-04T12:00:00Z","d":{"p":1e999},"size":1}"#, "bad_price", "1e999"),
        (
            r#"{"time":"2024-03-04T12:00:00Z","d":{"p":10},"size":null}"#,
            "missing_field",
            "\"size\" is absent",
        ),
        (r#"{"time":"2024-03-04T12:00:00Z","d":{"p":"\ud800"},"size":1}"#, "malformed", ""),
    ];
    let good = r#"{"time":"2024-03-04T12:00:00Z","d":{"p":"10.5"},"size":2}"#;
    let mut bytes = Vec::new();
    for (line, ..) in cases {
        bytes.extend(format!("{line}\n{good}\n").into_bytes());
    }
    bytes.extend(b"{\"time\":\"\xff\"}\n");
    fs::write(folder.join("t.jsonl"), bytes).unwrap();
    let (letters, records, accepted) =
        replay(folder, &["t.jsonl", "--instrument", "x:Y", "--price", "d.p"]);
    let bad = cases.len() as u64;
    assert_eq!((records, accepted), (2 * bad + 1, bad));
    for (number, ((line, reason, message), letter)) in cases.iter().zip(&letters).enumerate() {
        assert_eq!(
            (letter.0, letter.1.as_str()),
            (number as u64 * 2 + 1, *reason),
            "{line}: {letter:?}"
        );
        assert!(letter.2.contains(message), "`{message}` not in {letter:?}");
    }
    let (line, reason, detail) = letters.last().unwrap();
    assert_eq!(
        (*line, reason.as_str(), detail.as_str()),
        (2 * bad + 1, "malformed", "byte 10 is not UTF-8")
    );
}

#[test]
fn a_line_without_end_is_refused_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let long = "x".repeat(20 << 20);
    fs::write(folder.join("t.csv"), format!("{HEADER}\n{long}\n{GOOD}\n")).unwrap();
    let args = [&["t.csv", "--instrument", "x:{symbol}"], &FLAGS[..]].concat();
    let (letters, records, accepted) = replay(folder, &args);
    assert_eq!((records, accepted, letters[0].0), (2, 1, 2), "{letters:?}");
    assert!(letters[0].2.contains("longer than"), "{letters:?}");
}

fn config(folder: &Path, job: &str, source: &str) {
    let text = format!(
        r#"
[job]
{job}
[http]
listen = "127.0.0.1:0"
[[source]]
name = "a"
kind = "file"
paths = ["t.csv"]
columns = {{ time = "time", symbol = "symbol", price = "price", size = "size" }}
{source}
"#
    );
    fs::write(folder.join("job.toml"), text).unwrap();
}

#[test]
fn a_symbol_that_is_not_in_the_table_and_a_time_after_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "time,symbol,price,size\n\
        2024-03-04T12:00:00Z,A,10,1\n\
        2024-03-04T12:00:00Z,B,10,1\n\
        2024-03-05T00:00:01Z,A,10,1\n\
        2024-03-05T00:00:00Z,A,10,1\n";
    fs::write(folder.join("t.csv"), text).unwrap();
    config(folder, "not_after = \"2024-03-05T00:00:00Z\"", "symbols = { A = \"x:A\" }");
    let (letters, records, accepted) = replay(folder, &["job.toml"]);
    assert_eq!((records, accepted), (4, 2));
    let [(3, unknown, symbol), (4, ahead, time)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((unknown.as_str(), ahead.as_str()), ("unknown_symbol", "time_ahead"));
    assert_eq!(symbol, "column \"symbol\": \"B\" is not in the table of symbols");
    assert!(time.contains("2024-03-05T00:00:01Z") && time.contains("`job.not_after`"), "{time}");
    let rows = fs::read_to_string(folder.join("out/dead_letters.csv")).unwrap();
    // In the words of entries, which can be sent again.
    assert!(!rows.contains("EventTime(") && rows.contains("1709596801000000000ns"), "{rows}");
    assert!(rows.contains(r#"""instrument"":""x:A"""#), "{rows}");
}

#[test]
fn too_many_instruments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut text = "time,symbol,price,size\n".to_owned();
    (0..300).for_each(|n| text.push_str(&format!("2024-03-04T12:00:00Z,S{n},10,1\n")));
    fs::write(folder.join("t.csv"), text).unwrap();
    config(folder, "workers = 3\n[limits]\ninstruments = 250", "instrument = \"x:{symbol}\"");
    let (letters, records, accepted) = replay(folder, &["job.toml"]);
    assert_eq!((records, accepted, letters.len()), (300, 250, 50));
    assert!(letters.iter().all(|letter| letter.1 == "bad_instrument"), "{letters:?}");
    assert!(letters[0].2.contains("250"), "{letters:?}");
    let rows = fs::read_to_string(folder.join("out/dead_letters.csv")).unwrap();
    assert!(
        rows.contains(r#"""instrument"":""x:S2"#),
        "by name, so that it can be sent again: {rows}"
    );
}

#[test]
fn live_a_time_ahead_of_the_systems_is_refused_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let ahead = now + 86_400;
    let text = format!("time,symbol,price,size\n{now},A,10,1\n{ahead},A,1000,1\n{now},A,11,1\n");
    fs::write(folder.join("t.csv"), text).unwrap();
    config(
        folder,
        "max_clock_ahead = \"1h\"",
        "instrument = \"x:{symbol}\"\nunits = { time = \"s\" }",
    );
    let mut run = Going::start(folder, &["run", "job.toml", "--json", "--out", "out"]);
    let address = run.address();
    let dead = "dead_letters_total{source=\"a\",reason=\"time_ahead\"} 1\n";
    poll(|| get(address, "/metrics").body.contains(dead).then_some(()), || dead.to_owned());
    let high = || Some(get(address, "/v1/candles/x:A?tf=1h").json()["candles"][0]["high"].clone());
    let high = poll(|| high().filter(|high| high.is_number()), || "a candle".to_owned());
    assert!(high == 10 || high == 11, "{high}");
    run.signal("TERM");
    let summary = run.end().json();
    crate::end_to_end::assert_adds_up(&summary);
    let letters = letters(&folder.join("out"));
    let [(3, reason, detail)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(reason, "time_ahead");
    assert!(detail.contains("1h ahead of the system's time"), "{detail}");
}
