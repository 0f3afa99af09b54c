//! The job `ticks`: a pure feed handler. It recognises copies, applies corrections and cancels, and shows accepted trades,
//! missing ones and whatever is wrong with them. The ledger folds base bars all the same, because outliers are prices far
//! away from those of recent bars; no view shows them.

use operators::keyed::Time;
use operators::{LedgerOut, StateError};
use timely::dataflow::Scope;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::vec::Map;

use super::operator_set::{LEDGER, OperatorSet};
use super::plan::{JobContext, JobPlan};
use super::{JobKind, counting, job_with, saved};
use crate::ingest::feed;
use crate::publish::WorkerViews;
use crate::view_list::{RENAMED, select};
use rows::ViewList;

pub(super) const JOB: JobKind = JobKind {
    name: "ticks",
    doc: "a feed handler: accepted trades without copies, gaps, conflicts and late trades; no bars",
    views: ViewList {
        views: &select([
            "conflicts",
            "control",
            "dead_letters",
            "events",
            "gap_events",
            "gaps",
            "health",
            "incidents",
            "outliers",
            "sinks",
            "sources",
            "too_late",
            "trades",
            "unmatched",
        ]),
        renamed: RENAMED,
        elsewhere: job_with,
    },
    operators: &[LEDGER],
    saved: &[saved(LEDGER, 1, &[])],
    computes_on_bars: false,
    build,
};

fn build(
    plan: &JobPlan,
    scope: Scope<'_, Time>,
    context: JobContext<'_>,
) -> Result<WorkerViews, StateError> {
    let JobContext { deliveries, activator, board, metrics, sources, states } = context;
    let (contexts, records, _accounts) = feed(scope, deliveries, activator);
    let set = OperatorSet { views: plan.kind.views, contexts, board, states };
    let ledger = set.ledger(plan, records)?;
    let gaps = ledger.clone().flat_map(LedgerOut::gap);

    let mut views = set.views();
    views.publish(ledger.inspect_batch(counting::records(metrics, sources)));
    views.publish(gaps.inspect_batch(counting::missing_trades(metrics)));
    Ok(views.finish())
}
