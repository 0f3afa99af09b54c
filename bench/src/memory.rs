//! Bytes per retained trade: how much the memory of a process grows while the ledger keeps ever more of them.

use anyhow::{Context, bail};

use super::clocks::memory;
use super::rig::{Batches, BenchJob, COMMIT_ROWS, closed, config, in_own_process, start};
use super::{Asked, Figures, Measurement};
use dataflows::run::RunOptions;
use workload::{Ids, Workload};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "memory",
    doc: "bytes per retained trade, ids and bars included: growth of a process's resident memory over a \
          number of trades",
    by_default: true,
    run: measure,
};

/// Trades after which the memory is looked at first, and last.
const FROM: u64 = 250_000;
const UPTO: u64 = 1_000_000;

/// What the flag of the process is called that measures.
const FLAG: &str = "--retain";

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    say!("memory, bytes per retained trade (growth of resident memory)");
    for (ids, name) in [("integer", "integer_ids"), ("hashed", "hashed_ids")] {
        // A process of its own: memory that was freed before would hide some of the growth.
        let seed = asked.seed.to_string();
        let output = in_own_process(&[FLAG, ids, "--seed", &seed])?;
        let bytes = output.as_f64().with_context(|| format!("{output} is no number of bytes"))?;
        say!("  {name:<12} {bytes:>6.1}");
        figures.report(&format!("bytes_per_trade_{name}"), bytes);
    }
    Ok(())
}

/// Measures in this process, which should have done nothing before.
pub fn retained(ids: &str, seed: u64) -> anyhow::Result<f64> {
    let ids = match ids {
        "integer" => Ids::Integer,
        "hashed" => Ids::Hashed,
        other => bail!("{FLAG} {other}: write integer or hashed"),
    };
    let config = config(BenchJob::J1, 1, "")?;
    // Ten minutes: trades are what grows, and not bars.
    let workload = Workload {
        rows: UPTO,
        span: 600_000_000_000,
        duplicates: 0.0,
        late: 0.0,
        seed,
        ids,
        ..Workload::default()
    };
    let batches = Batches::of(&workload, BenchJob::J1, COMMIT_ROWS, &config)?;
    let rss = || memory("VmRSS").context("this system does not report the memory of a process");
    // The last commit lets all bars become final, and changes every row.
    let commits = batches.commits.len() as u64 - 1;
    let mut seen = Vec::new();
    let (job, _) = start(&config)?;
    let mut output = Ok(());
    job.sequence(&RunOptions::default(), |dispatcher| {
        // Copies are made one at a time and given away: what is on its way is the same at both looks.
        for (number, (binding, records)) in (1..=commits).zip(&batches.commits) {
            dispatcher.dispatch(closed(binding.clone(), records.clone()))?;
            dispatcher.drain()?;
            if number == FROM / COMMIT_ROWS as u64 || number == commits {
                output = rss().map(|rss| seen.push(rss));
            }
        }
        Ok(true)
    })?;
    output?;
    let [first, last] = seen[..] else { bail!("the memory was looked at {} times", seen.len()) };
    Ok(last.saturating_sub(first) as f64 / (UPTO - FROM) as f64)
}
