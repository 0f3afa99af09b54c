//! Files that patterns and folders name are those files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::end_to_end::assert_same;
use crate::end_to_end::binary::tickweave;

/// A folder `t` of files of trades, some of them compressed, and of what is none.
fn make(folder: &Path) {
    fs::create_dir_all(folder.join("t/deep")).unwrap();
    for (number, name) in (0..).zip(["t/b.csv", "t/a.csv.gz", "t/deep/c.csv"]) {
        let mut text = "time,price,size\n".to_owned();
        for second in 0..60 {
            let price = 10 + (second * 7 + number * 3) % 11;
            text += &format!("2026-01-05T10:{number:02}:{second:02}Z,{price},1\n");
        }
        let mut bytes = text.into_bytes();
        if name.ends_with(".gz") {
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            file.write_all(&bytes).unwrap();
            bytes = file.finish().unwrap();
        }
        fs::write(folder.join(name), bytes).unwrap();
    }
    for name in ["t/.hidden.csv", "t/._b.csv", "t/.DS_Store"] {
        fs::write(folder.join(name), "no trades").unwrap();
    }
}

fn replay(folder: &Path, paths: &[&str], workers: &str) -> Value {
    let more = ["--instrument", "x:A", "-w", workers, "--digest", "--json"];
    tickweave(folder, &[&["replay"], paths, &more].concat()).json()
}

#[test]
fn patterns_and_folders_are_their_files_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder);
    for workers in ["1", "3"] {
        let flat = replay(folder, &["t/a.csv.gz", "t/b.csv"], workers);
        assert_eq!(flat["accepted"], 120);
        for paths in [&["t"][..], &["t/"], &["t/*"], &["t/*.csv*"], &["t/a.csv.gz", "t/?.csv", "t"]]
        {
            assert_same(&format!("{paths:?}"), &flat, &replay(folder, paths, workers));
        }
        let deep = replay(folder, &["t/a.csv.gz", "t/b.csv", "t/deep/c.csv"], workers);
        assert_eq!(deep["accepted"], 180);
        for paths in [&["t/**"][..], &["**/*.csv*"], &["t", "t/*/c.*"]] {
            assert_same(&format!("{paths:?}"), &deep, &replay(folder, paths, workers));
        }
    }
}

/// Paths start where the configuration is. What is shown and recorded names the files.
#[test]
fn a_configuration_names_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("jobs")).unwrap();
    make(&folder.join("jobs"));
    let text = "[job]\nindicators = []\n[[source]]\nname = \"f\"\nkind = \"file\"\npaths = [\"t/**/*.csv\"]\n\
        instrument = \"x:A\"\ncolumns = { time = \"time\", price = \"price\", size = \"size\" }\n";
    fs::write(folder.join("jobs/job.toml"), text).unwrap();
    let shown = tickweave(folder, &["check", "jobs/job.toml", "--json"]).json();
    let names = ["t/b.csv", "t/deep/c.csv"];
    assert_eq!(shown["source"][0]["paths"], serde_json::json!(names));

    let args = ["replay", "jobs/job.toml", "--digest", "--json", "--record", "found.rec"];
    let replayed = tickweave(folder, &args).json();
    assert_eq!(replayed["accepted"], 120);
    fs::remove_dir_all(folder.join("jobs")).unwrap();
    let again = tickweave(folder, &["replay", "found.rec", "--digest", "--json"]).json();
    assert_same("the recording", &replayed, &again);
    fs::write(folder.join("job.toml"), text).unwrap();
    let what = "job.toml:6:9: source[0] (name `f`).paths: no file matches \"t/**/*.csv\"";
    tickweave(folder, &["check", "job.toml"]).failed(2, &[what]);
}

/// A folder may hold more files than a process may open by default.
#[test]
fn a_folder_of_many_files_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("t")).unwrap();
    for number in 0..600 {
        let time = format!("2026-01-05T10:{:02}:{:02}Z", number / 60, number % 60);
        fs::write(
            folder.join(format!("t/{number}.csv")),
            format!("time,price,size\n{time},10,1\n"),
        )
        .unwrap();
    }
    let replay = format!(
        "ulimit -Sn 256 && exec {} replay t --instrument x:A --json",
        env!("CARGO_BIN_EXE_tickweave")
    );
    let ran = Command::new("sh").args(["-c", &replay]).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let summary: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(summary["accepted"], 600);
}

/// Files per symbol without a column of symbols are one replay.
#[test]
fn names_of_files_hold_their_symbols() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("data")).unwrap();
    for (number, symbol) in (1..).zip(["BTC-USD", "ETH", "SOL"]) {
        let text = format!("time,price,size\n2026-01-05T10:00:00Z,{number},1\n");
        fs::write(folder.join(format!("data/{symbol}_trades.csv")), text).unwrap();
    }
    let flags = ["--instrument", "v:{symbol}", "--timeframes", "1m", "--out", "out", "--json"];
    let replay = |path: &str, pattern: &str| {
        tickweave(folder, &[&["replay", path, "--symbol-from", pattern][..], &flags].concat())
    };
    let closes = || {
        let text = fs::read_to_string(folder.join("out/candles.csv")).unwrap();
        let row = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{} {}", fields[0], fields[6])
        };
        text.lines().skip(1).map(row).collect::<Vec<_>>().join(", ")
    };
    for path in ["data", "data/", "data/*.csv"] {
        assert_eq!(replay(path, "{symbol}_trades.csv").json()["accepted"], 3);
        assert_eq!(closes(), "v:BTC-USD 1, v:ETH 2, v:SOL 3", "{path}");
    }
    replay("data", "{symbol}.csv.xz")
        .failed(2, &["the name of \"data/BTC-USD_trades.csv\" is not like"]);
    replay("data", "*{symbol}_trades.csv").failed(2, &["may be "]);
    replay("data/*.gz", "{symbol}.csv").failed(2, &["no file matches \"data/*.gz\""]);

    // A configuration says the same by its key.
    let text = "[job]\nindicators = []\ntimeframes = [\"1m\"]\n[[source]]\nname = \"f\"\nkind = \"file\"\n\
        paths = [\"data\"]\ninstrument = \"v:{symbol}\"\nsymbol_from = \"file:{symbol}_trades.csv\"\n\
        columns = { time = \"time\", price = \"price\", size = \"size\" }\n";
    fs::write(folder.join("job.toml"), text).unwrap();
    assert_eq!(
        tickweave(folder, &["replay", "job.toml", "--out", "out", "--json"]).json()["accepted"],
        3
    );
    assert_eq!(closes(), "v:BTC-USD 1, v:ETH 2, v:SOL 3");
    for (from, to, want) in [
        ("v:{symbol}", "v:A", "`symbol_from` is of no use"),
        ("file:", "", "of files write \"file:{symbol}.csv\""),
        ("size\" }", "size\", symbol = \"s\" }", "both say where the symbol is"),
    ] {
        fs::write(folder.join("job.toml"), text.replace(from, to)).unwrap();
        tickweave(folder, &["check", "job.toml"]).failed(2, &[want]);
    }
}
