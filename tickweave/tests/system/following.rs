//! Clients that follow views of a running job, over both transports, early and late, fast and slow: what
//! they have added up is the view.

mod added_up;
mod clients;
mod events;
mod explained;
mod portfolios;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::end_to_end::made::{Made, symbol};
use added_up::AddedUp;
use clients::{Events, Socket};

/// A job under way, and the commit after which nothing changes any more, when it is known.
struct Job {
    address: SocketAddr,
    end: Arc<AtomicU64>,
}

impl Job {
    /// Takes messages until it has received everything; while the job goes on, it pauses after each.
    fn follow(
        &self,
        subs: usize,
        mut next: impl FnMut() -> Value + Send + 'static,
        pause: Duration,
    ) -> JoinHandle<AddedUp> {
        let end = Arc::clone(&self.end);
        thread::spawn(move || {
            let mut added_up = AddedUp::new(subs);
            while added_up
                .complete_through()
                .is_none_or(|received| received < end.load(Ordering::SeqCst))
            {
                added_up.take(next());
                if end.load(Ordering::SeqCst) == u64::MAX {
                    sleep(pause);
                }
            }
            added_up
        })
    }

    fn events(&self, query: &str, pause: Duration) -> JoinHandle<AddedUp> {
        let mut events = Events::open(self.address, query);
        self.follow(1, move || events.next(), pause)
    }
}

/// What the rows of a view were at the end, as lines of its CSV without the header.
fn final_rows(folder: &Path, view: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("out").join(format!("{view}.csv"))).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

fn columns(folder: &Path, view: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join("out").join(format!("{view}.csv"))).unwrap();
    text.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

/// Runs a job, has `watch` start its clients, waits until nothing changes any more and stops it.
fn watched(
    workers: &str,
    more: &str,
    folder: &Path,
    watch: impl FnOnce(&Job) -> BTreeMap<&'static str, JoinHandle<AddedUp>>,
) -> BTreeMap<&'static str, AddedUp> {
    let made = Made::new(5, 6_000, 1_200_000);
    made.write(folder, Some("{ speed = 300.0 }"), more);
    let listen = ["--listen", "127.0.0.1:0", "--out", "out", "--json", "-w", workers];
    let mut run = Going::start(folder, &[&["run", "job.toml"], &listen[..]].concat());
    let job = Job { address: run.address(), end: Arc::new(AtomicU64::new(u64::MAX)) };
    poll(|| resolves(job.address, &symbol(0)), || "the first trades".to_owned());
    let clients = watch(&job);
    let path = format!("/v1/candles/{}?tf=5m&limit=1", symbol(0));
    let last_bar = || get(job.address, &path).json()["candles"][0]["state"].clone();
    let settled = |state: Value| state == "final" || state == "revised";
    poll(
        || (rows_read(job.address) == made.rows() && settled(last_bar())).then_some(()),
        || format!("the end of {} rows", made.rows()),
    );
    job.end.store(get(job.address, "/v1/views").commit().unwrap(), Ordering::SeqCst);
    let received =
        clients.into_iter().map(|(name, client)| (name, client.join().unwrap())).collect();
    run.signal("TERM");
    run.end().json();
    received
}

fn resolves(address: SocketAddr, symbol: &str) -> Option<()> {
    (get(address, &format!("/v1/candles/{symbol}")).status == 200).then_some(())
}

fn rows_read(address: SocketAddr) -> u64 {
    let metrics = get(address, "/metrics").body;
    let read = metrics.lines().filter(|line| line.starts_with("tickweave_records_total{"));
    read.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn messages_add_up_to_the_view() {
    for workers in ["1", "2", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let received = watched(workers, "", folder, |job| {
            let at_once = Duration::ZERO;
            let some = format!("view=candles&symbol={},{}&timeframe=1s", symbol(1), symbol(2));
            let early = job.events("view=candles&numbers=string", at_once);
            let slow = job.events("view=candles&numbers=string", Duration::from_millis(200));
            let some = job.events(&format!("{some}&numbers=string"), at_once);
            let diffs = job.events("view=candles&encoding=diff&numbers=string", at_once);
            let trade_log = job.events("view=trades&limit=100000&numbers=string", at_once);
            let log = job.events("view=revisions&limit=100000&numbers=string", at_once);
            sleep(Duration::from_millis(700)); // these join in the middle
            let late = job.events("view=candles&numbers=string&conflate_ms=50", at_once);
            let mut socket = Socket::open(job.address);
            socket.subscribe("bars", "candles", "{}");
            socket.subscribe("alerts", "alerts", "{}");
            socket.subscribe("signals", "signals", "{}");
            let socket = job.follow(3, move || socket.next(), at_once);
            // The same subscription as that of all bars above, at another cursor.
            let mut slow_socket = Socket::open(job.address);
            slow_socket.subscribe("bars", "candles", "{}");
            let pause = Duration::from_millis(200);
            let slow_socket = job.follow(1, move || slow_socket.next(), pause);
            BTreeMap::from([
                ("early", early),
                ("slow", slow),
                ("some", some),
                ("diffs", diffs),
                ("log", log),
                ("late", late),
                ("trades", trade_log),
                ("socket", socket),
                ("slow socket", slow_socket),
            ])
        });

        let (bars, alerts) = (final_rows(folder, "candles"), final_rows(folder, "alerts"));
        assert!(bars.len() > 1_000 && alerts.len() > 100);
        let (of_bars, of_alerts) = (columns(folder, "candles"), columns(folder, "alerts"));
        for client in ["early", "slow", "diffs", "late"] {
            received[client].assert_is(
                "candles",
                &bars,
                &of_bars,
                &format!("{client} at {workers}"),
            );
        }
        for client in ["socket", "slow socket"] {
            received[client].assert_is("bars", &bars, &of_bars, &format!("{client} at {workers}"));
        }
        received["socket"].assert_is("alerts", &alerts, &of_alerts, "over a socket");
        let signals = final_rows(folder, "signals");
        assert!(signals.len() > 10, "{signals:?}");
        let of_signals = columns(folder, "signals");
        received["socket"].assert_is("signals", &signals, &of_signals, "over a socket");
        let own = |line: &&String| {
            [1, 2].iter().any(|n| line.starts_with(&format!("sim:{},1s,", symbol(*n))))
        };
        let own: BTreeSet<String> = bars.iter().filter(own).cloned().collect();
        received["some"].assert_is("candles", &own, &of_bars, "some bars");
        let trades = final_rows(folder, "trades");
        for kind in [",trade,", ",correction,", ",cancel,"] {
            assert!(trades.iter().any(|row| row.contains(kind)), "no {kind} in the trade log");
        }
        received["trades"].assert_is(
            "trades",
            &trades,
            &columns(folder, "trades"),
            "the trade log",
        );
        let revisions = final_rows(folder, "revisions");
        received["log"].assert_is("revisions", &revisions, &columns(folder, "revisions"), "a log");

        let (fast, slow) = (received["early"].updates(), received["slow"].updates());
        assert!(slow < fast, "a slow client gets fewer updates: {slow} of {fast}");
        assert!(received["slow"].conflated() > 1, "each of which stands for several commits");
        assert!(received.values().all(|client| client.resyncs() == 0));

        // The check itself: without one of the updates it does not add up.
        received["early"].without_an_update().assert_is_not("candles", &bars, &of_bars);
    }
}

/// The ring retains a few hundred changes. A slow client falls behind it, receives `resync`, and gets a new snapshot.
#[test]
fn a_client_too_far_behind_gets_a_new_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let received = watched("2", "[limits]\nring_bytes = 60_000", folder, |job| {
        let slow = job.events("view=candles&numbers=string", Duration::from_millis(80));
        BTreeMap::from([("slow", slow)])
    });
    let bars = final_rows(folder, "candles");
    received["slow"].assert_is("candles", &bars, &columns(folder, "candles"), "after resyncs");
    assert!(received["slow"].resyncs() > 0, "it was never too far behind");
}
