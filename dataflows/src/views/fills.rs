//! The log `fills`: accepted fills, corrections and busts.

use std::cmp::Ordering;
use std::slice;

use market::{AccountEvent, AccountRecord, Commit, EventTime, Fill, FillRef, Side};

use super::cells::{MONEY, PARTITION, POSITION, SOURCE, decimal, money, origin_cells, price_cell};
use super::kinds::{LogBound, LogView, TakeEntry};
use rows::{
    Cell, Column, ColumnType, Labels, PRICE, QUANTITY, RowFilter, Unit, View, ViewKind, key, value,
};

/// The log `fills`: what positions are folded from.
pub struct FillLog;

/// The names of what a row may be.
pub const FILL_KINDS: [&str; 3] = ["fill", "correction", "bust"];

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the event is bound to"),
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    value("kind", ColumnType::Word(&FILL_KINDS), "fill, correction or bust"),
    value(
        "id",
        ColumnType::Text,
        "id of the fill, of that which is corrected, or of that which did not happen",
    ),
    value("instrument", ColumnType::Instrument, "name of the instrument; empty of a bust")
        .nullable(),
    value("time", ColumnType::Time, "event time; of a bust, when it was sent, if it has one")
        .nullable(),
    value(
        "side",
        ColumnType::Word(&Side::NAMES),
        "what was done; of a bust of whichever side unknown",
    ),
    value("price", PRICE, "price; empty of a bust").nullable(),
    value("quantity", QUANTITY, "above 0 bought, below 0 sold; empty of a bust").nullable(),
    value("fee", MONEY, "what it cost besides; empty of a bust").unit(Unit::Named).nullable(),
    value("fee_currency", ColumnType::Currency, "what that was paid in").nullable(),
    SOURCE,
    PARTITION,
    POSITION,
];

impl LogView for FillLog {
    type Entry = AccountRecord;
    type Row = AccountRecord;
    const VIEW: View = View {
        name: "fills",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "accepted fills, their corrections and busts, without copies of fills that change nothing",
        history: false,
        recorded: true,
    };
    const BOUND: LogBound = LogBound::ReadLogBytes;

    fn rows(record: &AccountRecord) -> &[AccountRecord] {
        slice::from_ref(record)
    }

    fn may_match(record: &AccountRecord, filter: &RowFilter) -> bool {
        let Some((name, ..)) = parts(&record.event) else { return false };
        filter.portfolios.as_ref().is_none_or(|of| of.contains(&name.portfolio))
    }

    /// In the order of records.
    fn order(one: &AccountRecord, other: &AccountRecord) -> Ordering {
        one.origin.cmp(&other.origin)
    }

    fn cells(record: &AccountRecord, commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let Some((name, kind, side, time)) = parts(&record.event) else { return };
        let fill = fill_of(&record.event);
        let of_fill = |cell: fn(&Fill) -> Cell| fill.map_or(Cell::Null, cell);
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Portfolio(name.portfolio),
            Cell::Word(kind),
            Cell::TradeId(name.id),
            of_fill(|fill| Cell::Instrument(fill.instrument)),
            time.map_or(Cell::Null, Cell::Time),
            Cell::Word(side.name()),
            of_fill(|fill| price_cell(fill.price, fill.contract.spec)),
            of_fill(|fill| decimal(Some(fill.quantity.into()), fill.contract.spec.quantity_scale)),
            of_fill(|fill| money(Some(fill.fee.into()))),
            of_fill(|fill| Cell::Currency(fill.fee_currency)),
        ]);
        into.extend(origin_cells(record.origin, labels));
    }
}

/// The name of the fill that an event is about, what it says of it, of which side, and when; none of other events.
fn parts(event: &AccountEvent) -> Option<(FillRef, &'static str, Side, Option<EventTime>)> {
    Some(match event {
        AccountEvent::Fill(fill) => (fill.name, FILL_KINDS[0], fill.side(), Some(fill.time)),
        AccountEvent::Correct(with) => (with.name, FILL_KINDS[1], with.side(), Some(with.time)),
        AccountEvent::Bust { of, side, time } => (*of, FILL_KINDS[2], *side, *time),
        AccountEvent::Target(_) | AccountEvent::Fair(_) => return None,
    })
}

fn fill_of(event: &AccountEvent) -> Option<&Fill> {
    match event {
        AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => Some(fill),
        _ => None,
    }
}

impl TakeEntry for FillLog {
    type Out = AccountRecord;

    fn take(record: &AccountRecord) -> Option<AccountRecord> {
        Some(*record)
    }
}
