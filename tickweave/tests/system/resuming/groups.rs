//! Several views in one cut: at each cut the bars count just the trades that the log has.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::added_up::AddedUp;
use super::{JOB, connect, post};
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;
use crate::end_to_end::made::Rng;
use crate::state::{end, kill, start, wait_until_ready};

/// A socket that follows a group of bars and trades.
struct Followed {
    socket: WebSocket<TcpStream>,
    seq: u64,
}

impl Followed {
    fn open(address: SocketAddr, token: Option<&str>) -> Followed {
        let stream = connect(address).unwrap();
        let (mut socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).unwrap();
        let sub = |sub: &str, view: &str, filter: Value| {
            json!({
                "sub": sub, "view": view, "encoding": "diff", "numbers": "string", "limit": 100_000, "filter": filter
            })
        };
        let bars = sub("bars", "candles", json!({ "timeframe": "1s" }));
        let subs = [bars, sub("log", "trades", json!({ "kind": "trade" }))];
        let subscribe =
            json!({ "op": "subscribe", "id": 1, "group": "g", "subs": subs, "resume": token });
        socket.send(Message::text(subscribe.to_string())).unwrap();
        let mut followed = Followed { socket, seq: 0 };
        assert_eq!(followed.any()["type"], "welcome");
        let subscribed = followed.any();
        assert_eq!(subscribed["members"][1]["view"], "trades", "{subscribed}");
        followed
    }

    fn any(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Takes what comes up to the next cut. Gives its token, and whether the group has begun anew.
    fn cut(&mut self, views: &mut Views) -> (String, bool) {
        let mut has_begun_anew = false;
        loop {
            let message = self.any();
            assert_eq!(
                (&message["group"], &message["seq"]),
                (&"g".into(), &self.seq.into()),
                "{message}"
            );
            self.seq += 1;
            match message["type"].as_str().unwrap() {
                "cut" => {
                    views.check(&message);
                    return (message["resume"].as_str().unwrap().to_owned(), has_begun_anew);
                }
                "resumed" => {
                    assert_eq!(message["frontier"]["commit"], views.cut, "{message}");
                }
                "resync" => has_begun_anew = true,
                kind => {
                    let sub = message["sub"].as_str().unwrap().to_owned();
                    let follows = message["after"].as_u64() >= views.cut.as_u64();
                    assert!(kind == "snapshot" || follows, "{message}");
                    views.subs.entry(sub).or_default().take_rows(&message).unwrap();
                }
            }
        }
    }
}

/// What the client has.
#[derive(Default)]
struct Views {
    subs: BTreeMap<String, AddedUp>,
    cut: Value,
    most: u64,
}

impl Views {
    fn check(&mut self, cut: &Value) {
        self.cut = cut["frontier"]["commit"].clone();
        let rows = |sub: &str| -> Vec<Value> {
            let rows = self.subs.get(sub).map(AddedUp::rows).unwrap_or_default();
            rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
        };
        let bars: u64 = rows("bars").iter().map(|bar| bar["trades"].as_u64().unwrap()).sum();
        assert_eq!(bars, rows("log").len() as u64, "at {cut}");
        self.most = self.most.max(bars);
    }
}

#[test]
fn at_every_cut_all_views_are_of_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let mut views = Views::default();
    let mut token: Option<String> = None;
    for turn in 0..3 {
        let (run, address) = start(folder, turn + 1, &[]);
        wait_until_ready(address);
        // Before the first commit there is nothing to go on from.
        let commit = || get(address, "/v1/views").commit();
        poll(commit, || "the first commit".to_owned());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let feeding = thread::spawn(move || {
            let mut random = Rng(turn as u64 + 7);
            let mut number = turn as u64 * 1_000;
            while !over.load(Ordering::SeqCst) {
                number += u64::from(post(address, &mut random, number));
            }
        });
        for again in 0..4 {
            let mut followed = Followed::open(address, token.as_deref());
            for cut in 0..10 {
                let (newest, has_begun_anew) = followed.cut(&mut views);
                token = Some(newest);
                assert!(
                    !has_begun_anew || (again, cut) == (0, 0),
                    "only a restart may forget changes"
                );
            }
        }
        is_over.store(true, Ordering::SeqCst);
        feeding.join().unwrap();
        match turn {
            0 => kill(run),
            _ => end(run),
        }
    }
    assert!(views.most > 100, "{}", views.most);
}
