//! The job `candles`: trades → ledger and base candles → roll-ups → published.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use market::{Calendars, Span, Timeframe};
use operators::keyed::Time;
use operators::signals::Rule;
use operators::{
    Gauge, Ledger, LedgerConfig, LedgerOut, Rollup, RollupConfig, SignalIn, Signals, StateError,
    StateStore, keyed,
};
use timely::dataflow::Scope;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;
use timely::scheduling::SyncActivator;

use crate::ingest::{Delivery, feed};
use crate::publish::{Board, Traces, publish_alerts, publish_candles};
use crate::telemetry::Metrics;
use crate::views::Labels;

/// The operators of this job, by the names under which they save state and report what they hold.
pub const OPERATORS: [&str; 3] = ["ledger", "rollups", "signals"];

/// What the job computes.
#[derive(Clone, Debug)]
pub struct Candles {
    ledger: Arc<LedgerConfig>,
    rollups: Arc<RollupConfig>,
    rules: Arc<[Rule]>,
    timeframes: Vec<Timeframe>,
}

/// What a worker's part of the job is connected to.
pub struct Surroundings<'a> {
    /// Where commits come from.
    pub deliveries: Receiver<Delivery>,
    /// Where the dataflow leaves what wakes it.
    pub activator: &'a std::sync::Mutex<Option<SyncActivator>>,
    /// Where results go.
    pub board: &'a Arc<Board>,
    /// Where counts go.
    pub metrics: &'a Metrics,
    /// The sources' names, by number.
    pub sources: Arc<[String]>,
    /// Where state comes from and goes to.
    pub states: Arc<dyn StateStore>,
}

impl Candles {
    /// Bars of `timeframes`, the smallest of which is the base that must divide all others.
    pub fn new(
        timeframes: &[Timeframe],
        calendars: Calendars,
        reject_after: Span,
        correction_horizon: Span,
        rules: Vec<Rule>,
    ) -> Result<Candles, String> {
        let mut timeframes = timeframes.to_vec();
        timeframes.sort_unstable();
        timeframes.dedup();
        let Some((base, larger)) = timeframes.split_first() else {
            return Err("a job needs at least one timeframe".to_owned());
        };
        let rollups = RollupConfig::new(*base, larger, calendars.clone())?;
        let ledger = LedgerConfig { base: *base, calendars, reject_after, correction_horizon };
        Ok(Candles {
            ledger: Arc::new(ledger),
            rollups: Arc::new(rollups),
            rules: rules.into(),
            timeframes,
        })
    }

    /// The timeframes, ascending.
    pub fn timeframes(&self) -> &[Timeframe] {
        &self.timeframes
    }

    /// What numbers in its rows stand for.
    pub fn labels(&self) -> Labels {
        Labels { rules: self.rules.iter().map(|rule| rule.name.clone()).collect() }
    }

    /// Builds the worker's part of the dataflow; gives its arrangements.
    pub fn build(
        &self,
        scope: Scope<'_, Time>,
        surroundings: Surroundings<'_>,
    ) -> Result<Traces, StateError> {
        let Surroundings { deliveries, activator, board, metrics, sources, states } = surroundings;
        let gauge = |operator| {
            let gauge = board.gauges.get(&(scope.worker().index(), operator));
            gauge.map_or_else(Arc::<Gauge>::default, Arc::clone)
        };
        let (contexts, records) = feed(scope, deliveries, activator);

        let config = Arc::clone(&self.ledger);
        let ledger = keyed(
            contexts.clone(),
            records,
            OPERATORS[0],
            move || Ledger::new(Arc::clone(&config)),
            Arc::clone(&states),
            gauge(OPERATORS[0]),
        )?;

        let config = Arc::clone(&self.rollups);
        let rollups = keyed(
            contexts.clone(),
            ledger.clone().flat_map(LedgerOut::for_rollup),
            OPERATORS[1],
            move || Rollup::new(Arc::clone(&config)),
            Arc::clone(&states),
            gauge(OPERATORS[1]),
        )?;

        let bars = ledger.concat(rollups);

        let rules = Arc::clone(&self.rules);
        let signals = keyed(
            contexts,
            bars.clone().flat_map(for_signals),
            OPERATORS[2],
            move || Signals::new(Arc::clone(&rules)),
            states,
            gauge(OPERATORS[2]),
        )?;

        Ok(Traces {
            candles: publish_candles(bars, board, metrics, sources),
            alerts: publish_alerts(signals, board),
        })
    }
}

fn for_signals(said: LedgerOut) -> Option<SignalIn> {
    match said {
        LedgerOut::Bar(change) => Some(SignalIn::Bar(change)),
        _ => None,
    }
}
