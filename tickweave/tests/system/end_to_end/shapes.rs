//! Files of unusual shapes, from flags to bars.

use std::fs;
use std::path::Path;

use super::binary::{tickweave, tickweave_strict};

/// Bars of a minute of a replay of one file: `instrument open high low close volume trades`.
fn bars(folder: &Path, name: &str, text: &str, flags: &[&str]) -> Vec<String> {
    fs::write(folder.join(name), text).unwrap();
    let args = [
        &["replay", name, "--timeframes", "1m", "--out", "out", "--views", "all", "--json"],
        flags,
    ]
    .concat();
    let ran = tickweave_strict(folder, &args);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let mut candles = csv::Reader::from_path(folder.join("out/candles.csv")).unwrap();
    let names = candles.headers().unwrap().clone();
    let at = |name: &str| names.iter().position(|own| own == name).unwrap();
    let columns = ["instrument", "open", "high", "low", "close", "volume", "trades"].map(at);
    let rows = candles.records().map(|row| row.unwrap());
    rows.map(|row| columns.map(|at| row[at].to_owned()).join(" ")).collect()
}

#[test]
fn a_size_of_zero_is_no_trade_unless_it_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let text = "time,id,price,size\n2024-01-05T10:00:00Z,1,10,5\n2024-01-05T10:00:01Z,2,99,0\n\
                2024-01-05T10:00:02Z,3,10.1,5\n2024-01-05T10:01:00Z,4,9,0\n";
    let flags = ["--instrument", "x:A", "--id", "id"];
    let ignored = bars(folder.path(), "a.csv", text, &[&flags[..], &["--contiguous-ids"]].concat());
    assert_eq!(ignored, ["x:A 10 10.1 10 10.1 10 2"]);
    let gaps = fs::read_to_string(folder.path().join("out/gaps.csv")).unwrap();
    assert_eq!(gaps.lines().count(), 1, "its id is known: {gaps}");
    let counted =
        bars(folder.path(), "a.csv", text, &[&flags[..], &["--zero-size", "count"]].concat());
    assert_eq!(counted, ["x:A 10 99 10 10.1 10 3", "x:A 9 9 9 9 0 1"]);
}

#[test]
fn numbers_of_any_size_are_read_from_bare_files() {
    let folder = tempfile::tempdir().unwrap();
    let text = "symbol,time,id,price,size\nPEPE,2024-01-05T10:00:00Z,1,0.0000071,150000000000\n\
                PEPE,2024-01-05T10:00:01Z,2,0.0000072,90000000000\nTINY,2024-01-05T10:00:02Z,3,0.00000000072,5\n\
                BTCIRT,2024-01-05T10:00:03Z,4,98765432100,0.01\n";
    let flags = ["--instrument", "x:{symbol}", "--symbol", "symbol", "--id", "id"];
    let want = [
        "x:BTCIRT 98765432100 98765432100 98765432100 98765432100 0.01 1",
        "x:PEPE 0.0000071 0.0000072 0.0000071 0.0000072 240000000000 2",
        "x:TINY 0.00000000072 0.00000000072 0.00000000072 0.00000000072 5 1",
    ];
    assert_eq!(bars(folder.path(), "a.csv", text, &flags), want);
    // With decimals that are said, what does not fit is told, with the flag that helps.
    let scales = ["--price-scale", "9", "--size-scale", "8"];
    let args = [&["replay", "a.csv", "--out", "out", "--json"], &flags[..], &scales].concat();
    let summary = tickweave(folder.path(), &args).json();
    assert_eq!((&summary["accepted"], &summary["dead"]), (&1.into(), &3.into()));
    let letters = fs::read_to_string(folder.path().join("out/dead_letters.csv")).unwrap();
    for flag in ["(--price-scale)", "(--size-scale)"] {
        assert!(letters.contains(flag), "{letters}");
    }
}

#[test]
fn frames_of_several_shapes_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"channel":"trades","events":[{"trades":[{"price":"100.5","size":"1","time":"2025-12-31T06:00:12.4Z"}]}]}
{"events":[{"trades":[{"price":"100.6","size":"3","time":"2025-12-31T06:00:13.6Z"},{"price":"100.4","size":"2","time":"2025-12-31T06:00:13.5Z"}]}]}
[{"T":"t","p":100.7,"s":3,"t":"2025-12-31T06:00:14Z"},{"T":"t","p":100.8,"s":4,"t":"2025-12-31T06:00:15Z"}]
[336,[["100.9","5","1767160816.123456","s","l",""],["100.8","2","1767160816.123456","b","m",""]],"trade","AAA/USD"]
[336,["100.9","5","1767160816.123456","s","l",""],"trade","AAA/USD"]
"#;
    let rows = ["--rows", "events.trades", "--rows", "$", "--time-unit", "auto"];
    let columns = ["--time", "time|t|3", "--price", "price|p|1", "--size", "size|s|2"];
    let flags = [&["--instrument", "x:A"], &rows[..], &columns].concat();
    // The last line may be a row or hold one, which is told.
    fs::write(folder.path().join("a.jsonl"), text).unwrap();
    let args = [&["replay", "a.jsonl", "--json"], &flags[..]].concat();
    let summary = tickweave(folder.path(), &args).json();
    assert_eq!((&summary["accepted"], &summary["dead"]), (&7.into(), &1.into()));
}

#[test]
fn an_hour_that_clocks_show_twice_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = "time,price,size\n2024-11-03 01:30:00,1,1\n2024-11-03 03:30:00,2,1\n";
    fs::write(folder.path().join("a.csv"), text).unwrap();
    let args = ["replay", "a.csv", "--instrument", "x:A", "--time-zone", "America/New_York"];
    let ran = tickweave_strict(folder.path(), &args);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("2024-11-03T05:30:00Z counts, the earlier of the two"), "{said}");
    assert!(said.contains("--ambiguous-time"), "{said}");
    let ran = tickweave_strict(folder.path(), &["replay", "a.csv", "--instrument", "x:A"]);
    ran.failed(2, &["--time-zone"]);
}

#[test]
fn what_only_a_configuration_could_say_is_said_by_flags() {
    let folder = tempfile::tempdir().unwrap();
    // A commit of rows, then one of three hours before, and one of long after.
    let mut text = "time,price,size\n".to_owned();
    text += &"2024-01-05T13:00:00Z,11,1\n".repeat(10_000);
    text += "2024-01-05T10:00:01Z,12,1\n2099-01-05T10:00:00Z,13,1\n";
    fs::write(folder.path().join("a.csv"), text).unwrap();
    let counts = |flags: &[&str]| {
        let args = ["replay", "a.csv", "--instrument", "x:A", "--order", "lines", "--json"];
        let summary = tickweave(folder.path(), &[&args[..], flags].concat()).json();
        ["accepted", "late", "dead"].map(|key| summary[key].as_u64().unwrap())
    };
    assert_eq!(counts(&[]), [10_001, 1, 0]);
    assert_eq!(counts(&["--not-after", "2024-01-06T00:00:00Z"]), [10_000, 1, 1]);
    assert_eq!(counts(&["--reject-after", "4h"]), [10_002, 0, 0]);
    assert_eq!(counts(&["--historic"]), [10_002, 0, 0]);
}
