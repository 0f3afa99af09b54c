//! Signals, ports and exit codes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::binary::{Going, poll, tickweave};
use super::http::get;
use super::made::Made;
use super::{assert_adds_up, assert_same};
use crate::outputs::{POSTED, posted};

/// Starts a replay that records to `out.rec`, and waits until signals are heeded: the recording begins
/// after that.
fn replay(folder: &Path, args: &[&str]) -> Going {
    let args = [&["replay", "--record", "out.rec", "--json", "--digest"], args].concat();
    let replay = Going::start(folder, &args);
    poll(|| folder.join("out.rec").exists().then_some(()), || replay.stderr_text());
    replay
}

#[test]
fn a_replay_that_is_interrupted_says_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(7, 3_000, 1_200_000);
    made.write(folder, None, "[commit]\nfile_rows = 20");
    // Paced so that it would take minutes.
    let replay = replay(folder, &["job.toml", "--speed", "5", "--out", "out"]);
    replay.signal("INT");
    let ran = replay.end();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.err.contains("a second signal ends the process at once"), "{ran:?}");
    let summary = ran.summary();
    assert_eq!(summary["complete"].as_bool(), Some(false));
    assert!(summary["records"].as_u64().unwrap() < made.rows());
    assert_adds_up(&summary);
    assert!(folder.join("out/candles.csv").exists());
    // Its recording is whole, and gives the same views.
    let again = tickweave(folder, &["replay", "out.rec", "--json", "--digest"]).json();
    assert_eq!(again["views"], summary["views"]);
}

#[test]
fn a_recording_replayed_and_interrupted_ends_with_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(8, 3_000, 1_200_000).write(folder, None, "[commit]\nfile_rows = 20");
    let whole =
        tickweave(folder, &["replay", "job.toml", "--record", "whole.rec", "--json", "--digest"]);
    let replay = replay(folder, &["whole.rec", "--speed", "5"]);
    replay.signal("TERM");
    let ran = replay.end();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(ran.summary()["complete"].as_bool(), Some(false));
    let again = tickweave(folder, &["replay", "whole.rec", "--json", "--digest"]).json();
    assert_same("the recording is untouched", &whole.json(), &again);
}

/// A pipe that nobody writes to cannot even be opened.
#[test]
fn a_replay_of_a_pipe_that_nobody_writes_to_ends_at_a_signal() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(Command::new("mkfifo").arg(folder.join("pipe.csv")).status().unwrap().success());
        let replay = replay(folder, &["pipe.csv", "--instrument", "x:Y"]);
        replay.signal(signal);
        let ran = replay.end();
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert_eq!(ran.summary()["complete"].as_bool(), Some(false));
    }
}

/// A run waits for up to 10 s at its end for a sink that does not take the rest.
#[test]
fn a_second_signal_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sink = format!(
        "[[sink]]\nname = \"s\"\nkind = \"redis-hash\"\nurl = \"redis://127.0.0.1:{port}\"\nviews = [\"candles\"]\n"
    );
    fs::write(folder.join("job.toml"), format!("{POSTED}{sink}")).unwrap();
    let mut run = Going::start(folder, &["run", "job.toml"]);
    posted(run.address(), 1, "retrying");
    run.signal("INT");
    run.wait_for("a second signal ends the process at once");
    run.signal("INT");
    assert_eq!(run.end().code, Some(130));
}

#[test]
fn a_port_can_be_taken_again_but_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(9, 500, 60_000).write(folder, None, "");
    let mut first = Going::start(folder, &["run", "job.toml"]);
    let address = first.address();
    assert_eq!(get(address, "/health/live").status, 200);
    let listen = address.to_string();
    let second = tickweave(folder, &["run", "job.toml", "--listen", &listen]);
    second.failed(1, &[&listen, "is in use", "another process"]);
    assert_eq!(get(address, "/health").status, 200, "the first is not disturbed");
    first.signal("TERM");
    assert_eq!(first.end().code, Some(0));

    let mut again = Going::start(folder, &["run", "job.toml", "--listen", &listen]);
    assert_eq!(again.address(), address);
    assert_eq!(get(address, "/health/live").status, 200);
    again.signal("INT");
    let ran = again.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("ran "), "{ran:?}");
}

#[test]
fn nothing_but_the_loopback_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(9, 10, 60_000).write(folder, None, "");
    for listen in ["0.0.0.0:0", "[::]:0", "192.168.1.1:80"] {
        let ran = tickweave(folder, &["run", "job.toml", "--listen", listen]);
        ran.failed(2, &[listen, "without keys", "tickweave keys create"]);
        assert_eq!(ran.out, "");
    }
}
