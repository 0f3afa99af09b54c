//! How bare CSV files are written is seen by their first lines, and what may be meant in two ways is refused.

use std::fs;
use std::path::Path;

use crate::end_to_end::binary::{Ran, tickweave, tickweave_strict};

/// The same 30 trades, written by a header, what separates columns, and what stands before all.
fn trades(header: &str, delimiter: &str, before: &str) -> String {
    let header = header.replace(',', delimiter);
    let row = |n: u64| {
        let row = format!("2026-01-05T10:00:{n:02}Z|{}.5|{}|BTC\n", 100 + n % 7, 1 + n % 3);
        row.replace('|', delimiter)
    };
    format!("{before}{header}\n") + &(0..30).map(row).collect::<String>()
}

fn replay(folder: &Path, files: &[&str], more: &[&str]) -> Ran {
    let flags = ["--instrument", "x:{symbol}", "--timeframes", "1m", "--digest"];
    tickweave_strict(folder, &[&["replay"][..], files, &flags, more].concat())
}

/// The digest of the candles, and what was told of the files.
fn digests(run: &Ran) -> (String, Option<String>) {
    assert_eq!(run.code, Some(0), "{run:#?}");
    let lines = run.out.lines().filter(|line| line.contains("candles "));
    let told = run.err.lines().find(|line| line.contains("read as if by"));
    (lines.collect(), told.map(str::to_owned))
}

#[test]
fn delimiter_comments_and_names_are_found_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plain = "time,price,size,symbol";
    let common = "Timestamp,Price (USD),QTY,Ticker";
    fs::write(folder.join("a.csv"), trades(plain, ",", "")).unwrap();
    let (want, told) = digests(&replay(folder, &["a.csv"], &["--symbol", "symbol"]));
    assert!(want.contains("candles") && told.is_none(), "{want} {told:?}");
    for (name, text, wanted) in [
        ("a.tsv", trades(plain, "\t", ""), "--symbol \"symbol\""),
        ("b.csv", trades(plain, "\t", ""), "--delimiter \"tab\" --symbol \"symbol\""),
        ("c.txt", trades(plain, ";", ""), "--delimiter \";\" --symbol \"symbol\""),
        (
            "d.csv",
            trades(plain, "|", "# made by a, b\n#,,,\n"),
            "--comment \"#\" --delimiter \"|\" --symbol",
        ),
        (
            "e.csv",
            trades(common, ",", "# source: a \"venue\n\n"),
            "--comment \"#\" --time \"Timestamp\" --price \"Price (USD)\" --size \"QTY\" --symbol \"Ticker\"",
        ),
        ("f.tsv", trades(plain, ",", ""), "--delimiter \",\" --symbol"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let run = replay(folder, &[name], &[]);
        let (found, told) = digests(&run);
        assert_eq!(found, want, "{name}");
        let told = told.unwrap_or_else(|| panic!("{run:#?}"));
        assert!(told.starts_with(&format!("{name}: read as if by {wanted}")), "{told}");
    }
    // What is said is not looked for.
    let said = [
        "--delimiter",
        ";",
        "--symbol",
        "symbol",
        "--time",
        "time",
        "--price",
        "price",
        "--size",
        "size",
    ];
    let (found, told) = digests(&replay(folder, &["c.txt"], &said));
    assert_eq!((found, told), (want, None));
}

#[test]
fn dates_and_times_of_day_are_one_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "Date,Time,Price,Volume\n2026-01-05,10:00:00,5,1\n2026-01-05,10:01:00,6,2\n";
    fs::write(folder.join("a.csv"), text).unwrap();
    let args =
        ["replay", "a.csv", "--instrument", "x:A", "--time-zone", "UTC", "--timeframes", "1m"];
    let run = tickweave_strict(folder, &args);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(
        run.err.contains("--time \"Date,Time\" --price \"Price\" --size \"Volume\""),
        "{}",
        run.err
    );
    assert!(run.out.contains("accepted 2 "), "{}", run.out);
}

#[test]
fn comments_are_no_rows_wherever_they_stand_if_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text =
        "time,price,size\n2026-01-05T10:00:00Z,5,1\n% a \"quote\n2026-01-05T10:01:00Z,6,2\n%\n";
    fs::write(folder.join("a.csv"), text).unwrap();
    let args = [
        "replay",
        "a.csv",
        "--instrument",
        "x:A",
        "--timeframes",
        "1m",
        "--json",
        "--comment",
        "%",
    ];
    let summary = tickweave(folder, &args).json();
    assert_eq!((summary["accepted"].as_u64(), summary["dead"].as_u64()), (Some(2), Some(0)));
}

#[test]
fn what_may_be_meant_in_two_ways_is_refused_with_what_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = "2026-01-05T10:00:00Z,5,1,1\n".repeat(3);
    for (text, wanted) in [
        (
            format!("time,price,Qty,Volume\n{rows}"),
            "a.csv: the column of the size may be \"Qty\" or \"Volume\": write which it is (--size)",
        ),
        (
            format!("when,price,Qty,x\n{rows}"),
            "a.csv: no column is known by its name as time (there are: \"when, price, Qty, x\"): write which it is (--time)",
        ),
        (rows.clone(), "names no columns: write --no-header and the numbers of columns"),
        (
            format!("#time,price,size,x\n{rows}"),
            "and the comment before it, \"time,price,size,x\", is no header",
        ),
        (
            "Date,Open,High,Low,Close,Volume\n2026-01-05,1,2,1,2,9\n".to_owned(),
            "a.csv: it holds bars (",
        ),
        (
            "time;x,price;y,size;z\n1;2,3;4,5;6\n".to_owned(),
            "a.csv: no column is known by its name",
        ),
        (
            "time,price,size,a|time|price|size\n1,2,3,4|5|6|7\n".to_owned(),
            "a.csv: columns may be separated by \",\" or by \"|\": write which it is (--delimiter)",
        ),
    ] {
        fs::write(folder.join("a.csv"), &text).unwrap();
        let run = tickweave_strict(folder, &["replay", "a.csv", "--instrument", "x:A"]);
        run.failed(2, &[wanted]);
    }
    // Prices and sizes are numbers only if semicolons separate them.
    fs::write(folder.join("a.csv"), "1;1,2;1,2\n".repeat(30)).unwrap();
    let numbers = ["--no-header", "--time", "1", "--price", "2", "--size", "3", "--time-unit", "s"];
    let replay = |more: &[&str]| {
        let args = [&["replay", "a.csv", "--instrument", "x:A"][..], &numbers, more].concat();
        tickweave_strict(folder, &args)
    };
    assert_eq!(replay(&["--decimal-mark", ","]).code, Some(0));
}

/// What was asked for and is not there is named, with what may be meant; what others are is still found.
#[test]
fn a_column_that_is_not_there_is_the_one_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.csv"), trades("Timestamp,Price (USD),QTY,Ticker", ",", "")).unwrap();
    let asked = |flags: &[&str]| {
        let args = ["replay", "a.csv", "--instrument", "x:A", "--timeframes", "1m"];
        tickweave_strict(folder, &[&args[..], flags].concat())
    };
    let there = "there are: \"Timestamp, Price (USD), QTY, Ticker\"";
    for (flags, wanted) in [
        (
            ["--price", "Price"],
            "a.csv: there is no column \"Price\" (--price; did you mean \"Price (USD)\"? ",
        ),
        (
            ["--time", "timestmp"],
            "a.csv: there is no column \"timestmp\" (--time; did you mean \"Timestamp\"? ",
        ),
        (["--size", "nothing"], "a.csv: there is no column \"nothing\" (--size; there are"),
    ] {
        asked(&flags).failed(2, &[wanted, there]);
    }
    let other = asked(&["--side", "tiker"]);
    other.failed(
        2,
        &["there is no column \"tiker\" (did you mean \"Ticker\"? there are: Timestamp"],
    );
    assert_eq!(asked(&["--price", "Price (USD)"]).code, Some(0));
}

#[test]
fn commas_in_numbers_that_have_no_quotes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = "2026-01-05T10:00:00Z,100,5,1,25\n".repeat(30);
    fs::write(folder.join("a.csv"), format!("time,price,size\n{rows}")).unwrap();
    let args = ["replay", "a.csv", "--instrument", "x:A", "--timeframes", "1m"];
    let wanted = "3 fields expected, 5 found; commas in numbers look like those between columns";
    tickweave_strict(folder, &args).failed(2, &[wanted, "--decimal-mark"]);
}

#[test]
fn files_that_are_written_differently_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = "2026-01-05T10:00:00Z,5,1\n";
    fs::write(folder.join("a.csv"), format!("time,price,size\n{row}")).unwrap();
    fs::write(folder.join("b.csv"), format!("# a\ntime,price,size\n{row}")).unwrap();
    fs::write(folder.join("c.csv"), format!("time,price,size\n{row}").replace(',', ";")).unwrap();
    let replay = |files: &[&str]| {
        tickweave_strict(folder, &[&["replay"][..], files, &["--instrument", "x:A"]].concat())
    };
    assert_eq!(replay(&["a.csv", "b.csv"]).code, Some(0));
    replay(&["a.csv", "c.csv"]).failed(
        2,
        &["a.csv and c.csv are not written in one way: the first is read by the defaults, the second by --delimiter \";\""],
    );
}
