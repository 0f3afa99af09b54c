//! What a job of a configuration computes, whichever it is: the checked parts of which its operators are made.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use market::{Calendars, Span, Timeframe};
use operators::indicators::IndicatorsConfig;
use operators::keyed::Time;
use operators::portfolio::PortfolioConfig;
use operators::{LedgerConfig, OutlierRule, RollupConfig, StateError, StateStore};
use timely::dataflow::Scope;
use timely::scheduling::SyncActivator;

use super::JobKind;
use crate::ingest::Delivery;
use crate::publish::{Board, WorkerViews};
use crate::rules::{ConfiguredRules, Watching};
use crate::telemetry::Metrics;
use rows::{Labels, RuleNames};

/// What a job computes, checked.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// The job.
    pub kind: &'static JobKind,
    pub(super) ledger: Arc<LedgerConfig>,
    pub(super) rollups: Arc<RollupConfig>,
    pub(super) indicators: Arc<IndicatorsConfig>,
    /// Its rules, and what those may refer to that are put while it runs.
    pub rules: Arc<ConfiguredRules>,
    /// What rules look at.
    pub watching: Arc<Watching>,
    pub(super) portfolios: Arc<PortfolioConfig>,
    pub(super) timeframes: Vec<Timeframe>,
}

/// A number (indicator, output), and its slot among those of a bar.
pub(super) type FairSlot = ((u16, u8), usize);

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
    /// The job.
    pub kind: &'static JobKind,
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
    pub indicators: Arc<IndicatorsConfig>,
    /// Rules that raise alerts.
    pub rules: ConfiguredRules,
}

impl JobPlan {
    /// The job of a specification.
    ///
    /// # Errors
    /// In words, if the timeframes do not fit together.
    pub fn new(spec: JobSpec) -> Result<JobPlan, String> {
        let JobSpec { kind, mut timeframes, calendars, indicators, rules, .. } = spec;
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
        Ok(JobPlan {
            kind,
            ledger: Arc::new(ledger),
            rollups: Arc::new(rollups),
            indicators,
            rules: Arc::new(rules),
            watching: Arc::default(),
            portfolios,
            timeframes,
        })
    }

    /// With portfolios that are configured.
    #[must_use]
    pub fn with_portfolios(mut self, portfolios: PortfolioConfig) -> JobPlan {
        self.portfolios = Arc::new(portfolios);
        self
    }

    /// The timeframes, ascending.
    pub fn timeframes(&self) -> &[Timeframe] {
        &self.timeframes
    }

    /// How the ledger judges.
    pub fn ledger(&self) -> &Arc<LedgerConfig> {
        &self.ledger
    }

    /// How portfolios are valued.
    pub fn portfolios(&self) -> &Arc<PortfolioConfig> {
        &self.portfolios
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
            rules: RuleNames::default(),
            indicators: indicators.map(|one| (one.label(), one.outputs())).collect(),
        }
    }

    /// The slots of the numbers that are somebody's fair values.
    pub(super) fn fair_slots(&self) -> Vec<FairSlot> {
        let computed = self.portfolios.computed.iter().map(|fair| (fair.indicator, fair.output));
        let computed: BTreeSet<(u16, u8)> = computed.collect();
        let slots = computed.into_iter().filter_map(|(indicator, output)| {
            Some(((indicator, output), self.indicators.slot(indicator, output)?))
        });
        slots.collect()
    }

    /// Builds the worker's part of the dataflow; returns its views.
    pub fn build(
        &self,
        scope: Scope<'_, Time>,
        context: JobContext<'_>,
    ) -> Result<WorkerViews, StateError> {
        (self.kind.build)(self, scope, context)
    }
}
