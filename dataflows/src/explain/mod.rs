//! Why rows are what they are: reads the logs behind a row, and has the pure cores of `operators` replay them.
//!
//! A read takes its views in one cut, so that the row and the records behind it agree. It looks at every row of a log
//! twice, as any scan does: within the allowance of its reader thread.
//!
//! Reading order: `bar` → `bar_parts` (its rows) → `mark` (the close that values a position) → `position` →
//! `position_parts`.

mod bar;
mod bar_parts;
mod mark;
mod position;
mod position_columns;
mod position_parts;

use std::sync::Arc;

use market::{AcceptedEvent, Catalog, Commit};
use operators::LedgerConfig;
use operators::ledger::explain::{EXPLAINED_RECORDS_MAX, TooManyRecords};
use operators::portfolio::PortfolioConfig;
use operators::portfolio::explain::TooManyFills;

use crate::config::Config;
use crate::publish::{BoardReader, LogReach, TypedCut};
use rows::readers::{Allowance, Exceeded, ReadStop};
use rows::{ExplainQuestion, Explained, ExplainedKey, Explainer, ReadFuture};

/// The views that explanations read.
const VIEWS: &[&str] = &["candles", "trades", "conflicts", "revisions", "positions", "fills"];

/// Explains the rows of a board.
pub struct BoardExplainer {
    reader: BoardReader,
    terms: Arc<JobTerms>,
}

/// By what the rows of a job are computed.
struct JobTerms {
    catalog: Arc<Catalog>,
    ledger: Arc<LedgerConfig>,
    portfolios: Arc<PortfolioConfig>,
}

/// Why an explanation ends early.
enum Stop {
    Exceeded,
    TooMany,
}

/// How far the log behind a row reaches, as an answer says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Completeness {
    complete: bool,
    from_commit: Option<Commit>,
    why: Option<&'static str>,
}

impl BoardExplainer {
    /// Explains what `reader` reads of a job of this configuration.
    pub fn new(reader: BoardReader, config: &Config) -> BoardExplainer {
        let terms = JobTerms {
            catalog: Arc::clone(&config.catalog),
            ledger: Arc::clone(config.job.ledger()),
            portfolios: Arc::clone(config.job.portfolios()),
        };
        BoardExplainer { reader, terms: Arc::new(terms) }
    }
}

impl Explainer for BoardExplainer {
    fn explain(&self, question: ExplainQuestion) -> ReadFuture<'static, Explained> {
        let terms = Arc::clone(&self.terms);
        let points = std::iter::once(question.as_of).chain(question.since.map(Some)).collect();
        self.reader.typed(VIEWS, points, move |cuts, allowance| {
            match explain(&terms, &question, cuts, allowance) {
                Ok(explained) => Ok(explained),
                Err(Stop::TooMany) => Ok(Explained::TooManyRecords { most: EXPLAINED_RECORDS_MAX }),
                Err(Stop::Exceeded) => Err(ReadStop::Exceeded),
            }
        })
    }
}

/// Explains a row of the first cut, and what has changed since the second, if there is one.
fn explain(
    terms: &JobTerms,
    question: &ExplainQuestion,
    cuts: &[TypedCut],
    allowance: &mut Allowance<'_>,
) -> Result<Explained, Stop> {
    let Some((cut, earlier)) = cuts.split_first() else { return Err(Stop::Exceeded) };
    let since = earlier.first();
    if let Some(since) = since.filter(|since| since.frontier > cut.frontier) {
        return Ok(Explained::SinceIsLater { since: since.frontier, frontier: cut.frontier });
    }
    match question.key {
        ExplainedKey::Bar(key) => bar::explain(terms, question, key, (cut, since), allowance),
        ExplainedKey::Position { portfolio, instrument } => {
            let key = (portfolio, instrument);
            position::explain(terms, question, key, (cut, since), allowance)
        }
    }
}

impl Completeness {
    /// Of a log that reaches so far; if what it has makes exactly the row, it lacks nothing.
    fn of(
        reach: LogReach,
        off: &'static str,
        begins_late: &'static str,
        adds_up: bool,
    ) -> Completeness {
        match reach {
            LogReach::Whole => Completeness { complete: true, from_commit: None, why: None },
            LogReach::Off => Completeness { complete: false, from_commit: None, why: Some(off) },
            LogReach::From(from) => Completeness {
                complete: adds_up,
                from_commit: Some(from),
                why: (!adds_up).then_some(begins_late),
            },
        }
    }
}

/// A log does not reach back beyond the last event of an earlier version, which does not say by what bars are folded.
fn reach_of(reach: LogReach, event: &AcceptedEvent, commit: Commit) -> LogReach {
    match (event.terms, reach) {
        (Some(_), reach) => reach,
        (None, LogReach::From(from)) => LogReach::From(from.max(commit.next())),
        (None, _) => LogReach::From(commit.next()),
    }
}

impl From<Exceeded> for Stop {
    fn from(_: Exceeded) -> Stop {
        Stop::Exceeded
    }
}

impl From<TooManyRecords> for Stop {
    fn from(_: TooManyRecords) -> Stop {
        Stop::TooMany
    }
}

impl From<TooManyFills> for Stop {
    fn from(_: TooManyFills) -> Stop {
        Stop::TooMany
    }
}
