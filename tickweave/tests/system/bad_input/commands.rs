//! Command lines that are wrong.

use std::fs;

use crate::end_to_end::binary::tickweave;

#[test]
fn a_wrong_command_line_says_what_is_possible() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), "time,price,size\n2024-03-04T12:00:00Z,10,1\n").unwrap();
    for (args, message) in [
        (&[][..], &["Usage", "replay"][..]),
        (&["rerun"], &["rerun", "Usage"]),
        (&["relpay"], &["relpay", "replay"]),
        (&["replay"], &["required", "CONFIG|PATH"]),
        (&["replay", "t.csv", "--wrokers", "2"], &["--wrokers", "--workers"]),
        (&["replay", "t.csv", "--workers", "two"], &["two", "--workers"]),
        (&["replay", "t.csv", "--workers", "-1"], &["-1"]),
        (&["replay", "t.csv", "--speed", "0"], &["--speed", "above 0"]),
        (&["replay", "t.csv", "--speed", "NaN"], &["--speed", "above 0"]),
        (&["replay", "t.csv", "--speed", "inf"], &["--speed", "above 0"]),
        (&["replay", "t.csv"], &["`instrument` is missing", "bitmex:XBTUSD"]),
        (
            &["replay", "t.csv", "--instrument", "x:Y", "-w", "0"],
            &["job.workers: 0 is not between 1 and 256"],
        ),
        (&["replay", "t.csv", "--instrument", "x:Y", "-w", "257"], &["job.workers: 257"]),
        (
            &["replay", "t.csv", "--instrument", "x:Y", "--timeframes", "7s"],
            &["`7s`", "divide a day", "near it are", "6s, 8s"],
        ),
        (
            &["replay", "t.csv", "--instrument", "x:Y", "--timeframes", ""],
            &["`` is not a timeframe"],
        ),
        (&["replay", "t.csv", "--instrument", "x:Y", "--time-unit", "h"], &["`h`", "rfc3339"]),
        (&["replay", "t.csv", "--instrument", "x:Y", "--disorder", "soon"], &["`soon`"]),
        (&["replay", "t.csv", "--instrument", "x:Y", "--delimiter", "ab"], &["delimiter", "ab"]),
        (&["replay", "t.csv", "--instrument", "x:Y", "--format", "xml"], &["xml", "csv", "jsonl"]),
        (&["replay", "t.csv", "--instrument", "x:Y", "--price-decimals", "19"], &["19", "18"]),
        (&["replay", "t.csv", "--instrument", "{x}"], &["{symbol}"]),
        (&["check", "t.csv", "--log", "a=b=c"], &["--log a=b=c"]),
        (&["check", "t.csv"], &["t.csv:1:1: this is no configuration", "`tickweave replay FILE"]),
        (&["run"], &["required", "CONFIG"]),
        (&["check"], &["required", "CONFIG"]),
        (&["check", "none.toml"], &["none.toml", "No such file"]),
        (&["check", "."], &["cannot read configuration .", "directory"]),
        (&["run", "none.toml"], &["none.toml", "No such file"]),
        (&["replay", "none.toml"], &["none.toml", "No such file"]),
    ] {
        let ran = tickweave(folder, args);
        let message = ran.failed(2, message);
        assert!(!message.contains('\u{1b}'), "colours in what is no terminal: {message:?}");
        assert_eq!(message.matches("No such file").count().max(1), 1, "message twice: {message}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let folder = tempfile::tempdir().unwrap();
    for (args, message) in [
        (&["--help"][..], "replay"),
        (&["replay", "--help"], "--time-unit"),
        (&["--version"], "tickweave "),
    ] {
        let ran = tickweave(folder.path(), args);
        assert!(ran.code == Some(0) && ran.out.contains(message), "{ran:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "time,price,size\n").unwrap();
    let binary = env!("CARGO_BIN_EXE_tickweave");
    let script = format!("{{ '{binary}' replay t.csv --instrument x:Y; echo $? >&2; }} | true");
    let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(&folder).output();
    let message = String::from_utf8(ran.unwrap().stderr).unwrap();
    assert_eq!(message.trim(), "0");
}
