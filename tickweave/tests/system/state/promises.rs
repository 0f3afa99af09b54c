//! What clients that post rows are promised, over kills and restarts: keys and tokens.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{POSTED_ONLY, end, kill, newest_segment, start, wait_until_ready};
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::{Answer, get, post};

/// A trade without an id: sent twice, it would count twice.
pub(super) fn trade(number: u64) -> String {
    let time = format!("2026-01-05T11:00:{:02}Z", number % 60);
    format!(
        "{}\n",
        json!({"type": "trade", "instrument": "x:P", "time": time, "price": 10, "quantity": 1})
    )
}

/// Sends a request with a key until it is answered by more than "not now".
pub(super) fn keyed(address: SocketAddr, key: &str, query: &str, rows: &str) -> Answer {
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)];
    let path = format!("/api/streaming/process{query}");
    let sent = || Some(post(address, &path, &headers, rows));
    let is_answer = |answer: &Answer| ![503, 429, 409].contains(&answer.status);
    poll(|| sent().filter(is_answer), || format!("{key} is answered"))
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// How many trades bars of clients have.
pub(super) fn trades(address: SocketAddr) -> u64 {
    let path = "/v1/views/candles?symbol=x:P&timeframe=1s&limit=10000";
    let answer = get(address, path).json();
    // Before the first trade nobody knows the instrument.
    let rows = answer["rows"].as_array().into_iter().flatten();
    rows.map(|row| row["trades"].as_u64().unwrap()).sum()
}

pub(super) fn begin(folder: &Path) -> (Going, SocketAddr) {
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    (run, address)
}

pub(super) fn job(folder: &Path) {
    fs::write(folder.join("job.toml"), POSTED_ONLY).unwrap();
}

#[test]
fn a_request_that_comes_again_after_a_restart_gets_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let rows = trade(1) + &trade(2).replace("10", "\"much\"");
    let refused = trade(3).replace("\"price\":10", "\"price\":0");
    let (run, address) = begin(folder);
    let first = keyed(address, "a", "", &rows);
    assert_eq!(first.status, 202, "{}", first.body);
    let answer = first.json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["durable"], true, "{answer}");
    // Only refused rows are bound as well: they are dead letters.
    let only_refused = keyed(address, "b", "", &refused).json();
    assert_eq!((&only_refused["accepted"], &only_refused["durable"]), (&json!(0), &json!(true)));
    // Of these nothing is bound, so the key is free.
    assert_eq!(keyed(address, "c", "?atomic=true", &refused).status, 422);
    kill(run);
    // From the log, from the log behind a checkpoint, and from a checkpoint whose log is gone.
    for turn in 0..4 {
        let (run, address) = begin(folder);
        let first = [("a", &rows, &answer, 202), ("b", &refused, &only_refused, 422)];
        for (key, rows, wanted, status) in first {
            let again = keyed(address, key, "", rows);
            assert!(is_replayed(&again) && again.status == status, "{turn} {key}: {again:?}");
            assert_eq!(again.json(), *wanted, "{turn} {key}");
            let other = keyed(address, key, "", &trade(7));
            assert_eq!(
                (other.status, &other.json()["code"]),
                (422, &json!("idempotency-key-reused"))
            );
        }
        let visible = keyed(address, "a", "?wait=visible", &rows).json();
        assert_eq!((&visible["visible"], &visible["durable"]), (&json!(true), &json!(true)));
        assert_eq!(trades(address), 1);
        let dead = get(address, "/v1/views/dead_letters?limit=100").json();
        assert_eq!(dead["rows"].as_array().unwrap().len(), 2, "{dead}");
        match turn {
            1 => kill(run),
            _ => end(run),
        }
    }
    assert!(!folder.join("state/log-00000001.twrec").exists(), "the checkpoint alone knows them");
    let (run, address) = begin(folder);
    let free = keyed(address, "c", "?atomic=true", &trade(3));
    assert!(free.status == 202 && !is_replayed(&free), "{free:?}");
    end(run);
}

#[test]
fn a_request_whose_client_has_gone_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let (run, address) = begin(folder);
    let rows = trade(1);
    let request = format!(
        "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nIdempotency-Key: gone\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{rows}",
        rows.len()
    );
    // It may not be read before the run is open, so it comes again until there is a trade; without its key.
    poll(
        || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            drop(stream);
            (trades(address) > 0).then_some(())
        },
        || "the trade".to_owned(),
    );
    kill(run);
    let (run, address) = begin(folder);
    let again = keyed(address, "gone", "", &rows);
    assert!(is_replayed(&again) && again.json()["durable"] == true, "{again:?}");
    assert_eq!(trades(address), 1);
    end(run);
}

/// Sends a request once; none if the process ends before it answers.
pub(super) fn try_keyed(address: SocketAddr, key: &str, rows: &str) -> Option<(bool, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!(
        "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{rows}",
        rows.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let is_taken = answer.starts_with("HTTP/1.1 202") && answer.contains("\"durable\":true");
    is_taken.then(|| (answer.to_lowercase().contains("idempotency-replayed: true"), answer))
}

/// The process ends at a place on the way of a commit. Whether a request is known afterwards is whether the log has it.
#[test]
fn a_request_is_known_after_a_kill_if_its_commit_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let (mut next, mut replayed) = (0, 0);
    for (name, is_there) in [
        ("log.before", Some(false)),
        ("log.half", Some(false)),
        ("log.after", None),
        ("log.durable", None),
        ("log.after", None),
        ("log.durable", None),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
        command.args(["run", "job.toml", "--state", "state", "--lenient"]);
        let mut run = Going::spawn(folder, command.env("TICKWEAVE_FAILPOINT", format!("{name}:9")));
        let address = run.address();
        let began = Instant::now();
        while !run.has_ended() && began.elapsed() < Duration::from_secs(30) {
            match try_keyed(address, &format!("k{next}"), &trade(next)) {
                Some(_) => next += 1,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        assert_eq!(run.end().code, None, "it ended at {name}");
        let (run, address) = begin(folder);
        let again = keyed(address, &format!("k{next}"), "", &trade(next));
        if is_there == Some(false) {
            assert!(!is_replayed(&again), "{name}: {again:?}");
        }
        replayed += u64::from(is_replayed(&again));
        next += 1;
        assert_eq!(again.json()["durable"], true, "{again:?}");
        keyed(address, &format!("k{}", next - 1), "?wait=visible", &trade(next - 1));
        assert_eq!(trades(address), next, "{name}: each request counts once");
        kill(run);
    }
    assert!(replayed > 0, "none was in the log and not answered");
}

fn token(answer: &Answer) -> String {
    answer.json()["completion_token"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_are_good_as_long_as_their_commit_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let read = |address: SocketAddr, token: &str| {
        get(address, &format!("/v1/candles/x:P?min_frontier={token}&wait_ms=30000"))
    };
    let (run, address) = begin(folder);
    let first = token(&keyed(address, "a", "", &trade(1)));
    let whole = fs::metadata(newest_segment(folder)).unwrap().len();
    let second = token(&keyed(address, "b", "", &trade(2)));
    assert_eq!(read(address, &second).status, 200);
    kill(run);
    // As after a crash of the machine that had not written the last commits.
    let segment = OpenOptions::new().write(true).open(newest_segment(folder)).unwrap();
    segment.set_len(whole).unwrap();
    let mut tokens = Vec::new();
    for turn in 0..4 {
        let (run, address) = begin(folder);
        assert_eq!(read(address, &first).status, 200, "{turn}");
        let lost = read(address, &second);
        assert_eq!((lost.status, &lost.json()["code"]), (410, &json!("commit-lost")), "{turn}");
        assert!(lost.body.contains("has to be sent again"), "{}", lost.body);
        assert_eq!(read(address, "abc-1").status, 400);
        let again = keyed(address, "b", "", &trade(2));
        assert_eq!(is_replayed(&again), turn > 0, "its rows are gone, so it was new");
        let own = token(&again);
        tokens.push(own.clone());
        assert_eq!(own, tokens[0], "the same answer, with the start that took it");
        assert_eq!(read(address, &own).status, 200);
        assert_eq!(trades(address), 2);
        // From the log, and from checkpoints.
        match turn {
            0 => kill(run),
            _ => end(run),
        }
    }
    assert!(!folder.join("state/log-00000001.twrec").exists(), "a checkpoint knows the starts");
}

/// A crash leaves all rows of a request or none, since one commit binds them, however few rows others have.
#[test]
fn the_rows_of_a_request_are_in_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), format!("{POSTED_ONLY}[commit]\nrecords = 2\n")).unwrap();
    let (run, address) = begin(folder);
    let rows: String = (0..7).map(trade).collect();
    let first = keyed(address, "a", "?wait=visible", &rows);
    assert_eq!(first.json()["visible"], true, "{first:?}");
    let answer = get(address, "/v1/views/trades?limit=100").json();
    let commits: Vec<_> =
        answer["rows"].as_array().unwrap().iter().map(|row| &row["commit"]).collect();
    assert_eq!(commits.len(), 7, "{answer}");
    assert!(commits.iter().all(|commit| *commit == commits[0]), "{commits:?}");
    end(run);
}

/// State with keys and two starts, as the first build that kept these wrote it: a checkpoint, and a commit behind it.
#[test]
fn what_an_earlier_build_promised_holds() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept/state-2");
    if std::env::var_os("TICKWEAVE_WRITE_KEPT").is_some() {
        let folder = tempfile::tempdir().unwrap();
        job(folder.path());
        let (run, address) = begin(folder.path());
        let first = token(&keyed(address, "first", "", &trade(1)));
        end(run);
        let (run, address) = begin(folder.path());
        let second = token(&keyed(address, "second", "", &trade(2)));
        kill(run);
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("tokens"), format!("{first}\n{second}\n")).unwrap();
        for file in fs::read_dir(folder.path().join("state")).unwrap() {
            let file = file.unwrap();
            if file.file_name() != "lock" {
                fs::copy(file.path(), kept.join(file.file_name())).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    fs::create_dir(folder.join("state")).unwrap();
    for file in fs::read_dir(&kept).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join("state").join(file.file_name())).unwrap();
    }
    let (run, address) = begin(folder);
    let tokens = fs::read_to_string(kept.join("tokens")).unwrap();
    for ((number, key), wanted) in [(1, "first"), (2, "second")].into_iter().zip(tokens.lines()) {
        let again = keyed(address, key, "", &trade(number));
        assert!(is_replayed(&again), "{key}: {again:?}");
        assert_eq!(token(&again), wanted);
        assert_eq!(get(address, &format!("/v1/candles/x:P?min_frontier={wanted}")).status, 200);
    }
    assert_eq!(trades(address), 2);
    end(run);
}
