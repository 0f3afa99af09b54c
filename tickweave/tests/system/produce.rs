//! `tickweave produce`: what is made can be replayed, and says what its source message.

use std::fs;
use std::path::Path;

use super::end_to_end::binary::tickweave;

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn made_ticks_are_the_same_again_and_replay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = ["produce", "--rows", "5000", "--symbols", "7", "--json", "--out"];
    for out in ["a.csv", "file://b.csv"] {
        let reported = tickweave(folder, &[&made[..], &[out]].concat()).json();
        assert_eq!(
            (reported["rows"].as_u64(), reported["refused"].as_u64()),
            (Some(5_000), Some(0))
        );
    }
    let a = lines(&folder.join("a.csv"));
    assert_eq!(a, lines(&folder.join("b.csv")));
    assert_eq!((a.len(), &*a[0]), (5_001, "ts_ns,symbol,trade_id,price,size"));
    let message = tickweave(folder, &["produce", "--rows", "5000", "--symbols", "7", "--out", "-"]);
    assert_eq!(message.out.lines().collect::<Vec<_>>(), a);

    let replayed = tickweave(
        folder,
        &[
            "replay",
            "a.csv",
            "--time",
            "ts_ns",
            "--time-unit",
            "ns",
            "--symbol",
            "symbol",
            "--id",
            "trade_id",
            "--instrument",
            "made:{symbol}",
            "--json",
        ],
    );
    let replayed = replayed.json();
    let mut trades = a[1..].to_vec();
    trades.sort();
    trades.dedup();
    assert_eq!(replayed["records"].as_u64(), Some(5_000));
    assert_eq!(replayed["duplicates"].as_u64(), Some(5_000 - trades.len() as u64));
    assert_eq!(replayed["dead"].as_u64(), Some(0));
}

#[test]
fn entries_say_what_their_source_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source =
        "[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n\n[[source]]\nname = \"venue\"\n";
    let venue = "kind = \"simulated\"\nticks = 20000\nticks_per_second = 100\n\
                 faults = { corrected = 0.02, cancelled = 0.02, repeated = 0.02 }\n";
    fs::write(folder.join("venue.toml"), format!("{source}{venue}")).unwrap();
    for (form, name) in [("entries", "written.csv"), ("jsonl", "written.jsonl")] {
        let reported = tickweave(
            folder,
            &[
                "produce",
                "--config",
                "venue.toml",
                "--source",
                "venue",
                "--form",
                form,
                "--out",
                name,
                "--json",
            ],
        );
        assert_eq!(reported.json()["refused"].as_u64(), Some(0));
        let entries = format!("{source}kind = \"entries\"\npaths = [\"{name}\"]\n");
        fs::write(folder.join("written.toml"), entries).unwrap();
        let replay = |config: &str, out: &str| {
            tickweave(folder, &["replay", config, "--out", out, "--json"]).json()
        };
        let (direct, reported) =
            (replay("venue.toml", "direct"), replay("written.toml", "written"));
        for count in ["records", "accepted", "corrections", "cancels", "duplicates", "dead"] {
            assert_eq!(direct[count], reported[count], "{form}: {count}");
        }
        assert!(direct["corrections"].as_u64() > Some(100) && direct["dead"].as_u64() == Some(0));
        for view in ["candles.csv", "indicators.csv", "revisions.csv"] {
            let read = |of: &str| lines(&folder.join(of).join(view));
            assert!(read("direct") == read("written"), "{form}: {view}");
        }
    }
}

#[test]
fn what_cannot_be_produced_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (args, message) in [
        (&["--out", "x", "--late", "2"][..], "late = 2 is not a share from 0 to 1"),
        (
            &["--out", "x", "--cancels", "0.1", "--form", "ticks"],
            "the form `ticks` has no word for corrections and cancels",
        ),
        (&["--out", "pigeon://x"], "`pigeon://x` is no target; possible are a path"),
        (&["--out", "no/such/folder/x"], "cannot write to no/such/folder/x"),
    ] {
        tickweave(folder.path(), &[&["produce"], args].concat()).failed(1, &[message]);
    }
}
