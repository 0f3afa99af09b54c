//! What sources have done while a job with state was not running: files that grew, were renamed, replaced or removed,
//! pipes, streams. Rows have no ids, so one that is read twice counts twice.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::{end, kill, start, wait_until_ready};
use crate::end_to_end::binary::{Ran, poll, tickweave};
use crate::end_to_end::http::get;
use crate::redis::server::{Server, is_here};

const COLUMNS: &str =
    "instrument = \"x:T\"\ncolumns = { time = \"time\", price = \"price\", size = \"size\" }\n";
const HEADER: &str = "time,price,size\n";

/// A job of one source, which has these keys.
pub(crate) fn job(folder: &Path, source: &str) {
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\nname = \"own\"\n{source}\n{COLUMNS}"
    );
    fs::write(folder.join("job.toml"), config).unwrap();
}

/// Trades of one minute each, with these numbers.
pub(crate) fn lines(numbers: impl Iterator<Item = u64>) -> String {
    let line =
        |n: u64| format!("2026-01-05T{:02}:{:02}:00Z,{},1\n", 10 + n / 60, n % 60, 100 + n % 7);
    numbers.map(line).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The trades of each bar, in order of their minutes.
pub(crate) fn bars(address: SocketAddr) -> Vec<u64> {
    let answer = get(address, "/v1/views/candles?timeframe=1m&limit=10000");
    if answer.status != 200 {
        return Vec::new();
    }
    let bars = answer.json()["rows"].as_array().unwrap().clone();
    let mut bars: Vec<(String, u64)> = bars
        .iter()
        .map(|bar| (bar["open_time"].to_string(), bar["trades"].as_u64().unwrap()))
        .collect();
    bars.sort_unstable();
    bars.into_iter().map(|(_, trades)| trades).collect()
}

/// Waits until there are so many minutes, each with one trade: none is missing and none is there twice.
#[track_caller]
pub(crate) fn wait_for_each_once(address: SocketAddr, minutes: usize) {
    wait_until_ready(address);
    let is_there = |bars: &[u64]| bars.len() >= minutes;
    poll(|| Some(bars(address)).filter(|bars| is_there(bars)), || format!("{:?}", bars(address)));
    assert_eq!(bars(address), vec![1; minutes]);
}

pub(crate) fn incidents(address: SocketAddr, kind: &str) -> Vec<String> {
    let answer = get(address, "/v1/views/incidents?limit=1000").json();
    let rows = answer["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == kind);
    rows.map(|row| row["detail"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the job is ready and has reached its server.
pub(crate) fn wait_until_connected(address: SocketAddr) {
    wait_until_ready(address);
    poll(
        || Some(incidents(address, "connected")).filter(|all| !all.is_empty()),
        || "it is connected".to_owned(),
    );
}

/// A start that is refused since rows are missing.
#[track_caller]
pub(crate) fn is_refused(folder: &Path, texts: &[&str]) {
    let ran: Ran = tickweave(folder, &["run", "job.toml", "--state", "state"]);
    ran.failed(1, &[texts, &["cannot be read on where it was", "--accept-gaps"]].concat());
}

#[test]
fn a_followed_file_is_read_on_under_whatever_name_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, "kind = \"file\"\npaths = [\"ticks.csv\"]\nfollow = true");
    let path = folder.join("ticks.csv");
    append(&path, &(HEADER.to_owned() + &lines(0..40)));
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 40);
    kill(run);

    // It grows while nobody looks.
    append(&path, &lines(40..50));
    let (run, address) = start(folder, 3, &[]);
    wait_for_each_once(address, 50);
    kill(run);

    // Its writer goes on to other files, two of them.
    append(&path, &lines(50..60));
    for (from, to) in [(60, 70), (70, 80)] {
        for older in [2, 1] {
            let _ = fs::rename(
                folder.join(format!("ticks.csv.{older}")),
                folder.join(format!("ticks.csv.{}", older + 1)),
            );
        }
        fs::rename(&path, folder.join("ticks.csv.1")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20)); // its last change is seen to be later
        append(&path, &(HEADER.to_owned() + &lines(from..to)));
    }
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 80);
    // Positions have gone on.
    append(&path, &lines(80..81));
    wait_for_each_once(address, 81);
    kill(run);
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 81);
    assert_eq!(incidents(address, "gap"), [""; 0]);
    kill(run);

    // It was truncated and written anew.
    fs::write(&path, HEADER.to_owned() + &lines(81..90)).unwrap();
    is_refused(folder, &["source `own`", "ticks.csv", "not there any more"]);
    let (run, address) = start(folder, 2, &["--accept-gaps"]);
    wait_for_each_once(address, 90);
    let gaps = incidents(address, "gap");
    assert!(gaps.len() == 1 && gaps[0].contains("read from its beginning"), "{gaps:?}");
    end(run);
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 90);
    end(run);
}

#[test]
fn files_of_a_folder_are_each_read_once_whatever_they_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, "kind = \"file\"\npaths = [\"in/*.csv\"]\nfollow = true");
    fs::create_dir(folder.join("in")).unwrap();
    let path = |name: &str| folder.join("in").join(name);
    append(&path("a.csv"), &(HEADER.to_owned() + &lines(0..20)));
    append(&path("b.csv"), &(HEADER.to_owned() + &lines(20..40)));
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 40);
    kill(run);
    // One is renamed, one is removed, one is new; those of the first name and of the new one go on.
    fs::rename(path("a.csv"), path("c.csv")).unwrap();
    append(&path("c.csv"), &lines(40..50));
    fs::remove_file(path("b.csv")).unwrap();
    append(&path("d.csv"), &(HEADER.to_owned() + &lines(50..60)));
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 60);
    let warned = || incidents(address, "warning").iter().any(|text| text.contains("b.csv"));
    poll(|| warned().then_some(()), || format!("{:?}", incidents(address, "warning")));
    assert_eq!(incidents(address, "gap"), [""; 0], "files of a folder come and go");
    kill(run);
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 60);
    end(run);
}

#[test]
fn a_file_that_was_read_is_the_same_or_grew_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, "kind = \"file\"\npaths = [\"ticks.csv\"]");
    let path = folder.join("ticks.csv");
    append(&path, &(HEADER.to_owned() + &lines(0..30)));
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 30);
    let state = || {
        let rows = get(address, "/v1/views/sources").json()["rows"].clone();
        let own = rows.as_array().unwrap().iter().find(|row| row["name"] == "own").cloned();
        own.map_or(serde_json::Value::Null, |own| own["state"].clone())
    };
    poll(|| (state() == "ended").then_some(()), || state().to_string());
    kill(run);
    // It ended, so what comes to it is too late, which is told.
    append(&path, &lines(30..40));
    let (run, address) = start(folder, 2, &[]);
    wait_until_ready(address);
    let too_late = |address| {
        let rows = get(address, "/v1/views/too_late?limit=100").json()["rows"].clone();
        rows.as_array().unwrap().len()
    };
    poll(
        || (too_late(address) == 10).then_some(()),
        || format!("{} are too late", too_late(address)),
    );
    assert_eq!(bars(address), [1; 30]);
    let warnings = incidents(address, "warning");
    assert!(warnings.iter().any(|text| text.contains("`follow = true`")), "{warnings:?}");
    end(run);

    // It was read to its end, and is gone.
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 30);
    end(run);

    // Another file has its name.
    fs::write(&path, HEADER.to_owned() + &lines(40..45)).unwrap();
    is_refused(folder, &["ticks.csv", "it is not the file that was read through position 41"]);
    fs::write(&path, kept).unwrap();
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 30);
    end(run);
    fs::write(&path, HEADER.to_owned() + &lines(40..45)).unwrap();
    let config = fs::read_to_string(folder.join("job.toml")).unwrap();
    fs::write(folder.join("job.toml"), config + "[state]\naccept_gaps = true\n").unwrap();
    let (run, address) = start(folder, 1, &[]);
    poll(
        || (too_late(address) == 15).then_some(()),
        || format!("{} are too late", too_late(address)),
    );
    assert_eq!(incidents(address, "gap").len(), 1);
    kill(run);

    // Begun anew, what is gone from the file is gone.
    let (mut run, address) = start(folder, 1, &["--state-from-sources"]);
    run.wait_for("sources are read again from their start");
    wait_for_each_once(address, 5);
    end(run);
    assert!(folder.join("state/aside-00000001").is_dir());
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 5);
    end(run);
}

#[test]
fn what_came_through_a_pipe_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, "kind = \"file\"\npaths = [\"pipe.csv\"]");
    let path = folder.join("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    for turn in 0..3 {
        let (run, address) = start(folder, [1, 3, 2][turn], &[]);
        let from = turn as u64 * 10;
        let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
        pipe.write_all((HEADER.to_owned() + &lines(from..from + 10)).as_bytes()).unwrap();
        wait_for_each_once(address, (turn + 1) * 10);
        kill(run);
        drop(pipe);
    }
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 30);
    kill(run);
}

#[test]
fn a_stream_is_read_on_from_where_it_began_or_what_it_lacks_is_told() {
    if !is_here("a stream while its job is not running") {
        return;
    }
    let server = Server::durable();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut client = server.connect();
    let mut first_id = 1;
    let mut add = |numbers: std::ops::Range<u64>, next_id: &mut u64| {
        for number in numbers {
            let time = format!("2026-01-05T10:{:02}:00Z", number % 60);
            let mut add = redis::cmd("XADD");
            add.arg("own").arg(format!("{next_id}-1")).arg("time").arg(time);
            add.arg("price").arg(10).arg("size").arg(1).exec(&mut client).unwrap();
            *next_id += 1;
        }
    };
    job(
        folder,
        &format!(
            "kind = \"redis-streams\"\nurl = \"{}\"\nstreams = [\"own\"]\nformat = \"fields\"\nstart = \"latest\"",
            server.url()
        ),
    );
    add(0..10, &mut first_id); // before it begins, so it is not read
    let (run, address) = start(folder, 1, &[]);
    wait_until_connected(address);
    kill(run);
    // Before its first row was read.
    add(10..20, &mut first_id);
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 10);
    kill(run);
    add(20..30, &mut first_id);
    let (run, address) = start(folder, 1, &[]);
    wait_for_each_once(address, 20);
    kill(run);
    add(30..40, &mut first_id);
    redis::cmd("XTRIM").arg("own").arg("MAXLEN").arg(5).exec(&mut server.connect()).unwrap();
    is_refused(folder, &["source `own`", "entries after 30-1 may have been taken out"]);
    let (run, address) = start(folder, 1, &["--accept-gaps"]);
    wait_for_each_once(address, 25);
    assert_eq!(incidents(address, "gap").len(), 1);

    // Made anew while it is read, with ids that were read before: from then on entries are counted.
    redis::cmd("DEL").arg("own").exec(&mut server.connect()).unwrap();
    first_id = 1;
    add(40..45, &mut first_id);
    wait_for_each_once(address, 30);
    kill(run);
    add(45..50, &mut first_id);
    let (run, address) = start(folder, 2, &[]);
    wait_for_each_once(address, 35);
    add(50..55, &mut first_id);
    wait_for_each_once(address, 40);
    kill(run);
    let (run, address) = start(folder, 3, &[]);
    wait_for_each_once(address, 40);
    end(run);
}
