//! The job `candles`: trades → ledger and base candles → roll-ups → published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use market::{Calendars, CandleKey, SeriesId, Span, Timeframe};
use operators::indicators::{
    IndicatorChange, IndicatorKey, IndicatorOut, Indicators, IndicatorsConfig,
};
use operators::keyed::Time;
use operators::portfolio::PortfolioConfig;
use operators::signals::{AlertChange, Rule, SignalOut};
use operators::{
    Gauge, Ledger, LedgerConfig, LedgerOut, OutlierRule, Rollup, RollupConfig, SignalIn, Signals,
    StateError, StateStore, keyed,
};
use timely::dataflow::Scope;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Inspect};
use timely::scheduling::SyncActivator;

use super::portfolios::{self, FILLS, QUOTES};
use crate::ingest::{Delivery, feed};
use crate::publish::{
    Arranged, Board, publish_alerts, publish_candles, publish_gaps, publish_indicators,
    publish_portfolios, publish_signals,
};
use crate::telemetry::Metrics;
use rows::Labels;

/// The operators of this job, by the names under which they save state and report what they hold.
pub const OPERATORS: [&str; 6] = ["ledger", "rollups", "indicators", "signals", FILLS, QUOTES];

/// What the job computes.
#[derive(Clone, Debug)]
pub struct Candles {
    ledger: Arc<LedgerConfig>,
    rollups: Arc<RollupConfig>,
    indicators: Arc<IndicatorsConfig>,
    rules: Arc<[Rule]>,
    /// Which numbers rules refer to, and as which series.
    watched: Arc<Watched>,
    portfolios: Arc<PortfolioConfig>,
    timeframes: Vec<Timeframe>,
}

/// What rules may refer to: the numbers (indicator, output) that some rule does.
pub type Watched = BTreeMap<SeriesId, (u16, u8)>;

/// A number (indicator, output), and its slot among those of a bar.
type FairSlot = ((u16, u8), usize);

/// What a worker's part of the job is connected to.
pub struct JobContext<'a> {
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

/// The specification of the job, checked part by part.
pub struct JobSpec {
    /// Of which timeframes there are bars; the smallest is the base that must divide all others.
    pub timeframes: Vec<Timeframe>,
    /// The calendars that instruments choose from.
    pub calendars: Calendars,
    /// Trades older than this before the watermark are refused.
    pub reject_after: Span,
    /// How long single trades are kept before the watermark.
    pub correction_horizon: Span,
    /// How many gaps are kept apart per instrument and id scope.
    pub gaps_max: usize,
    /// Which prices are far away from recent ones.
    pub outliers: OutlierRule,
    /// Indicators of every timeframe.
    pub indicators: IndicatorsConfig,
    /// Rules that raise alerts.
    pub rules: Vec<Rule>,
    /// What they refer to.
    pub watched: Watched,
}

impl Candles {
    /// The job of a specification.
    ///
    /// # Errors
    /// In words, if the timeframes do not fit together.
    pub fn new(spec: JobSpec) -> Result<Candles, String> {
        let JobSpec { mut timeframes, calendars, indicators, rules, watched, .. } = spec;
        let JobSpec { reject_after, correction_horizon, gaps_max, outliers, .. } = spec;
        timeframes.sort_unstable();
        timeframes.dedup();
        let Some((base, larger)) = timeframes.split_first() else {
            return Err("a job needs at least one timeframe".to_owned());
        };
        let rollups = RollupConfig::new(*base, larger, calendars.clone())?;
        let base = *base;
        let portfolios = Arc::new(PortfolioConfig::unconfigured(base));
        let ledger =
            LedgerConfig { base, calendars, reject_after, correction_horizon, gaps_max, outliers };
        Ok(Candles {
            ledger: Arc::new(ledger),
            rollups: Arc::new(rollups),
            indicators: Arc::new(indicators),
            rules: rules.into(),
            watched: Arc::new(watched),
            portfolios,
            timeframes,
        })
    }

    /// With portfolios that are configured.
    #[must_use]
    pub fn with_portfolios(mut self, portfolios: PortfolioConfig) -> Candles {
        self.portfolios = Arc::new(portfolios);
        self
    }

    /// The timeframes, ascending.
    pub fn timeframes(&self) -> &[Timeframe] {
        &self.timeframes
    }

    /// How far back single trades are kept, so that they can be corrected.
    pub fn correction_horizon(&self) -> Span {
        self.ledger.correction_horizon
    }

    /// The names of the numbers in its rows.
    pub fn labels(&self) -> Labels {
        let indicators = self.indicators.indicators().iter();
        Labels {
            // Which the job does not know; nor does it know rules that are gone.
            sources: Vec::new(),
            rules: Vec::new(),
            indicators: indicators.map(|one| (one.label(), one.outputs())).collect(),
        }
    }

    /// The slots of the numbers that rules refer to, with the series that they are.
    fn watched_slots(&self) -> Vec<(SeriesId, usize)> {
        let slots = self.watched.iter().filter_map(|(series, (indicator, output))| {
            Some((*series, self.indicators.slot(*indicator, *output)?))
        });
        slots.collect()
    }

    /// The slots of the numbers that are somebody's fair values.
    fn fair_slots(&self) -> Vec<FairSlot> {
        let computed = self.portfolios.computed.iter().map(|fair| (fair.indicator, fair.output));
        let computed: BTreeSet<(u16, u8)> = computed.collect();
        let slots = computed.into_iter().filter_map(|(indicator, output)| {
            Some(((indicator, output), self.indicators.slot(indicator, output)?))
        });
        slots.collect()
    }

    /// Builds the worker's part of the dataflow; returns the arrangements of its views.
    pub fn build(
        &self,
        scope: Scope<'_, Time>,
        context: JobContext<'_>,
    ) -> Result<Vec<Arranged>, StateError> {
        let JobContext { deliveries, activator, board, metrics, sources, states } = context;
        let gauge = |operator| {
            let gauge = board.gauges.get(&(scope.worker().index(), operator));
            gauge.map_or_else(Arc::<Gauge>::default, Arc::clone)
        };
        let (contexts, records, accounts) = feed(scope, deliveries, activator);

        let (config, collects_trades) = (Arc::clone(&self.ledger), board.trade_log.is_enabled());
        let ledger = keyed(
            contexts.clone(),
            records,
            OPERATORS[0],
            move || Ledger::new(Arc::clone(&config)).emitting_accepted(collects_trades),
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

        let gaps = ledger.clone().flat_map(LedgerOut::gap);
        let bars = ledger.concat(rollups);

        let config = Arc::clone(&self.indicators);
        let indicators = keyed(
            contexts.clone(),
            bars.clone().flat_map(LedgerOut::bar_change),
            OPERATORS[2],
            move || Indicators::new(Arc::clone(&config)),
            Arc::clone(&states),
            gauge(OPERATORS[2]),
        )?;

        let (rules, watched) = (Arc::clone(&self.rules), self.watched_slots());
        let any_rules = !rules.is_empty();
        let values = indicators.clone().flat_map(move |out| values_for_signals(out, &watched));
        let bars_for_signals = bars
            .clone()
            .flat_map(move |out| out.bar_change().filter(|_| any_rules).map(SignalIn::Bar));
        let signals = keyed(
            contexts.clone(),
            bars_for_signals.concat(values),
            OPERATORS[3],
            move || Signals::new(Arc::clone(&rules)),
            Arc::clone(&states),
            gauge(OPERATORS[3]),
        )?;

        let inputs = portfolios::Inputs {
            contexts: contexts.clone(),
            accounts,
            bars: bars.clone().flat_map(LedgerOut::bar_change),
            numbers: indicators.clone().flat_map({
                let fair = self.fair_slots();
                move |out| numbers_for_portfolios(out, &fair)
            }),
        };
        let valuation = portfolios::build(&self.portfolios, inputs, &states, gauge)?;

        let count = counting_alerts(metrics, &self.rules);
        let alerts = signals.clone().flat_map(SignalOut::alert);
        let alerts = alerts.inspect_batch(move |_commit, changes| count(changes));
        let signals = signals.flat_map(SignalOut::signal);

        let restored = states.restored_at();
        let mut views = publish_portfolios(valuation, contexts.clone(), restored, board);
        views.extend([
            publish_candles(bars, contexts.clone(), board, metrics, sources),
            publish_indicators(indicators, contexts.clone(), board),
            publish_alerts(alerts, contexts.clone(), board),
            publish_signals(signals, contexts.clone(), board),
            publish_gaps(gaps, contexts, board, metrics),
        ]);
        Ok(views)
    }
}

/// The numbers of a bar that rules refer to, of those that changed.
fn values_for_signals(out: IndicatorOut, watched: &[(SeriesId, usize)]) -> Vec<SignalIn> {
    let Some(change) = out.changed().filter(|_| !watched.is_empty()) else { return Vec::new() };
    let CandleKey { instrument, timeframe, open_time } = change.key;
    let values = watched.iter().filter_map(|(series, slot)| {
        let (_, after) = change.of(*slot)?;
        let (series, value) = (*series, after.map(|after| after.value.0));
        Some(SignalIn::Value { instrument, timeframe, open_time, series, value })
    });
    values.collect()
}

/// The numbers of a bar that may be fair values, of those that changed.
fn numbers_for_portfolios(out: IndicatorOut, fair: &[FairSlot]) -> Vec<IndicatorChange> {
    let Some(change) = out.changed().filter(|_| !fair.is_empty()) else { return Vec::new() };
    let CandleKey { instrument, timeframe, open_time } = change.key;
    let numbers = fair.iter().filter_map(|((indicator, output), slot)| {
        let (indicator, output) = (*indicator, *output);
        let key = IndicatorKey { instrument, timeframe, open_time, indicator, output };
        let (before, after) = change.of(*slot)?;
        Some(IndicatorChange { key, before, after })
    });
    numbers.collect()
}

/// Counts alerts that are raised or withdrawn, by rule.
fn counting_alerts(metrics: &Metrics, rules: &Arc<[Rule]>) -> impl Fn(&[AlertChange]) + use<> {
    let (metrics, rules) = (metrics.clone(), Arc::clone(rules));
    rules.iter().for_each(|rule| metrics.rule(&rule.name));
    move |changes| {
        // An alert that is emitted again after a restore was counted before.
        for change in changes.iter().filter(|change| !change.restored) {
            let Some(rule) = rules.iter().find(|rule| rule.id == change.key.rule) else { continue };
            match (change.before.is_some_and(|before| before.raised), change.after.raised) {
                (false, true) => metrics.alerts_raised(&rule.name, 1),
                (true, false) => metrics.alerts_withdrawn(&rule.name, 1),
                (false, false) | (true, true) => {}
            }
        }
    }
}
