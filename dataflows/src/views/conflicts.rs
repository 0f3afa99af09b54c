//! The log `conflicts`.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Conflict};
use operators::{AuditEvent, LedgerOut};

use super::cells::{PARTITION, POSITION, SOURCE, id_cell, origin_cells, price_cell, quantity_cell};
use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, QUANTITY, View, ViewKind, key, value};

/// The log `conflicts`: two copies of a trade that do not agree.
pub struct ConflictLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit in which the copies met"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id", ColumnType::Text, "id of the trade"),
    value("kept_time", ColumnType::Time, "event time of the copy that counts"),
    value("kept_price", PRICE, "its price"),
    value("kept_size", QUANTITY, "its size"),
    value("dropped_time", ColumnType::Time, "event time of the copy that does not count"),
    value("dropped_price", PRICE, "its price"),
    value("dropped_size", QUANTITY, "its size"),
    SOURCE,
    PARTITION,
    POSITION,
];

impl LogView for ConflictLog {
    type Entry = Conflict;
    type Row = Conflict;
    const VIEW: View = View {
        name: "conflicts",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "copies of a trade that do not agree with the one that counts; source, partition and position are those of the copy that does not",
        history: false,
        recorded: true,
    };

    fn rows(entry: &Conflict) -> &[Conflict] {
        slice::from_ref(entry)
    }

    fn order(one: &Conflict, other: &Conflict) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &Conflict, _commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let Conflict { commit, kept, dropped, origin } = row;
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(kept.instrument),
            id_cell(kept.id),
            Cell::Time(kept.time),
            price_cell(kept.price, kept.spec),
            quantity_cell(kept.quantity, kept.spec),
            Cell::Time(dropped.time),
            price_cell(dropped.price, dropped.spec),
            quantity_cell(dropped.quantity, dropped.spec),
        ]);
        into.extend(origin_cells(*origin, labels));
    }
}

impl TakeEntry for ConflictLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<Conflict> {
        match out {
            LedgerOut::Audit(event) => match &**event {
                AuditEvent::Conflict(row) => Some(*row),
                _ => None,
            },
            _ => None,
        }
    }
}
