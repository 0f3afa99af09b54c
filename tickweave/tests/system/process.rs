//! The process as supervisors, shells and collectors of logs see it: version, completions, pages of `man`, the form
//! of the log, `sd_notify`, and the id of a run.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::end_to_end::binary::{Going, Ran, poll, tickweave, tickweave_strict};
use crate::end_to_end::http::get;
use crate::outputs::{POSTED, SINK, posted};

fn start(folder: &Path, config: &str, args: &[&str]) -> Going {
    fs::write(folder.join("job.toml"), config).unwrap();
    Going::start(folder, &[&["run", "job.toml"], args].concat())
}

#[test]
fn the_version_names_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let ran = tickweave(folder.path(), &["--version"]);
    let rest = ran.out.strip_prefix(&format!("tickweave {}", env!("CARGO_PKG_VERSION"))).unwrap();
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../.git").exists() {
        assert_eq!(rest, "\n");
        return;
    }
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(")\n")).unwrap();
    let (hash, day) = commit.split_once(' ').unwrap();
    assert!(hash.len() >= 9 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{rest}");
    assert!(day.len() == 10 && day.starts_with("20"), "{rest}");
}

#[test]
fn completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = tickweave_strict(folder.path(), &["completions", shell]);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
        for word in ["demo", "run", "replay", "check", "tail", "produce", "--log-format"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(ran.out.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            fs::write(folder.path().join("completions.bash"), &ran.out).unwrap();
            let bash = Command::new("bash")
                .args(["-euc", ". ./completions.bash; complete -p tickweave"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&bash.stdout);
            assert!(bash.status.success() && text.contains("tickweave"), "{bash:?}");
        }
    }
    let ran = tickweave_strict(folder.path(), &["completions", "cmd"]);
    ran.failed(2, &["cmd", "bash"]);
}

#[test]
fn there_is_a_page_per_command() {
    let folder = tempfile::tempdir().unwrap();
    let ran = tickweave_strict(folder.path(), &["man", "pages/man1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pages = fs::read_dir(folder.path().join("pages/man1")).unwrap();
    let pages: BTreeSet<String> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    for command in ["", "-demo", "-run", "-replay", "-check", "-tail", "-produce"] {
        let name = format!("tickweave{command}.1");
        assert!(pages.contains(&name), "{name}: {pages:?}");
        let page = fs::read_to_string(folder.path().join("pages/man1").join(&name)).unwrap();
        assert!(page.contains(".TH") && page.contains("tickweave"), "{name}: {page}");
    }
    fs::write(folder.path().join("file"), "").unwrap();
    let ran = tickweave_strict(folder.path(), &["man", "file"]);
    ran.failed(1, &["cannot write pages to file"]);
}

/// The records of a log that is JSON; each line is one.
fn records(text: &str) -> Vec<Value> {
    let record = |line| {
        let record: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "message"] {
            assert!(record[key].is_string(), "{key} of {line}");
        }
        record
    };
    text.lines().map(record).collect()
}

#[test]
fn every_line_is_a_record_where_the_log_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = start(folder.path(), &format!("{POSTED}{SINK}"), &["--log-format", "json"]);
    let address = run.address();
    posted(address, 1, "running");
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let log = records(&ran.err);
    let messages: Vec<_> = log.iter().map(|record| record["message"].as_str().unwrap()).collect();
    assert!(messages.iter().any(|text| text.contains("serving http://")), "{messages:?}");

    // What ends the command is a record too, its lines in one.
    fs::write(folder.path().join("bad.toml"), "[job]\nworker = 1\n[http]\nlistn = 2\n").unwrap();
    let ran = tickweave(folder.path(), &["check", "bad.toml", "--log-format", "json"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let log = records(&ran.err);
    assert_eq!(log.last().unwrap()["level"], "ERROR");
    let message = log.last().unwrap()["message"].as_str().unwrap();
    assert!(message.contains("worker") && message.contains("listn"), "{message}");
}

#[test]
fn a_plain_progress_is_for_any_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "time,price,size\n2026-01-05T10:00:00Z,1,1\n").unwrap();
    for form in ["bar", "plain", "none"] {
        let args = ["replay", "t.csv", "--instrument", "x:Y", "--progress", form];
        let ran = tickweave(folder.path(), &args);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{form}: {ran:?}");
    }
    let ran = tickweave(folder.path(), &["replay", "t.csv", "--progress", "dots"]);
    ran.failed(2, &["dots", "bar", "plain", "none"]);
}

/// What a supervisor is told until a line comes.
fn told_until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut datagram = [0; 4_096];
    while !lines.iter().any(|line: &String| line.starts_with(wanted)) {
        let length = socket.recv(&mut datagram).unwrap_or_else(|error| {
            panic!("{error}: `{wanted}` is not told, only {lines:?}");
        });
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[test]
fn a_supervisor_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), POSTED).unwrap();
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
    command.args(["run", "job.toml"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut run = Going::spawn(folder, &mut command);
    let lines = told_until(&socket, "READY=1");
    assert_eq!(lines, ["READY=1"], "nothing is told before");
    let lines = told_until(&socket, "STATUS=ready");
    assert!(lines.contains(&"WATCHDOG=1".to_owned()), "{lines:?}");
    for _ in 0..3 {
        told_until(&socket, "WATCHDOG=1");
    }
    run.address();
    run.signal("TERM");
    told_until(&socket, "STOPPING=1");
    assert_eq!(run.end().code, Some(0));

    // A socket that is not there is no reason not to run.
    fs::remove_file(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
    command.args(["run", "job.toml"]).env("NOTIFY_SOCKET", &path);
    let mut run = Going::spawn(folder, &mut command);
    run.address();
    run.wait_for("the supervisor that NOTIFY_SOCKET names is not told anything");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// A terminal that is closed must not cost a run its last batch.
#[test]
fn sighup_stops_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut run = start(folder, &format!("{POSTED}{SINK}"), &["--out", "out"]);
    posted(run.address(), 1, "running");
    run.signal("HUP");
    let Ran { code, out, err } = run.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("ran 1 record in "), "{out}");
    assert!(fs::read_to_string(folder.join("out/candles.csv")).unwrap().lines().count() > 1);
    assert!(fs::read_to_string(folder.join("candles.ndjson")).unwrap().contains("\"upsert\""));
}

#[test]
fn a_run_has_one_id_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut run = start(folder, &format!("{POSTED}{SINK}"), &["--record", "run.rec", "--json"]);
    let address = run.address();
    posted(address, 1, "running");
    let health = get(address, "/health").json();
    let id = health["run"].as_str().unwrap().to_owned();
    assert!(id.starts_with("20") && id.ends_with('Z'), "{id}");
    assert_eq!(get(address, "/?format=json").json()["run"], *id);
    assert_eq!(get(address, "/v1/views").json()["frontier"]["run"], *id);
    assert_eq!(get(address, "/v1/views/candles").json()["frontier"]["run"], *id);
    assert!(run.stderr_text().contains(&format!("run {id}: ")), "{}", run.stderr_text());
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).unwrap();
    let welcome: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(welcome["run"], *id);
    assert_eq!(welcome["frontier"]["run"], *id);
    run.signal("TERM");
    assert_eq!(run.end().json()["run"], *id);
    let sent = fs::read_to_string(folder.join("candles.ndjson")).unwrap();
    assert!(sent.contains(&format!("\"run\":\"{id}\"")), "{sent}");
    let again = tickweave(folder, &["replay", "run.rec", "--json"]).json();
    assert_eq!(again["run"], *id, "a recording keeps the id of its run");
}

/// The names of the threads of a process, and how nice they are.
#[cfg(target_os = "linux")]
fn niceness(process: u32) -> Vec<(String, i32)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let one = |task: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?; // it may have ended
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        Some((name.to_owned(), rest.split_whitespace().nth(16)?.parse().ok()?))
    };
    tasks.filter_map(one).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_for_clients_come_after_those_of_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = start(folder.path(), POSTED, &[]);
    run.address();
    let own = niceness(std::process::id())[0].1;
    let wanted =
        [("sequencer", 0), ("timely:work-0", 0), ("serve", 5), ("read-short", 5), ("read", 10)];
    for (name, nice) in wanted {
        let found = || {
            let all = niceness(run.id());
            let own: Vec<i32> =
                all.iter().filter(|(of, _)| of == name).map(|(_, nice)| *nice).collect();
            (!own.is_empty()).then_some(own)
        };
        let found = poll(found, || format!("no thread `{name}`"));
        assert!(
            found.iter().all(|found| *found == (own + nice).min(19)),
            "{name}: {found:?} beside {own}"
        );
    }
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}
