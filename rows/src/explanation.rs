//! Why a row is what it is: the interface that says which records are behind a row.

use market::{CandleKey, Commit, InstrumentId, PortfolioId};

use crate::cell::Cell;
use crate::column::Column;
use crate::reader::{AsOf, Frontier, ReadFuture};
use crate::view::View;

/// The row that is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainedKey {
    /// A row of `candles`.
    Bar(CandleKey),
    /// A row of `positions`.
    Position {
        /// Whose.
        portfolio: PortfolioId,
        /// Of what.
        instrument: InstrumentId,
    },
}

/// What is asked of a row.
#[derive(Clone, Copy, Debug)]
pub struct ExplainQuestion {
    /// Which row.
    pub key: ExplainedKey,
    /// As of the latest snapshot point at or before this; none: as it is now.
    pub as_of: Option<AsOf>,
    /// What has changed since the latest snapshot point at or before this.
    pub since: Option<AsOf>,
    /// Of each list, so many of the first entries are left out.
    pub offset: usize,
    /// The most entries of each list.
    pub limit: usize,
}

/// What the answer is.
#[derive(Clone, Debug)]
pub enum Explained {
    /// There is the row, or there was.
    Row(Box<Explanation>),
    /// There is no row of this key, and nothing that is left of one.
    NoRow(Frontier),
    /// The first point lies after the second.
    SinceIsLater {
        /// The first.
        since: Frontier,
        /// The second.
        frontier: Frontier,
    },
    /// More records are behind the row than one answer may read.
    TooManyRecords {
        /// The most.
        most: usize,
    },
}

/// What is behind a row.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The frontier of the answer.
    pub frontier: Frontier,
    /// The commit whose end the row shows: that of the frontier, or that which ended the last round.
    pub through: Option<Commit>,
    /// The view of the row.
    pub view: &'static View,
    /// The row; none if there is none (any more).
    pub row: Option<Vec<Cell>>,
    /// Whether the lists have all that is behind the row.
    pub complete: bool,
    /// The first commit whose records the lists have; none if they have all that there ever were, or none at all.
    pub from_commit: Option<Commit>,
    /// Why they may lack some.
    pub why_incomplete: Option<&'static str>,
    /// Whether what is listed makes exactly the row, by its definition; none if there is no row to compare with.
    pub adds_up: Option<bool>,
    /// The parts, in order.
    pub parts: Vec<ExplanationPart>,
    /// What has changed, if that was asked for.
    pub change: Option<RowChange>,
}

/// A part of an explanation. Its rows have a cell per column.
#[derive(Clone, Debug)]
pub struct ExplanationPart {
    /// Its name.
    pub name: &'static str,
    /// The columns of its rows.
    pub columns: &'static [Column],
    /// Its rows.
    pub rows: PartRows,
}

/// The rows of a part.
#[derive(Clone, Debug)]
pub enum PartRows {
    /// One, or none.
    One(Option<Vec<Cell>>),
    /// A list, from an offset up to a limit.
    List {
        /// The rows.
        rows: Vec<Vec<Cell>>,
        /// Whether the limit left any out.
        more: bool,
    },
}

/// What has changed of a row.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// The point since when.
    pub since: Frontier,
    /// The row as it was; none if the view has none of then.
    pub row: Option<Vec<Cell>>,
    /// The columns that differ: number, and the cells then and now.
    pub columns: Vec<(usize, Cell, Cell)>,
    /// The parts, in order.
    pub parts: Vec<ExplanationPart>,
}

/// Explains rows of the views of a process.
///
/// Who is asked knows no limits of clients: it is only asked for rows that the client may see.
pub trait Explainer: Send + Sync {
    /// What is behind a row, at one frontier.
    fn explain(&self, question: ExplainQuestion) -> ReadFuture<'static, Explained>;
}

impl ExplanationPart {
    /// A part that is one row.
    pub fn one(
        name: &'static str,
        columns: &'static [Column],
        row: Option<Vec<Cell>>,
    ) -> ExplanationPart {
        ExplanationPart { name, columns, rows: PartRows::One(row) }
    }

    /// A list, of which `question` shows a part; `row` makes the row of an entry.
    pub fn list<T>(
        name: &'static str,
        columns: &'static [Column],
        question: &ExplainQuestion,
        entries: &[T],
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> ExplanationPart {
        let shown = entries.iter().skip(question.offset).take(question.limit);
        let rows: Vec<Vec<Cell>> = shown.map(row).collect();
        let more = question.offset.saturating_add(rows.len()) < entries.len();
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()), "{name}");
        ExplanationPart { name, columns, rows: PartRows::List { rows, more } }
    }
}

impl RowChange {
    /// The columns in which two rows differ.
    pub fn columns(then: &[Cell], now: &[Cell]) -> Vec<(usize, Cell, Cell)> {
        let both = then.iter().zip(now).enumerate().filter(|(_, (then, now))| then != now);
        both.map(|(at, (then, now))| (at, then.clone(), now.clone())).collect()
    }
}
