//! Valuation: lines beside marks and rates, and what portfolios come to. The one differential part.
//!
//! ```text
//! lines ─ by instrument ─┬─ join ─ by pair ─ join ─┬─ by portfolio ─┬─► positions
//!          wanted ▼      │                    ▲    │                ├─ reduce ─► portfolios, drift
//! marks ══════► quoted ──┴────────────────────┘    │                ▼
//!                                                  │          priced, open ─ by instrument ─ join ─ by pair ─ join ─┐
//! closes ════════════════════════════════════════════════════════════════════════════════════┴───────────────┴─ reduce ─► risk
//! ```
//!
//! Lines stay on the worker that owns their portfolio; marks and closes are told to all workers (═), which is
//! why only their net changes per round are. Nothing holds a trace back but the operators that read it, so all
//! of them compact as commits pass.

use std::sync::Arc;

use differential_dataflow::operators::arrange::Arranged;
use market::{Contract, InstrumentId, PortfolioId, Price};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::OkErr;
use timely::dataflow::operators::vec::{Broadcast, Map, ToStream};
use timely::dataflow::{Scope, StreamVec};

use super::config::{Direction, PortfolioConfig, Route};
use super::fills::FillsOut;
use super::money::Rate;
use super::quotes::QuotesOut;
use super::relation::{Changes, changes, net};
use super::risk::{Exposure, RateCloses, risk};
use super::row::{
    Drift, Edge, EdgeKey, FillFault, Portfolio, Position, PositionKey, Risk, RiskKey,
};
use super::series::Series;
use super::totals::{OfPortfolio, totals};
use super::value::Valued;
use crate::arrange::{SharedTrace, Update, arrange_local, join_local, reduce_local};
use crate::keyed::Time;

/// Changes of the rows of all tables, net and at the commits that ended their rounds. After a restore, the
/// rows that exist come again at the restored commit, and nothing else does.
pub struct Valuation<'scope> {
    /// Of positions.
    pub positions: StreamVec<'scope, Time, Update<PositionKey, Position>>,
    /// Of portfolios.
    pub portfolios: StreamVec<'scope, Time, Update<PortfolioId, Portfolio>>,
    /// Of drift.
    pub drift: StreamVec<'scope, Time, Update<PositionKey, Drift>>,
    /// Of risk.
    pub risk: StreamVec<'scope, Time, Update<RiskKey, Risk>>,
    /// Of edges; on the worker that owns the instrument.
    pub edges: StreamVec<'scope, Time, Update<EdgeKey, Edge>>,
    /// Rows of the log `fill_faults`.
    pub faults: StreamVec<'scope, Time, FillFault>,
}

/// What all workers are told of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Said {
    Mark(Price),
    Closes(Series),
    PairCloses(Series),
}

/// What a worker knows of an instrument's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Quoted {
    /// Somebody here asks for it.
    Wanted,
    Mark(Price),
}

/// A position that is open and priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Holding {
    portfolio: PortfolioId,
    quantity: i128,
    contract: Contract,
}

type By<'scope, K, V> = Arranged<'scope, SharedTrace<K, V>>;

/// What every worker knows of all instruments.
struct Told<'scope> {
    marks: Changes<'scope, (InstrumentId, Price)>,
    closes: By<'scope, InstrumentId, Series>,
    pair_closes: By<'scope, InstrumentId, Series>,
}

/// Values what the cores [`super::Fills`] and [`super::Quotes`] put out on this worker.
pub fn valuation<'scope>(
    config: &Arc<PortfolioConfig>,
    fills: StreamVec<'scope, Time, FillsOut>,
    quotes: StreamVec<'scope, Time, QuotesOut>,
) -> Valuation<'scope> {
    let faults = fills.clone().flat_map(|said| match said {
        FillsOut::Fault(fault) => Some(fault),
        FillsOut::Line { .. } => None,
    });
    let edges = changes(quotes.clone(), "Edges", |said, put| {
        let QuotesOut::Edge { key, before, after } = said else { return };
        before.into_iter().for_each(|before| put((key, before), -1));
        after.into_iter().for_each(|after| put((key, after), 1));
    });
    let told = told_to_all(quotes);

    let valued = valued(config, fills, told.marks);
    let positions = net(valued.stream.clone(), "Positions", |portfolio, valued: &Valued| {
        let key = PositionKey { portfolio: *portfolio, instrument: valued.instrument };
        valued.position().map(|row| (key, row))
    });

    let exposures = exposures(config, &valued, told.closes, told.pair_closes);
    let for_risk = config.risk;
    let measured = reduce_local(exposures, "Risk", move |_portfolio, exposures, put| {
        let exposures = exposures.iter().map(|(exposure, _)| *exposure);
        risk(&for_risk, exposures, |instrument, row| put.push(((instrument, row), 1)));
    });
    let risk = net(measured.stream, "RiskRows", |portfolio, (instrument, row)| {
        Some((RiskKey { portfolio: *portfolio, instrument: *instrument }, *row))
    });

    let accounts = Arc::clone(config);
    let totalled = reduce_local(valued, "Portfolios", move |portfolio, lines, put| {
        let lines = lines.iter().map(|(valued, _)| *valued);
        totals(&accounts.account(*portfolio), lines, |row| put.push((row, 1)));
    });
    let portfolios = net(totalled.stream.clone(), "PortfolioRows", |portfolio, row| match row {
        OfPortfolio::Totals(row) => Some((*portfolio, *row)),
        OfPortfolio::Drift(..) => None,
    });
    let drift = net(totalled.stream, "DriftRows", |portfolio, row| match row {
        OfPortfolio::Drift(instrument, row) => {
            Some((PositionKey { portfolio: *portfolio, instrument: *instrument }, *row))
        }
        OfPortfolio::Totals(_) => None,
    });
    Valuation { positions, portfolios, drift, risk, edges, faults }
}

/// Tells all workers what the cores of quotes put out on each.
fn told_to_all(quotes: StreamVec<'_, Time, QuotesOut>) -> Told<'_> {
    let said = changes(quotes, "Quotes", |said, put| match said {
        QuotesOut::Mark { instrument, before, after } => {
            before.into_iter().for_each(|mark| put((instrument, Said::Mark(mark)), -1));
            after.into_iter().for_each(|mark| put((instrument, Said::Mark(mark)), 1));
        }
        QuotesOut::Closes { instrument, of_pair, before, after } => {
            let said = if of_pair { Said::PairCloses } else { Said::Closes };
            before.into_iter().for_each(|closes| put((instrument, said(closes)), -1));
            after.into_iter().for_each(|closes| put((instrument, said(closes)), 1));
        }
        QuotesOut::Edge { .. } => {}
    });
    let (marks, closes) = said.broadcast().ok_err(|((instrument, said), time, diff)| match said {
        Said::Mark(mark) => Ok(((instrument, mark), time, diff)),
        Said::Closes(closes) => Err((((instrument, closes), false), time, diff)),
        Said::PairCloses(closes) => Err((((instrument, closes), true), time, diff)),
    });
    let (pair_closes, closes) =
        closes.container::<Vec<_>>().ok_err(|((row, of_pair), time, diff)| {
            let update = (row, time, diff);
            if of_pair { Ok(update) } else { Err(update) }
        });
    Told {
        marks: marks.container::<Vec<_>>(),
        closes: arrange_local(closes.container::<Vec<_>>(), "ByInstrument: closes"),
        pair_closes: arrange_local(
            pair_closes.container::<Vec<_>>(),
            "ByInstrument: closes of pairs",
        ),
    }
}

/// Every line with its mark and rate, by portfolio.
#[expect(clippy::result_large_err, reason = "what goes one of two ways, moved in whole containers")]
fn valued<'scope>(
    config: &Arc<PortfolioConfig>,
    fills: StreamVec<'scope, Time, FillsOut>,
    marks: Changes<'scope, (InstrumentId, Price)>,
) -> By<'scope, PortfolioId, Valued> {
    let lines = changes(fills, "Lines", |said, put| {
        let FillsOut::Line { key: PositionKey { portfolio, instrument }, before, after } = said
        else {
            return;
        };
        before.into_iter().for_each(|line| put((instrument, (portfolio, line)), -1));
        after.into_iter().for_each(|line| put((instrument, (portfolio, line)), 1));
    });
    let wanted = lines.clone().map(|((instrument, _), time, diff)| (instrument, time, diff));
    let quoted = quoted(config, wanted, marks);

    // At rate 1, or without a rate, a line is done; the others need the mark of a pair.
    let routes = Arc::clone(config);
    let marked = join_local(
        arrange_local(lines, "ByInstrument: lines"),
        quoted.clone(),
        |instrument, (portfolio, line), mark| (*portfolio, *instrument, *line, *mark),
    );
    let (done, foreign) =
        marked.ok_err(move |((portfolio, instrument, line, mark), time, diff)| {
            let rate = match routes.route(portfolio, line.contract.quote) {
                Route::Through { instrument: pair, .. } => {
                    return Err(((pair, (portfolio, instrument, line, mark)), time, diff));
                }
                Route::Same => Some(Rate::Same),
                Route::Missing => None,
            };
            Ok(((portfolio, Valued::new(instrument, line, mark, rate)), time, diff))
        });
    let routes = Arc::clone(config);
    let converted = join_local(
        arrange_local(foreign.container::<Vec<_>>(), "ByPair: lines"),
        quoted,
        move |_pair, (portfolio, instrument, line, mark), pair_mark| {
            let rate = match routes.route(*portfolio, line.contract.quote) {
                Route::Through { direction, scale, .. } => direction.rate(*pair_mark, scale),
                Route::Same | Route::Missing => None,
            };
            (*portfolio, Valued::new(*instrument, *line, *mark, rate))
        },
    );
    arrange_local(done.container::<Vec<_>>().concat(converted), "ByPortfolio: lines")
}

/// The mark, or that there is none, of every instrument that is wanted or a pair.
fn quoted<'scope>(
    config: &PortfolioConfig,
    wanted: Changes<'scope, InstrumentId>,
    marks: Changes<'scope, (InstrumentId, Price)>,
) -> By<'scope, InstrumentId, Option<Price>> {
    let pairs: Vec<_> = config.pairs.iter().map(|pair| (pair.instrument, 0, 1)).collect();
    let wanted = wanted.concat(pairs.to_stream(marks.scope()));
    let wanted = wanted.map(|(instrument, time, diff)| ((instrument, Quoted::Wanted), time, diff));
    let marks = marks
        .map(|((instrument, mark), time, diff)| ((instrument, Quoted::Mark(mark)), time, diff));
    let quoted = arrange_local(wanted.concat(marks), "ByInstrument: marks");
    reduce_local(quoted, "Marks", |_instrument, quoted, put| {
        let mark = quoted.iter().find_map(|(quoted, _)| match quoted {
            Quoted::Mark(mark) => Some(*mark),
            Quoted::Wanted => None,
        });
        if quoted.iter().any(|(quoted, _)| **quoted == Quoted::Wanted) {
            put.push((mark, 1));
        }
    })
}

/// What risk sees of each portfolio. Marks move it only where they make a position priced or not.
fn exposures<'scope>(
    config: &Arc<PortfolioConfig>,
    valued: &By<'scope, PortfolioId, Valued>,
    closes: By<'scope, InstrumentId, Series>,
    pair_closes: By<'scope, InstrumentId, Series>,
) -> By<'scope, PortfolioId, Exposure> {
    let open = net(valued.stream.clone(), "Open", |portfolio, valued: &Valued| {
        valued.open().map(|_| (*portfolio, Exposure::Open(valued.instrument)))
    });
    let priced = net(valued.stream.clone(), "Priced", |portfolio, valued: &Valued| {
        let (held, base) = valued.open()?;
        let (portfolio, contract) = (*portfolio, valued.line.contract);
        let holding = Holding { portfolio, quantity: held.quantity, contract };
        base.ok().map(|_| (valued.instrument, holding))
    });

    let routes = Arc::clone(config);
    let closed = join_local(
        arrange_local(priced, "ByInstrument: holdings"),
        closes.clone(),
        |instrument, holding, closes| (*instrument, *holding, closes.clone()),
    );
    let (done, foreign) = closed.ok_err(move |((instrument, holding, closes), time, diff)| {
        match routes.route(holding.portfolio, holding.contract.quote) {
            Route::Through { instrument: pair, .. } => {
                Err(((pair, (instrument, holding, closes)), time, diff))
            }
            Route::Same | Route::Missing => {
                Ok((holding.exposure(instrument, closes, RateCloses::Same), time, diff))
            }
        }
    });
    let routes = Arc::clone(config);
    let converted = join_local(
        arrange_local(foreign.container::<Vec<_>>(), "ByPair: holdings"),
        pair_closes,
        move |_pair, (instrument, holding, closes), of_pair: &Series| {
            let rate = match routes.route(holding.portfolio, holding.contract.quote) {
                Route::Through { direction: Direction::Over, .. } => RateCloses::Over,
                _ => RateCloses::Under,
            };
            holding.exposure(*instrument, closes.clone(), rate(of_pair.clone()))
        },
    );

    let benchmarks = benchmarks(config, valued.stream.scope());
    let compared = join_local(
        arrange_local(benchmarks, "ByInstrument: benchmarks"),
        closes,
        |_instrument, portfolio, closes| (*portfolio, Exposure::Benchmark(closes.clone())),
    );
    let all = open.concat(done.container::<Vec<_>>());
    arrange_local(all.concat(converted).concat(compared), "ByPortfolio: exposures")
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

impl Holding {
    fn exposure(
        self,
        instrument: InstrumentId,
        closes: Series,
        rate: RateCloses,
    ) -> (PortfolioId, Exposure) {
        let Holding { portfolio, quantity, contract } = self;
        (portfolio, Exposure::Held { instrument, quantity, contract, closes, rate })
    }
}
