//! What the demo takes in while clients read as much as they can, beside what it takes alone, by turns in one run.
//!
//! The demo is a process of its own. Its load is paced, so what is measured is whether it keeps up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::client::Client;
use super::clocks::quantile;
use super::{Asked, Figures, Measurement};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "readers",
    doc: "ticks that a demo takes in, and how soon it says that it lives, while 100 clients scan its log of trades and 300 follow it \
          without reading, beside the demo alone; takes 45 s and twice `--seconds` and 10 s per repeat",
    by_default: false,
    run: measure,
};

/// Ticks a second of the demo.
const RATE: u32 = 20_000;
/// In this time the log of trades fills.
const WARM_UP: Duration = Duration::from_secs(45);
/// After clients have come or gone, this much is not counted.
const SETTLE: Duration = Duration::from_secs(5);
/// Clients that read all trades for one that is not there.
const SCANS: usize = 100;
/// Clients that follow and do not read.
const SILENT: usize = 300;
const SCAN: &str = "/v1/views/trades?id=nosuch&limit=10000";
const FOLLOW: &str =
    "GET /stream?view=candles,indicators,trades HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Two things are asked for this often.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A demo that runs until this is dropped.
struct Demo {
    process: Child,
    address: SocketAddr,
}

/// Clients that read until they are stopped.
struct Readers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    _silent: Vec<TcpStream>,
}

/// What was seen in a time.
#[derive(Default)]
struct Seen {
    ticks: f64,
    seconds: f64,
    /// How long answers took, in ms.
    live: Vec<f64>,
    point: Vec<f64>,
    /// Point reads that were answered with something else than rows.
    refused: u64,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let demo = Demo::start()?;
    let length = Duration::from_secs(asked.seconds.max(1).into());
    thread::sleep(WARM_UP);
    let (mut alone, mut beside) = (Seen::default(), Seen::default());
    let mut scans = 0;
    for _ in 0..asked.repeats.max(1) {
        alone.measure(demo.address, length)?;
        let readers = Readers::start(demo.address)?;
        thread::sleep(SETTLE);
        let before = readers.answered.load(Ordering::Relaxed);
        beside.measure(demo.address, length)?;
        scans += readers.answered.load(Ordering::Relaxed) - before;
        readers.stop();
        thread::sleep(SETTLE);
    }
    say!("{RATE} ticks/s, {SCANS} scanning readers and {SILENT} silent followers, by turns");
    for (name, seen) in [("alone", &mut alone), ("beside", &mut beside)] {
        let rate = seen.ticks / seen.seconds;
        let [live50, live99] = [0.5, 0.99].map(|share| quantile(&mut seen.live, share));
        let [point50, point99] = [0.5, 0.99].map(|share| quantile(&mut seen.point, share));
        say!(
            "  {name:<8} ticks/s {rate:>8.0}   live p50 {live50:>6.2} p99 {live99:>6.2} ms   \
             point read p50 {point50:>6.2} p99 {point99:>6.2} ms ({} refused)",
            seen.refused
        );
        for (figure, value) in [
            ("ticks_per_s", rate),
            ("live_p50_ms", live50),
            ("live_p99_ms", live99),
            ("point_p50_ms", point50),
            ("point_p99_ms", point99),
        ] {
            figures.report(&format!("readers_{name}_{figure}"), value);
        }
    }
    let share = (beside.ticks / beside.seconds) / (alone.ticks / alone.seconds);
    let per_second = scans as f64 / beside.seconds;
    say!("  {share:.3} of the ticks that it takes alone; {per_second:.1} scans answered a second");
    figures.report("readers_ticks_share", share);
    figures.report("readers_scans_per_s", per_second);
    Ok(())
}

/// The command `tickweave`, which is built beside this one.
fn tickweave() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name("tickweave");
    anyhow::ensure!(
        path.is_file(),
        "{} is not there; build it with `cargo build --release`",
        path.display()
    );
    Ok(path)
}

impl Demo {
    fn start() -> anyhow::Result<Demo> {
        let mut process = Command::new(tickweave()?)
            .args(["--log", "warn", "demo", "--port", "0", "--backfill", "0s"])
            .args(["--ticks-per-second", &RATE.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = process.stderr.take().context("the demo has no standard error")?;
        let mut lines = BufReader::new(output);
        let address = loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                let _ = process.wait();
                anyhow::bail!("the demo ended before it said where it serves");
            }
            if let Some((_, rest)) = line.split_once("open  http://") {
                break rest.trim().trim_end_matches('/').parse()?;
            }
        };
        // What it goes on to say must be taken from it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Demo { process, address })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Readers {
    fn start(address: SocketAddr) -> anyhow::Result<Readers> {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let scan = || {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let scan = move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = Client::connect(address).and_then(|mut client| {
                        while !stop.load(Ordering::Relaxed) {
                            let status = client.get(SCAN)?;
                            answered.fetch_add(u64::from(status == 200), Ordering::Relaxed);
                        }
                        Ok(())
                    });
                    if answer.is_err() {
                        thread::sleep(POLL_INTERVAL);
                    }
                }
            };
            thread::Builder::new().name("clients".to_owned()).stack_size(128 * 1024).spawn(scan)
        };
        let threads = (0..SCANS).map(|_| scan()).collect::<Result<_, _>>()?;
        let follow = || {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(FOLLOW.as_bytes())?;
            Ok(stream)
        };
        let silent = (0..SILENT).map(|_| follow()).collect::<std::io::Result<_>>()?;
        Ok(Readers { stop, answered, threads, _silent: silent })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Looks for so long.
    fn measure(&mut self, address: SocketAddr, length: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        let before = taken(address)?;
        let counted_from = Instant::now();
        let mut client = Client::connect(address)?;
        while begun.elapsed() < length {
            let mut timed = |path: &str| {
                let asked = Instant::now();
                let status = client.get(path)?;
                Ok::<_, std::io::Error>((asked.elapsed().as_secs_f64() * 1e3, status))
            };
            let (took, status) = timed("/health/live")?;
            anyhow::ensure!(status == 200, "`/health/live` is answered with {status}");
            self.live.push(took);
            let (took, status) = timed("/v1/candles/demo:ALFA?timeframe=1m&limit=1")?;
            self.point.push(took);
            self.refused += u64::from(status != 200);
            thread::sleep(POLL_INTERVAL);
        }
        self.ticks += taken(address)? - before;
        self.seconds += counted_from.elapsed().as_secs_f64();
        Ok(())
    }
}

/// How many ticks were taken so far. (How many are accepted differs with the outages of its providers.)
fn taken(address: SocketAddr) -> anyhow::Result<f64> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let samples = text.lines().filter(|line| line.starts_with("tickweave_records_total{"));
    let numbers = samples.filter_map(|line| line.rsplit(' ').next()?.trim().parse::<f64>().ok());
    Ok(numbers.sum())
}
