//! What a request that posts rows may wait for, and how a job ends in order meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::promises::{begin, job, keyed, trade, trades, try_keyed};
use super::{POSTED_ONLY, checkpoint_files, end, start, wait_until_ready};
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::{Answer, post};

fn drain(address: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    post(address, "/streaming/drain", headers, "")
}

/// Ends the clients of a test, also when it fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_drain_finishes_what_was_taken_and_the_next_start_replays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let mut next = 0;
    for how in ["drain", "signal", "drain"] {
        let (run, address) = begin(folder);
        let foreign = drain(address, &[("Origin", "http://example.com")]);
        assert_eq!((foreign.status, &foreign.json()["code"]), (403, &json!("cross-site")));
        // Clients that go on while it drains.
        let ended = AtomicBool::new(false);
        let sent: u64 = std::thread::scope(|scope| {
            let clients = (0..3_u64).map(|client| {
                let (ended, first) = (&ended, next);
                scope.spawn(move || {
                    let mut number = 0;
                    while !ended.load(Ordering::SeqCst) && number < 500 {
                        let key = format!("{first}-{client}-{number}");
                        match try_keyed(address, &key, &trade(number)) {
                            Some(_) => number += 1,
                            None => std::thread::sleep(Duration::from_millis(2)),
                        }
                    }
                    number
                })
            });
            let clients: Vec<_> = clients.collect();
            let ending = EndOnDrop(&ended);
            poll(|| (trades(address) > next + 3).then_some(()), || "some trades".to_owned());
            match how {
                "signal" => run.signal("TERM"),
                _ => {
                    let answer = drain(address, &[]);
                    let json = answer.json();
                    assert_eq!(
                        (answer.status, &json["status"]),
                        (202, &json!("draining")),
                        "{json}"
                    );
                    assert_eq!(json["kept"], "disk", "{json}");
                    // Again, if it is still there.
                    if let Ok(mut stream) = TcpStream::connect(address) {
                        let request = "POST /streaming/drain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                                       Content-Length: 0\r\n\r\n";
                        let mut again = String::new();
                        let _ = stream.write_all(request.as_bytes());
                        let _ = stream.read_to_string(&mut again);
                        let body = again.split("\r\n\r\n").nth(1).unwrap_or_default();
                        if !body.is_empty() {
                            assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json);
                        }
                    }
                }
            }
            let ran = run.end();
            drop(ending);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        let (mut run, address) = start(folder, 1, &[]);
        run.wait_for("and 0 commits of the log behind it");
        wait_until_ready(address);
        // What was answered is there; what was not is known by its key if it is.
        let there = trades(address);
        assert!((next + sent..=next + sent + 3).contains(&there), "{there} of {next} and {sent}");
        next = there;
        end(run);
    }
    assert!(!checkpoint_files(folder).is_empty());
}

#[test]
fn what_a_request_may_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder);
    let answers = |address: SocketAddr, turn: &str| {
        ["", "?wait=accepted", "?wait=durable", "?wait=visible", "?wait=processed&wait_ms=9000"]
            .map(|query| {
                let answer = keyed(address, &format!("{turn}{query}"), query, &trade(1));
                let json = answer.json();
                (
                    answer.status,
                    json["durable"].clone(),
                    json["visible"].clone(),
                    json["detail"].clone(),
                )
            })
    };
    let none = Value::Null;
    let (yes, no) = (json!(true), json!(false));
    let (run, address) = begin(folder);
    let [plain, accepted, durable, visible, processed] = answers(address, "disk");
    assert_eq!(plain, (202, yes.clone(), none.clone(), none.clone()));
    assert_eq!((accepted.0, &accepted.2), (202, &none), "durable or not: {}", accepted.1);
    assert_eq!(durable, plain);
    assert_eq!(visible, (202, yes.clone(), yes.clone(), none.clone()));
    assert_eq!(processed, visible);
    assert_eq!(trades(address), 5);
    end(run);

    fs::write(folder.join("job.toml"), format!("{POSTED_ONLY}fsync = false\n")).unwrap();
    let (run, address) = begin(folder);
    let [plain, accepted, durable, visible, _] = answers(address, "process");
    assert_eq!((&plain, &accepted), (&accepted, &(202, no.clone(), none.clone(), none.clone())));
    assert_eq!(visible, (202, no, yes, none));
    assert!(durable.0 == 400 && durable.3.to_string().contains("`fsync = false`"), "{durable:?}");
    assert_eq!(trades(address), 9);
    end(run);
}
