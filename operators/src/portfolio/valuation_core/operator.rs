//! Runs the valuation of a worker over the commits that end rounds.

use std::sync::Arc;

use market::{InstrumentId, PortfolioId};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::{Holding, LineChange, MarkChange, Rows, Valuation};
use crate::arrange::Update;
use crate::keyed::Gauge;
use crate::portfolio::config::PortfolioConfig;
use crate::portfolio::row::{Drift, FeeKey, FeeTotal, Portfolio, Position, PositionKey};
use crate::time::Time;
use crate::timestamp_buffer::{PendingCommit, TimestampBuffer};

/// The outputs of the valuation: see [`Rows`].
pub(in crate::portfolio) struct ValuedRows<'scope> {
    pub(in crate::portfolio) positions: StreamVec<'scope, Time, Update<PositionKey, Arc<Position>>>,
    pub(in crate::portfolio) fees: StreamVec<'scope, Time, Update<FeeKey, FeeTotal>>,
    pub(in crate::portfolio) portfolios: StreamVec<'scope, Time, Update<PortfolioId, Portfolio>>,
    pub(in crate::portfolio) drift: StreamVec<'scope, Time, Update<PositionKey, Arc<Drift>>>,
    pub(in crate::portfolio) open: StreamVec<'scope, Time, Update<PortfolioId, InstrumentId>>,
    pub(in crate::portfolio) priced: StreamVec<'scope, Time, Update<InstrumentId, Holding>>,
}

type Output<T> = OutputBuilder<Time, CapacityContainerBuilder<Vec<T>>>;

/// Runs a valuation over the lines of this worker's portfolios and the marks, which all workers receive.
///
/// A commit with input ends a round, or is the one that was restored: both are
/// rounds to a valuation, that of a restore being its first. Commits are settled in order, once both inputs
/// have passed them; so it does not matter how many of them arrive together.
pub(in crate::portfolio) fn value_positions<'scope>(
    config: Arc<PortfolioConfig>,
    lines: StreamVec<'scope, Time, LineChange>,
    marks: StreamVec<'scope, Time, MarkChange>,
    gauge: Arc<Gauge>,
) -> ValuedRows<'scope> {
    let mut builder = OperatorBuilder::new("Valuation".to_owned(), lines.scope());
    let mut lines = builder.new_input(lines, Pipeline);
    let mut marks = builder.new_input(marks, Pipeline);
    let (positions, positions_out) = builder.new_output();
    let (fees, fees_out) = builder.new_output();
    let (portfolios, portfolios_out) = builder.new_output();
    let (drift, drift_out) = builder.new_output();
    let (open, open_out) = builder.new_output();
    let (priced, priced_out) = builder.new_output();
    let streams = ValuedRows {
        positions: positions_out,
        fees: fees_out,
        portfolios: portfolios_out,
        drift: drift_out,
        open: open_out,
        priced: priced_out,
    };

    let mut valuation = Valuation::new(config);
    let mut buffer: TimestampBuffer<LineChange, MarkChange, 6> = TimestampBuffer::new();
    let mut rows = Rows::default();
    let (mut positions, mut portfolios) = (Output::from(positions), Output::from(portfolios));
    let (mut drift, mut open) = (Output::from(drift), Output::from(open));
    let (mut priced, mut fees) = (Output::from(priced), Output::from(fees));
    builder.build(move |_capabilities| {
        move |frontiers| {
            buffer.take(&mut lines, &mut marks);
            while let Some((time, due)) = buffer.closed(&frontiers[0], &frontiers[1]) {
                let PendingCommit { capabilities, left: lines, right: marks } = due;
                valuation.round(time, &lines, &marks, &mut rows);
                let (portfolios_held, bytes) = valuation.size();
                gauge.set(portfolios_held, bytes, 0);
                let [for_positions, for_fees, for_portfolios, for_drift, for_open, for_priced] =
                    &capabilities;
                put(&mut positions, for_positions, &mut rows.positions);
                put(&mut fees, for_fees, &mut rows.fees);
                put(&mut portfolios, for_portfolios, &mut rows.portfolios);
                put(&mut drift, for_drift, &mut rows.drift);
                put(&mut open, for_open, &mut rows.open);
                put(&mut priced, for_priced, &mut rows.priced);
            }
        }
    });
    streams
}

/// Puts rows out as one container, and leaves room for about as many.
fn put<T: Clone + 'static>(output: &mut Output<T>, at: &Capability<Time>, rows: &mut Vec<T>) {
    let about = rows.len();
    output.activate().session(at).give_container(rows);
    rows.clear();
    rows.reserve(about);
}
