//! The job `candles`: trades → ledger and base candles → roll-ups → indicators, rules and portfolios.

use std::sync::Arc;

use market::CandleKey;
use operators::indicators::{IndicatorChange, IndicatorKey, IndicatorOut, Indicators};
use operators::keyed::Time;
use operators::portfolio::ValuationStreams;
use operators::signals::SignalOut;
use operators::{LedgerOut, Rollup, SignalIn, Signals, StateError};
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Inspect};
use timely::dataflow::{Scope, StreamVec};

use super::operator_set::{LEDGER, OperatorSet};
use super::plan::{FairSlot, JobContext, JobPlan};
use super::portfolios::{self, FILLS, QUOTES, VALUATION};
use super::{JobKind, counting, job_with, saved};
use crate::ingest::feed;
use crate::publish::{ViewOutputs, WorkerViews};
use crate::view_list::{RENAMED, VIEWS};
use rows::ViewList;

const ROLLUPS: &str = "rollups";
const INDICATORS: &str = "indicators";
const SIGNALS: &str = "signals";

pub(super) const JOB: JobKind = JobKind {
    name: "candles",
    doc: "trades to exact candles of every timeframe, with revisions; indicators, alerts and portfolios on them",
    views: ViewList { views: VIEWS, renamed: RENAMED, elsewhere: job_with },
    operators: &[LEDGER, ROLLUPS, INDICATORS, SIGNALS, FILLS, QUOTES, VALUATION],
    saved: &[
        saved(LEDGER, 1, &[]),
        saved(ROLLUPS, 1, &["job.timeframes"]),
        saved(INDICATORS, 1, &["job.timeframes", "job.indicators"]),
        saved(SIGNALS, 3, &["job.timeframes", "job.indicators", "rule"]),
        saved(FILLS, 1, &[]),
        saved(QUOTES, 1, &[]),
    ],
    computes_on_bars: true,
    build,
};

fn build(
    plan: &JobPlan,
    scope: Scope<'_, Time>,
    context: JobContext<'_>,
) -> Result<WorkerViews, StateError> {
    let JobContext { deliveries, activator, board, metrics, sources, states } = context;
    let (contexts, records, accounts) = feed(scope, deliveries, activator);
    let set = OperatorSet { views: plan.kind.views, contexts, board, states };

    let ledger = set.ledger(plan, records)?;
    let config = Arc::clone(&plan.rollups);
    let for_rollups = ledger.clone().flat_map(LedgerOut::for_rollup);
    let rollups = set.keyed(for_rollups, ROLLUPS, move || Rollup::new(Arc::clone(&config)))?;
    let gaps = ledger.clone().flat_map(LedgerOut::gap);
    let bars = ledger.concat(rollups);

    let config = Arc::clone(&plan.indicators);
    let changes = bars.clone().flat_map(LedgerOut::bar_change);
    let indicators =
        set.keyed(changes, INDICATORS, move || Indicators::new(Arc::clone(&config)))?;
    let signals = signals(plan, &set, bars.clone(), indicators.clone())?;
    let inputs = portfolios::Inputs {
        accounts,
        bars: bars.clone().flat_map(LedgerOut::bar_change),
        numbers: indicators.clone().flat_map({
            let fair = plan.fair_slots();
            move |out| numbers_for_portfolios(out, &fair)
        }),
    };
    let valuation = portfolios::build(&plan.portfolios, inputs, &set)?;

    let mut views = set.views();
    views.publish(bars.inspect_batch(counting::records(metrics, sources)));
    views.publish(gaps.inspect_batch(counting::missing_trades(metrics)));
    views.publish(indicators);
    let alerts = signals.clone().flat_map(SignalOut::alert);
    views.publish(alerts.inspect_batch(counting::alerts(metrics, board.labels.rules.clone())));
    views.publish(signals.flat_map(SignalOut::signal));
    publish_valuation(valuation, &mut views);
    Ok(views.finish())
}

/// Evaluates the rules on bars and numbers.
fn signals<'scope>(
    plan: &JobPlan,
    set: &OperatorSet<'scope, '_>,
    bars: StreamVec<'scope, Time, LedgerOut>,
    indicators: StreamVec<'scope, Time, IndicatorOut>,
) -> Result<StreamVec<'scope, Time, SignalOut>, StateError> {
    let labels: Arc<[String]> = plan.indicators.slot_labels().into();
    let watching = Arc::clone(&plan.watching);
    let bars = bars.flat_map(move |out| SignalIn::of_bar(out, watching.bars()));
    let watching = Arc::clone(&plan.watching);
    let numbers = indicators.flat_map(move |out| SignalIn::of_numbers(out, watching.numbers()));
    set.keyed(bars.concat(numbers), SIGNALS, move || Signals::new(Arc::clone(&labels)))
}

fn publish_valuation<'scope>(valuation: ValuationStreams<'scope>, views: &mut ViewOutputs<'scope>) {
    let ValuationStreams { positions, fees, portfolios, drift, risk, edges, .. } = valuation;
    views.publish(positions);
    views.publish(fees);
    views.publish(portfolios);
    views.publish(drift);
    views.publish(risk);
    views.publish(edges);
    views.publish(valuation.faults);
    views.publish(valuation.accepted);
}

/// The numbers of a bar that may be fair values, of those that changed.
fn numbers_for_portfolios(out: IndicatorOut, fair: &[FairSlot]) -> Vec<IndicatorChange> {
    if fair.is_empty() {
        return Vec::new();
    }
    let Some(change) = out.changed() else { return Vec::new() };
    let CandleKey { instrument, timeframe, open_time } = change.key;
    let numbers = fair.iter().filter_map(|((indicator, output), slot)| {
        let (indicator, output) = (*indicator, *output);
        let key = IndicatorKey { instrument, timeframe, open_time, indicator, output };
        let (before, after) = change.of(*slot)?;
        Some(IndicatorChange { key, before, after })
    });
    numbers.collect()
}
