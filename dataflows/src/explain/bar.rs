//! The trades behind a bar, and what has changed it.

use market::{Bar, BarState, Candle, CandleKey, Commit, Conflict, EventTime, Revision};
use operators::ledger::explain::{BarQuestion, BarRecords, BarTrades, LoggedRecord, RelatedIds};

use super::bar_parts::{self, EffectRow};
use super::{Completeness, JobTerms, Stop, reach_of};
use crate::publish::{LogReach, TypedCut};
use crate::views::kinds::{KeyedView, LogView};
use crate::views::{CandlesView, ConflictLog, RevisionLog, TradeLog};
use rows::readers::Allowance;
use rows::{
    CandleRow, Cell, ExplainQuestion, Explained, Explanation, ExplanationPart, Row, RowChange,
    RowFilter, Scan, View,
};

pub(super) const CANDLES: &View = &CandlesView::VIEW;

/// What the log has of a bar, and how far it reaches.
pub(super) struct BarRead {
    pub(super) records: BarRecords,
    pub(super) reach: LogReach,
}

/// Explains a bar.
pub(super) fn explain(
    terms: &JobTerms,
    asked: &ExplainQuestion,
    key: CandleKey,
    (cut, since): (&TypedCut, Option<&TypedCut>),
    allowance: &mut Allowance<'_>,
) -> Result<Explained, Stop> {
    let frontier = cut.frontier;
    let (Some(question), Some(through)) = (question(terms, &key), through(terms, &key, cut)) else {
        return Ok(Explained::NoRow(frontier));
    };
    let row = candle(cut, &key, allowance)?;
    let read = read(cut, &question, allowance)?;
    let trades = read.records.explain(&question, through);
    if row.is_none() && trades.trades.is_empty() && trades.removed.is_empty() {
        return Ok(Explained::NoRow(frontier));
    }
    let fold = folded(terms, &key, &question, &trades);
    let adds_up = match (&row, asked.as_of) {
        (Some(candle), _) => Some(fold == Some(candle.bar)),
        (None, Some(_)) => None, // a history has no bars that still grow
        (None, None) => Some(fold.is_none()),
    };
    let Completeness { complete, from_commit, why } = Completeness::of(
        read.reach,
        "the log of trades is off (`limits.trade_log_bytes = 0`)",
        "the log of trades begins later than the trades of this bar (`limits.trade_log_bytes`)",
        adds_up == Some(true),
    );
    let mut parts = bar_parts::parts(asked, &trades, fold, &cut.labels);
    if key.timeframe != terms.ledger.base {
        parts.push(base_bars(terms, asked, &question, cut, allowance)?);
    }
    let change = since.map(|since| {
        let ours = Ours { asked, key, question, row, fold, trades: &trades, through };
        change(terms, &ours, &read.records, (cut, since), allowance)
    });
    Ok(Explained::Row(Box::new(Explanation {
        frontier,
        through: Some(through),
        view: CANDLES,
        row: row.map(|candle| cells(&key, &candle)),
        complete,
        from_commit,
        why_incomplete: why,
        adds_up,
        parts,
        change: change.transpose()?,
    })))
}

/// What there is of the bar at the later point.
struct Ours<'a> {
    asked: &'a ExplainQuestion,
    key: CandleKey,
    question: BarQuestion<'a>,
    row: Option<Candle>,
    fold: Option<Bar>,
    trades: &'a BarTrades,
    through: Commit,
}

/// What has changed of a bar since the earlier point.
fn change(
    terms: &JobTerms,
    ours: &Ours<'_>,
    records: &BarRecords,
    (cut, since): (&TypedCut, &TypedCut),
    allowance: &mut Allowance<'_>,
) -> Result<RowChange, Stop> {
    let (asked, key) = (ours.asked, ours.key);
    let then = candle(since, &key, allowance)?;
    let at = through(terms, &key, since);
    let was = at.map(|at| records.explain(&ours.question, at)).unwrap_or_default();
    let columns = match (&then, &ours.row) {
        (Some(then), Some(now)) => RowChange::columns(&cells(&key, then), &cells(&key, now)),
        // Where a row is missing, because it was open then, the values that trades make say what differs.
        _ => {
            let values = |bar: Option<Bar>| bar.map(|bar| cells(&key, &unstated(bar)));
            let null = || vec![Cell::Null; CANDLES.columns.len()];
            let then = values(folded(terms, &key, &ours.question, &was)).unwrap_or_else(null);
            RowChange::columns(&then, &values(ours.fold).unwrap_or_else(null))
        }
    };
    let is_between = |commit: Commit| Some(commit) > at && commit <= ours.through;
    let effects = ours.trades.effects.iter().filter(|effect| is_between(effect.commit));
    let effects: Vec<EffectRow> =
        effects.map(|effect| EffectRow::of(effect, &ours.question)).collect();
    let mut revisions: Vec<Revision> = Vec::new();
    cut.each::<RevisionLog, Stop>(allowance, |commit, row| {
        if row.key == key && is_between(commit) {
            revisions.push(*row);
        }
        Ok(())
    })?;
    revisions.sort();
    let labels = &cut.labels;
    let revision = |row: &Revision| {
        let mut cells = Vec::new();
        RevisionLog::cells(row, row.commit, labels, &mut cells);
        cells
    };
    let columns_of_revisions = const { RevisionLog::VIEW.columns };
    let parts = vec![
        bar_parts::effects(asked, &effects, labels),
        ExplanationPart::list("revisions", columns_of_revisions, asked, &revisions, revision),
    ];
    let row = then.map(|candle| cells(&key, &candle));
    Ok(RowChange { since: since.frontier, row, columns, parts })
}

/// What is asked of the ledger; none if no bar can have this key.
pub(super) fn question<'a>(terms: &'a JobTerms, key: &CandleKey) -> Option<BarQuestion<'a>> {
    let instrument = terms.catalog.get(key.instrument)?;
    let calendar = terms.ledger.calendars.get(instrument.spec.calendar);
    let bucket = calendar.bucket(key.timeframe, key.open_time);
    (bucket.open == key.open_time).then_some(BarQuestion {
        instrument: key.instrument,
        open: bucket.open,
        end: bucket.end,
        calendar,
        base: terms.ledger.base,
        correction_horizon: terms.ledger.correction_horizon,
    })
}

/// The commit whose end a row of a cut shows: larger bars move at the ends of rounds.
fn through(terms: &JobTerms, key: &CandleKey, cut: &TypedCut) -> Option<Commit> {
    if key.timeframe == terms.ledger.base { cut.frontier.commit } else { cut.round }
}

/// The bar that the trades of a list make.
pub(super) fn folded(
    terms: &JobTerms,
    key: &CandleKey,
    question: &BarQuestion<'_>,
    trades: &BarTrades,
) -> Option<Bar> {
    let spec = terms.catalog.get(key.instrument)?.spec;
    trades.fold(spec, question.end)
}

/// Reads the records of a bar from the log of trades.
pub(super) fn read(
    cut: &TypedCut,
    question: &BarQuestion<'_>,
    allowance: &mut Allowance<'_>,
) -> Result<BarRead, Stop> {
    let (mut related, mut reach) = (RelatedIds::default(), cut.reach::<TradeLog>());
    cut.each::<TradeLog, Stop>(allowance, |commit, event| {
        if event.instrument == question.instrument {
            reach = reach_of(reach, event, commit);
            related.look_at(question, event)?;
        }
        Ok(())
    })?;
    let mut copies: Vec<Conflict> = Vec::new();
    cut.each::<ConflictLog, Stop>(allowance, |_, row| {
        if row.kept.instrument == question.instrument {
            copies.push(*row);
        }
        Ok(())
    })?;
    copies.sort_by_key(|copy| copy.commit);
    let mut copies = copies.into_iter().peekable();
    let (related, mut records) = (related.closed(), BarRecords::default());
    cut.each::<TradeLog, Stop>(allowance, |commit, event| {
        while let Some(copy) = copies.next_if(|copy| copy.commit < commit) {
            records.take_copy(&related, &copy);
        }
        Ok(records.take(question, &related, LoggedRecord { commit, event: *event })?)
    })?;
    copies.for_each(|copy| records.take_copy(&related, &copy));
    Ok(BarRead { records, reach })
}

/// The row of a key.
fn candle(
    cut: &TypedCut,
    key: &CandleKey,
    allowance: &mut Allowance<'_>,
) -> Result<Option<Candle>, Stop> {
    let filter = RowFilter::of_instrument(key.instrument).of_timeframe(key.timeframe);
    let next = EventTime(key.open_time.0.saturating_add(1));
    let filter = filter.opening(Some(key.open_time), Some(next));
    let (rows, _) =
        cut.entries::<CandlesView>(&Scan { filter, ..Scan::all(CANDLES) }, allowance)?;
    Ok(rows.first().map(|(_, candle)| **candle))
}

/// The base bars of a larger one.
fn base_bars(
    terms: &JobTerms,
    asked: &ExplainQuestion,
    question: &BarQuestion<'_>,
    cut: &TypedCut,
    allowance: &mut Allowance<'_>,
) -> Result<ExplanationPart, Stop> {
    let filter = RowFilter::of_instrument(question.instrument).of_timeframe(terms.ledger.base);
    let filter = filter.opening(Some(question.open), Some(question.end));
    let limit = asked.offset.saturating_add(asked.limit).saturating_add(1);
    let scan = Scan { filter, limit, ..Scan::all(CANDLES) };
    let (rows, _) = cut.entries::<CandlesView>(&scan, allowance)?;
    Ok(ExplanationPart::list("bars", CANDLES.columns, asked, &rows, |(key, candle)| {
        cells(key, candle)
    }))
}

pub(super) fn cells(key: &CandleKey, candle: &Candle) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(CANDLES.columns.len());
    CandleRow { key, candle }.cells(&mut cells);
    cells
}

/// A bar of which nothing but the values is known.
fn unstated(bar: Bar) -> Candle {
    Candle { bar, state: BarState::Open, revision: 0, cause: None }
}
