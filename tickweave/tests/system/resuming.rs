//! Clients that add up a view, disconnect at random, come back over any transport with the token that they have, and
//! outlive restarts of the server on other numbers of workers: what they have is always the view.

mod added_up;
mod connection;
mod groups;
mod reasons;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::end_to_end::made::Rng;
use crate::state::{end, kill, start, wait_until_ready};
use added_up::AddedUp;
use connection::{Connection, TRANSPORTS};

/// How often clients come back; `TICKWEAVE_RESUMES` says how often, `scripts/resumes` much more.
const RESUMES: usize = 300;
/// How often the server is started again.
const RESTARTS: usize = 3;
const VIEWS: [&str; 2] = ["candles", "trades"];

const JOB: &str = "[job]\ntimeframes = [\"1s\", \"1m\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[state]\n\
                   checkpoint_every = \"1s\"\n[limits]\nlog_bytes = 50_000_000\ntrade_log_bytes = 50_000_000\n";

/// Where the server is, and what clients and feed share.
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    resumed: AtomicUsize,
    begun_anew: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Shared {
    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap()
    }

    fn goes(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap() = address;
    }
}

/// Posts trades as fast as they are taken: some late, of a few instruments. A server that is killed loses none that it
/// has answered; what it has not answered does not matter here.
fn feed(shared: &Arc<Shared>) -> JoinHandle<u64> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut random = Rng(3);
        let mut number = 0;
        while !shared.is_over.load(Ordering::SeqCst) {
            let taken = shared.address().is_some_and(|address| post(address, &mut random, number));
            match taken {
                true => number += 1,
                false => sleep(Duration::from_millis(5)),
            }
        }
        number
    })
}

/// Posts a few trades. Whether they were taken.
fn post(address: SocketAddr, random: &mut Rng, number: u64) -> bool {
    let row = |random: &mut Rng| {
        let second = (number / 5).saturating_sub(random.below(3) as u64);
        let (minute, second) = (second / 60 % 60, second % 60);
        let time = format!("2026-01-05T11:{minute:02}:{second:02}Z");
        let instrument = ["x:A", "x:B", "x:C"][random.below(3) as usize];
        json!({
            "type": "trade", "instrument": instrument, "time": time, "price": 10 + random.below(9), "quantity": 1
        })
    };
    let body: String = (0..5).map(|_| format!("{}\n", row(random))).collect();
    let answer = connection::ask(
        address,
        &format!(
            "POST /api/streaming/process?wait=accepted HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 202"))
}

/// A client that comes and goes until it is over; then it stays until it has all up to the given commit.
fn client(
    shared: &Arc<Shared>,
    number: usize,
    end: &Arc<Mutex<Option<u64>>>,
) -> JoinHandle<AddedUp> {
    let (shared, end) = (Arc::clone(shared), Arc::clone(end));
    thread::spawn(move || {
        let mut random = Rng(number as u64 + 1);
        let view = VIEWS[number % VIEWS.len()];
        let mut own = AddedUp::default();
        loop {
            let last = *end.lock().unwrap();
            if last.is_some() && own.through() >= last {
                return own;
            }
            let transport = TRANSPORTS[random.below(TRANSPORTS.len() as i64) as usize];
            let connection = shared
                .address()
                .and_then(|address| Connection::open(transport, address, view, own.token()));
            let Some(mut connection) = connection else {
                sleep(Duration::from_millis(10));
                continue;
            };
            own.connects();
            for _ in 0..=random.below(6) {
                let Some(message) = connection.next() else { break };
                own.take(&message).unwrap_or_else(|fault| panic!("{transport:?}: {fault}"));
                match message["type"].as_str() {
                    Some("resumed") => drop(shared.resumed.fetch_add(1, Ordering::SeqCst)),
                    Some("resync") => {
                        let reason = message["reason"].as_str().unwrap_or_default().to_owned();
                        shared.begun_anew.lock().unwrap().push(reason);
                    }
                    _ => {}
                }
                if random.below(20) == 0 {
                    sleep(Duration::from_millis(random.below(60) as u64));
                }
            }
        }
    })
}

/// The rows of a view, as clients have them.
fn rows(address: SocketAddr, view: &str) -> (u64, Vec<String>) {
    let answer = get(address, &format!("/v1/views/{view}?limit=10000&numbers=string"));
    let rows = answer.json()["rows"].as_array().unwrap().clone();
    assert!(rows.len() < 10_000, "more of {view} than one answer has");
    let mut rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.sort();
    (answer.commit().unwrap(), rows)
}

fn restart(folder: &Path, shared: &Shared, turn: usize) -> Going {
    let (run, address) = start(folder, [1, 3, 2][turn % 3], &[]);
    shared.goes(Some(address));
    wait_until_ready(address);
    run
}

#[test]
fn whoever_comes_back_has_exactly_the_view() {
    let resumes = std::env::var("TICKWEAVE_RESUMES").ok().and_then(|text| text.parse().ok());
    let resumes: usize = resumes.unwrap_or(RESUMES);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let shared = Arc::new(Shared {
        address: Mutex::default(),
        resumed: AtomicUsize::new(0),
        begun_anew: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    let mut run = restart(folder, &shared, 0);
    let feeding = feed(&shared);
    let last = Arc::new(Mutex::new(None));
    let clients: Vec<_> = (0..6).map(|number| client(&shared, number, &last)).collect();
    for turn in 1..=RESTARTS {
        let wanted = resumes * turn / (RESTARTS + 1);
        let resumed = || shared.resumed.load(Ordering::SeqCst);
        poll(|| (resumed() >= wanted).then_some(()), || format!("{wanted} resumes: {}", resumed()));
        shared.goes(None);
        match turn % 2 {
            1 => kill(run),
            _ => end(run),
        }
        run = restart(folder, &shared, turn);
    }
    let resumed = || shared.resumed.load(Ordering::SeqCst);
    poll(|| (resumed() >= resumes).then_some(()), || format!("{resumes} resumes: {}", resumed()));
    shared.is_over.store(true, Ordering::SeqCst);
    let posts = feeding.join().unwrap();
    let address = shared.address().unwrap();
    let commit = || get(address, "/v1/views").commit().unwrap();
    // What was taken is in the views two commits later.
    let taken = commit();
    poll(|| (commit() > taken + 2).then_some(()), || format!("commits after {taken}"));
    *last.lock().unwrap() = Some(commit());
    let clients: Vec<AddedUp> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    for (number, client) in clients.iter().enumerate() {
        let view = VIEWS[number % VIEWS.len()];
        let (_, wanted) = rows(address, view);
        assert!(!wanted.is_empty());
        assert!(
            client.rows() == wanted,
            "client {number} does not have {view}, after {posts} posts"
        );
    }
    end(run);
    // Only a restart can make a client begin anew: what came before the last checkpoint is not told again.
    let anew = shared.begun_anew.lock().unwrap();
    assert!(anew.iter().all(|reason| reason == "history_compacted"), "{anew:?}");
    assert!(anew.len() <= RESTARTS * clients.len(), "{} of {resumes}: {anew:?}", anew.len());
}

#[test]
fn the_check_finds_a_hole_and_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let (run, address) = start(folder, 1, &[]);
    wait_until_ready(address);
    let mut random = Rng(5);
    let mut messages = Vec::new();
    let mut followed =
        Connection::open(connection::Transport::Socket, address, "candles", None).unwrap();
    let mut number = 0;
    while messages.iter().filter(|message: &&Value| message["type"] == "update").count() < 20 {
        assert!(post(address, &mut random, number));
        number += 1;
        messages.push(followed.next().unwrap());
    }
    end(run);
    let added_up = |messages: &mut dyn Iterator<Item = &Value>| {
        let mut client = AddedUp::default();
        client.connects();
        for message in messages {
            client.take(message)?;
        }
        Ok::<(), String>(())
    };
    added_up(&mut messages.iter()).unwrap();
    let update = messages.iter().rposition(|message| message["type"] == "update").unwrap();
    let update =
        messages[..update].iter().rposition(|message| message["type"] == "update").unwrap();
    let without = messages.iter().enumerate().filter(|(place, _)| *place != update);
    let fault = added_up(&mut without.map(|(_, message)| message)).unwrap_err();
    assert!(fault.contains("after"), "{fault}");
    let twice = messages[..=update].iter().chain(&messages[update..]);
    assert!(added_up(&mut twice.into_iter()).is_err());
    // Of the numbers alone one could not see a row that is not there.
    let mut wrong = messages[update].clone();
    wrong["diffs"] = json!([[{"symbol": "x:Z"}, -1]]);
    let wrong = messages[..update].iter().chain([&wrong]);
    let fault = added_up(&mut wrong.into_iter()).unwrap_err();
    assert!(fault.contains("never there"), "{fault}");
}

/// Whether a connection can be made, for those that follow a server which comes and goes.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    Some(stream)
}
