//! How sources and process are: read at the frontier and followed like other views.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Job;
use super::clients::Socket;
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::end_to_end::made::Made;

/// The lines of a view's CSV: columns and rows.
fn lines(csv: &str) -> (Vec<String>, BTreeSet<String>) {
    let mut lines = csv.lines();
    let columns = lines.next().unwrap().split(',').map(str::to_owned).collect();
    (columns, lines.map(str::to_owned).collect())
}

#[test]
fn sources_and_health_add_up_from_the_first_row_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(8, 6_000, 1_200_000);
    made.write(folder, Some("{ speed = 300.0 }"), "");
    let listen = ["--listen", "127.0.0.1:0", "--json", "-w", "2"];
    let mut run = Going::start(folder, &[&["run", "job.toml"], &listen[..]].concat());
    let job = Job { address: run.address(), end: Arc::new(AtomicU64::new(u64::MAX)) };
    let sources = || get(job.address, "/v1/views/sources").json()["rows"].clone();
    poll(|| (!sources()[0].is_null()).then_some(()), || "sources".to_owned());
    let followed = job.events("view=sources&numbers=string", Duration::ZERO);
    let slow = job.events("view=sources&numbers=string", Duration::from_millis(300));
    let mut socket = Socket::open(job.address);
    socket.subscribe("backups", "sources", r#"{"role":"backup"}"#);
    socket.subscribe("checks", "health", "{}");
    let both = job.follow(2, move || socket.next(), Duration::ZERO);

    let running = sources();
    assert_eq!([&running[0]["name"], &running[1]["name"]], ["a", "b"]);
    assert_eq!([&running[0]["role"], &running[1]["role"]], ["primary", "backup"]);
    assert_eq!([&running[0]["kind"], &running[0]["partitions"].to_string().into()], ["file", "2"]);
    assert_eq!(running[0]["state"], "running");
    // What clients post may come as long as the process runs.
    let ended = |row: &serde_json::Value| row["state"] == "ended" || row["kind"] == "http";
    poll(
        || Some(sources()).filter(|rows| rows.as_array().unwrap().iter().all(ended)),
        || format!("the end of all sources: {}", sources()),
    );
    let received = get(job.address, "/v1/views/sources?format=csv");
    job.end.store(received.commit().unwrap(), Ordering::SeqCst);
    let (columns, rows) = lines(&received.body);
    let read = |name| {
        let lines = if name == "a" { made.a.len() } else { made.b.len() };
        rows.iter().any(|row| {
            row.starts_with(&format!("{name},")) && row.contains(&format!(",ended,{lines},"))
        })
    };
    assert!(read("a") && read("b"), "{rows:#?}");

    let followed = followed.join().unwrap();
    assert!(followed.updates() > 5, "{}", followed.updates());
    followed.assert_is("sources", &rows, &columns, "followed");
    slow.join().unwrap().assert_is("sources", &rows, &columns, "followed slowly");
    let both = both.join().unwrap();
    let backups = rows.iter().filter(|row| row.contains(",backup,")).cloned().collect();
    both.assert_is("backups", &backups, &columns, "filtered");
    let (columns, checks) = lines(&get(job.address, "/v1/views/health?format=csv").body);
    assert_eq!(columns, ["check", "status", "output"]);
    let names = [
        "commits,pass,",
        "ids,pass,",
        "input,pass,",
        "losses,pass,",
        "sinks,pass,there is no sink",
        "sources,pass,sources are read",
        "workers,pass,2 workers run",
    ];
    assert_eq!(checks.len(), names.len());
    assert!(checks.iter().zip(names).all(|(row, name)| row.starts_with(name)), "{checks:?}");
    both.assert_is("checks", &checks, &columns, "health");
    run.signal("TERM");
    run.end().json();
}
