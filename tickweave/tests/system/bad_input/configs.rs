//! Configurations that are wrong: the message names key, value and what is possible.

use std::fs;

use crate::end_to_end::binary::tickweave;

const SOURCE: &str = r#"
[[source]]
name = "a"
kind = "file"
paths = ["t.csv"]
instrument = "x:{symbol}"
columns = { time = "time", symbol = "symbol", price = "price", size = "size" }
"#;

/// What stands before the source, what stands behind it, and what is message.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("[job", "", &["job.toml:1:5", "unclosed table"]),
    ("[jobs]", "", &["unknown field `jobs`", "`job`", "`source`"]),
    ("[job]\nworker = 1", "", &["unknown field `worker`", "`workers`"]),
    ("[job]\nworkers = 0", "", &["job.workers: 0", "1 and 256"]),
    ("[job]\nworkers = -1", "", &["-1"]),
    ("[job]\nworkers = 99999999999999999999", "", &["job.toml:2:11", "a whole number"]),
    ("[job]\nworkers = \"2\"", "", &["a text is written", "a whole number"]),
    ("[job]\ntimeframes = [\"1m\", \"7m\"]", "", &["`7m`", "timeframe"]),
    ("[job]\ntimeframes = [\"10s\", \"15s\"]", "", &["15s", "10s"]),
    ("[job]\ntimeframes = []", "", &["at least one timeframe"]),
    ("[job]\ncalendar = \"Europe/Atlantis\"", "", &["job.calendar", "Europe/Atlantis", "UTC"]),
    ("[job]\nreject_after = \"-1s\"", "", &["job.reject_after", "-1s"]),
    ("[job]\nreject_after = \"2d\"", "", &["job.reject_after: 2d", "job.correction_horizon = 1d"]),
    (
        "[job]\ncorrection_horizon = \"99999999999d\"",
        "",
        &["job.correction_horizon", "99999999999d"],
    ),
    ("[job]\nmax_clock_ahead = \"1 parsec\"", "", &["job.max_clock_ahead", "1 parsec"]),
    ("[job]\nnot_after = \"tomorrow\"", "", &["job.not_after", "tomorrow", "RFC 3339"]),
    ("[outliers]\nbars = 1001", "", &["outliers.bars: 1001", "0 and 1000"]),
    ("[outliers]\nbars = -1", "", &["-1"]),
    ("[outliers]\ndeviations = 0", "", &["outliers.deviations: 0", "1 and 1000"]),
    ("[outliers]\nfloor_bps = 0.5", "", &["outliers.floor_bps", "a whole number"]),
    ("[commit]\nperiod = \"0s\"", "", &["commit.period", "1ns and 1d"]),
    ("[commit]\nround = \"2d\"", "", &["commit.round", "1ns and 1d"]),
    ("[commit]\nrecords = 0", "", &["commit.records: 0"]),
    ("[commit]\nfile_rows = 1048577", "", &["commit.file_rows: 1048577", "1048576"]),
    ("[limits]\nconnections = 0", "", &["limits.connections: 0", "65536"]),
    ("[limits]\nin_flight_records = 0", "", &["limits.in_flight_records: 0"]),
    ("[http]\nlisten = \"localhost\"", "", &["http.listen", "`localhost`", "127.0.0.1:8080"]),
    ("[http]\nlisten = \"127.0.0.1:99999\"", "", &["http.listen", "99999"]),
    (
        "[[instrument]]\npattern = \"*\"\nprice_decimals = 19",
        "",
        &["instrument[0]", "pattern `*`", "18"],
    ),
    ("[[instrument]]\npattern = \"*\"\ncalendar = \"Mars\"", "", &["instrument[0]", "Mars"]),
    ("[[instrument]]\nprice_decimals = 2", "", &["`pattern` is missing"]),
    ("", "disorder = \"2h\"", &["source[0] (name `a`).disorder: 2h", "job.reject_after = 1h"]),
    ("", "rank = 256", &["256"]),
    ("", "speed = 3", &["source[0] (name `a`)", "unknown field `speed`", "`paths`"]),
    ("", "play = { speed = -1.0 }", &["source[0] (name `a`).play", "`speed`", "above 0"]),
    ("", "play = { sped = 1.0 }", &["sped", "`speed`"]),
    ("", "idle_timeout = \"never\"", &["idle_timeout", "never"]),
    ("", "units = { time = \"minutes\" }", &["source[0] (name `a`)", "minutes", "`rfc3339`"]),
    ("", "csv = { delimiter = \"\" }", &["source[0] (name `a`)", "delimiter"]),
    ("", "where = { column = \"\" }", &["source[0] (name `a`)", "column's name is empty"]),
    (
        "",
        "symbols = { A = \"with blank\" }",
        &["source[0] (name `a`)", "with blank", "visible ASCII"],
    ),
    ("", SOURCE, &["source[1] (name `a`)", "another source has this name"]),
    (
        "",
        "[[source]]\nname = \"b\"",
        &["source[1] (name `b`)", "unknown source kind ``", "known: entries, file"],
    ),
    (
        "",
        "[[source]]\nname = \"b\"\nkind = \"file\"",
        &["source[1] (name `b`)", "`paths` is missing"],
    ),
];

#[test]
fn a_wrong_configuration_is_reported_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), "time,symbol,price,size\n").unwrap();
    for (number, (before, behind, message)) in WRONG.iter().enumerate() {
        let text = format!("{before}\n{SOURCE}{behind}\n");
        fs::write(folder.join("job.toml"), &text).unwrap();
        let command = ["check", "replay", "run"][number % 3];
        let ran = tickweave(folder, &[command, "job.toml"]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        ran.failed(2, message);
        assert!(ran.out.is_empty() && !ran.err.contains("serving"), "{ran:?}");
    }
    fs::write(folder.join("job.toml"), [0xff, 0xfe, 0]).unwrap();
    tickweave(folder, &["check", "job.toml"]).failed(2, &["job.toml", "UTF-8"]);
    // Without sources there is still what clients post, unless that is not wanted either.
    fs::write(folder.join("job.toml"), "[http]\ningest = false").unwrap();
    tickweave(folder, &["check", "job.toml"]).failed(2, &["number of sources", "1 and 64"]);
}

#[test]
fn a_good_configuration_is_shown_with_its_defaults_and_is_itself_good() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), SOURCE).unwrap();
    fs::write(folder.join("t.csv"), "time,symbol,price,size\n").unwrap();
    let ran = tickweave(folder, &["check", "job.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::write(folder.join("shown.toml"), &ran.out).unwrap();
    let again = tickweave(folder, &["check", "shown.toml"]);
    // Values are the same; what follows them says where they come from, which now is the file.
    let values = |out: &str| -> Vec<String> {
        out.lines().map(|line| line.split("  # ").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(values(&again.out), values(&ran.out), "{again:?}");
    let json = tickweave(folder, &["check", "job.toml", "--json"]).json();
    assert_eq!(json["job"]["workers"].as_u64(), Some(1));
}

/// The other columns are known by their names, so nothing else is missing.
#[test]
fn a_column_that_a_flag_names_wrongly_is_what_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), "Stamp,Symbol,Price,Qty\n2026-01-05T10:00:00Z,A,1,1\n")
        .unwrap();
    let ran = tickweave(
        folder,
        &["replay", "t.csv", "--instrument", "x:{symbol}", "--time", "Timestamp"],
    );
    let wanted = "t.csv: there is no column \"Timestamp\" (--time; did you mean \"Stamp\"?";
    ran.failed(2, &[wanted]);
    assert!(!ran.err.contains("--symbol"), "{}", ran.err);
}

/// What `run` and `replay` would only find when they open the files, `check` finds as well.
#[test]
fn files_that_a_configuration_reads_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let other = SOURCE.replace("\"a\"", "\"b\"").replace("t.csv", "u.csv");
    fs::write(folder.join("job.toml"), format!("{SOURCE}{other}")).unwrap();
    fs::write(folder.join("t.csv"), "time,symbol,price\n").unwrap();
    let both = [
        "2 faults:",
        "job.toml:5:9: source[0] (name `a`).paths: t.csv: there is no column \"size\" (there are: time, symbol, price)",
        "job.toml:12:9: source[1] (name `b`).paths: cannot open u.csv: No such file",
        "job.toml is good but for its files of data; with --no-files no file of data is opened",
    ];
    tickweave(folder, &["check", "job.toml"]).failed(2, &both);
    // Where more is at fault than files, that does not help.
    fs::write(folder.join("bad.toml"), format!("[job]\nworkers = 0\n{SOURCE}")).unwrap();
    let bad = tickweave(folder, &["check", "bad.toml"]);
    assert!(bad.code == Some(2) && !bad.err.contains("--no-files"), "{bad:?}");
    assert_eq!(tickweave(folder, &["check", "job.toml", "--no-files"]).code, Some(0));
    tickweave(folder, &["replay", "job.toml"]).failed(2, &["there is no column \"size\""]);

    let rows = "1767607200000,A,1,1\n".repeat(30);
    fs::write(folder.join("t.csv"), format!("time,symbol,price,size\n{rows}")).unwrap();
    fs::write(folder.join("u.csv"), "time,symbol,price,size\n").unwrap();
    let refused = ["(name `a`).paths: t.csv: 30 of the first 30 rows are refused", "--time-unit"];
    tickweave(folder, &["check", "job.toml"]).failed(2, &refused);
    fs::write(folder.join("t.csv"), "time,symbol,price,size\n2026-01-05T10:00:00Z,A,1,1\n")
        .unwrap();
    assert_eq!(tickweave(folder, &["check", "job.toml"]).code, Some(0));
}

#[test]
fn faults_are_json_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let faults = |text: &str| {
        fs::write(folder.join("job.toml"), text).unwrap();
        let ran = tickweave(folder, &["check", "job.toml", "--json"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.is_empty(), "{ran:?}");
        let mut json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        json["faults"].take()
    };
    let found = faults(&format!("[job]\nworkerz = 2\nworkers = 0\n{SOURCE}"));
    let both = found.as_array().unwrap();
    assert_eq!(both.len(), 2, "{found}");
    let of_key = |key: &str| both.iter().find(|fault| fault["key"] == key).unwrap();
    let typo = of_key("job.workerz");
    assert_eq!(typo["file"], "job.toml");
    assert_eq!((&typo["line"], &typo["column"]), (&2.into(), &11.into()), "{typo}");
    assert_eq!(typo["suggestion"], "workers");
    assert!(of_key("job.workers")["message"].as_str().unwrap().starts_with("0 is not between 1"));
    assert_eq!(of_key("job.workers")["suggestion"], serde_json::Value::Null);

    let found = faults("[job\n");
    assert_eq!((&found[0]["file"], &found[0]["line"]), (&"job.toml".into(), &1.into()), "{found}");
    let found = faults(SOURCE);
    assert_eq!(
        (&found[0]["line"], &found[0]["key"]),
        (&5.into(), &"source[0] (name `a`).paths".into())
    );
    assert!(found[0]["message"].as_str().unwrap().starts_with("cannot open t.csv: No such file"));
}
