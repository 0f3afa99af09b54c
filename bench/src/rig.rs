//! What measurements share: configurations, commits in memory, portfolios, and clocks of CPU time.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use market::{
    AccountEvent, AccountRecord, Catalog, Commit, EventTime, Fill, FillRef, NameOrder, Origin,
    PartitionId, PortfolioId, Price, Record, SourceId, TradeId,
};
use operators::NoStates;
use serde_json::Value;

use dataflows::clock::{Binding, CommitClock};
use dataflows::config::{Config, RawConfig};
use dataflows::ingest::ClosedCommit;
use dataflows::publish::BoardReader;
use dataflows::run::{Job, RunError, RunOptions};
use workload::{Market, Ticks, Workload};

/// Rows of a commit, as of bare files.
pub(super) const COMMIT_ROWS: usize = 10_000;

/// What is computed: deduplication and bars, and what is asked for besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BenchJob {
    /// Ascending, each a union of the one before.
    pub(super) timeframes: &'static [&'static str],
    /// Whether there are five indicators on all of them.
    pub(super) has_indicators: bool,
    /// How many portfolios there are, of 40 positions each.
    pub(super) portfolios: u64,
}

/// Commits in memory.
pub(super) struct Batches {
    /// What they say of accounts comes with the first.
    pub(super) accounts: Vec<AccountRecord>,
    pub(super) commits: Vec<(Binding, Vec<Record>)>,
    pub(super) rows: u64,
}

/// The rows of a workload in commits of so many, each the end of a round, made as they are asked for. The last one is empty and ends
/// the input.
pub(super) struct Commits {
    market: Market,
    clock: CommitClock,
    ticks: Ticks,
    commit_rows: usize,
    rows: u64,
    has_ended: bool,
}

impl BenchJob {
    /// Bars of a minute.
    pub(super) const J1: BenchJob =
        BenchJob { timeframes: &["1m"], has_indicators: false, portfolios: 0 };
    /// And of 5m, 15m, 1h, 4h and 1d, and indicators.
    pub(super) const J2: BenchJob = BenchJob {
        timeframes: &["1m", "5m", "15m", "1h", "4h", "1d"],
        has_indicators: true,
        portfolios: 0,
    };
    /// And portfolios.
    pub(super) const J3: BenchJob = BenchJob { portfolios: 50, ..BenchJob::J2 };

    pub(super) const ALL: [(&'static str, BenchJob); 3] =
        [("j1", BenchJob::J1), ("j2", BenchJob::J2), ("j3", BenchJob::J3)];

    /// The configuration, but for sources.
    pub(super) fn toml(self, workers: usize) -> String {
        let timeframes = self.timeframes;
        let indicators = match self.has_indicators {
            true => r#""sma20", "ema20", "rsi14", "macd12_26_9", "bb20_2""#,
            false => "",
        };
        // Risk is that of the largest timeframe, where that is a day not at work here: the loop beside has none.
        format!(
            "[http]\ningest = false\n[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n\
             [job]\nworkers = {workers}\ntimeframes = {timeframes:?}\nindicators = [{indicators}]\n"
        )
    }

    /// The same job as one plain loop.
    pub(super) fn cost_loop(self, accounts: &[AccountRecord]) -> anyhow::Result<cost::Loop> {
        let timeframes: Result<Vec<_>, _> = self.timeframes.iter().map(|t| t.parse()).collect();
        let mut plain = cost::Loop::new(&timeframes.map_err(anyhow::Error::msg)?)
            .map_err(anyhow::Error::msg)?;
        if self.has_indicators {
            plain = plain.with_indicators();
        }
        if self.portfolios > 0 {
            plain = plain.with_portfolios(cost::portfolios::PlainPortfolios::new(accounts));
        }
        Ok(plain)
    }
}

/// A job that is fed from memory; `more` begins with keys of `[job]`.
pub(super) fn config(job: BenchJob, workers: usize, more: &str) -> anyhow::Result<Config> {
    let source = "[[source]]\nname = \"bench\"\nkind = \"simulated\"\n";
    let text = format!("{}{more}{source}", job.toml(workers));
    let raw = RawConfig::parse(&text, "the bench's configuration")?;
    Ok(raw.check(Path::new("."))?)
}

impl Commits {
    /// Of a workload; the catalog of `config` gets its names.
    pub(super) fn of(
        workload: &Workload,
        commit_rows: usize,
        config: &Config,
    ) -> anyhow::Result<Commits> {
        Ok(Commits {
            market: Market::new(workload, "bench", &config.catalog)?,
            clock: CommitClock::new(config.timings(), config.ahead_files(), EventTime::NEVER),
            ticks: workload.ticks(),
            commit_rows,
            rows: 0,
            has_ended: false,
        })
    }

    fn make(&mut self) -> anyhow::Result<(Binding, Vec<Record>)> {
        let mut records = Vec::with_capacity(self.commit_rows);
        for tick in self.ticks.by_ref().take(self.commit_rows) {
            self.rows += 1;
            let event = self.market.event(&tick);
            self.clock
                .bind(0, 0, self.rows, Some(&event.into()))
                .map_err(|r| anyhow::anyhow!(r.detail))?;
            records.push(Record { origin: origin(self.rows), event });
        }
        if records.is_empty() {
            self.clock.end(0, 0);
            self.has_ended = true;
        }
        Ok((self.clock.close(self.clock.newest(), true), records))
    }
}

impl Iterator for Commits {
    type Item = anyhow::Result<(Binding, Vec<Record>)>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.has_ended).then(|| self.make())
    }
}

impl Batches {
    /// All commits of a workload.
    pub(super) fn of(
        workload: &Workload,
        job: BenchJob,
        commit_rows: usize,
        config: &Config,
    ) -> anyhow::Result<Batches> {
        let mut made = Commits::of(workload, commit_rows, config)?;
        let accounts = fills(&made.market, &config.catalog, job.portfolios)?;
        let commits = made.by_ref().collect::<anyhow::Result<_>>()?;
        Ok(Batches { accounts, commits, rows: made.rows })
    }

    /// The commits, each to be handed over.
    pub(super) fn closed(&self) -> Vec<ClosedCommit> {
        let commit = |(binding, records): &(Binding, Vec<Record>)| ClosedCommit {
            accounts: if binding.commit == Commit(0) { self.accounts.clone() } else { Vec::new() },
            ..closed(binding.clone(), records.clone())
        };
        self.commits.iter().map(commit).collect()
    }
}

/// A commit of trades, to be handed over.
pub(super) fn closed(binding: Binding, records: Vec<Record>) -> ClosedCommit {
    ClosedCommit {
        binding,
        records,
        accounts: Vec::new(),
        id_texts: Vec::new(),
        refused: Vec::new(),
        control: Vec::new(),
        posts: Vec::new(),
        rule_changes: Vec::new(),
        oldest: None,
    }
}

/// The standard output of this program in a process of its own, which has done nothing before.
pub(super) fn in_own_process(args: &[&str]) -> anyhow::Result<Value> {
    let run = Command::new(std::env::current_exe()?).args(["--log", "warn"]).args(args).output()?;
    serde_json::from_slice(&run.stdout).with_context(|| {
        format!(
            "`tickweave-bench {}` failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&run.stderr)
        )
    })
}

/// Starts the workers of a job that is fed from memory.
pub(super) fn start(config: &Config) -> Result<(Job, BoardReader), RunError> {
    let job = Job::new(config, Arc::new(NoStates), &RunOptions::default())?;
    let reader = job.reader();
    Ok((job, reader))
}

pub(super) fn origin(position: u64) -> Origin {
    Origin {
        rank: 0,
        order: NameOrder::default(),
        source: SourceId(0),
        partition: PartitionId(0),
        position,
    }
}

/// Fills of so many portfolios with 40 positions each.
pub(super) fn fills(
    market: &Market,
    catalog: &Catalog,
    portfolios: u64,
) -> anyhow::Result<Vec<AccountRecord>> {
    let instruments = market.instruments();
    let mut fills = Vec::new();
    for portfolio in 0..portfolios {
        let name = format!("p{portfolio}");
        let portfolio_id: PortfolioId = catalog.portfolios.resolve(&name)?;
        for held in 0..40_u64 {
            let instrument =
                instruments[((portfolio * 7 + held * 5) % instruments.len() as u64) as usize];
            let contract = catalog.get(instrument).and_then(|known| known.contract());
            let contract = contract.context("an instrument without a quote currency")?;
            let sign = if (portfolio + held).is_multiple_of(4) { -1 } else { 1 };
            fills.push(AccountRecord {
                origin: origin(1 + fills.len() as u64),
                event: AccountEvent::Fill(Fill {
                    name: FillRef { portfolio: portfolio_id, id: TradeId::Number(held) },
                    instrument,
                    contract,
                    time: EventTime(1_767_607_200_000_000_000),
                    sequence: held,
                    price: Price(100_000_000_000 + (held * 1_370_000_000) as i64),
                    quantity: sign * (1 + held as i64) * 100_000_000,
                    fee: 10_000_000,
                    fee_currency: contract.quote,
                }),
            });
        }
    }
    Ok(fills)
}
