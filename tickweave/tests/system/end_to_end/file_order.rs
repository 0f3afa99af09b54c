//! Rows of bare files count in the order of their times, however they lie and however many a commit holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::end_to_end::binary::tickweave;
use crate::end_to_end::made::Rng;

/// Trades of two instruments, seven to a second, with a bad print and a hole in the ids; sorted by time.
fn lines(count: i64) -> Vec<String> {
    let line = |n: i64| {
        let time = 1_735_689_600_000 + n * 1_000 / 7;
        let (symbol, id) = (["A", "B"][(n % 2) as usize], n + n / 1_000);
        let price = if n == count / 2 { 900 } else { 100 + n % 9 };
        format!("{time},{symbol},{id},{price},{}", 1 + n % 5)
    };
    (0..count).map(line).collect()
}

fn write(path: &Path, lines: &[String]) {
    fs::write(path, format!("time,symbol,id,price,size\n{}\n", lines.join("\n"))).unwrap();
}

/// The rows of every view without those columns that say in which commit and at which line something came.
fn replay(
    folder: &Path,
    files: &[&str],
    file_rows: u64,
    workers: &str,
) -> BTreeMap<String, Vec<String>> {
    let job = format!(
        "[job]\ntimeframes = [\"1s\", \"1m\"]\nindicators = [\"sma5\"]\n[commit]\nfile_rows = {file_rows}\n\
         [outliers]\nbars = 6\n[[source]]\nname = \"a\"\nkind = \"file\"\npaths = {files:?}\n\
         instrument = \"x:{{symbol}}\"\ncontiguous_ids = true\nunits = {{ time = \"ms\" }}\n\
         columns = {{ time = \"time\", symbol = \"symbol\", id = \"id\", price = \"price\", size = \"size\" }}\n\
         [[rule]]\nname = \"low\"\nthreshold = {{ series = \"close\", below = 102.0 }}\n"
    );
    fs::write(folder.join("job.toml"), job).unwrap();
    let out = folder.join("out");
    let args = ["replay", "job.toml", "-w", workers, "--json", "--out", "out"];
    let summary = tickweave(folder, &args).json();
    assert_eq!(
        (summary["late"].as_u64(), summary["dead"].as_u64()),
        (Some(0), Some(0)),
        "{files:?}"
    );
    views_without_places(&out)
}

/// The rows of each view that `--out` has written to a folder, sorted, without the columns that name commits, lines and
/// times of commits.
pub(crate) fn views_without_places(out: &Path) -> BTreeMap<String, Vec<String>> {
    let mut views = BTreeMap::new();
    for file in fs::read_dir(out).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|ending| ending == "csv") {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            views.insert(name, without_places(&file));
        }
    }
    views
}

fn without_places(file: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let is_place = |name: &str| {
        let places = ["commit", "position", "partition", "line", "raised_at"];
        places.iter().any(|place| name.contains(place))
    };
    let kept: Vec<usize> = reader
        .headers()
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(_, name)| !is_place(name))
        .map(|(at, _)| at)
        .collect();
    let row =
        |row: csv::StringRecord| kept.iter().map(|at| &row[*at]).collect::<Vec<_>>().join(",");
    let mut rows: Vec<String> = reader.records().map(|record| row(record.unwrap())).collect();
    rows.sort(); // logs are in the order of commits
    rows
}

#[test]
fn rows_in_any_order_and_commits_of_any_size_say_what_the_sorted_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sorted = lines(6_000);
    write(&folder.join("sorted.csv"), &sorted);
    let want = replay(folder, &["sorted.csv"], 10_000, "1");
    for view in
        ["candles.csv", "indicators.csv", "outliers.csv", "gaps.csv", "alerts.csv", "trades.csv"]
    {
        assert!(!want[view].is_empty(), "{view} shows nothing");
    }
    assert_eq!(want["outliers.csv"].len(), 1, "{:?}", want["outliers.csv"]);
    for (rows, workers) in [(50, "2"), (4_096, "3"), (100_000, "1")] {
        assert_eq!(replay(folder, &["sorted.csv"], rows, workers), want, "commits of {rows} rows");
    }

    let newest_first: Vec<String> = sorted.iter().rev().cloned().collect();
    write(&folder.join("newest_first.csv"), &newest_first);
    let (first, second) = sorted.split_at(3_000);
    let by_turns: Vec<String> =
        first.iter().zip(second).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    write(&folder.join("by_turns.csv"), &by_turns);
    let mut shuffled = sorted;
    let mut rng = Rng(3);
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, rng.below(at as i64 + 1) as usize);
    }
    write(&folder.join("a.csv"), &shuffled[..2_000]);
    write(&folder.join("b.csv"), &shuffled[2_000..]);
    for (files, rows) in [
        (&["newest_first.csv"][..], 50),
        (&["by_turns.csv"], 4_096),
        (&["a.csv", "b.csv"], 50),
        (&["b.csv", "a.csv"], 10_000),
    ] {
        assert_eq!(replay(folder, files, rows, "2"), want, "{files:?}");
    }
}

#[test]
fn a_row_from_the_future_refuses_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut lines = lines(30_000);
    lines.insert(100, "4102444800000,A,900000,100,1".to_owned());
    write(&folder.join("future.csv"), &lines);
    let replay = |more: &[&str]| {
        let args = [
            &[
                "replay",
                "future.csv",
                "--instrument",
                "x:{symbol}",
                "--symbol",
                "symbol",
                "--id",
                "id",
                "--time-unit",
                "ms",
                "--timeframes",
                "1s",
                "--json",
            ][..],
            more,
        ]
        .concat();
        tickweave(folder, &args)
    };
    let count = |summary: &serde_json::Value, key: &str| summary[key].as_u64().unwrap();
    let by_time = replay(&[]);
    let told = "rows stamped in the future: 1, such as row 102 with 2100-01-01T00:00:00Z";
    assert!(by_time.err.contains(told), "{by_time:?}");
    let by_time = by_time.json();
    assert_eq!((count(&by_time, "accepted"), count(&by_time, "late")), (30_001, 0));
    let by_line = replay(&["--order", "lines"]).json();
    assert!(count(&by_line, "late") > 10_000, "{by_line}");
}

/// A pipe cannot be read again, so more rows than are put into order in memory are sorted as they come.
#[test]
fn a_pipe_is_put_into_order_though_it_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = lines(270_000);
    lines.reverse();
    write(&folder.path().join("rows.csv"), &lines);
    let script = "cat rows.csv | \"$0\" replay /dev/stdin --format csv --time time --time-unit ms --symbol symbol \
                  --id id --price price --size size --instrument 'x:{symbol}' --timeframes 1m --json";
    let ran = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_tickweave")])
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let summary: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&summary["accepted"], &summary["late"]), (&270_000.into(), &0.into()), "{summary}");
}

#[test]
fn a_file_that_lies_newest_first_is_told_once_where_lines_alone_order_its_trades() {
    let folder = tempfile::tempdir().unwrap();
    // Two trades a second, the newest first; more rows than are put into order in memory, so that all is read twice.
    let mut lines: Vec<String> =
        (0..270_000).map(|n| format!("{},{n},{n},1", 1_735_689_600 + n / 2)).collect();
    lines.reverse();
    let text = format!("time,number,price,size\n{}\n", lines.join("\n"));
    fs::write(folder.path().join("rows.csv"), text).unwrap();
    let replay = |more: &[&str]| {
        let args = [
            "replay",
            "rows.csv",
            "--instrument",
            "x:Y",
            "--time-unit",
            "s",
            "--timeframes",
            "1m",
            "--json",
        ];
        let ran = tickweave(folder.path(), &[&args[..], more].concat());
        ran.json();
        ran.err
    };
    let (told, flag) = ("rows.csv lies newest first", "--sequence COLUMN");
    let err = replay(&[]);
    assert_eq!((err.matches(told).count(), err.contains(flag)), (1, true), "{err}");
    for cure in [["--sequence", "number"], ["--id", "number"]] {
        assert!(!replay(&cure).contains(told), "{cure:?}");
    }
}
