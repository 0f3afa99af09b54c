//! Copies of rows that have no sequence, from feeds in which they lie elsewhere.

use std::fmt::Write;
use std::fs;

use super::binary::tickweave;
use super::{assert_same, file_source};

/// Two feeds send the same trades, of which three at a time have one time; text ids, no sequence.
#[test]
fn feeds_with_the_same_text_ids_agree() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = |n: usize| format!("{},id-{:x},{},1\n", 60 + n / 3, n * 7_919, 100 + n * 37 % 11);
    let rows: Vec<_> = (0..50).map(row).collect();
    let header = "t,i,p,q\n";
    fs::write(folder.join("north.csv"), format!("{header}{}", rows.concat())).unwrap();
    // The other one begins later with what it brings, and has blank lines.
    let mut south = format!("{header}\n\n\n");
    rows.iter().skip(5).chain(&rows[..5]).for_each(|row| writeln!(south, "{row}").unwrap());
    fs::write(folder.join("south.csv"), south).unwrap();
    let source = |name: &str, rank: u8| format!("{}rank = {rank}\n", file_source(name));
    let replay = |name: &str, sources: &str| {
        fs::write(
            folder.join("job.toml"),
            format!("[job]\ntimeframes = [\"1s\", \"1m\"]\n{sources}"),
        )
        .unwrap();
        let args = ["replay", "job.toml", "--json", "--digest", "--out", name];
        let summary =
            tickweave(folder, &[&args[..], &["--record", "a.rec", "--force"]].concat()).json();
        let candles = fs::read_to_string(folder.join(name).join("candles.csv")).unwrap();
        let replayed = tickweave(folder, &["replay", "a.rec", "--digest", "--json", "-w", "2"]);
        assert_same(name, &summary, &replayed.json());
        (summary, candles)
    };
    let (_, alone) = replay("alone", &source("north", 0));
    // The first of 100, 104, 108 in the file is the open, and the last is the close.
    assert!(alone.contains("x:A,1s,1970-01-01T00:01:00Z,100,108,100,108,3,"), "{alone}");
    for (name, sources) in [
        ("north first", source("north", 0) + &source("south", 1)),
        ("south first", source("south", 1) + &source("north", 0)),
    ] {
        let (summary, candles) = replay(name, &sources);
        let n = |key: &str| summary[key].as_u64().unwrap();
        let counted = ["accepted", "duplicates", "conflicts", "dead"].map(n);
        assert_eq!(counted, [50, 50, 0, 0], "{name}: {summary:#}");
        let revisions = fs::read_to_string(folder.join(name).join("revisions.csv")).unwrap();
        assert_eq!(revisions.lines().count(), 1, "{name}: {revisions}");
        assert_eq!(candles, alone, "{name}");
    }
}

/// Two sources of one rank contradict each other: the one whose name comes first counts.
#[test]
fn of_two_sources_of_one_rank_the_first_by_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = |name: &str, price: i64| {
        let rows: String = (0..30).map(|n| format!("{},{n},{},1\n", 60 + n, price + n)).collect();
        fs::write(folder.join(format!("{name}.csv")), format!("t,i,p,q\n{rows}")).unwrap();
        file_source(name)
    };
    let (north, south) = (source("north", 100), source("south", 500));
    let job = "[job]\ntimeframes = [\"1m\"]\n[commit]\nfile_rows = 7\n";
    let candles = [("one", [&north, &south]), ("other", [&south, &north])].map(|(out, sources)| {
        fs::write(folder.join("job.toml"), format!("{job}{}{}", sources[0], sources[1])).unwrap();
        let args = ["replay", "job.toml", "--json", "--out", out];
        let summary = tickweave(folder, &args).json();
        let n = |key: &str| summary[key].as_u64().unwrap();
        assert_eq!(["accepted", "duplicates", "conflicts"].map(n), [30, 0, 30], "{summary:#}");
        fs::read_to_string(folder.join(out).join("candles.csv")).unwrap()
    });
    for candles in candles {
        assert!(candles.contains("x:A,1m,1970-01-01T00:01:00Z,100,129,100,129,30,"), "{candles}");
    }
}

#[test]
fn a_fill_that_is_sent_twice_is_no_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let fill = |price: &str, more: &str| {
        format!(
            "{{\"type\":\"fill\",\"portfolio\":\"p\",\"id\":1,\"instrument\":\"us:A\",\"time\":\"1s\",\
             \"price\":{price},\"quantity\":1{more}}}\n"
        )
    };
    let job = "[[instrument]]\npattern = \"us:*\"\nquote = \"USD\"\n[[source]]\nname = \"fills\"\n\
               kind = \"entries\"\npaths = [\"fills.jsonl\"]\n";
    fs::write(folder.join("job.toml"), job).unwrap();
    let faults = |rows: &str| {
        fs::write(folder.join("fills.jsonl"), rows).unwrap();
        tickweave(folder, &["replay", "job.toml", "--json", "--out", "out"]).json();
        let faults = fs::read_to_string(folder.join("out/fill_faults.csv")).unwrap();
        faults.lines().count() - 1
    };
    assert_eq!(faults(&fill("10", "").repeat(3)), 0);
    assert_eq!(faults(&(fill("10", "") + &fill("11", ""))), 1);
    assert_eq!(faults(&(fill("10", ",\"sequence\":7") + &fill("10", ",\"sequence\":8"))), 1);
}
