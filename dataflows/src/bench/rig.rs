//! What measurements share: configurations, commits in memory, portfolios, and clocks of CPU time.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use market::{
    AccountEvent, AccountRecord, Catalog, Commit, EventTime, Fill, FillRef, Origin, PortfolioId,
    Price, Record, SourceId, TradeId,
};
use operators::NoStates;

use crate::clock::{Binding, CommitClock};
use crate::config::{Config, RawConfig};
use crate::ingest::handover::Sealed;
use crate::publish::BoardReader;
use crate::run::{RunError, Started, Wishes};
use crate::workload::{Market, Workload};

/// Rows of a commit, as of bare files.
pub(super) const COMMIT_ROWS: usize = 10_000;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// Deduplication and bars of a minute.
    J1,
    /// And of 5m, 15m, 1h, 4h and 1d, and five indicators on all of them.
    J2,
    /// And 50 portfolios of 40 positions.
    J3,
}

/// Commits in memory.
pub(super) struct Batches {
    /// What they say of accounts comes with the first.
    pub(super) accounts: Vec<AccountRecord>,
    pub(super) commits: Vec<(Binding, Vec<Record>)>,
    pub(super) rows: u64,
}

impl Job {
    pub(super) const ALL: [(&'static str, Job); 3] =
        [("j1", Job::J1), ("j2", Job::J2), ("j3", Job::J3)];

    pub(super) fn timeframes(self) -> &'static [&'static str] {
        match self {
            Job::J1 => &["1m"],
            Job::J2 | Job::J3 => &["1m", "5m", "15m", "1h", "4h", "1d"],
        }
    }

    /// The configuration, but for sources.
    pub(super) fn toml(self, workers: usize) -> String {
        let indicators = match self {
            Job::J1 => "",
            Job::J2 | Job::J3 => r#""sma20", "ema20", "rsi14", "macd12_26_9", "bb20_2""#,
        };
        let timeframes = self.timeframes();
        // A risk that looks at days is not at work here: the loop beside has none.
        let risk = if self == Job::J3 { "[risk]\ntimeframe = \"1d\"\n" } else { "" };
        format!(
            "[job]\nworkers = {workers}\ntimeframes = {timeframes:?}\nindicators = [{indicators}]\n\
             {risk}[http]\ninlet = false\n[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n"
        )
    }

    /// The same job as one plain loop.
    pub(super) fn cost_loop(self, accounts: &[AccountRecord]) -> anyhow::Result<cost::Loop> {
        let timeframes: Result<Vec<_>, _> = self.timeframes().iter().map(|t| t.parse()).collect();
        let plain = cost::Loop::new(&timeframes.map_err(anyhow::Error::msg)?);
        let plain = plain.map_err(anyhow::Error::msg)?;
        Ok(match self {
            Job::J1 => plain,
            Job::J2 => plain.with_indicators(),
            Job::J3 => plain.with_indicators().with_desk(cost::desk::Desk::new(accounts)),
        })
    }
}

/// A job that is fed from memory.
pub(super) fn config(job: Job, workers: usize, more: &str) -> anyhow::Result<Config> {
    let source = "[[source]]\nname = \"bench\"\nkind = \"simulated\"\n";
    let text = format!("{}{source}{more}", job.toml(workers));
    let raw = RawConfig::parse(&text, "the bench's configuration")?;
    Ok(raw.check(Path::new("."))?)
}

impl Batches {
    /// The rows of a workload in commits of so many, each the end of a round; `catalog` gets its names.
    pub(super) fn of(
        workload: &Workload,
        job: Job,
        commit_rows: usize,
        config: &Config,
    ) -> anyhow::Result<Batches> {
        let market = Market::new(workload, "bench", &config.catalog)?;
        let accounts = match job {
            Job::J1 | Job::J2 => Vec::new(),
            Job::J3 => fills(&market, &config.catalog)?,
        };
        let mut clock = CommitClock::new(config.timings(), config.ahead_files(), EventTime::NEVER);
        let mut commits = Vec::new();
        let mut records = Vec::with_capacity(commit_rows);
        let mut ticks = workload.ticks().peekable();
        let mut position = 0;
        while let Some(tick) = ticks.next() {
            position += 1;
            let event = market.event(&tick);
            clock
                .bind(0, 0, position, Some(&event.into()))
                .map_err(|r| anyhow::anyhow!(r.detail))?;
            records.push(Record { origin: origin(position), event });
            if records.len() == commit_rows || ticks.peek().is_none() {
                let binding = clock.close(clock.newest(), true);
                commits.push((binding, std::mem::take(&mut records)));
                records.reserve(commit_rows);
            }
        }
        clock.end(0, 0);
        commits.push((clock.close(clock.newest(), true), Vec::new()));
        Ok(Batches { accounts, commits, rows: position })
    }

    /// The commits, each to be handed over.
    pub(super) fn sealed(&self) -> Vec<Sealed> {
        let sealed = |(binding, records): &(Binding, Vec<Record>)| Sealed {
            accounts: if binding.commit == Commit(0) { self.accounts.clone() } else { Vec::new() },
            binding: binding.clone(),
            records: records.clone(),
            refused: Vec::new(),
            incidents: Vec::new(),
            partitions: Vec::new(),
            oldest: None,
        };
        self.commits.iter().map(sealed).collect()
    }
}

/// Starts the workers of a job that is fed from memory.
pub(super) fn start(config: &Config) -> Result<(Started, BoardReader), RunError> {
    let started = Started::new(config, Arc::new(NoStates), &Wishes::default())?;
    let reader = started.reader();
    Ok((started, reader))
}

pub(super) fn origin(position: u64) -> Origin {
    Origin { rank: 0, source: SourceId(0), partition: 0, position }
}

/// Fills of 50 portfolios with 40 positions each.
pub(super) fn fills(market: &Market, catalog: &Catalog) -> anyhow::Result<Vec<AccountRecord>> {
    let instruments = market.instruments();
    let mut fills = Vec::new();
    for portfolio in 0..50_u64 {
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
                }),
            });
        }
    }
    Ok(fills)
}
