//! Dialects of vendors: the commands of `docs/sources.md` run as printed, on a small file of each vendor's shape.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The commands of the section on dialects, lines that are continued joined.
fn commands(page: &str) -> Vec<String> {
    let (_, section) = page.split_once("\n## Dialects\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let block = block.replace("\\\n", "");
    let commands = block.lines().filter(|line| !line.starts_with('#'));
    commands.map(|line| line.strip_prefix("tickweave ").unwrap().to_owned()).collect()
}

/// Every file holds the same four trades in its vendor's own way: 100, 102.5 and 99 in the minute of 10:00 UTC, of
/// sizes 2, 1 and 3, and one of 4 at 101 when the next begins; and whatever else the vendor sends, which must not
/// count.
const BARS: [&str; 2] =
    ["2026-01-05T10:00:00Z 100 102.5 99 99 6 3", "2026-01-05T10:01:00Z 101 101 101 101 4 1"];

/// Instead, where the vendor's sizes are always 0.
const WITHOUT_SIZES: [&str; 2] =
    ["2026-01-05T10:00:00Z 100 102.5 99 99 0 3", "2026-01-05T10:01:00Z 101 101 101 101 0 1"];

/// Bars of a run, one instrument's.
fn bars(out: &Path) -> Vec<String> {
    let mut candles = csv::Reader::from_path(out.join("candles.csv")).unwrap();
    let names = candles.headers().unwrap().clone();
    let at = |name: &str| names.iter().position(|own| own == name).unwrap();
    let columns = ["open_time", "open", "high", "low", "close", "volume", "trades"].map(at);
    let rows = candles.records().map(|row| row.unwrap());
    rows.map(|row| columns.map(|at| row[at].to_owned()).join(" ")).collect()
}

#[test]
fn files_of_vendors_are_read_by_the_flags_that_the_page_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = root.join("tests/system/dialects");
    let page = fs::read_to_string(root.join("../docs/sources.md")).unwrap();
    let mut unread: BTreeSet<String> = fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let commands = commands(&page);
    assert!(commands.len() >= 20, "{} dialects", commands.len());
    let folder = tempfile::tempdir().unwrap();
    for command in commands {
        let file = command.split(' ').nth(1).unwrap();
        assert!(unread.remove(file), "{command}: no file, or one that was read before");
        fs::copy(files.join(file), folder.path().join(file)).unwrap();
        let script = format!(
            "'{}' {command} --timeframes 1m --out out --views all --json",
            env!("CARGO_BIN_EXE_tickweave")
        );
        let ran = Command::new("sh").args(["-c", &script]).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}\n{said}");
        let summary: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        let letters = fs::read_to_string(folder.path().join("out/dead_letters.csv")).unwrap();
        assert_eq!(
            (&summary["dead"], &summary["conflicts"]),
            (&0.into(), &0.into()),
            "{command}\n{letters}"
        );
        let want = if file == "histdata.csv" { WITHOUT_SIZES } else { BARS };
        assert_eq!(bars(&folder.path().join("out")), want, "{command}");
    }
    assert!(unread.is_empty(), "no command reads {unread:?}");
}
