//! A job with `state.dir` that is killed, and goes on: nothing that was told is lost, and nothing counts twice.

mod chaos;
mod conditions;
mod copies;
mod ending;
mod promises;
mod rules;
pub(crate) mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::end_to_end::binary::{Going, Ran, poll, tickweave};
use crate::end_to_end::http::{get, post, send};

/// A source of a file and one of clients; two timeframes, an indicator, fills.
const JOB: &str = "[job]\ntimeframes = [\"1s\", \"1m\"]\nindicators = [\"sma3\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
                   [[source]]\nname = \"file\"\nkind = \"file\"\npaths = [\"trades.csv\"]\ninstrument = \"x:{symbol}\"\n\
                   columns = { time = \"time\", symbol = \"symbol\", price = \"price\", size = \"size\", id = \"id\" }\n\
                   [[instrument]]\npattern = \"x:*\"\nquote = \"USD\"\n";

/// Rows of the file: some instruments over some minutes, with ids of their own.
fn trades(from: usize, to: usize) -> String {
    let row = |n: usize| {
        let (minute, second) = (n / 300 % 60, n / 5 % 60);
        let symbol = ["A", "B", "C"][n % 3];
        format!(
            "2026-01-05T10:{minute:02}:{second:02}Z,{symbol},{},{},{n}\n",
            100 + n % 17,
            1 + n % 4
        )
    };
    (from..to).map(row).collect()
}

fn job(folder: &Path, config: &str) {
    fs::write(folder.join("job.toml"), config).unwrap();
    let rows = format!("time,symbol,price,size,id\n{}", trades(0, 3_000));
    fs::write(folder.join("trades.csv"), rows).unwrap();
}

pub(crate) fn start(folder: &Path, workers: usize, more: &[&str]) -> (Going, SocketAddr) {
    let workers = workers.to_string();
    let args = [&["run", "job.toml", "--state", "state", "-w", &workers, "--json"], more].concat();
    let mut run = Going::start(folder, &args);
    let address = run.address();
    (run, address)
}

/// A trade or fill that a client sends, with an id.
fn row(kind: &str, id: u64) -> String {
    let time = format!("2026-01-05T11:00:{:02}Z", id % 60);
    let row = match kind {
        "trade" => json!({
            "type": "trade", "instrument": "x:P", "time": time, "price": 10 + id % 7, "quantity": 1, "id": id
        }),
        _ => json!({
            "type": "fill", "portfolio": "mine", "instrument": "x:P", "time": time, "side": "buy", "quantity": 1,
            "price": 10, "id": format!("f{id}")
        }),
    };
    format!("{row}\n")
}

const NDJSON: [(&str, &str); 1] = [("Content-Type", "application/x-ndjson")];

/// Posts rows; gives the answer once they are durable.
fn posted(address: SocketAddr, rows: &str) -> Value {
    let sent = || post(address, "/api/streaming/process", &NDJSON, rows);
    let sent =
        poll(|| Some(sent()).filter(|sent| sent.status == 202), || "rows are taken".to_owned());
    let answer = sent.json();
    assert_eq!(answer["durable"], true, "{answer}");
    assert_eq!(answer["rejected"], 0, "{answer}");
    answer
}

/// Rows of a view, without what differs between runs that read the same in other commits.
fn rows(address: SocketAddr, view: &str) -> Vec<String> {
    let answer = get(address, &format!("/v1/views/{view}?limit=10000&numbers=string"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = answer.json()["rows"].as_array().unwrap().clone();
    let volatile = [
        "commit",
        "at",
        "position",
        "since",
        "state",
        "revision",
        "revised",
        "cause",
        "cause_id",
        "first_commit",
        "last_commit",
        "raised_at",
        "changes",
        "settled",
    ];
    let mut rows: Vec<String> = rows
        .into_iter()
        .map(|row| {
            let columns = row.as_object().unwrap().iter();
            // What was so when an alert was raised depends on the commit that raised it.
            let then: &[&str] = if view == "alerts" { &["price", "value"] } else { &[] };
            let kept = columns.filter(|(name, _)| {
                !volatile.contains(&name.as_str()) && !then.contains(&name.as_str())
            });
            let kept: BTreeMap<_, _> = kept.collect();
            serde_json::to_string(&kept).unwrap()
        })
        .collect();
    rows.sort();
    rows
}

/// What a job has come to.
fn values(address: SocketAddr) -> Vec<(&'static str, Vec<String>)> {
    ["candles", "indicators", "positions"].map(|view| (view, rows(address, view))).to_vec()
}

/// Says which rows differ, of which there are many.
#[track_caller]
fn assert_same(left: &[(&str, Vec<String>)], right: &[(&str, Vec<String>)]) {
    for ((view, left), (_, right)) in left.iter().zip(right) {
        let only = |own: &[String], other: &[String]| -> Vec<String> {
            own.iter().filter(|row| !other.contains(row)).take(3).cloned().collect()
        };
        let (left_only, right_only) = (only(left, right), only(right, left));
        assert!(
            left == right,
            "{view}: {} and {} rows\n{left_only:#?}\n{right_only:#?}",
            left.len(),
            right.len()
        );
    }
}

/// Waits until so many records were taken, and views show them.
fn wait_for_records(address: SocketAddr, wanted: u64) {
    let metric = |name: &str| {
        let text = get(address, "/metrics").body;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.sum::<f64>() as u64
    };
    let records = || metric("tickweave_records_total{");
    poll(|| (records() >= wanted).then_some(()), || format!("{wanted} records: {}", records()));
    // With nothing new, commits close once a second; the one after is complete only when those before are.
    let commit = || get(address, "/v1/views").json()["frontier"]["commit"].as_u64();
    let first = commit();
    poll(|| (commit() > first).then_some(()), || format!("a commit after {first:?}"));
    poll(
        || (commit() > first.map(|first| first + 1)).then_some(()),
        || format!("two commits after {first:?}"),
    );
}

/// Waits until answers are worth asking for.
pub(crate) fn wait_until_ready(address: SocketAddr) {
    let ready = || get(address, "/health/ready");
    poll(|| (ready().status == 200).then_some(()), || ready().body);
}

/// Stops a run in order.
pub(crate) fn end(run: Going) {
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

pub(crate) fn kill(run: Going) {
    run.signal("KILL");
    assert_eq!(run.end().code, None);
}

#[test]
fn a_job_that_is_killed_again_and_again_comes_to_the_same() {
    let (undisturbed, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let posts: Vec<String> = (0..12)
        .map(|body| {
            (body * 10..body * 10 + 10).map(|id| row("trade", id) + &row("fill", id)).collect()
        })
        .collect();

    job(undisturbed.path(), JOB);
    let (run, address) = start(undisturbed.path(), 1, &[]);
    posts.iter().for_each(|rows| drop(posted(address, rows)));
    wait_for_records(address, 3_000 + 240);
    let wanted = values(address);
    assert!(wanted.iter().all(|(_, rows)| !rows.is_empty()), "{wanted:?}");
    end(run);

    job(killed.path(), JOB);
    let mut tokens = BTreeSet::new();
    for (turn, posts) in posts.chunks(3).enumerate() {
        // Now and then before the file was read, and always on another number of workers.
        let (run, address) = start(killed.path(), [1, 3, 2][turn % 3], &[]);
        for rows in posts {
            let answer = posted(address, rows);
            assert!(tokens.insert(answer["completion_token"].as_str().unwrap().to_owned()));
            // What a client was told is sent again without harm.
            posted(address, rows);
        }
        kill(run);
    }
    let (run, address) = start(killed.path(), 2, &["--record", "all.rec", "--digest"]);
    wait_until_ready(address);
    wait_for_records(address, 3_000 + 480);
    assert_same(&values(address), &wanted);
    run.signal("TERM");
    let ran = run.end();
    assert!(ran.err.contains("is restored through commit"), "{}", ran.err);
    // All starts together are one sequence of commits.
    let ran = ran.json();
    let again = tickweave(killed.path(), &["replay", "all.rec", "--json", "--digest"]).json();
    assert_eq!(again["views"], ran["views"]);
    assert_eq!(again["commits"], ran["commits"]);
}

/// A start answers for what came to it, and not for what earlier ones have refused.
#[test]
fn what_earlier_starts_refused_does_not_count_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), "[http]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let bad = row("trade", 2).replace("\"price\":12", "\"price\":\"much\"");
    // As it is: other tests are lenient.
    let strict = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tickweave"));
        let args = ["run", "job.toml", "--state", "state", "--json"];
        let mut run = Going::spawn(folder, command.args(args));
        let address = run.address();
        (run, address)
    };
    let (run, address) = strict();
    let rows = format!("{}{bad}", row("trade", 1));
    poll(
        || (post(address, "/api/streaming/process", &NDJSON, &rows).status == 202).then_some(()),
        || "rows are taken".to_owned(),
    );
    run.signal("TERM");
    let first = run.end();
    let cure = "Clients posted them: the answer of each post names its refused rows";
    first.failed(4, &["1 of 2 rows (50.0 %) were refused", "bad_price", cure]);
    assert!(!first.err.contains("--time"), "{}", first.err);
    for _ in 0..2 {
        let (run, address) = strict();
        wait_until_ready(address);
        run.signal("TERM");
        let ran = run.end().json();
        assert_eq!((&ran["refused"], &ran["accepted"]), (&json!(0), &json!(0)), "{ran}");
        assert_eq!(ran["reasons"], json!({}), "{ran}");
        assert!(ran["restored"].as_u64() <= ran["commits"].as_u64(), "{ran}");
        assert!(ran["restored"].as_u64() > Some(0), "{ran}");
        assert_eq!(ran["views"]["dead_letters"]["rows"], 1, "{ran}");
    }
}

/// A part of the commits computes other bars than all of them, so a replay of a part says so.
#[test]
fn a_replay_of_a_part_of_the_state_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = format!("[http]\nlisten = \"127.0.0.1:0\"\n{KEEPS_LOG}");
    fs::write(folder.join("job.toml"), config).unwrap();
    for id in 1..3 {
        let (run, address) = start(folder, 1, &[]);
        posted(address, &row("trade", id));
        end(run);
    }
    let replay = |path: &str| tickweave(folder, &["replay", path, "--json"]);
    let first = replay("state/log-00000001.twrec");
    assert_eq!(first.json()["accepted"], 1);
    assert!(!first.err.contains("begins with commit"), "{}", first.err);
    // Each start ends with a checkpoint, with which another file begins.
    let second = replay("state/log-00000003.twrec");
    assert_eq!(second.json()["accepted"], 1);
    assert!(second.err.contains("log-00000003.twrec begins with commit "), "{}", second.err);
    let whole = replay("state");
    whole.failed(
        2,
        &["state is the state of a job, with its commits in 4 files", "goes on with it"],
    );
}

/// What was accepted and not answered may be there or not; what was answered is there once.
#[test]
fn what_was_answered_is_there_whenever_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, JOB);
    let (mut answered, mut next) = (0, 0);
    for turn in 0..6 {
        let (run, address) = start(folder, 1 + turn % 3, &[]);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(30 + 70 * turn as u64));
            run.signal("KILL");
            run
        });
        // One at a time, so that at most the last of them is not answered.
        loop {
            let body = row("trade", next);
            let head = format!(
                "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
                 Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if std::net::TcpStream::connect(address).is_err() {
                break;
            }
            match std::panic::catch_unwind(|| send(address, (head + &body).as_bytes())) {
                Ok(Some(answer)) if answer.status == 202 => {
                    assert_eq!(answer.json()["durable"], true, "{}", answer.body);
                    (answered, next) = (answered + 1, next + 1);
                }
                Ok(Some(_)) => {} // not open yet: sent again
                _ => break,
            }
        }
        let run = killer.join().unwrap();
        assert_eq!(run.end().code, None);
    }
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    wait_for_records(address, 3_000 + answered);
    let candles = get(address, "/v1/views/candles?symbol=x:P&timeframe=1s&limit=1000").json();
    let trades = candles["rows"].as_array().unwrap().iter();
    let trades: u64 = trades.map(|row| row["trades"].as_u64().unwrap()).sum();
    // The row that was not answered was sent again in the next turn, with its id.
    assert!(answered > 0 && (answered..=answered + 1).contains(&trades), "{trades} of {answered}");
    end(run);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, JOB);
    let (run, address) = start(folder, 1, &[]);
    let pid = run.pid().to_string();
    let second = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    second.failed(2, &["is in use by process", &pid, "another directory"]);
    assert_eq!(get(address, "/health/live").status, 200);
    kill(run);
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    end(run);
    fs::write(folder.join("no-folder"), "").unwrap();
    let ran = tickweave(folder, &["run", "job.toml", "--state", "no-folder"]);
    ran.failed(1, &["no-folder", "Not a directory"]);
}

/// With which any change of the configuration is possible.
const KEEPS_LOG: &str = "[state]\nkeep_log = true\n";

/// Runs until all of the file and some posts are in the log, and stops by a signal.
fn kept(folder: &Path, signal: &str, more: &str) -> Vec<(&'static str, Vec<String>)> {
    job(folder, &format!("{JOB}{more}"));
    let (run, address) = start(folder, 2, &[]);
    posted(address, &(row("trade", 1) + &row("fill", 1)));
    wait_for_records(address, 3_002);
    let values = values(address);
    run.signal(signal);
    run.end();
    values
}

#[test]
fn a_changed_configuration_is_computed_from_what_is_kept() {
    let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    kept(folder.path(), "TERM", KEEPS_LOG);
    // Another source before the one that there was, another timeframe and another indicator; one is gone.
    let other = JOB.replace("\"1s\", \"1m\"", "\"1s\", \"5m\"").replace("sma3", "ema4").replace(
        "[[source]]\n",
        "[[source]]\nname = \"before\"\nkind = \"file\"\npaths = [\"more.csv\"]\ninstrument = \"x:M\"\ncolumns = { time = \"time\", price = \"price\", size = \"size\", id = \"id\" }\n[[source]]\n",
    );
    let other = format!("{other}{KEEPS_LOG}");
    for folder in [&folder, &fresh] {
        job(folder.path(), &other);
        fs::write(
            folder.path().join("more.csv"),
            "time,price,size,id\n2026-01-05T10:00:00Z,5,1,1\n",
        )
        .unwrap();
    }
    let (run, address) = start(folder.path(), 1, &[]);
    let (anew, other_address) = start(fresh.path(), 3, &[]);
    posted(other_address, &(row("trade", 1) + &row("fill", 1)));
    for address in [address, other_address] {
        wait_until_ready(address);
        // The largest bar comes at the end of a round.
        let is_of_it = |row: &String| row.contains("x:M") && row.contains("\"timeframe\":\"5m\"");
        let has_more = || rows(address, "candles").iter().any(is_of_it);
        poll(|| has_more().then_some(()), || "bars of the further source".to_owned());
    }
    assert_same(&values(address), &values(other_address));
    for run in [run, anew] {
        end(run);
    }
    // Numbers are whole numbers of the smallest unit, so units cannot change.
    let scaled = JOB.replace("quote =", "price_decimals = 3\nquote =") + KEEPS_LOG;
    fs::write(folder.path().join("job.toml"), scaled).unwrap();
    let ran = tickweave(folder.path(), &["run", "job.toml", "--state", "state"]);
    ran.failed(2, &["x:", "9, 8 decimals", "now says 3, 8", "begin anew"]);
}

/// The newest segment of the log.
fn newest_segment(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder.join("state")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "twrec")).max().unwrap()
}

#[test]
fn a_torn_log_is_cut_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wanted = kept(folder, "KILL", "");
    // A commit of which only a part was written, as a crash leaves it.
    let segment = newest_segment(folder);
    let whole = fs::read(&segment).unwrap();
    let mut file = OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(&[200, 1, 0, 0, 1]).unwrap();
    drop(file);
    fs::write(folder.join("state/log-00000009.twrec.new"), "TWK").unwrap();
    let (mut run, address) = start(folder, 1, &[]);
    run.wait_for("ends with 5 bytes of a commit that nobody has seen");
    wait_until_ready(address);
    assert_same(&values(address), &wanted);
    kill(run);

    // A flipped bit, anywhere but in the last commit.
    for at in [20, whole.len() / 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&segment, damaged).unwrap();
        let ran: Ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let name = segment.file_name().unwrap().to_str().unwrap();
        assert!(ran.err.contains(name), "{}", ran.err);
    }
    // A commit was cut off that a later segment follows.
    let (run, address) = {
        fs::write(&segment, &whole).unwrap();
        start(folder, 1, &[])
    };
    posted(address, &row("trade", 2));
    kill(run);
    fs::write(&segment, &whole[..whole.len() - 9]).unwrap();
    let ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    ran.failed(1, &["lacks commits", "begins with commit"]);
    fs::remove_file(&segment).unwrap();
    let ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    let name = segment.file_name().unwrap().to_str().unwrap();
    ran.failed(1, &["the state lacks", name, "from a copy"]);
}

#[test]
fn sources_that_cannot_go_on_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shifted = JOB.replace("paths =", "play = { as_if_now = true }\npaths =");
    job(folder, &shifted);
    let ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    ran.failed(2, &["source `file`", "times are shifted"]);
    assert!(!folder.join("state").exists(), "nothing was begun");
}

#[test]
fn without_a_directory_it_is_said_that_nothing_survives() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), JOB);
    let mut run = Going::start(folder.path(), &["run", "job.toml"]);
    run.wait_for("no state is kept");
    let address = run.address();
    let sent = || post(address, "/api/streaming/process", &NDJSON, &row("trade", 1));
    let sent = poll(|| Some(sent()).filter(|sent| sent.status == 202), || "it is taken".to_owned());
    assert_eq!(sent.json()["durable"], false);
    end(run);
}

/// The same job, which takes checkpoints all the time.
fn with_checkpoints(more: &str) -> String {
    format!("{JOB}[state]\ncheckpoint_every = \"20ms\"\n{more}")
}

/// The files of checkpoints in the state of a job, in order.
fn checkpoint_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("state")).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "twckpt");
    let mut files: Vec<PathBuf> = entries.filter(is_one).collect();
    files.sort();
    files
}

/// Waits until a checkpoint begins and ends that has all that was bound by now.
fn wait_for_checkpoint(folder: &Path) -> PathBuf {
    // One may be at hand whose first shards were saved before.
    let newest = || checkpoint_files(folder).pop();
    let before = newest();
    let next = |known: Option<PathBuf>| {
        poll(
            || newest().filter(|newest| Some(newest) > known.as_ref()),
            || "a checkpoint".to_owned(),
        )
    };
    let first = next(before);
    next(Some(first))
}

#[test]
fn a_job_goes_on_from_checkpoints_as_if_nothing_had_happened() {
    let (undisturbed, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let posts: Vec<String> = (0..16)
        .map(|body| {
            (body * 10..body * 10 + 10).map(|id| row("trade", id) + &row("fill", id)).collect()
        })
        .collect();
    let logs = |address| {
        // A correction of each row is a revision of its bars.
        vec![("trades", rows(address, "trades")), ("dead_letters", rows(address, "dead_letters"))]
    };

    job(undisturbed.path(), JOB);
    let (run, address) = start(undisturbed.path(), 1, &[]);
    posts.iter().for_each(|rows| drop(posted(address, rows)));
    wait_for_records(address, 3_000 + 320);
    let (wanted, wanted_logs) = (values(address), logs(address));
    assert_eq!(wanted_logs[0].1.len(), 3_000 + 160);
    end(run);

    job(killed.path(), &with_checkpoints(""));
    for (turn, posts) in posts.chunks(4).enumerate() {
        let (mut run, address) = start(killed.path(), [1, 4, 3, 2][turn % 4], &[]);
        if turn > 0 {
            run.wait_for("from checkpoint");
        }
        for (number, rows) in posts.iter().enumerate() {
            posted(address, rows);
            posted(address, rows);
            if number == turn {
                wait_for_checkpoint(killed.path());
            }
        }
        // Commits that are in the log alone.
        posted(address, &row("trade", 0));
        match turn {
            2 => end(run),
            _ => kill(run),
        }
    }
    let (mut run, address) = start(killed.path(), 2, &[]);
    run.wait_for("from checkpoint");
    wait_until_ready(address);
    assert_same(&values(address), &wanted);
    assert_same(&logs(address), &wanted_logs);
    let sources = get(address, "/v1/views/sources?limit=10").json();
    let rows_of = |name: &str| {
        let rows = sources["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["name"] == name).map(|row| row["rows"].as_u64().unwrap()).sum::<u64>()
    };
    // Fills are not counted there.
    assert_eq!((rows_of("file"), rows_of("http")), (3_000, 2 * 160 + 4), "{sources}");
    // What no checkpoint needs is gone.
    assert!(!killed.path().join("state/log-00000001.twrec").exists());
    assert!(checkpoint_files(killed.path()).len() <= 20);
    end(run);
}

#[test]
fn after_an_orderly_end_nothing_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = format!("{JOB}[state]\ncheckpoint_every = \"never\"\n");
    job(folder, &config);
    let (run, address) = start(folder, 2, &[]);
    posted(address, &(row("trade", 1) + &row("fill", 1)));
    wait_for_records(address, 3_002);
    let wanted = values(address);
    assert!(checkpoint_files(folder).is_empty());
    end(run);
    assert_eq!(checkpoint_files(folder).len(), 1);
    // The segment of the last commit is enough.
    fs::rename(folder.join("state/log-00000001.twrec"), folder.join("first")).unwrap();
    for workers in [3, 1] {
        let (mut run, address) = start(folder, workers, &[]);
        run.wait_for("from checkpoint");
        wait_until_ready(address);
        assert_same(&values(address), &wanted);
        end(run);
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, &with_checkpoints(""));
    let (run, address) = start(folder, 2, &[]);
    posted(address, &(row("trade", 1) + &row("fill", 1)));
    wait_for_records(address, 3_002);
    wait_for_checkpoint(folder);
    let wanted = values(address);
    kill(run);
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let end = bytes.len() - 40;
        bytes[end] ^= 2;
        fs::write(path, bytes).unwrap();
    };
    let newest = checkpoint_files(folder).pop().unwrap();
    let verify = || tickweave(folder, &["checkpoint", "verify", "state", "--json"]);
    let whole = verify().json();
    assert_eq!(
        (whole["torn_bytes"].as_u64(), whole["passed_over"].as_array().unwrap().len()),
        (Some(0), 0)
    );
    let copied = tickweave(folder, &["checkpoint", "export", "state", "copy", "--json"]).json();
    assert_eq!(copied, whole);
    let again = tickweave(folder, &["checkpoint", "import", "copy", "state"]);
    again.failed(2, &["state is not empty"]);
    flip(&newest);
    assert_eq!(verify().json()["passed_over"].as_array().unwrap().len(), 1);
    let list = tickweave(folder, &["checkpoint", "list", "state"]);
    assert!(list.code == Some(1) && list.out.contains("is damaged"), "{list:?}");
    let never = with_checkpoints("").replace("20ms", "never");
    fs::write(folder.join("job.toml"), never).unwrap();
    let (mut run, address) = start(folder, 1, &[]);
    run.wait_for("an earlier checkpoint is taken");
    wait_until_ready(address);
    assert_same(&values(address), &wanted);
    kill(run);

    checkpoint_files(folder).iter().filter(|path| **path != newest).for_each(|path| flip(path));
    let ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    let name = newest.file_name().unwrap().to_str().unwrap();
    ran.failed(1, &["cannot be restored", name, "is damaged", "from a copy"]);
    let ran = tickweave(folder, &["checkpoint", "verify", "state"]);
    ran.failed(1, &["cannot be restored", name]);
    // The copy is a state like any other.
    fs::remove_dir_all(folder.join("state")).unwrap();
    let imported = tickweave(folder, &["checkpoint", "import", "copy", "state"]);
    assert!(imported.out.contains("whole: a start goes on behind commit"), "{imported:?}");
    let (run, address) = start(folder, 3, &[]);
    wait_until_ready(address);
    assert_same(&values(address), &wanted);
    end(run);
}

/// A rule, which raises alerts.
const RULE: &str = "[[rule]]\nname = \"high\"\nsettle = \"at_once\"\nthreshold = { series = \"close\", above = 110.0 }\n";

#[test]
fn another_configuration_is_computed_from_states_or_the_log_or_refused_with_the_difference() {
    let fresh = tempfile::tempdir().unwrap();
    // Two timeframes for one, another indicator, and a rule.
    let other = |config: &str| {
        let config = config.replace("\"1m\"]", "\"5m\", \"15s\"]").replace("sma3", "ema4");
        config.replace("[[source]]", &format!("{RULE}[[source]]"))
    };
    job(fresh.path(), &other(JOB));
    let (anew, fresh_address) = start(fresh.path(), 3, &[]);
    posted(fresh_address, &(row("trade", 1) + &row("fill", 1)));
    wait_for_records(fresh_address, 3_002);
    let values_and_alerts = |address| {
        let mut values = values(address);
        values.push(("alerts", rows(address, "alerts")));
        values
    };
    let wanted = values_and_alerts(fresh_address);
    assert!(wanted.iter().all(|(_, rows)| !rows.is_empty()), "{wanted:?}");

    for keep_log in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let config = with_checkpoints(&format!("keep_log = {keep_log}\n"));
        job(folder, &config);
        let (run, address) = start(folder, 2, &[]);
        posted(address, &(row("trade", 1) + &row("fill", 1)));
        wait_for_records(address, 3_002);
        wait_for_checkpoint(folder);
        kill(run);
        assert_eq!(folder.join("state/log-00000001.twrec").exists(), keep_log);
        // States do not depend on this.
        let late = config.replace("[job]\n", "[job]\nreject_after = \"2h\"\n");
        fs::write(folder.join("job.toml"), late).unwrap();
        let (mut run, _) = start(folder, 1, &[]);
        run.wait_for("from checkpoint");
        end(run);
        fs::write(folder.join("job.toml"), other(&config)).unwrap();
        for workers in [3, 1] {
            let (mut run, address) = start(folder, workers, &[]);
            if workers == 3 {
                run.wait_for("rollups, indicators, signals are computed anew from what is kept");
            }
            run.wait_for("from checkpoint");
            wait_until_ready(address);
            assert_same(&values_and_alerts(address), &wanted);
            end(run);
        }
        // Nothing that is kept says what smaller bars are.
        let timeframes = "[\"1s\", \"5m\", \"15s\"]";
        let config = other(&config).replace(timeframes, "[\"5s\", \"10s\"]");
        fs::write(folder.join("job.toml"), config).unwrap();
        let told = "`job.timeframes` was [\"1s\", \"5m\", \"15s\"], and is [\"5s\", \"10s\"]";
        if keep_log {
            let (mut run, address) = start(folder, 1, &[]);
            run.wait_for("the whole log is read and computed anew");
            wait_until_ready(address);
            let answer =
                get(address, "/v1/views/candles?timeframe=5s&symbol=x:A&limit=1000").json();
            assert_eq!(answer["rows"].as_array().unwrap().len(), 120, "{answer}");
            end(run);
        } else {
            let ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
            ran.failed(2, &[told, "change that back", "state.keep_log"]);
        }
    }
    end(anew);
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, &with_checkpoints(""));
    // A folder is where its file should be.
    fs::create_dir_all(folder.join("state/checkpoint-00000001.twckpt.new/x")).unwrap();
    let (mut run, address) = start(folder, 1, &[]);
    run.wait_for("no checkpoint can be written");
    let check = || get(address, "/health").json()["checks"]["state"][0].clone();
    let failing = || (check()["status"] == "warn").then_some(());
    poll(failing, || check().to_string());
    posted(address, &row("trade", 1));
    // The next one has another name.
    poll(|| (checkpoint_files(folder).len() > 1).then_some(()), || "a checkpoint".to_owned());
    poll(|| (check()["status"] == "pass").then_some(()), || check().to_string());
    kill(run);
    let (mut run, _) = start(folder, 1, &[]);
    run.wait_for("from checkpoint");
    end(run);
}

/// A job that clients alone feed, so that its state knows no path.
const POSTED_ONLY: &str = "[job]\ntimeframes = [\"1s\", \"1m\"]\nindicators = [\"sma3\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
                           [[instrument]]\npattern = \"x:*\"\nquote = \"USD\"\n[state]\ncheckpoint_every = \"never\"\n";

/// State as the first build with checkpoints wrote it: a checkpoint, and a commit behind it. Files of state must be read by
/// later builds, or refused with what to do; then this test says so.
#[test]
fn the_state_of_an_earlier_build_is_read() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept/state-1");
    let (first, last) = ((0..30).map(|id| row("trade", id) + &row("fill", id)), row("trade", 30));
    let first: String = first.collect();
    let begin = |folder: &Path| {
        fs::write(folder.join("job.toml"), POSTED_ONLY).unwrap();
        start(folder, 2, &[])
    };
    if std::env::var_os("TICKWEAVE_WRITE_KEPT").is_some() {
        let folder = tempfile::tempdir().unwrap();
        let (run, address) = begin(folder.path());
        posted(address, &first);
        end(run);
        let (run, address) = begin(folder.path());
        wait_until_ready(address);
        posted(address, &last);
        kill(run);
        fs::create_dir_all(&kept).unwrap();
        for file in fs::read_dir(folder.path().join("state")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), kept.join(file.file_name())).unwrap();
        }
    }
    let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(folder.path().join("state")).unwrap();
    for file in fs::read_dir(&kept).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join("state").join(file.file_name())).unwrap();
    }
    let (mut run, address) = begin(folder.path());
    run.wait_for("from checkpoint 1");
    wait_until_ready(address);
    let (anew, fresh_address) = begin(fresh.path());
    posted(fresh_address, &first);
    let token = posted(fresh_address, &last)["completion_token"].as_str().unwrap().to_owned();
    // What is durable shows a little later.
    let shown = format!("/v1/views/candles?min_frontier={token}&wait_ms=30000");
    assert_eq!(get(fresh_address, &shown).status, 200);
    assert_same(&values(address), &values(fresh_address));
    assert_same(
        &[("trades", rows(address, "trades"))],
        &[("trades", rows(fresh_address, "trades"))],
    );
    end(run);
    end(anew);
}
