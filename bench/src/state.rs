//! What it costs that a job keeps its state, and how long a start takes that goes on with it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::RunOptions;
use node_api::Readiness;
use serde_json::json;
use tickweave::node::Node;
use workload::{Lines, Workload};

use super::clocks::{of_process, quantile};
use super::rig::BenchJob;
use super::{Asked, Figures, Measurement};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "state",
    doc: "a live run of a file with `state.dir` beside the same run without, by turns; how long a start takes that goes on \
          with all of its trades, and what they take on the disk; then both at a steady rate, with pauses and the time from \
          tick to view; only when asked for",
    by_default: false,
    run: measure,
};

/// The longest that one run may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often a checkpoint begins as fast as it goes, many times in each run, and at a steady rate.
const EVERY: &str = "1s";
const EVERY_PACED: &str = "10s";
/// Of a run at a steady rate.
const PACED_SECS: u64 = 60;

/// What a run came to.
#[derive(Default)]
struct Runs {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = folder.path();
    let workload = Workload { rows: asked.rows, seed: asked.seed, ..Workload::default() };
    write(&workload, &folder.join("ticks.csv"))?;
    let (mut without, mut with, mut restarts) = (Runs::default(), Runs::default(), Vec::new());
    let (mut longest, mut state_bytes, mut log_bytes) = (Vec::new(), 0, 0);
    say!("state: {} rows live from a file, medians of {}", asked.rows, asked.repeats.max(1));
    for turn in 0..asked.repeats.max(1) {
        let dir = folder.join(format!("state{turn}"));
        run(folder, None, asked, &mut without)?;
        longest.push(run(folder, Some(&dir), asked, &mut with)?);
        restarts.push(restart(folder, &dir, asked)?);
        (state_bytes, log_bytes) = (size(&dir, "twckpt")?, size(&dir, "twrec")?);
        std::fs::remove_dir_all(&dir)
            .with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    let median = |mut numbers: Vec<f64>| quantile(&mut numbers, 0.5);
    let (wall, wall_with) = (median(without.wall), median(with.wall));
    let (cpu, cpu_with) = (median(without.cpu), median(with.cpu));
    let (restart, longest) = (median(restarts), median(longest));
    let per_trade = |bytes: u64| bytes as f64 / asked.rows as f64;
    say!(
        "  without {wall:.2} s ({cpu:.2} s of CPU), with {wall_with:.2} s ({cpu_with:.2} s): {:.2}",
        wall_with / wall
    );
    say!("  workers encoded states for {longest:.1} ms at most in a commit");
    say!(
        "  a start goes on with it in {restart:.2} s; {:.0} bytes a trade in checkpoints, {:.0} in the log",
        per_trade(state_bytes),
        per_trade(log_bytes)
    );
    figures.report(
        "state",
        json!({
            "rows": asked.rows, "wall_secs_without": wall, "wall_secs_with": wall_with,
            "cpu_secs_without": cpu, "cpu_secs_with": cpu_with, "encode_ms_most": longest,
            "restart_secs": restart, "checkpoint_bytes": state_bytes, "log_bytes": log_bytes,
        }),
    );
    paced(folder, asked, figures)
}

/// Both at a steady rate: pauses, CPU, and the time from tick to view.
fn paced(folder: &Path, asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = u64::from(asked.rate) * PACED_SECS;
    let span = Duration::from_secs(PACED_SECS).as_nanos() as i64;
    write(
        &Workload { rows, span, seed: asked.seed, ..Workload::default() },
        &folder.join("ticks.csv"),
    )?;
    let paced = Asked { rows, ..asked.clone() };
    say!("state: {} rows a second for {PACED_SECS} s, a checkpoint each {EVERY_PACED}", asked.rate);
    let dir = folder.join("paced");
    let [mut without, mut with] = [None, None];
    for (state, figures) in [(None, &mut without), (Some(&*dir), &mut with)] {
        let cpu = of_process();
        let node = start(folder, (state, true), asked.workers)?;
        wait_for_rows(&node, &paced)?;
        let metrics = node.metrics().clone();
        let ms = |took: Option<Duration>| took.unwrap_or_default().as_secs_f64() * 1e3;
        *figures = Some(json!({
            "cpu_secs": (of_process() - cpu).as_secs_f64(),
            "tick_to_view_p99_ms": ms(metrics.tick_to_view_within(0.99)),
            "encode_p99_ms": ms(metrics.state_saved_within(0.99)),
            "encode_max_ms": ms(metrics.state_saved_within(1.0)),
        }));
        node.control().stop();
        node.wait()?;
    }
    say!("  without {}", without.unwrap_or_default());
    say!("  with    {}", with.clone().unwrap_or_default());
    figures.report("state_paced", json!({ "rate": asked.rate, "with": with }));
    Ok(())
}

fn write(workload: &Workload, path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let (mut file, mut lines) = (BufWriter::new(file), Lines::new(workload));
    writeln!(file, "{}", workload::HEADER)?;
    for tick in workload.ticks() {
        file.write_all(lines.line(&tick).1)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

fn start(
    folder: &Path,
    (state, is_paced): (Option<&Path>, bool),
    workers: usize,
) -> anyhow::Result<Node> {
    let every = if is_paced { EVERY_PACED } else { EVERY };
    let state = state.map_or_else(String::new, |dir| {
        format!("[state]\ndir = {dir:?}\ncheckpoint_every = \"{every}\"\n")
    });
    let play = if is_paced { "play = { speed = 1.0 }\n" } else { "" };
    let text = format!(
        "{}{state}[[source]]\nname = \"bench\"\nkind = \"file\"\npaths = [\"ticks.csv\"]\ninstrument = \"made:{{symbol}}\"\n\
         {play}units = {{ time = \"ns\" }}\n\
         columns = {{ time = \"ts_ns\", symbol = \"symbol\", id = \"trade_id\", price = \"price\", size = \"size\" }}\n",
        BenchJob::J2.toml(workers)
    );
    let raw = RawConfig::parse(&text, "the bench's configuration")?;
    let mut config = raw.check(folder)?;
    config.listen = ([127, 0, 0, 1], 0).into();
    let options = RunOptions { keeps_state: !state.is_empty(), ..RunOptions::default() };
    Ok(Node::start(config, options, &Stop::default())?)
}

/// Waits until `is_so`.
fn wait(node: &Node, what: &str, is_so: impl Fn(&Node) -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so(node) {
        if began.elapsed() > TIMEOUT {
            bail!("waited {} s for {what}", TIMEOUT.as_secs());
        }
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn wait_for_rows(node: &Node, asked: &Asked) -> anyhow::Result<()> {
    wait(node, "all rows", |node| {
        let totals = node.metrics().totals();
        totals.accepted + totals.duplicates + totals.conflicts + totals.late >= asked.rows
    })
}

/// Runs until all rows are in views, and stops in order. Returns the longest time for which a worker encoded states in a
/// commit, in ms.
fn run(folder: &Path, state: Option<&Path>, asked: &Asked, into: &mut Runs) -> anyhow::Result<f64> {
    let (began, cpu) = (Instant::now(), of_process());
    let node = start(folder, (state, false), asked.workers)?;
    wait_for_rows(&node, asked)?;
    into.wall.push(began.elapsed().as_secs_f64());
    into.cpu.push((of_process() - cpu).as_secs_f64());
    let longest = node.metrics().state_saved_within(1.0).unwrap_or_default().as_secs_f64() * 1e3;
    node.control().stop();
    node.wait()?;
    Ok(longest)
}

/// Starts again on a state, until answers are worth asking for; in seconds.
fn restart(folder: &Path, state: &Path, asked: &Asked) -> anyhow::Result<f64> {
    let began = Instant::now();
    let node = start(folder, (Some(state), false), asked.workers)?;
    wait(&node, "readiness", |node| matches!(node.health().readiness, Readiness::Ready))?;
    let took = began.elapsed().as_secs_f64();
    node.control().stop();
    node.wait()?;
    Ok(took)
}

/// The bytes of all files with an ending.
fn size(folder: &Path, ending: &str) -> anyhow::Result<u64> {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|own| own == ending) {
            sizes.push((entry.file_name(), entry.metadata()?.len()));
        }
    }
    Ok(sizes.into_iter().map(|(_, bytes)| bytes).sum())
}
