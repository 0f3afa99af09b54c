//! Portfolios from what clients post: read as soon as it is processed, followed from before the first row, asked
//! for as they were, and replayed.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::clients::Socket;
use super::{Job, columns, final_rows};
use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::{Answer, get, post};
use crate::end_to_end::made::Rng;
use crate::end_to_end::{assert_adds_up, assert_same};

pub(super) const JOB: &str = r#"
[job]
timeframes = ["1s", "1m"]
indicators = []
[commit]
period = "2ms"
round = "20ms"
[[instrument]]
pattern = "us:*"
price_decimals = 2
size_decimals = 0
quote = "USD"
[[rate]]
pair = "BNB/USD"
instrument = "us:D"
[[portfolio]]
name = "p0"
capital = 100000
"#;

const VIEWS: [&str; 2] = ["positions", "portfolios"];
pub(super) const BATCHES: usize = 6;

/// Makes up what a trader posts.
pub(super) struct Trader {
    rng: Rng,
    start_ms: u64,
    /// Fills that may be corrected or busted, and trades that may be corrected or cancelled.
    fills: Vec<Value>,
    trades: Vec<Value>,
}

impl Trader {
    pub(super) fn new(seed: u64) -> Trader {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let start_ms = (now - 120) * 1_000;
        Trader { rng: Rng(seed), start_ms, fills: Vec::new(), trades: Vec::new() }
    }

    fn price(&mut self) -> String {
        format!("{}.{:02}", 90 + self.rng.below(20), self.rng.below(100))
    }

    fn instrument(&mut self) -> String {
        format!("us:{}", ["A", "B", "C", "D"][self.rng.below(4) as usize])
    }

    /// A batch: trades and fills, and amendments of earlier ones.
    pub(super) fn batch(&mut self, number: usize) -> Vec<Value> {
        let time = |of: usize| format!("{}ms", self.start_ms + 5_000 * number as u64 + of as u64);
        let times: Vec<String> = (0..16).map(time).collect();
        let mut rows = Vec::new();
        for (of, time) in times.iter().enumerate() {
            let (instrument, price) = (self.instrument(), self.price());
            let mut row = json!({
                "instrument": instrument, "time": time, "price": price, "quantity": 1 + self.rng.below(40),
            });
            if of % 2 == 0 {
                row["type"] = json!("trade");
                row["id"] = json!(100 * number + of);
                self.trades.push(row.clone());
            } else {
                row["type"] = json!("fill");
                row["id"] = json!(format!("F{number}-{of}"));
                row["portfolio"] = json!(format!("p{}", self.rng.below(3)));
                row["side"] = json!(["buy", "sell"][self.rng.below(2) as usize]);
                row["fee"] = json!("0.25");
                // Nothing converts CHF.
                let currency = ["", "USD", "BNB", "BNB", "BNB", "CHF"][self.rng.below(6) as usize];
                row["fee_currency"] = json!(currency);
                self.fills.push(row.clone());
            }
            rows.push(row);
        }
        if number > 0 {
            rows.extend(self.restated());
        }
        rows
    }

    /// A correction and an end of fills, and of trades.
    fn restated(&mut self) -> [Value; 4] {
        let mut any =
            |of: &mut Vec<Value>| of.swap_remove((self.rng.next() % of.len() as u64) as usize);
        let (mut fill, busted) = (any(&mut self.fills), any(&mut self.fills));
        let (mut trade, cancelled) = (any(&mut self.trades), any(&mut self.trades));
        fill["type"] = json!("fill_correct");
        fill["price"] = json!(self.price());
        trade["type"] = json!("correct");
        trade["sequence"] = json!(1_000_000);
        trade["price"] = json!(self.price());
        let bust = json!({"type": "bust", "portfolio": busted["portfolio"], "id": busted["id"]});
        let (instrument, id) = (&cancelled["instrument"], &cancelled["id"]);
        let cancel = json!({"type": "cancel", "instrument": instrument, "id": id});
        [fill, bust, trade, cancel]
    }
}

/// Sends rows until there is room: a run that has just begun may not take them yet.
pub(super) fn send(address: SocketAddr, key: &str, rows: &[Value]) -> Answer {
    let body: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)];
    let sent = || post(address, "/api/streaming/process", &headers, &body);
    poll(|| Some(sent()).filter(|answer| answer.status != 503), || "rows are taken".to_owned())
}

/// The lines of a view, and the commit that they are of.
fn read(address: SocketAddr, view: &str, query: &str) -> (BTreeSet<String>, u64) {
    let answer = get(address, &format!("/v1/views/{view}?format=csv&limit=10000{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.body.lines().skip(1).map(|line| line.trim_end().to_owned());
    (lines.collect(), answer.commit().unwrap())
}

/// The newest commit that is kept, when it is at or after `commit`. Until rows are posted again, views are
/// there what they are now.
pub(super) fn kept_after(address: SocketAddr, commit: u64) -> u64 {
    let kept = || {
        let newest = get(address, "/v1/views").commit()?;
        let answer = get(address, &format!("/v1/views/positions?as_of=commit:{newest}"));
        answer.commit().filter(|kept| answer.status == 200 && *kept >= commit)
    };
    poll(kept, || format!("a commit is kept after {commit}"))
}

#[test]
fn what_is_posted_is_read_followed_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--out", "out", "--record", "live.rec"];
    let args = [&["run", "job.toml", "-w", "2", "--digest", "--json"], &listen[..]].concat();
    let mut run = Going::start(folder, &args);
    let address = run.address();
    let job = Job { address, end: Arc::new(AtomicU64::new(u64::MAX)) };
    let events =
        VIEWS.map(|view| job.events(&format!("view={view}&numbers=string"), Duration::ZERO));
    let mut socket = Socket::open(address);
    VIEWS.iter().for_each(|view| socket.subscribe(view, view, "{}"));
    let socket = job.follow(2, move || socket.next(), Duration::ZERO);

    let mut trader = Trader::new(11);
    let mut past = Vec::new();
    let mut last = 0;
    for number in 0..BATCHES {
        let (rows, key) = (trader.batch(number), format!("batch-{number}"));
        let answer = send(address, &key, &rows);
        let received = answer.json();
        assert_eq!((answer.status, &received["accepted"]), (202, &json!(rows.len())), "{received}");
        let token = received["completion_token"].as_str().unwrap();
        let fresh = format!("&min_frontier={token}&wait_ms=30000");
        let seen = VIEWS.map(|view| read(address, view, &fresh));

        // The same request again changes nothing; other rows under its key are refused.
        let again = send(address, &key, &rows);
        assert_eq!((&again.json(), &*again.headers["idempotency-replayed"]), (&received, "true"));
        assert_eq!(send(address, &key, &rows[1..]).status, 422);

        let kept = kept_after(address, seen[0].1.max(seen[1].1));
        let seen = seen.map(|(rows, _)| rows);
        assert_eq!(seen, VIEWS.map(|view| read(address, view, "").0), "nothing was posted since");
        past.push((kept, seen));
        last = read(address, "positions", "").1;
    }
    for (commit, seen) in &past {
        let then = VIEWS.map(|view| read(address, view, &format!("&as_of=commit:{commit}")));
        assert_eq!([then[0].1, then[1].1], [*commit; 2], "the commit itself is kept");
        assert!(*seen == then.map(|(rows, _)| rows), "as of commit {commit}");
    }
    let different: BTreeSet<_> = past.iter().map(|(_, seen)| seen).collect();
    assert_eq!(different.len(), BATCHES, "each batch changes positions and portfolios");

    job.end.store(last, Ordering::SeqCst);
    let events = events.map(|events| events.join().unwrap());
    let socket = socket.join().unwrap();
    run.signal("TERM");
    let live = run.end().json();
    assert_adds_up(&live);
    for (view, events) in VIEWS.iter().zip(&events) {
        let (rows, columns) = (final_rows(folder, view), columns(folder, view));
        assert!(rows.len() >= 3, "{view}: {rows:?}");
        assert_eq!(past.last().unwrap().1[usize::from(*view == "portfolios")], rows, "{view}");
        events.assert_is(view, &rows, &columns, &format!("{view} by events"));
        socket.assert_is(view, &rows, &columns, &format!("{view} over a socket"));
        assert!(events.updates() >= BATCHES, "{view} was followed from its first row on");
        events.without_an_update().assert_is_not(view, &rows, &columns);
    }
    for workers in ["1", "2", "3"] {
        let args = ["replay", "live.rec", "-w", workers, "--digest", "--json", "--out", "again"];
        assert_same(workers, &live, &tickweave(folder, &args).json());
        for view in VIEWS {
            let of =
                |out: &str| fs::read_to_string(folder.join(format!("{out}/{view}.csv"))).unwrap();
            assert!(of("out") == of("again"), "{view} at {workers} workers");
        }
    }
}
