//! What a job takes in, and how soon it shows it, while clients read as much as they can, beside the same job alone, by
//! turns in one run.
//!
//! The load is open: what is due comes when it is due. The clients are a process of its own, of the lowest priority.

mod seen;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use dataflows::jobs::JOBS;
use tickweave::node::Node;

use super::client::Client;
use super::clocks::quantile;
use super::crowd::Counts;
use super::fan_out::allow_files;
use super::live::{Schedule, engine, follow, start_node};
use super::{Asked, Figures, Measurement};
use seen::{Polled, Seen};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "readers",
    doc: "ticks that a job takes in at 20,000/s, and how soon it shows them, while `--sockets` clients follow it and as many \
          read many rows at once, beside the job alone; takes a minute, and twice `--seconds` and 15 s per repeat",
    by_default: false,
    run: measure,
};

/// Ticks a second.
const RATE: u32 = 20_000;
/// Of so many one is a probe.
const TICKS_PER_PROBE: u64 = 100;
/// No run is longer.
const LENGTH: Duration = Duration::from_secs(3_600);
/// So many rows are there before anything is counted.
const ROWS: u64 = 1_000_000;
/// They are waited for so long.
const FILLED_WITHIN: Duration = Duration::from_secs(180);
/// The log of trades has room for a million. What comes later than this is refused.
const CONFIG: &str = "reject_after = \"5s\"\n[limits]\ntrade_log_bytes = 1073741824\n";
/// After clients have come or gone, this much is not counted.
const SETTLE: Duration = Duration::from_secs(5);
/// Two things are asked for this often.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// With readers, at least this share of the ticks alone is taken, and at most so many times its p99.
const BOUNDS: (f64, f64) = (0.9, 2.0);

/// The clients, as a process.
struct Crowd {
    process: Child,
    asking: Option<ChildStdin>,
    telling: BufReader<ChildStdout>,
}

/// A thread of this process that looks on until it is ended.
struct Watch<T> {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<T>>,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    allow_files(2 * asked.sockets)?;
    let length = Duration::from_secs(asked.seconds.max(1).into());
    let schedule = Schedule::disordered(RATE, TICKS_PER_PROBE, LENGTH, asked.seed);
    let (config, source) = engine(&schedule, CONFIG)?;
    let node = start_node(config, source)?;
    let address = node.address();
    let of = Arc::clone(&schedule);
    let probes = Watch::start(move |ended| follow(address, &of, ended))?;
    let of = Arc::clone(&schedule);
    let polls = Watch::start(move |ended| poll(address, &of, ended))?;
    let rows = fill(&node)?;
    let (mut alone, mut beside, mut came) = (Seen::default(), Seen::default(), Counts::default());
    for _ in 0..asked.repeats.max(1) {
        alone.measure(&node, &schedule, length);
        let mut crowd = Crowd::start(address, asked.sockets)?;
        thread::sleep(SETTLE);
        let before = crowd.counts()?;
        beside.measure(&node, &schedule, length);
        came.add(before, crowd.counts()?);
        drop(crowd);
        thread::sleep(SETTLE);
    }
    let (probes, polls) = (probes.end()?, polls.end()?);
    node.control().stop();
    node.wait()?;
    for seen in [&mut alone, &mut beside] {
        seen.take(&probes, &polls);
    }
    say!("{RATE} ticks/s, {rows} rows, {} followers and as many readers, by turns", asked.sockets);
    alone.tell("alone", figures);
    beside.tell("beside", figures);
    tell(&mut alone, &mut beside, &came, figures);
    Ok(())
}

/// Waits until there are so many rows; gives how many there are.
fn fill(node: &Node) -> anyhow::Result<u64> {
    let begun = Instant::now();
    loop {
        let views = JOBS[0].views.views.iter();
        let rows = views.map(|view| node.reader().count(view)).sum();
        if rows >= ROWS {
            return Ok(rows);
        }
        anyhow::ensure!(
            begun.elapsed() < FILLED_WITHIN,
            "views have {rows} rows after {} s, and {ROWS} are wanted",
            FILLED_WITHIN.as_secs()
        );
        thread::sleep(POLL_INTERVAL);
    }
}

/// Asks whether the process lives, and for a bar, until it is ended.
fn poll(
    address: SocketAddr,
    schedule: &Schedule,
    ended: &AtomicBool,
) -> anyhow::Result<Vec<Polled>> {
    let (mut client, mut polls) = (Client::connect(address)?, Vec::new());
    while !ended.load(Ordering::Relaxed) {
        let at = schedule.elapsed();
        let mut timed = |path: &str| {
            let asked = Instant::now();
            let status = client.get(path)?;
            Ok::<_, std::io::Error>((asked.elapsed().as_secs_f64() * 1e3, status))
        };
        let (live_ms, status) = timed("/health/live")?;
        anyhow::ensure!(status == 200, "`/health/live` is answered with {status}");
        let symbol = polls.len() % 50;
        let (point_ms, status) =
            timed(&format!("/v1/candles/bench:S{symbol:03}?timeframe=1m&limit=1"))?;
        polls.push(Polled { at, live_ms, point_ms, is_refused: status != 200 });
        thread::sleep(POLL_INTERVAL);
    }
    Ok(polls)
}

/// How the two compare.
fn tell(alone: &mut Seen, beside: &mut Seen, came: &Counts, figures: &mut Figures) {
    let share = beside.rate() / alone.rate();
    let views = quantile(&mut beside.views, 0.5) / quantile(&mut alone.views, 0.5);
    let probes = quantile(&mut beside.probes, 0.99) / quantile(&mut alone.probes, 0.99);
    let per_second = |count: u64| count as f64 / beside.seconds;
    say!(
        "  a second: {:.0} updates to followers, {:.1} reads answered with {:.1} MB, {:.0} told 503; {} without an answer; \
         the longest wait {} ms",
        per_second(came.updates),
        per_second(came.answered),
        per_second(came.bytes) / 1e6,
        per_second(came.refused),
        came.failed,
        came.longest_ms
    );
    let (least, most) = BOUNDS;
    say!(
        "  {share:.3} of the ticks that it takes alone (at least {least}); p99 tick to view {views:.2} × that alone, to \
         subscriber {probes:.2} × (at most {most})"
    );
    for (figure, value) in [
        ("ticks_share", share),
        ("view_p99_ratio", views),
        ("subscriber_p99_ratio", probes),
        ("updates_per_s", per_second(came.updates)),
        ("answered_per_s", per_second(came.answered)),
        ("refused_per_s", per_second(came.refused)),
        ("failed", came.failed as f64),
    ] {
        figures.report(&format!("readers_{figure}"), value);
    }
}

impl Crowd {
    fn start(address: SocketAddr, clients: usize) -> anyhow::Result<Crowd> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--log", "warn", "--crowd", &address.to_string()])
            .args(["--sockets", &clients.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asking = process.stdin.take();
        let telling = process.stdout.take().context("the clients have no standard output")?;
        Ok(Crowd { process, asking, telling: BufReader::new(telling) })
    }

    /// What its clients came to so far.
    fn counts(&mut self) -> anyhow::Result<Counts> {
        let asking = self.asking.as_mut().context("the clients have no standard input")?;
        writeln!(asking)?;
        let mut line = String::new();
        self.telling.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the clients say `{line}`"))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl<T: Send + 'static> Watch<T> {
    fn start(
        look: impl FnOnce(&AtomicBool) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<Watch<T>> {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = thread::Builder::new().name("clients".to_owned()).spawn(move || look(&end))?;
        Ok(Watch { ended, thread })
    }

    /// What it has seen.
    fn end(self) -> anyhow::Result<T> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
    }
}

impl Counts {
    /// Adds what came between two counts.
    fn add(&mut self, before: Counts, after: Counts) {
        self.updates += after.updates - before.updates;
        self.answered += after.answered - before.answered;
        self.bytes += after.bytes - before.bytes;
        self.refused += after.refused - before.refused;
        // Also what failed as clients came.
        self.failed += after.failed;
        self.longest_ms = self.longest_ms.max(after.longest_ms);
    }
}
