//! A replay of a file as a process, from its start to written candles, beside the plain loop over the same file.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, bail};
use market::{Bar, Catalog, InstrumentRule, decimal};
use serde_json::{Value, json};

use super::clocks::{memory, of_process, quantile};
use super::rig::{BenchJob, COMMIT_ROWS, fills};
use super::{Figures, Files};
use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::output::{Written, WrittenViews};
use dataflows::run::{RunOptions, replay_files};
use workload::produce::RowFormat;
use workload::{Market, Workload};

/// The venue of a file's symbols.
const VENUE: &str = "made";

/// One run over a file, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One {
    job: BenchJob,
    /// None: the plain loop.
    workers: Option<usize>,
}

impl FromStr for One {
    type Err = String;

    fn from_str(text: &str) -> Result<One, String> {
        let (job, how) = text.split_once(':').ok_or("write j1:loop or j1:2")?;
        let job =
            BenchJob::ALL.iter().find(|(name, _)| *name == job).ok_or("write j1, j2 or j3")?.1;
        let workers = match how {
            "loop" => None,
            workers => Some(workers.parse().map_err(|_| "write `loop` or a number of workers")?),
        };
        Ok(One { job, workers })
    }
}

/// Measures jobs on a file, by turns.
pub fn measure_file(files: &Files, jobs: &[String], figures: &mut Figures) -> anyhow::Result<()> {
    let rows = rows_of(&files.path)?;
    say!("{} rows, process start to written candles, medians of {}", rows, files.repeats);
    for (name, _) in BenchJob::ALL.iter().filter(|(name, _)| jobs.iter().any(|job| job == name)) {
        let hows = std::iter::once("loop".to_owned());
        let hows: Vec<_> = hows.chain((1..=files.workers).map(|n| n.to_string())).collect();
        let mut walls = vec![Vec::new(); hows.len()];
        let mut last = vec![Value::Null; hows.len()];
        for _ in 0..files.repeats.max(1) {
            for (at, how) in hows.iter().enumerate() {
                let begun = Instant::now();
                last[at] = run_one(&files.path, &format!("{name}:{how}"))?;
                walls[at].push(begun.elapsed().as_secs_f64());
            }
        }
        let mut plain = 0.0;
        for (at, how) in hows.iter().enumerate() {
            let ticks = rows as f64 / quantile(&mut walls[at], 0.5);
            plain = if at == 0 { ticks } else { plain };
            let (cpu, peak) = (&last[at]["cpu_s"], &last[at]["peak_mb"]);
            say!(
                "  {name} {how:<5} {:>7.3} M ticks/s   {:.2} × the loop   CPU {:.2} s   {:.0} MB",
                ticks / 1e6,
                ticks / plain,
                cpu.as_f64().unwrap_or(0.0),
                peak.as_f64().unwrap_or(0.0)
            );
            figures.report(
                &format!("file_{name}_{how}"),
                json!({ "ticks_per_s": ticks, "ratio": ticks / plain, "cpu_s": cpu, "peak_mb": peak }),
            );
        }
    }
    Ok(())
}

fn rows_of(path: &Path) -> anyhow::Result<usize> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1))
}

fn run_one(path: &Path, one: &str) -> anyhow::Result<Value> {
    let run = Command::new(std::env::current_exe()?)
        .args(["--log", "warn", "--one", one, "--file"])
        .arg(path)
        .output()?;
    serde_json::from_slice(&run.stdout)
        .with_context(|| format!("--one {one} failed: {}", String::from_utf8_lossy(&run.stderr)))
}

impl One {
    /// Runs in this process; returns CPU time and peak memory.
    pub fn run(self, path: &Path) -> anyhow::Result<Value> {
        let folder = std::env::temp_dir().join(format!("tickweave-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let ran = match self.workers {
            None => self.plain(path, &folder),
            Some(workers) => self.replay(path, workers, &folder),
        };
        let candles = fs::metadata(folder.join("candles.csv")).map_or(0, |about| about.len());
        fs::remove_dir_all(&folder)?;
        ran?;
        let peak = memory("VmHWM").map(|bytes| bytes as f64 / 1e6);
        Ok(json!({
            "cpu_s": of_process().as_secs_f64(), "peak_mb": peak, "candles_bytes": candles
        }))
    }

    fn plain(self, path: &Path, folder: &Path) -> anyhow::Result<()> {
        let text = fs::read(path)?;
        let (catalog, market) = names()?;
        let accounts = fills(&market, &catalog, self.job.portfolios)?;
        let mut job = self.job.cost_loop(&accounts)?;
        let mut lines = cost::csv::Lines::new(&text, VENUE);
        let mut records = Vec::with_capacity(COMMIT_ROWS);
        loop {
            lines.read(&mut records, COMMIT_ROWS).map_err(anyhow::Error::msg)?;
            if records.is_empty() {
                break;
            }
            job.commit(&records);
            records.clear();
        }
        let mut rows: Vec<_> = job.views.candles.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| **key);
        let mut out = std::io::BufWriter::new(fs::File::create(folder.join("candles.csv"))?);
        for (key, bar) in rows {
            let (name, at) = (catalog.name(key.instrument), key.open_time);
            writeln!(out, "{name},{},{at},{}", key.timeframe, values(bar))?;
        }
        Ok(out.flush()?)
    }

    fn replay(self, path: &Path, workers: usize, folder: &Path) -> anyhow::Result<()> {
        let mut text = self.job.toml(workers);
        let path = fs::canonicalize(path)?;
        text.push_str(&format!(
            "[[source]]\nname = \"file\"\nkind = \"file\"\npaths = [{path:?}]\nformat = \"csv\"\n\
             instrument = \"{VENUE}:{{symbol}}\"\nunits = {{ time = \"ns\" }}\n\
             columns = {{ time = \"ts_ns\", symbol = \"symbol\", id = \"trade_id\", price = \"price\", size = \"size\" }}\n"
        ));
        if self.job.portfolios > 0 {
            let (catalog, market) = names()?;
            let mut out = fs::File::create(folder.join("fills.csv"))?;
            writeln!(out, "{}", RowFormat::Entries.header().unwrap_or_default())?;
            let mut line = Vec::new();
            for fill in fills(&market, &catalog, self.job.portfolios)? {
                RowFormat::Entries.write(&fill.event.into(), &catalog, &mut line)?;
                out.write_all(&line)?;
                out.write_all(b"\n")?;
            }
            text.push_str(
                "historic = false\n[[source]]\nname = \"fills\"\nkind = \"entries\"\npaths = [\"fills.csv\"]\n",
            );
        }
        let config = RawConfig::parse(&text, "the bench's configuration")?.check(folder)?;
        let views = WrittenViews::Named(vec!["candles".to_owned()]);
        let written = Written { views, ..Written::default() };
        let options = RunOptions { out: Some(folder.to_owned()), written, ..RunOptions::default() };
        let report = replay_files(config, &options, &Stop::default())?;
        if report.totals.dead > 0 {
            bail!("{} rows of the file were refused", report.totals.dead);
        }
        Ok(())
    }
}

/// The instruments of the 200 symbols that `produce` makes by default.
fn names() -> anyhow::Result<(Catalog, Market)> {
    let usd = InstrumentRule { quote: "USD".into(), ..InstrumentRule::any() };
    let catalog = Catalog::new(vec![usd], 100_000);
    let market = Market::new(&Workload::default(), VENUE, &catalog)?;
    Ok((catalog, market))
}

/// The values of a bar as text.
fn values(bar: &Bar) -> String {
    let spec = bar.spec;
    let price = |price: Option<market::Price>| {
        price.map_or_else(String::new, |price| price.text(spec.price_scale))
    };
    let edge =
        |edge: Option<(market::OrderKey, market::Price)>| price(edge.map(|(_, price)| price));
    let volume = decimal::format(bar.volume, spec.quantity_scale);
    let notional = decimal::format(bar.notional, spec.notional_scale());
    format!(
        "{},{},{},{},{volume},{notional},{}",
        edge(bar.open),
        price(bar.high),
        price(bar.low),
        edge(bar.close),
        bar.trades
    )
}
