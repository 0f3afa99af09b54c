//! The command `tickweave-bench`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde_json::Value;
use tickweave::stderr;

use bench::{
    Asked, Figures, Files, MEASUREMENTS, Measurement, One, crowd, measure_file, minutes, point,
    retained,
};

/// Measure what this machine makes of Tickweave, each figure beside one that says what is possible. Takes
/// under a minute on an idle machine, without what is only measured when asked for; only release builds mean something.
#[derive(Parser)]
#[command(version)]
struct Bench {
    /// Print the figures as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// What is logged on standard error, such as `warn` or `connectors=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// Measure only this; may be given several times.
    #[arg(long, value_parser = measurements())]
    only: Vec<String>,
    /// Rows of the workload of the throughput; of growth, if they are fewer than it takes.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// The largest number of workers.
    #[arg(short, long, default_value_t = 2)]
    workers: usize,
    /// How often throughput and growth are measured; medians are shown.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Ticks per second of the load under which latency is measured.
    #[arg(long, default_value_t = 100_000)]
    rate: u32,
    /// Seconds of each measurement that takes a time of its own.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// WebSockets of the fan-out; readers of each kind.
    #[arg(long, default_value_t = 1_000)]
    sockets: usize,
    /// The same seed makes the same ticks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measure replays of this CSV of ts_ns,symbol,trade_id,price,size (see `tickweave produce`) instead, as processes.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Of a file: which jobs. j1: deduplication and bars of 1m; j2: and 5m 15m 1h 4h 1d and five indicators; j3: and
    /// 50 portfolios of 40 positions.
    #[arg(long, value_delimiter = ',', default_value = "j1,j2,j3")]
    jobs: Vec<String>,
    /// One run over the file, in this process.
    #[arg(long, hide = true, requires = "file")]
    one: Option<One>,
    /// The memory that trades with such ids take in this process.
    #[arg(long, hide = true)]
    retain: Option<String>,
    /// How this process stands after each of so many minutes of event time at the rate.
    #[arg(long, hide = true)]
    minutes: Option<u32>,
    /// What a tick costs in this process at one point of one axis of growth.
    #[arg(long, hide = true)]
    point: Option<String>,
    /// So many followers and readers at a server, in this process; tells their counts for each line of standard input.
    #[arg(long, hide = true, value_name = "ADDRESS")]
    crowd: Option<SocketAddr>,
}

/// Lines of standard error that are left at the end are written within this time, or not at all.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let bench = Bench::parse();
    stderr::begin(Box::new(|text| {
        let _ = std::io::stderr().write_all(text);
    }));
    let run = start_log(&bench.log).and_then(|()| bench.run());
    if let Err(error) = &run {
        stderr::line(&format!("tickweave-bench: {error:#}"));
    }
    stderr::flush(FLUSH_TIMEOUT);
    if run.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter} is no filter"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| stderr::Log);
    let log = log.with_ansi(false).with_target(false).log_internal_errors(false);
    log.try_init().map_err(|error| anyhow::anyhow!(error))
}

/// Writes to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

impl Bench {
    fn run(self) -> anyhow::Result<()> {
        if let Some(ids) = &self.retain {
            print(&format!("{}\n", retained(ids, self.seed)?))?;
            return Ok(());
        }
        if let Some(of) = &self.point {
            print(&format!("{}\n", serde_json::to_string(&point(of, self.rows, self.seed)?)?))?;
            return Ok(());
        }
        if let Some(address) = self.crowd {
            return crowd(address, self.sockets, &mut std::io::stdout());
        }
        if let Some(count) = self.minutes {
            let measured = minutes(count, self.rate, self.seed)?;
            print(&format!("{}\n", serde_json::to_string(&measured)?))?;
            return Ok(());
        }
        if let (Some(one), Some(file)) = (self.one, &self.file) {
            print(&format!("{}\n", one.run(file)?))?;
            return Ok(());
        }
        if cfg!(debug_assertions) {
            tracing::warn!("this is no release build: its figures mean little");
        }
        let mut figures = Figures::default();
        match &self.file {
            Some(path) => {
                if let Some(job) =
                    self.jobs.iter().find(|job| !["j1", "j2", "j3"].contains(&job.as_str()))
                {
                    bail!("--jobs {job}: possible are j1, j2, j3");
                }
                let files =
                    Files { path: path.clone(), workers: self.workers, repeats: self.repeats };
                measure_file(&files, &self.jobs, &mut figures)?;
            }
            None => self.measure(&mut figures)?,
        }
        if self.json {
            print(&format!("{}\n", figures.json()))?;
        }
        Ok(())
    }

    fn measure(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let asked = Asked {
            rows: self.rows,
            workers: self.workers,
            repeats: self.repeats,
            rate: self.rate,
            seconds: self.seconds,
            sockets: self.sockets,
            seed: self.seed,
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        figures.report("version", env!("CARGO_PKG_VERSION"));
        figures.report("cores", cores);
        figures.report("debug", Value::from(cfg!(debug_assertions)));
        stderr::line(&format!("tickweave {} on {cores} cores", env!("CARGO_PKG_VERSION")));
        let is_asked = |one: &&Measurement| match self.only.is_empty() {
            true => one.by_default,
            false => self.only.iter().any(|only| only == one.name),
        };
        for measurement in MEASUREMENTS.iter().filter(is_asked) {
            (measurement.run)(&asked, figures)?;
        }
        Ok(())
    }
}

/// What can be measured, and what that is.
fn measurements() -> PossibleValuesParser {
    let all = MEASUREMENTS.iter().map(|one| PossibleValue::new(one.name).help(one.doc));
    PossibleValuesParser::new(all)
}
