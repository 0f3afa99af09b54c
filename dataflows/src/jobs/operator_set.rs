//! What all operators of a job on one worker share: the commits, the saved states and the gauges.

use std::sync::Arc;

use market::Record;
use operators::keyed::Time;
use operators::{CommitContext, Core, Gauge, Ledger, LedgerOut, StateError, StateStore, keyed};
use timely::dataflow::StreamVec;

use super::JobPlan;
use crate::publish::{Board, ViewOutputs};
use crate::view_list::entries;
use crate::views::TradeLog;
use crate::views::kinds::LogView;
use rows::ViewList;

/// The ledger's name.
pub const LEDGER: &str = "ledger";

/// Makes the operators of a job on one worker.
pub(super) struct OperatorSet<'scope, 'a> {
    /// The views of the job.
    pub(super) views: ViewList,
    /// The commits.
    pub(super) contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    /// Where results go.
    pub(super) board: &'a Arc<Board>,
    /// Where state comes from and goes to.
    pub(super) states: Arc<dyn StateStore>,
}

impl<'scope> OperatorSet<'scope, '_> {
    /// Runs a core on its input. `name` is that of its state and of its gauge.
    pub(super) fn keyed<C: Core>(
        &self,
        input: StreamVec<'scope, Time, C::In>,
        name: &'static str,
        make: impl Fn() -> C,
    ) -> Result<StreamVec<'scope, Time, C::Out>, StateError> {
        let states = Arc::clone(&self.states);
        keyed(self.contexts.clone(), input, name, make, states, self.gauge(name))
    }

    /// The ledger, which collects single trades if the trade log can be read.
    pub(super) fn ledger(
        &self,
        plan: &JobPlan,
        records: StreamVec<'scope, Time, Record>,
    ) -> Result<StreamVec<'scope, Time, LedgerOut>, StateError> {
        let config = Arc::clone(&plan.ledger);
        let collects_trades = self.is_read(TradeLog::VIEW.name);
        self.keyed(records, LEDGER, move || {
            Ledger::new(Arc::clone(&config)).emitting_accepted(collects_trades)
        })
    }

    /// Whether the job has this log, and somebody can read it.
    pub(super) fn is_read(&self, log: &str) -> bool {
        self.board.log(log).is_some_and(|log| log.bytes_max() > 0)
    }

    /// The views of the job, not yet connected.
    pub(super) fn views(&self) -> ViewOutputs<'scope> {
        let entries = entries(self.views);
        ViewOutputs::new(entries, self.contexts.clone(), self.states.restored_through(), self.board)
    }

    /// The gauge of an operator.
    pub(super) fn gauge(&self, name: &'static str) -> Arc<Gauge> {
        let worker = self.contexts.scope().worker().index();
        let gauge = self.board.gauges.get(&(worker, name));
        gauge.map_or_else(Arc::<Gauge>::default, Arc::clone)
    }
}
