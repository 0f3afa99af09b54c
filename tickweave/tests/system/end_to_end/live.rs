//! A paced live run, watched over HTTP, stopped, and replayed from its recording.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::binary::{Going, poll, tickweave};
use super::http::get;
use super::made::{INSTRUMENTS, Made, Rng, symbol};
use super::{assert_adds_up, assert_same, views_in};

#[test]
fn a_live_run_of_past_trades_replays_exactly() {
    // Twenty minutes in about four seconds.
    let made = Made::new(1, 6_000, 1_200_000);
    live_and_replayed(&made, "{ speed = 300.0 }", "");
}

#[test]
fn a_live_run_as_if_now_replays_exactly() {
    let made = Made::new(2, 4_000, 3_000);
    let often = "[commit]\nperiod = \"2ms\"\nround = \"20ms\"\nidle = \"300ms\"";
    live_and_replayed(&made, "{ speed = 1.0, as_if_now = true }", often);
}

fn live_and_replayed(made: &Made, play: &str, more: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    made.write(folder, Some(play), more);
    let mut run = Going::start(
        folder,
        &[
            "run",
            "job.toml",
            "-w",
            "2",
            "--listen",
            "127.0.0.1:0",
            "--record",
            "live.rec",
            "--digest",
            "--json",
            "--out",
            "live",
        ],
    );
    let address = run.address();
    let mut watched = Watched::new(address);
    poll(|| (watched.look() == made.rows()).then_some(()), || "all rows".to_owned());
    // All sources have ended: everything becomes final without further input.
    let settled = poll(|| watched.settled(&symbol(0)), || "all bars final".to_owned());
    run.signal("TERM");
    let live = run.end().json();

    assert!(watched.frontiers > 10 && watched.met_again > 0, "{watched:?}");
    assert_eq!(live["records"].as_u64(), Some(made.rows()));
    assert_adds_up(&live);
    for (what, least) in [("duplicates", 1_000), ("conflicts", 10), ("late", 10), ("unmatched", 2)]
    {
        assert!(live[what].as_u64().unwrap() >= least, "{what} in {live:#}");
    }
    let live_views = views_in(&folder.join("live"));
    let candles = &live_views["candles.csv"];
    for number in 0..INSTRUMENTS {
        assert!(candles.contains(&format!("\nsim:{},", symbol(number))), "{number}");
    }
    for rule in ["high", "eager", "turn"] {
        assert!(live_views["alerts.csv"].contains(&format!(",{rule},")), "no alert of {rule}");
    }
    let own = |line: &&str| line.starts_with(&format!("sim:{},1s,", symbol(0)));
    assert_eq!(
        settled.lines().skip(1).collect::<Vec<_>>(),
        candles.lines().filter(own).collect::<Vec<_>>()
    );

    for workers in ["1", "2", "3"] {
        let replayed = replay(folder, "live.rec", workers);
        assert_same(&format!("{workers} workers"), &live, &replayed);
        let views = views_in(&folder.join("replayed"));
        for (name, view) in &live_views {
            assert!(*view == views[name], "{name} differs at {workers} workers");
        }
    }
}

fn replay(folder: &Path, recording: &str, workers: &str) -> Value {
    let args = ["replay", recording, "-w", workers, "--digest", "--json", "--out", "replayed"];
    tickweave(folder, &args).json()
}

/// What a client sees of a run.
#[derive(Debug)]
struct Watched {
    address: SocketAddr,
    rng: Rng,
    newest: Option<u64>,
    frontiers: usize,
    met_again: usize,
    /// Candles by commit, symbol, timeframe and open time.
    seen: BTreeMap<(u64, String, String), Value>,
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

impl Watched {
    fn new(address: SocketAddr) -> Watched {
        let (rng, seen) = (Rng(7), BTreeMap::new());
        Watched { address, rng, newest: None, frontiers: 0, met_again: 0, seen }
    }

    /// Asks for a bit of everything; gives the number of records so far.
    fn look(&mut self) -> u64 {
        let health = get(self.address, "/health");
        assert_eq!(health.status, 200, "{health:?}");
        assert_eq!(get(self.address, "/health/ready").status, 200);

        let views = get(self.address, "/v1/views");
        let frontier = views.json()["frontier"]["commit"].as_u64();
        assert_eq!(frontier, views.commit());
        self.advance(frontier);

        let number = self.rng.below(4) as usize;
        for path in [
            "?tf=1s",
            "?tf=1s&limit=3",
            "?tf=5s&fill=prev",
            "?tf=5s",
            "?tf=1m",
            "?tf=5m&numbers=string",
        ] {
            self.candles(&symbol(number), path);
        }

        let metrics = get(self.address, "/metrics");
        assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
        let records =
            metrics.body.lines().filter(|line| line.starts_with("tickweave_records_total{"));
        records.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    fn advance(&mut self, commit: Option<u64>) {
        assert!(
            commit >= self.newest,
            "the frontier went back: {commit:?} after {:?}",
            self.newest
        );
        self.frontiers += usize::from(commit > self.newest);
        self.newest = commit;
    }

    fn candles(&mut self, symbol: &str, question: &str) {
        let answer = get(self.address, &format!("/v1/candles/sim:{symbol}{question}"));
        if answer.status == 404 {
            return; // no trade of it yet
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let (commit, body) = (answer.commit(), answer.json());
        assert_eq!(body["frontier"]["commit"].as_u64(), commit);
        self.advance(commit);
        let Some(commit) = commit else { return };
        let timeframe = format!("{} {}", body["timeframe"], question.contains("string"));
        let mut times = Vec::new();
        for candle in body["candles"].as_array().unwrap() {
            let open_time = candle["open_time"].as_str().unwrap();
            times.push(open_time);
            let mut candle = candle.as_object().unwrap().clone();
            if candle.remove("filled") == Some(Value::Bool(true)) {
                continue;
            }
            let key = (commit, format!("{symbol} {timeframe}"), open_time.to_owned());
            let candle = Value::Object(candle);
            if let Some(before) = self.seen.insert(key.clone(), candle.clone()) {
                self.met_again += 1;
                assert_eq!(before, candle, "{key:?} says two things");
            }
        }
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }

    /// The base candles of `symbol` as CSV when all are final.
    fn settled(&mut self, symbol: &str) -> Option<String> {
        let answer = get(self.address, &format!("/v1/candles/{symbol}?format=csv&limit=10000"));
        self.advance(answer.commit());
        let (_, rows) = answer.body.split_once('\n')?;
        let open = [",open,", ",provisional,"].iter().any(|state| rows.contains(state));
        (answer.status == 200 && !open).then(|| answer.body.replace("\r\n", "\n"))
    }
}
