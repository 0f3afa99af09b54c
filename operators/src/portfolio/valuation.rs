//! Valuation: wires the outputs of the cores to the valuation core of each worker, and computes risk.
//!
//! ```text
//! lines ──────► core ─┬─► positions, fees, portfolios, drift
//! marks ════════► │   ├─► open ──────────────────────────────────────────────┐
//!                 │   └─► priced ─ by instrument ─┬─ join ─ by pair ─ joins ┬─ by portfolio ─ reduce ─► risk
//! closes ═════════╪═══════════════════════════════┴─────────────────────────┘
//! edges ──────────┴─► edges
//! ```
//!
//! Lines stay on the worker that owns their portfolio; marks and closes are broadcast to all workers (═), which is
//! why only their net changes per round are. So a portfolio is summed in one place; a round also has fewer marks than
//! lines that hold them.
//!
//! Valuation is a core and not differential, because a mark moves lines, sums and every weight of a portfolio. Joins
//! and a `reduce` copied, sorted and compared all of that several times: five times the CPU. Risk is the one
//! differential part: it is joined from what rarely changes, what is held and bars that closed. Nothing holds a trace
//! back but the operators that read it, so all of them compact as commits pass.

use std::sync::Arc;

use differential_dataflow::operators::arrange::Arranged;
use market::{AccountRecord, InstrumentId, PortfolioId};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::OkErr;
use timely::dataflow::operators::vec::{Broadcast, Map, ToStream};
use timely::dataflow::{Scope, StreamVec};

use super::config::{Direction, PortfolioConfig, RateSource, Routes, STEPS_MAX};
use super::fills::FillsOut;
use super::quotes::{ClosesChange, EdgeChange, QuotesOut};
use super::relation::{Changes, changes, net};
use super::risk::{Exposure, RateCloses, RateStep, risk};
use super::row::{
    Drift, Edge, EdgeKey, FeeKey, FeeTotal, FillFault, Portfolio, Position, PositionKey, Risk,
    RiskKey,
};
use super::series::CloseSeries;
use super::valuation_core::{Holding, LineChange, MarkChange, ValuedRows, value_positions};
use crate::arrange::{SharedTrace, Update, arrange_local, join_local, reduce_local};
use crate::keyed::Gauge;
use crate::time::Time;

/// Changes of the rows of all tables, net and at the commits that ended their rounds. After a restore, the
/// rows that exist come again at the restored commit, and nothing else does.
pub struct ValuationStreams<'scope> {
    /// Of positions; shared, for they are large.
    pub positions: StreamVec<'scope, Time, Update<PositionKey, Arc<Position>>>,
    /// Of fees.
    pub fees: StreamVec<'scope, Time, Update<FeeKey, FeeTotal>>,
    /// Of portfolios.
    pub portfolios: StreamVec<'scope, Time, Update<PortfolioId, Portfolio>>,
    /// Of drift.
    pub drift: StreamVec<'scope, Time, Update<PositionKey, Arc<Drift>>>,
    /// Of risk.
    pub risk: StreamVec<'scope, Time, Update<RiskKey, Risk>>,
    /// Of edges; on the worker that owns the instrument.
    pub edges: StreamVec<'scope, Time, Update<EdgeKey, Edge>>,
    /// Rows of the log `fill_faults`.
    pub faults: StreamVec<'scope, Time, FillFault>,
    /// Rows of the log `fills`, if they are asked for.
    pub accepted: StreamVec<'scope, Time, AccountRecord>,
}

type By<'scope, K, V> = Arranged<'scope, SharedTrace<K, V>>;

/// The outputs of the quote cores on this worker, by kind.
struct QuoteStreams<'scope> {
    marks: StreamVec<'scope, Time, MarkChange>,
    closes: StreamVec<'scope, Time, Box<ClosesChange>>,
    edges: StreamVec<'scope, Time, Box<EdgeChange>>,
}

/// The closes of all instruments, on every worker.
struct Closes<'scope> {
    all: By<'scope, InstrumentId, CloseSeries>,
    /// Of pairs, those above zero.
    of_pairs: By<'scope, InstrumentId, CloseSeries>,
}

/// Values what the cores [`super::Fills`] and [`super::Quotes`] put out on this worker; `gauge` says what that holds.
pub fn valuation<'scope>(
    config: &Arc<PortfolioConfig>,
    fills: StreamVec<'scope, Time, FillsOut>,
    quotes: StreamVec<'scope, Time, QuotesOut>,
    gauge: Arc<Gauge>,
) -> ValuationStreams<'scope> {
    let (lines, others) = fills.ok_err(|input| match input {
        FillsOut::Line { key, line } => Ok::<LineChange, _>((key, line)),
        FillsOut::Fault(fault) => Err(Ok(fault)),
        FillsOut::Accepted(record) => Err(Err(record)),
    });
    let (faults, accepted) = others.container::<Vec<Result<_, _>>>().ok_err(|other| other);
    let faults = faults.container::<Vec<_>>().map(|fault: Box<FillFault>| *fault);
    let accepted = accepted.container::<Vec<_>>().map(|record: Box<AccountRecord>| *record);
    let QuoteStreams { marks, closes, edges } = split_quotes(quotes);
    let edges = changes(edges, "Edges", |input, put| {
        let EdgeChange { key, before, after } = *input;
        before.into_iter().for_each(|before| put((key, before), -1));
        after.into_iter().for_each(|after| put((key, after), 1));
    });

    let ValuedRows { positions, fees, portfolios, drift, open, priced } =
        value_positions(Arc::clone(config), lines, marks.broadcast(), gauge);

    let exposures = exposures(config, open, priced, broadcast_closes(closes));
    let for_risk = config.risk;
    let measured = reduce_local(exposures, "Risk", move |_portfolio, exposures, put| {
        let exposures = exposures.iter().map(|(exposure, _)| *exposure);
        risk(&for_risk, exposures, |instrument, row| put.push(((instrument, row), 1)));
    });
    let risk = net(measured.stream, "RiskRows", |portfolio, (instrument, row)| {
        Some((RiskKey { portfolio: *portfolio, instrument: *instrument }, *row))
    });
    ValuationStreams { positions, fees, portfolios, drift, risk, edges, faults, accepted }
}

fn split_quotes(quotes: StreamVec<'_, Time, QuotesOut>) -> QuoteStreams<'_> {
    let (marks, others) = quotes.ok_err(|input| match input {
        QuotesOut::Mark { instrument, mark } => Ok((instrument, mark)),
        QuotesOut::Closes(change) => Err(Ok(change)),
        QuotesOut::Edge(change) => Err(Err(change)),
    });
    let others = others.container::<Vec<Result<_, _>>>();
    let (closes, edges) = others.ok_err(|other| other);
    QuoteStreams { marks, closes, edges }
}

/// Broadcasts the closes of each worker's instruments to all workers.
fn broadcast_closes(closes: StreamVec<'_, Time, Box<ClosesChange>>) -> Closes<'_> {
    let input = changes(closes, "Closes", |input, put| {
        let ClosesChange { instrument, of_pair, before, after } = *input;
        before.into_iter().for_each(|closes| put(((instrument, closes), of_pair), -1));
        after.into_iter().for_each(|closes| put(((instrument, closes), of_pair), 1));
    });
    let (of_pairs, all) = input.broadcast().ok_err(|((row, of_pair), time, diff)| {
        let update = (row, time, diff);
        if of_pair { Ok(update) } else { Err(update) }
    });
    Closes {
        all: arrange_local(all.container::<Vec<_>>(), "ByInstrument: closes"),
        of_pairs: arrange_local(of_pairs.container::<Vec<_>>(), "ByInstrument: closes of pairs"),
    }
}

/// What risk sees of each portfolio.
fn exposures<'scope>(
    config: &Arc<PortfolioConfig>,
    open: StreamVec<'scope, Time, Update<PortfolioId, InstrumentId>>,
    priced: StreamVec<'scope, Time, Update<InstrumentId, Holding>>,
    closes: Closes<'scope>,
) -> By<'scope, PortfolioId, Exposure> {
    let held = join_local(
        arrange_local(priced, "ByInstrument: holdings"),
        closes.all.clone(),
        |instrument, holding, closes| Revalued {
            instrument: *instrument,
            holding: *holding,
            closes: closes.clone(),
            rates: Vec::new(),
        },
    );
    let benchmarks = benchmarks(config, open.scope());
    let compared = join_local(
        arrange_local(benchmarks, "ByInstrument: benchmarks"),
        closes.all,
        |_instrument, portfolio, closes| (*portfolio, Exposure::Benchmark(closes.clone())),
    );
    let open = open.map(|((portfolio, instrument), time, diff)| {
        ((portfolio, Exposure::Open(instrument)), time, diff)
    });
    let all = open.concat(converted(config, held, closes.of_pairs)).concat(compared);
    arrange_local(all, "ByPortfolio: exposures")
}

/// A position, and as many of the steps of its route as are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Revalued {
    instrument: InstrumentId,
    holding: Holding,
    closes: CloseSeries,
    rates: Vec<RateStep>,
}

/// Exposures of positions, each joined with the closes of the pairs of its route one after the other.
fn converted<'scope>(
    config: &Arc<PortfolioConfig>,
    held: Changes<'scope, Revalued>,
    of_pairs: By<'scope, InstrumentId, CloseSeries>,
) -> Changes<'scope, (PortfolioId, Exposure)> {
    let marks = config.pairs.iter().filter(|pair| matches!(pair.source, RateSource::Mark { .. }));
    let joins = marks.count().min(STEPS_MAX);
    let (mut done, mut waiting) = split_ready(config, held);
    for _ in 0..joins {
        let joined = join_local(
            arrange_local(waiting, "ByPair: holdings"),
            of_pairs.clone(),
            |_pair, (direction, held): &(Direction, Revalued), closes: &CloseSeries| {
                let mut held = held.clone();
                let rate = RateCloses::Pair(closes.clone());
                held.rates.push(RateStep { direction: *direction, rate });
                held
            },
        );
        let (ready, next) = split_ready(config, joined);
        (done, waiting) = (done.concat(ready), next);
    }
    // Nothing waits any more: no route has more marks than there were joins.
    done
}

/// The benchmarks of this worker's portfolios.
fn benchmarks<'scope>(
    config: &PortfolioConfig,
    scope: Scope<'scope, Time>,
) -> Changes<'scope, (InstrumentId, PortfolioId)> {
    let (index, peers) = (scope.worker().index(), scope.worker().peers());
    let own = config.accounts.iter().filter(|(id, _)| id.shard().worker(peers) == index);
    let benchmarks: Vec<_> =
        own.filter_map(|(id, account)| Some(((account.benchmark?, *id), 0, 1))).collect();
    benchmarks.to_stream(scope)
}

/// A position that waits for the closes of a pair.
type WaitingForPair = (InstrumentId, (Direction, Revalued));

/// What is converted, and what needs another pair.
#[expect(
    clippy::result_large_err,
    reason = "the result only says which of two streams a row goes to; a box per row costs more"
)]
fn split_ready<'scope>(
    config: &Arc<PortfolioConfig>,
    held: Changes<'scope, Revalued>,
) -> (Changes<'scope, (PortfolioId, Exposure)>, Changes<'scope, WaitingForPair>) {
    let mut routes = Routes::new(Arc::clone(config));
    let (ready, waiting) =
        held.ok_err(move |(mut held, time, diff)| match held.next_pair(&mut routes) {
            Some((pair, direction)) => Err(((pair, (direction, held)), time, diff)),
            None => Ok((held.exposure(), time, diff)),
        });
    (ready.container::<Vec<_>>(), waiting.container::<Vec<_>>())
}

impl Revalued {
    /// Takes the fixed rates that come next on its route, and says which pair's closes are needed then.
    fn next_pair(&mut self, routes: &mut Routes) -> Option<(InstrumentId, Direction)> {
        let Holding { portfolio, contract, .. } = self.holding;
        let route = routes.of(portfolio, contract.quote)?;
        for step in route.iter().skip(self.rates.len()) {
            match step.source {
                RateSource::Mark { instrument, .. } => return Some((instrument, step.direction)),
                RateSource::Fixed { price, scale } => {
                    let rate = RateCloses::Fixed { price, scale };
                    self.rates.push(RateStep { direction: step.direction, rate });
                }
            }
        }
        None
    }

    fn exposure(self) -> (PortfolioId, Exposure) {
        let Revalued { instrument, holding, closes, rates } = self;
        let Holding { portfolio, quantity, contract } = holding;
        (portfolio, Exposure::Held { instrument, quantity, contract, closes, rates })
    }
}
