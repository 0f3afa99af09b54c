//! The log `too_late`.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, TooLate};
use operators::{AuditEvent, LedgerOut};

use super::cells::{PARTITION, POSITION, SOURCE, id_cell, origin_cells, price_cell, quantity_cell};
use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, QUANTITY, View, ViewKind, key, value};

/// The log `too_late`: a trade that came too late.
pub struct TooLateLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the trade is bound to"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id", ColumnType::Text, "id of the trade"),
    value("time", ColumnType::Time, "its event time"),
    value("price", PRICE, "its price"),
    value("size", QUANTITY, "its size"),
    value("watermark", ColumnType::Time, "the instrument's watermark that judged it"),
    SOURCE,
    PARTITION,
    POSITION,
];

impl LogView for TooLateLog {
    type Entry = TooLate;
    type Row = TooLate;
    const VIEW: View = View {
        name: "too_late",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "trades older than `reject_after` allows",
        history: false,
        recorded: true,
    };

    fn rows(entry: &TooLate) -> &[TooLate] {
        slice::from_ref(entry)
    }

    fn order(one: &TooLate, other: &TooLate) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &TooLate, _commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let TooLate { commit, trade, watermark, origin } = row;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(trade.instrument),
            id_cell(trade.id),
            Cell::Time(trade.time),
            price_cell(trade.price, trade.spec),
            quantity_cell(trade.quantity, trade.spec),
            Cell::Time(*watermark),
        ]);
        into.extend(origin_cells(*origin, labels));
    }
}

impl TakeEntry for TooLateLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<TooLate> {
        match out {
            LedgerOut::Audit(event) => match &**event {
                AuditEvent::TooLate(row) => Some(*row),
                _ => None,
            },
            _ => None,
        }
    }
}
