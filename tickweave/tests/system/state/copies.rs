//! Copies of the state in an object store: another machine goes on with them, whatever is killed, and two jobs are kept
//! apart.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{
    JOB, assert_same, end, job, kill, posted, row, rows, values, wait_for_records, wait_until_ready,
};
use crate::end_to_end::binary::{Going, Ran, poll};
use crate::end_to_end::http::{get, send};
use crate::servers::Server;

const SECRET: &str = "very+secret/words";

/// A place for copies.
struct Place {
    url: String,
    /// The server, of a bucket.
    server: Option<SocketAddr>,
}

impl Place {
    /// In a bucket, which is made.
    fn bucket(server: &Server, bucket: &str) -> Place {
        let address: SocketAddr = server.address.parse().unwrap();
        let make = format!(
            "PUT /{bucket} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let made = send(address, make.as_bytes()).unwrap();
        assert_eq!(made.status, 200, "{made:?}");
        Place { url: format!("s3://{bucket}/jobs/one"), server: Some(address) }
    }

    fn folder(folder: &Path) -> Place {
        Place { url: format!("file://{}", folder.display()), server: None }
    }

    fn config(&self) -> String {
        format!(
            "{JOB}[commit]\nidle = \"20ms\"\n[state]\ncheckpoint_every = \"50ms\"\ncopy_to = \"{}\"\n",
            self.url
        )
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
        command.args(args);
        if let Some(server) = self.server {
            command.env("AWS_ENDPOINT_URL", format!("http://{server}"));
            command.env("AWS_ACCESS_KEY_ID", "someone").env("AWS_SECRET_ACCESS_KEY", SECRET);
        }
        command
    }

    /// Starts the job on a directory.
    fn start(&self, folder: &Path, state: &str, workers: &str) -> (Going, SocketAddr) {
        let args = ["run", "job.toml", "--state", state, "-w", workers, "--lenient"];
        let mut run = Going::spawn(folder, &mut self.command(&args));
        let address = run.address();
        wait_until_ready(address);
        (run, address)
    }

    /// Runs `tickweave checkpoint`.
    fn checkpoint(&self, folder: &Path, args: &[&str]) -> Ran {
        let args = [&["checkpoint"], args, &["--json"]].concat();
        Going::spawn(folder, &mut self.command(&args)).end()
    }

    /// The copy as `list` shows it; null if there is none.
    fn listed(&self, folder: &Path) -> Value {
        self.checkpoint(folder, &["list", &self.url]).json()["copy"].clone()
    }

    /// Waits until the copy has everything that views show now.
    fn wait_until_copied(&self, folder: &Path, address: SocketAddr) {
        let commit = get(address, "/v1/views").json()["frontier"]["commit"].as_u64();
        poll(
            || (self.listed(folder)["through"].as_u64() >= commit).then_some(()),
            || format!("a copy through {commit:?}: {}", state_check(address)),
        );
    }
}

/// The check `state` of a job.
fn state_check(address: SocketAddr) -> Value {
    let health = get(address, "/health").json();
    let check = |checks: &Value| checks["state"].as_array().map(|check| check[0].clone());
    check(&health["checks"]).unwrap_or_else(|| panic!("{health}"))
}

/// Waits until the check `state` has a status and says `text`.
fn wait_for_state(address: SocketAddr, status: &str, text: &str) {
    poll(
        || {
            let check = state_check(address);
            let says = check["output"].as_str().is_some_and(|output| output.contains(text));
            (check["status"] == status && says).then_some(())
        },
        || format!("{status} with `{text}`: {}", state_check(address)),
    );
}

fn metric(address: SocketAddr, name: &str) -> f64 {
    let text = get(address, "/metrics").body;
    let line =
        text.lines().find(|line| line.strip_prefix(name).is_some_and(|l| l.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// What an undisturbed job comes to that got these posts.
fn undisturbed(posts: &[String]) -> Vec<(&'static str, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), JOB);
    let (run, address) = super::start(folder.path(), 1, &[]);
    posts.iter().for_each(|rows| drop(posted(address, rows)));
    let fills_and_trades: usize = posts.iter().map(|rows| rows.lines().count()).sum();
    wait_for_records(address, 3_000 + fills_and_trades as u64);
    let mut all = values(address);
    all.push(("trades", rows(address, "trades")));
    end(run);
    all
}

fn all(address: SocketAddr) -> Vec<(&'static str, Vec<String>)> {
    let mut all = values(address);
    all.push(("trades", rows(address, "trades")));
    all
}

/// Waits until a job has come to what is wanted; if it does not, says what differs.
#[track_caller]
fn assert_comes_to(address: SocketAddr, wanted: &[(&'static str, Vec<String>)]) {
    for _ in 0..500 {
        if all(address) == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_same(&all(address), wanted);
}

#[test]
fn another_machine_goes_on_when_the_disk_is_lost() {
    let Some(server) = Server::start("s3") else { return };
    let (place, folder) = (Place::bucket(&server, "lost-disk"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let posts: Vec<String> = (0..4).map(|id| row("trade", id) + &row("fill", id)).collect();
    let wanted = undisturbed(&posts);

    job(folder, &place.config());
    let (run, address) = place.start(folder, "state", "2");
    posts[..3].iter().for_each(|rows| drop(posted(address, rows)));
    wait_for_records(address, 3_000 + 6);
    place.wait_until_copied(folder, address);
    wait_for_state(address, "pass", "the copy in s3://lost-disk/jobs/one is");
    assert!(metric(address, "tickweave_state_copied_bytes_total") > 0.0);
    assert!(metric(address, "tickweave_state_copy_age_seconds") < 600.0);
    kill(run);
    fs::remove_dir_all(folder.join("state")).unwrap();

    // A start on the empty directory would write over what is left.
    let args = ["run", "job.toml", "--state", "state", "-w", "1"];
    let refused = Going::spawn(folder, &mut place.command(&args)).end();
    refused.failed(
        2,
        &["holds the copy of a state", "tickweave checkpoint import s3://lost-disk/jobs/one /"],
    );

    let verified = place.checkpoint(folder, &["verify", &place.url]).json();
    let imported = place.checkpoint(folder, &["import", &place.url, "state"]).json();
    assert_eq!(imported, verified);
    assert!(imported["checkpoint"].as_u64() > Some(0), "{imported}");
    let (run, address) = place.start(folder, "state", "3");
    // This one is in the segment at hand when the job ends.
    posted(address, &posts[3]);
    assert_comes_to(address, &wanted);
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.err.contains(SECRET) && !ran.err.contains("may lack"), "{}", ran.err);

    // After an orderly end the copy has everything, and nothing else is left.
    fs::remove_dir_all(folder.join("state")).unwrap();
    place.checkpoint(folder, &["import", &place.url, "state"]).json();
    let (run, address) = place.start(folder, "state", "1");
    assert_comes_to(address, &wanted);
    end(run);

    // What is exported by hand is a copy, too; another state is not written over.
    let exported = place.checkpoint(folder, &["export", "state", &place.url]).json();
    assert_eq!(exported["through"], place.listed(folder)["through"]);
    fs::remove_file(folder.join("state/state-id")).unwrap();
    let other = place.checkpoint(folder, &["export", "state", &place.url]);
    other.failed(1, &["the copy of another state", "name another prefix"]);
}

/// The objects of a copy in a folder.
fn objects(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for generation in fs::read_dir(folder.join("objects")).unwrap() {
        for object in fs::read_dir(generation.unwrap().path()).unwrap() {
            names.push(object.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

#[test]
fn a_copy_that_is_torn_anywhere_leaves_the_one_before() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, copies) = (folder.path(), copies.path());
    let place = Place::folder(copies);
    job(folder, &place.config());
    let (run, address) = place.start(folder, "state", "1");
    wait_for_records(address, 3_000);
    place.wait_until_copied(folder, address);
    kill(run);
    for (turn, (name, time)) in [
        ("part", 1),
        ("part", 3),
        ("files", 1),
        ("done", 1),
        ("done", 2),
        ("remove", 1),
        ("remove", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let before = place.listed(folder);
        let args = ["run", "job.toml", "--state", "state", "-w", "2", "--lenient"];
        let mut command = place.command(&args);
        command.env("TICKWEAVE_FAILPOINT", format!("copy.{name}:{time}"));
        let ran = Going::spawn(folder, &mut command).end();
        assert_eq!(ran.code, None, "{name}: {ran:?}");
        let after = place.listed(folder);
        assert!(after["sequence"].as_u64() >= before["sequence"].as_u64(), "{name}: {after}");
        if ["part", "files"].contains(&name) && time == 1 {
            assert_eq!(after, before, "{name}: the index names only what is there");
        }
        // A start on the copy has what that copy has.
        let imported = format!("imported{turn}");
        let whole = place.checkpoint(folder, &["import", &place.url, &imported]).json();
        assert!(whole["through"].as_u64() >= after["through"].as_u64(), "{name}: {whole} {after}");
    }
    // The next start puts it in order.
    let (run, address) = place.start(folder, "state", "1");
    place.wait_until_copied(folder, address);
    let wanted = all(address);
    end(run);
    let listed = place.listed(folder);
    let named = listed["files"].as_array().unwrap().iter();
    let mut named: Vec<&str> =
        named.map(|file| file["object"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(objects(copies), named);
    // Where another machine began with one of those copies, it comes to the same.
    let other = tempfile::tempdir().unwrap();
    job(other.path(), JOB);
    fs::rename(folder.join("imported2"), other.path().join("state")).unwrap();
    let (run, address) = super::start(other.path(), 2, &[]);
    wait_until_ready(address);
    assert_comes_to(address, &wanted);
    end(run);
}

#[test]
fn two_jobs_on_one_prefix_harm_nothing() {
    let Some(server) = Server::start("s3") else { return };
    let (place, folders) =
        (Place::bucket(&server, "shared"), [(); 3].map(|()| tempfile::tempdir().unwrap()));
    let [first, second, other] = folders.each_ref().map(|folder| folder.path());
    for folder in [first, second] {
        job(folder, &place.config());
    }
    let (run, address) = place.start(first, "state", "1");
    posted(address, &row("trade", 1));
    wait_for_records(address, 3_001);
    place.wait_until_copied(first, address);

    // The first job hangs, and another machine goes on with the copy: the later start is the one that copies.
    run.signal("STOP");
    place.checkpoint(second, &["import", &place.url, "state"]).json();
    let (later, later_address) = place.start(second, "state", "2");
    wait_for_state(later_address, "pass", "the copy in");
    posted(later_address, &row("trade", 2));
    place.wait_until_copied(second, later_address);
    run.signal("CONT");
    posted(address, &row("trade", 3));
    wait_for_state(address, "warn", "a later start of this job copies to s3://shared/jobs/one");
    posted(address, &row("trade", 4)); // it goes on

    // A job with a state of its own does not begin with it, either.
    job(other, &place.config().replace("copy_to", "# copy_to"));
    let (run_other, _) = place.start(other, "state", "1");
    end(run_other);
    fs::write(other.join("job.toml"), place.config()).unwrap();
    let (run_other, other_address) = place.start(other, "state", "1");
    wait_for_state(other_address, "warn", "holds the copy of another state");
    end(run_other);
    end(run);

    let wanted = all(later_address);
    end(later);
    place.checkpoint(second, &["import", &place.url, "again"]).json();
    let (run, address) = place.start(second, "again", "1");
    assert_comes_to(address, &wanted);
    end(run);
}

#[test]
fn a_store_that_is_away_stops_nothing() {
    let Some(server) = Server::start("s3") else { return };
    let (place, folder) = (Place::bucket(&server, "away"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    job(folder, &place.config());
    let (mut run, address) = place.start(folder, "state", "1");
    wait_for_records(address, 3_000);
    place.wait_until_copied(folder, address);
    server.kill();
    posted(address, &row("trade", 1));
    wait_for_state(
        address,
        "warn",
        "the state is not copied to s3://away/jobs/one, it is tried again; the last copy is",
    );
    run.wait_for("health: state: the state is not copied to");
    posted(address, &row("trade", 2));

    // It comes back without its objects: the copy is made anew.
    server.restart();
    wait_for_state(address, "warn", "NoSuchBucket");
    Place::bucket(&server, "away");
    wait_for_state(address, "pass", "the copy in");
    run.wait_for("health: state: pass again");
    place.wait_until_copied(folder, address);
    let wanted = all(address);
    kill(run);
    place.checkpoint(folder, &["import", &place.url, "again"]).json();
    let (run, address) = place.start(folder, "again", "1");
    assert_comes_to(address, &wanted);
    server.kill();
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.err.contains("backing off"), "{}", ran.err);
    assert!(ran.err.contains("the copy of the state may lack the end of this run"), "{}", ran.err);
}

#[test]
fn a_place_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cases = [
        ("copy_to = \"gs://bucket/x\"", "`gs` is not known"),
        ("copy_to = \"s3:///x\"", "it names no bucket"),
        ("copy_to = \"s3://b/x\"\ncopy_endpoint = \"http://203.0.113.1\"", "speaks no TLS"),
        ("copy_region = \"eu-west-1\"", "other keys say how to copy"),
    ];
    for (keys, problem) in cases {
        job(folder, &format!("{JOB}[state]\ndir = \"state\"\n{keys}\n"));
        let refused = crate::end_to_end::binary::tickweave(folder, &["check", "job.toml"]);
        refused.failed(2, &["state.copy_to", problem]);
    }
}
