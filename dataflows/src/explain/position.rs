//! The fills behind a position, and the mark and the rate that value it.

use std::collections::BTreeMap;

use market::{Commit, InstrumentId, PortfolioId, Price};
use operators::portfolio::explain::{
    LoggedFill, PositionFills, PositionQuestion, PositionRecords, mark_effect,
};
use operators::portfolio::{Position, PositionKey};

use super::mark::{Mark, mark};
use super::position_parts::{self, Profit};
use super::{Completeness, JobTerms, Stop};
use crate::publish::TypedCut;
use crate::views::kinds::KeyedView;
use crate::views::{FillLog, PositionsView};
use rows::readers::Allowance;
use rows::{Cell, ExplainQuestion, Explained, Explanation, RowChange, RowFilter, Scan, View};

const POSITIONS: &View = &PositionsView::VIEW;

/// A position at a point, with what values it.
struct At<'a> {
    question: PositionQuestion<'a>,
    fills: PositionFills,
    row: Option<Position>,
    mark: Option<Mark>,
    pairs: BTreeMap<InstrumentId, Option<Mark>>,
}

/// Explains a position.
pub(super) fn explain(
    terms: &JobTerms,
    asked: &ExplainQuestion,
    (portfolio, instrument): (PortfolioId, InstrumentId),
    (cut, since): (&TypedCut, Option<&TypedCut>),
    allowance: &mut Allowance<'_>,
) -> Result<Explained, Stop> {
    let frontier = cut.frontier;
    let Some(through) = cut.round else { return Ok(Explained::NoRow(frontier)) };
    let question = PositionQuestion { portfolio, instrument, config: &terms.portfolios };
    let records = read(cut, &question, allowance)?;
    let now = at(terms, question, &records, (cut, through), allowance)?;
    if now.row.is_none() && now.fills.fills.is_empty() && now.fills.removed.is_empty() {
        return Ok(Explained::NoRow(frontier));
    }
    let mut adds_up = now.adds_up();
    let change = match since {
        None => None,
        Some(since) => {
            let (change, is_whole) = change(asked, (&now, cut), &records, since, allowance)?;
            adds_up &= is_whole;
            Some(change)
        }
    };
    let Completeness { complete, from_commit, why } = Completeness::of(
        cut.reach::<FillLog>(),
        "the log of fills is off (`limits.log_bytes = 0`)",
        "the log of fills begins later than the fills of this position (`limits.log_bytes`)",
        adds_up,
    );
    Ok(Explained::Row(Box::new(Explanation {
        frontier,
        through: Some(through),
        view: POSITIONS,
        row: now.row.map(|position| now.cells(position, &cut.labels)),
        complete,
        from_commit,
        why_incomplete: why,
        adds_up: Some(adds_up),
        parts: now.parts(asked, &cut.labels),
        change,
    })))
}

/// Reads the records of a position from the log of fills.
fn read(
    cut: &TypedCut,
    question: &PositionQuestion<'_>,
    allowance: &mut Allowance<'_>,
) -> Result<PositionRecords, Stop> {
    let mut records = PositionRecords::default();
    cut.each::<FillLog, Stop>(allowance, |_, record| Ok(records.look_at(question, record)?))?;
    cut.each::<FillLog, Stop>(allowance, |commit, record| {
        Ok(records.take(question, LoggedFill { commit, record: *record })?)
    })?;
    Ok(records)
}

fn at<'a>(
    terms: &JobTerms,
    question: PositionQuestion<'a>,
    records: &PositionRecords,
    (cut, through): (&TypedCut, Commit),
    allowance: &mut Allowance<'_>,
) -> Result<At<'a>, Stop> {
    let fills = records.explain(&question, through);
    let row = position(cut, &question, allowance)?;
    let shown = row.and_then(|row| row.mark);
    let own_mark = mark(terms, (question.instrument, shown), (cut, through), allowance)?;
    let mut pairs = BTreeMap::new();
    if let (Some(contract), Some(held)) = (fills.contract(), &fills.held) {
        for pair in question.pairs(contract, held) {
            pairs.insert(pair, mark(terms, (pair, None), (cut, through), allowance)?);
        }
    }
    Ok(At { question, fills, row, mark: own_mark, pairs })
}

/// The row of a position.
fn position(
    cut: &TypedCut,
    question: &PositionQuestion<'_>,
    allowance: &mut Allowance<'_>,
) -> Result<Option<Position>, Stop> {
    let filter = RowFilter {
        portfolios: Some(vec![question.portfolio]),
        ..RowFilter::of_instrument(question.instrument)
    };
    let scan = Scan { filter, ..Scan::all(POSITIONS) };
    let (rows, _) = cut.entries::<PositionsView>(&scan, allowance)?;
    Ok(rows.first().map(|(_, position)| **position))
}

impl At<'_> {
    fn price(&self) -> Option<Price> {
        self.mark.map(|mark| mark.price)
    }

    fn pair_mark(&self, pair: InstrumentId) -> Option<Price> {
        self.pairs.get(&pair).copied().flatten().map(|mark| mark.price)
    }

    /// What the listed fills, the mark and the rates make.
    fn made(&self) -> Option<Position> {
        let (contract, held) = (self.fills.contract()?, self.fills.held.as_ref()?);
        self.question.value(contract, held, self.price(), |pair| self.pair_mark(pair))
    }

    /// Whether that is exactly the row.
    fn adds_up(&self) -> bool {
        self.made() == self.row
    }

    fn cells(&self, position: Position, labels: &rows::Labels) -> Vec<Cell> {
        let PositionQuestion { portfolio, instrument, .. } = self.question;
        let (key, mut cells) = (PositionKey { portfolio, instrument }, Vec::new());
        PositionsView::cells(&key, &position.into(), 0, labels, &mut cells);
        cells
    }

    fn parts(&self, asked: &ExplainQuestion, labels: &rows::Labels) -> Vec<rows::ExplanationPart> {
        let quote = self.fills.contract().map(|contract| contract.quote);
        let route = quote.and_then(|from| self.question.route(from, |pair| self.pair_mark(pair)));
        position_parts::parts(asked, &self.fills, (self.mark, route), labels)
    }
}

/// What has changed of a position since the earlier point, and whether the parts of that come to the whole.
fn change(
    asked: &ExplainQuestion,
    (now, cut): (&At<'_>, &TypedCut),
    records: &PositionRecords,
    since: &TypedCut,
    allowance: &mut Allowance<'_>,
) -> Result<(RowChange, bool), Stop> {
    let then = position(since, &now.question, allowance)?;
    let at = since.round;
    let fills = at.map(|at| records.explain(&now.question, at)).unwrap_or_default();
    let changes = match at {
        Some(at) => now.fills.changes_since(records, (&fills, at), now.price()),
        None => Vec::new(),
    };
    let profit = profit(now, then.as_ref(), &changes);
    let is_whole = profit.is_whole();
    let null = || vec![Cell::Null; POSITIONS.columns.len()];
    let cells = |row: Option<Position>| row.map(|row| now.cells(row, &cut.labels));
    let (was, is) = (cells(then), cells(now.row));
    let columns =
        RowChange::columns(was.as_ref().unwrap_or(&null()), is.as_ref().unwrap_or(&null()));
    let parts = position_parts::changes(asked, &changes, &profit, &cut.labels);
    Ok((RowChange { since: since.frontier, row: was, columns, parts }, is_whole))
}

/// The change of profit, and what made it.
fn profit(
    now: &At<'_>,
    then: Option<&Position>,
    changes: &[operators::portfolio::explain::FillChange],
) -> Profit {
    let contract = now.row.as_ref().or(then).map(|row| row.contract);
    let native = |row: Option<&Position>| match row {
        None => Some(0),
        Some(row) => row.realised.checked_add(row.unrealised?),
    };
    let base = |row: Option<&Position>| match row {
        None => Some(0),
        Some(row) => row.base.ok()?.profit(),
    };
    let by_fills = changes.iter().try_fold(0_i128, |sum, change| sum.checked_add(change.profit?));
    let held = then.map_or(0, |row| row.quantity);
    let marks = (then.and_then(|row| row.mark), now.price());
    let by_mark = contract.and_then(|contract| mark_effect(contract, held, marks));
    let at_rate = match then {
        None => Some(0),
        Some(then) => now.question.profit_at(then, |pair| now.pair_mark(pair)),
    };
    Profit {
        contract,
        then: native(then),
        now: native(now.row.as_ref()),
        by_fills,
        by_mark,
        base_then: base(then),
        base_now: base(now.row.as_ref()),
        base_at_rate: at_rate,
    }
}
