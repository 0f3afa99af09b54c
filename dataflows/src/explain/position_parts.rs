//! The parts of the explanation of a position: their columns and rows.

use market::{AccountEvent, AccountRecord, Contract, Fill};
use operators::portfolio::RateSource;
use operators::portfolio::explain::{
    CountedFill, FillChange, LoggedFill, PositionFills, RemovedFill, RouteLeg,
};

use super::bar_parts::{place_cells, record_cells};
use super::mark::Mark;
use super::position_columns::{
    APPLIED, CHANGED, FILLS, MARK, PROFIT, RATES, REMOVALS, REMOVED, SUMS,
};
use crate::views::FILL_KINDS;
use crate::views::cells::{decimal, id_cell, money, price_cell};
use rows::{Cell, ExplainQuestion, ExplanationPart, Labels};

/// The change of the profit of a position. Amounts are at the native scale, or in the base currency.
pub(super) struct Profit {
    pub(super) contract: Option<Contract>,
    pub(super) then: Option<i128>,
    pub(super) now: Option<i128>,
    pub(super) by_fills: Option<i128>,
    pub(super) by_mark: Option<i128>,
    pub(super) base_then: Option<i128>,
    pub(super) base_now: Option<i128>,
    /// The profit of then at the rate of now.
    pub(super) base_at_rate: Option<i128>,
}

impl Profit {
    /// Whether what fills and the mark made comes to the difference, as far as all of it is known.
    pub(super) fn is_whole(&self) -> bool {
        let Profit { then, now, by_fills, by_mark, .. } = self;
        match (then, now, by_fills, by_mark) {
            (Some(then), Some(now), Some(fills), Some(mark)) => then + fills + mark == *now,
            _ => true,
        }
    }
}

/// The parts of a position.
pub(super) fn parts(
    asked: &ExplainQuestion,
    fills: &PositionFills,
    (mark, route): (Option<Mark>, Option<Vec<RouteLeg>>),
    labels: &Labels,
) -> Vec<ExplanationPart> {
    let route: Vec<(u64, RouteLeg)> = (1..).zip(route.unwrap_or_default()).collect();
    vec![
        ExplanationPart::one("sums", SUMS, Some(sums(fills))),
        ExplanationPart::list("fills", FILLS, asked, &fills.fills, |one| counted(one, labels)),
        ExplanationPart::list("removed", REMOVED, asked, &fills.removed, |one| {
            removed(one, labels)
        }),
        ExplanationPart::one("mark", MARK, mark.map(|mark| mark_cells(&mark, labels))),
        // There are a few at most, and they are shown whole.
        ExplanationPart::list(
            "rates",
            RATES,
            &ExplainQuestion { offset: 0, ..*asked },
            &route,
            leg,
        ),
    ]
}

/// The parts of a change.
pub(super) fn changes(
    asked: &ExplainQuestion,
    changes: &[FillChange],
    profit: &Profit,
    labels: &Labels,
) -> Vec<ExplanationPart> {
    let changed = |change: &FillChange| changed(change, labels);
    vec![
        ExplanationPart::list("fills", CHANGED, asked, changes, changed),
        ExplanationPart::one("profit", PROFIT, Some(profit_cells(profit))),
    ]
}

fn sums(fills: &PositionFills) -> Vec<Cell> {
    let (contract, held) = (fills.contract(), fills.held.as_ref());
    let native = |amount: Option<i128>| {
        contract.map_or(Cell::Null, |contract| decimal(amount, contract.native_scale()))
    };
    let quantity = contract.map_or(Cell::Null, |contract| {
        decimal(held.map(|held| held.quantity), contract.spec.quantity_scale)
    });
    vec![
        Cell::Unsigned(fills.fills.len() as u64),
        Cell::Unsigned(fills.removed.len() as u64),
        quantity,
        native(held.map(|held| held.basis)),
        native(held.map(|held| held.realised)),
        money(held.map(|held| held.fees)),
    ]
}

fn quantity(fill: &Fill) -> Cell {
    decimal(Some(fill.quantity.into()), fill.contract.spec.quantity_scale)
}

fn price(fill: &Fill) -> Cell {
    price_cell(fill.price, fill.contract.spec)
}

fn place(logged: Option<&LoggedFill>, labels: &Labels) -> Vec<Cell> {
    place_cells(logged.map(|logged| (logged.commit, logged.record.origin)), labels)
}

fn counted(one: &CountedFill, labels: &Labels) -> Vec<Cell> {
    let CountedFill { fill, report, correction, realised, quantity_after, basis_after } = one;
    let native = |amount: i128| decimal(Some(amount), fill.contract.native_scale());
    let mut cells = vec![
        id_cell(fill.name.id),
        Cell::Time(fill.time),
        price(fill),
        quantity(fill),
        money(Some(fill.fee.into())),
        Cell::Currency(fill.fee_currency),
        native(*realised),
        decimal(Some(*quantity_after), fill.contract.spec.quantity_scale),
        native(*basis_after),
    ];
    cells.extend(place(Some(report), labels));
    cells.extend(place(correction.as_ref(), labels));
    cells
}

fn removed(one: &RemovedFill, labels: &Labels) -> Vec<Cell> {
    let RemovedFill { fill, report, moved_to, by } = one;
    let mut cells = vec![id_cell(fill.name.id), Cell::Time(fill.time), price(fill), quantity(fill)];
    cells.extend(place(Some(report), labels));
    cells.push(Cell::Word(REMOVALS[usize::from(moved_to.is_some())]));
    cells.push(moved_to.map_or(Cell::Null, Cell::Instrument));
    cells.extend(place(by.as_ref(), labels));
    cells
}

fn mark_cells(mark: &Mark, labels: &Labels) -> Vec<Cell> {
    let Mark { price, spec, key, state, trade } = mark;
    let mut cells = vec![
        Cell::Instrument(key.instrument),
        price_cell(*price, *spec),
        Cell::Timeframe(key.timeframe),
        Cell::Time(key.open_time),
        state.map_or(Cell::Null, |state| Cell::Word(state.name())),
        trade.map_or(Cell::Null, |one| id_cell(one.trade.id)),
        trade.map_or(Cell::Null, |one| Cell::Time(one.trade.time)),
    ];
    cells.extend(record_cells(trade.as_ref().map(|one| &one.report), labels));
    cells
}

fn leg((number, leg): &(u64, RouteLeg)) -> Vec<Cell> {
    let (pair, scale) = match leg.source {
        RateSource::Mark { instrument, spec } => (Cell::Instrument(instrument), spec.price_scale),
        RateSource::Fixed { scale, .. } => (Cell::Null, scale),
    };
    vec![
        Cell::Unsigned(*number),
        pair,
        Cell::Word(APPLIED[usize::from(leg.divides)]),
        decimal(leg.price.map(|price| price.0.into()), scale),
    ]
}

fn changed(change: &FillChange, labels: &Labels) -> Vec<Cell> {
    let FillChange { before, after, by, profit } = change;
    let of = |fill: &Option<Fill>, cell: fn(&Fill) -> Cell| fill.as_ref().map_or(Cell::Null, cell);
    let either = before.or(*after);
    let native = |fill: Fill| decimal(*profit, fill.contract.native_scale());
    let mut cells = vec![
        either.map_or(Cell::Null, |fill| id_cell(fill.name.id)),
        of(before, price),
        of(before, quantity),
        of(after, price),
        of(after, quantity),
        either.map_or(Cell::Null, native),
        by.map_or(Cell::Null, |by| kind(&by.record)),
    ];
    cells.extend(place(by.as_ref(), labels));
    cells
}

fn kind(record: &AccountRecord) -> Cell {
    match record.event {
        AccountEvent::Fill(_) => Cell::Word(FILL_KINDS[0]),
        AccountEvent::Correct(_) => Cell::Word(FILL_KINDS[1]),
        AccountEvent::Bust { .. } => Cell::Word(FILL_KINDS[2]),
        AccountEvent::Target(_) | AccountEvent::Fair(_) => Cell::Null,
    }
}

fn profit_cells(profit: &Profit) -> Vec<Cell> {
    let Profit { contract, then, now, by_fills, by_mark, base_then, base_now, base_at_rate } =
        profit;
    let native = |amount: &Option<i128>| {
        contract.map_or(Cell::Null, |contract| decimal(*amount, contract.native_scale()))
    };
    let less =
        |one: &Option<i128>, other: &Option<i128>| one.and_then(|one| one.checked_sub((*other)?));
    vec![
        native(then),
        native(now),
        native(by_fills),
        native(by_mark),
        money(*base_then),
        money(*base_now),
        money(less(base_at_rate, base_then)),
        money(less(base_now, base_at_rate)),
    ]
}
