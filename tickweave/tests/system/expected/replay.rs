//! Runs `tickweave replay` and holds what it wrote to what is expected.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::bars::{self, Bars};

/// Replays with `arguments` on so many workers: the report, and the folder of the views.
pub(super) fn replay<S: AsRef<OsStr>>(arguments: &[S], workers: usize) -> (Value, TempDir) {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tickweave"))
        .args([
            "--json",
            "replay",
            "--digest",
            "--workers",
            &workers.to_string(),
            "--views",
            "all",
            "--out",
        ])
        .arg(out.path())
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), out)
}

/// Replays with `arguments` on each number of workers, and compares the candles with `wanted`.
///
/// Every trade of `wanted`'s bars of `base` must have been accepted and nothing refused, and the digests
/// of all views must not depend on the number of workers.
pub(super) fn assert_replay<S: AsRef<OsStr>>(
    arguments: &[S],
    workers: &[usize],
    base: &str,
    wanted: &Bars,
) {
    let mut views_before = None;
    for count in workers {
        let run = format!("{count} workers");
        let (report, out) = replay(arguments, *count);
        assert_eq!(report["accepted"], bars::trades(wanted, base), "{run}: {report}");
        for none in ["duplicates", "conflicts", "late", "unmatched", "dead"] {
            assert_eq!(report[none], 0, "{run}: {none} in {report}");
        }
        bars::assert_same(&bars::written(&out.path().join("candles.csv")), wanted, &run);

        let views = report["views"].clone();
        assert!(views["candles"]["rows_digest"].is_string(), "{run}: no digest in {report}");
        assert_eq!(*views_before.get_or_insert_with(|| views.clone()), views, "views on {run}");
        eprintln!(
            "{run}: {} bars, {} trades in {} s",
            wanted.len(),
            report["accepted"],
            report["elapsed_s"]
        );
    }
}
