//! Whether memory stays flat: half an hour of event time and more, of which a fixed horizon is retained.

use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clocks::memory;
use super::rig::{BenchJob, Commits, closed, config, in_own_process, start};
use super::{Asked, Figures, Measurement};
use dataflows::run::RunOptions;
use workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "flat",
    doc: "resident memory, ids and bars of a process over half an hour of event time at 1,000 ticks a second, of which \
          two minutes are retained; only when asked for",
    by_default: false,
    run: measure,
};

/// Ticks per second of event time.
const RATE: u32 = 1_000;
/// Minutes of event time.
const MINUTES: u32 = 30;
/// The reported minutes. If memory grows, it grows from the first of them on.
const REPORTED: [u32; 4] = [5, 10, 20, MINUTES];
/// Commits of a minute of event time.
const COMMITS: u32 = 6;

/// What the flag of the process is called that measures.
const FLAG: &str = "--minutes";

/// How it stands after a minute of event time, everything handed over being complete.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Minute {
    /// Bytes of this process in memory.
    pub rss: u64,
    /// Bytes that are retained, all parts together.
    pub retained: u64,
    /// Ids that they keep, the most after any commit of this minute.
    pub ids: u64,
    /// Rows of candles.
    pub bars: u64,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let (minutes, rate, seed) = (MINUTES.to_string(), RATE.to_string(), asked.seed.to_string());
    let output = in_own_process(&[FLAG, &minutes, "--rate", &rate, "--seed", &seed])?;
    let minutes: Vec<Minute> = serde_json::from_value(output)?;
    let at = |minute: u32| {
        let output = minutes.get(minute as usize - 1).copied();
        output.with_context(|| format!("minute {minute} of {} was not output", minutes.len()))
    };
    let (first, last) = (at(REPORTED[0])?, at(MINUTES)?);
    say!("flat, {RATE} ticks/s of event time with a horizon of 2 minutes");
    say!("  minute    resident MB    retained MB        ids     bars");
    for minute in REPORTED {
        let Minute { rss, retained, ids, bars } = at(minute)?;
        let (rss_mb, retained_mb) = (rss as f64 / 1e6, retained as f64 / 1e6);
        say!("  {minute:>6} {rss_mb:>14.1} {retained_mb:>14.2} {ids:>10} {bars:>8}");
        figures.report(
            &format!("flat_minute_{minute}"),
            json!({ "rss_bytes": rss, "retained_bytes": retained, "ids": ids, "bars": bars }),
        );
    }
    let later = minutes.iter().skip(REPORTED[0] as usize);
    let ids = later.map(|minute| minute.ids).max().unwrap_or(0);
    let bars = last.bars.saturating_sub(first.bars).max(1) as f64;
    let grown = |of: fn(&Minute) -> u64| (of(&last) as f64 - of(&first) as f64) / bars;
    let (resident, retained) = (grown(|minute| minute.rss), grown(|minute| minute.retained));
    say!(
        "  after minute {}: at most {ids} ids; {resident:.0} resident bytes more a bar, {retained:.0} of them retained by parts that are measured",
        REPORTED[0]
    );
    figures.report("flat_ids_most", ids);
    figures.report("flat_rss_bytes_per_bar", resident);
    figures.report("flat_retained_bytes_per_bar", retained);
    Ok(())
}

/// So many minutes of event time of 50 symbols at `rate` ticks a second through one worker in this process, which should have done nothing
/// before: bars of a minute, of which trades are retained for two minutes. Only the commit at hand is held; the next is made when it is
/// complete.
pub fn minutes(minutes: u32, rate: u32, seed: u64) -> anyhow::Result<Vec<Minute>> {
    let config = config(BenchJob::J1, 1, "reject_after = \"2m\"\ncorrection_horizon = \"2m\"\n")?;
    let workload = Workload {
        rows: u64::from(minutes) * u64::from(rate) * 60,
        span: i64::from(minutes) * 60_000_000_000,
        symbols: 50,
        seed,
        ..Workload::default()
    };
    let commits = Commits::of(&workload, (rate * 60 / COMMITS) as usize, &config)?;
    memory("VmRSS").context("this system does not report the memory of a process")?;
    let (job, _) = start(&config)?;
    let board = Arc::clone(&job.board);
    let mut output = Vec::new();
    let mut made = Ok(());
    job.sequence(&RunOptions::default(), |dispatcher| {
        let mut most = 0;
        for (number, commit) in (1..).zip(commits) {
            let (binding, records) = match commit {
                Ok(commit) => commit,
                Err(error) => {
                    made = Err(error);
                    break;
                }
            };
            dispatcher.dispatch(closed(binding, records))?;
            dispatcher.drain()?;
            let ids: usize = board.gauges.values().map(|gauge| gauge.ids()).sum();
            most = most.max(ids as u64);
            if number % COMMITS == 0 {
                output.push(Minute {
                    rss: memory("VmRSS").unwrap_or(0),
                    retained: board.retained().bytes() as u64,
                    ids: std::mem::take(&mut most),
                    bars: board.rows("candles"),
                });
            }
        }
        Ok(true)
    })?;
    made?;
    Ok(output)
}
