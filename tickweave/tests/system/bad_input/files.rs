//! Files that are not there, not whole, or not what they should be.

use std::fs;
use std::path::Path;

use super::replay;
use crate::end_to_end::binary::{Going, tickweave};

const HEADER: &str = "time,price,size\n";

/// Bytes as gzip holds them when it does not compress.
fn gzip(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let length = u16::try_from(bytes.len()).unwrap();
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(bytes);
    file.extend(crc32fast::hash(bytes).to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

fn rows(n: usize) -> String {
    let rows = (0..n).map(|n| format!("2024-03-04T12:{:02}:{:02}Z,10.{n:04},1\n", n / 60, n % 60));
    HEADER.to_owned() + &rows.collect::<String>()
}

fn flags(path: &str) -> [&str; 3] {
    [path, "--instrument", "x:Y"]
}

#[test]
fn files_without_rows_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("header.csv"), HEADER).unwrap();
    fs::write(folder.join("none.csv"), "").unwrap();
    fs::write(folder.join("none.jsonl"), "").unwrap();
    fs::write(folder.join("blank.jsonl"), "\n\n  \n").unwrap();
    for path in ["header.csv", "none.csv", "none.jsonl", "blank.jsonl"] {
        assert_eq!(replay(folder, &flags(path)), (Vec::new(), 0, 0), "{path}");
    }
}

#[test]
fn gzip_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = gzip(&rows(1_000));
    fs::write(folder.join("whole.csv.gz"), &whole).unwrap();
    assert_eq!(replay(folder, &flags("whole.csv.gz")), (Vec::new(), 1_000, 1_000));

    for keep in [whole.len() / 3, whole.len() / 2, whole.len() - 3] {
        fs::write(folder.join("cut.csv.gz"), &whole[..keep]).unwrap();
        let (letters, records, accepted) = replay(folder, &flags("cut.csv.gz"));
        let [(line, reason, detail)] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!((records, reason.as_str()), (accepted + 1, "truncated"), "{detail}");
        assert_eq!(*line, accepted + 2, "a header, what was read, and then the break");
        assert!(detail.contains("breaks off here"), "{detail}");
    }

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(folder.join("flipped.csv.gz"), flipped).unwrap();
    let (letters, ..) = replay(folder, &flags("flipped.csv.gz"));
    assert_eq!(letters.last().map(|letter| letter.1.as_str()), Some("truncated"), "{letters:?}");

    fs::write(folder.join("plain.csv.gz"), rows(3)).unwrap();
    let ran = tickweave(folder, &[&["replay"], &flags("plain.csv.gz")[..]].concat());
    assert!(!ran.err.contains("panicked") && ran.code.is_some(), "{ran:?}");
}

#[test]
fn a_path_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("folder.csv")).unwrap();
    fs::write(folder.join("t.csv"), rows(2)).unwrap();
    fs::write(folder.join("t.dat"), rows(2)).unwrap();
    for (paths, code, message) in [
        (&["none.csv"][..], 1, &["none.csv", "No such file"][..]),
        (&["t.csv", "none.csv"], 1, &["none.csv", "No such file"]),
        (&["none.rec"], 1, &["none.rec", "No such file"]),
        (&["folder.csv"], 2, &["the folder \"folder.csv\" holds no file"]),
        (&["*.none"], 2, &["no file matches \"*.none\""]),
        (&["t.csv", "t.csv"], 2, &["\"t.csv\" twice"]),
        (&["t.dat"], 2, &["\"t.dat\"", "format", ".csv", "jsonl"]),
    ] {
        let args = [&["replay", "--instrument", "x:Y", "-w", "2"], paths].concat();
        tickweave(folder, &args).failed(code, message);
    }
    let columns = ["replay", "t.csv", "--instrument", "x:Y", "--price", "prize"];
    let message = tickweave(folder, &columns);
    let message = message.failed(2, &["t.csv", "no column \"prize\"", "time, price, size"]);
    assert_eq!(message.matches("no column").count(), 1, "{message}");
}

#[test]
fn a_configured_file_that_is_missing_ends_replay_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), rows(2)).unwrap();
    let text = "[job]\nworkers = 2\n[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\nname = \"a\"\nkind = \"file\"\n\
        paths = [\"t.csv\", \"none.csv\"]\ninstrument = \"x:Y\"\n\
        columns = { time = \"time\", price = \"price\", size = \"size\" }\n";
    fs::write(folder.join("job.toml"), text).unwrap();
    for command in ["replay", "run"] {
        let ran = tickweave(folder, &[command, "job.toml"]);
        ran.failed(1, &["source `a`", "none.csv", "No such file"]);
    }
    // Its folder is where the configuration lies, not where the process runs.
    fs::write(folder.join("none.csv"), rows(2)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let job = folder.join("job.toml");
    tickweave(elsewhere.path(), &["replay", job.to_str().unwrap(), "--json"]).json();
}

#[test]
fn what_is_written_to_is_checked_first_and_never_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("t.csv"), rows(20)).unwrap();
    let replay =
        |more: &[&str]| tickweave(folder, &[&["replay"], &flags("t.csv")[..], more].concat());
    let untouched = |path: &Path, text: &[u8]| assert_eq!(fs::read(path).unwrap(), text);
    replay(&["--record", "t.csv"]).failed(2, &["t.csv", "a file of source `files`"]);
    fs::write(folder.join("other"), "mine").unwrap();
    let message = ["other", "not a recording", "not replaced"];
    replay(&["--record", "other"]).failed(2, &message);
    untouched(&folder.join("other"), b"mine");
    untouched(&folder.join("t.csv"), rows(20).as_bytes());
    replay(&["--record", "none/x.rec"]).failed(1, &["cannot create recording none/x.rec"]);
    replay(&["--record", "/dev/full"]).failed(1, &["cannot write recording /dev/full", "No space"]);
    replay(&["--out", "t.csv"]).failed(1, &["cannot write t.csv"]);
    untouched(&folder.join("t.csv"), rows(20).as_bytes());

    assert_eq!(replay(&["--record", "x.rec"]).code, Some(0));
    let recorded = fs::read(folder.join("x.rec")).unwrap();
    let ran = tickweave(folder, &["replay", "x.rec", "--record", "./x.rec", "--force"]);
    ran.failed(2, &["x.rec", "the recording that is replayed"]);
    untouched(&folder.join("x.rec"), &recorded);
}

#[test]
fn a_pipe_is_read_from_its_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pipe = folder.join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let replay = Going::start(folder, &["replay", "pipe.csv", "--instrument", "x:Y", "--json"]);
    fs::write(&pipe, rows(50)).unwrap();
    let summary = replay.end().json();
    assert_eq!((summary["accepted"].as_u64(), summary["dead"].as_u64()), (Some(50), Some(0)));
}
