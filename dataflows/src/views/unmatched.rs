//! The log `unmatched`.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Unmatched, UnmatchedReason};
use operators::{AuditEvent, LedgerOut};

use super::cells::{PARTITION, POSITION, SOURCE, id_cell, origin_cells};
use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, View, ViewKind, key, value};

/// The log `unmatched`: a correction or cancel of an unknown trade.
pub struct UnmatchedLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the record is bound to"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id", ColumnType::Text, "id of the trade that it names"),
    value("kind", ColumnType::Word(&["correction", "cancel"]), "correction or cancel"),
    value("time", ColumnType::Time, "event time that it carries").nullable(),
    value(
        "reason",
        ColumnType::Word(&UnmatchedReason::NAMES),
        "unknown (applied if the trade appears) or beyond_horizon",
    ),
    SOURCE,
    PARTITION,
    POSITION,
];

impl LogView for UnmatchedLog {
    type Entry = Unmatched;
    type Row = Unmatched;
    const VIEW: View = View {
        name: "unmatched",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "corrections and cancels whose trade was unknown when they came",
        history: false,
        recorded: true,
    };

    fn rows(entry: &Unmatched) -> &[Unmatched] {
        slice::from_ref(entry)
    }

    fn order(one: &Unmatched, other: &Unmatched) -> Ordering {
        one.cmp(other)
    }

    fn cells(row: &Unmatched, _commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(row.commit.0),
            Cell::Instrument(row.of.instrument),
            id_cell(row.of.id),
            Cell::Word(row.kind.name()),
            row.time.map_or(Cell::Null, Cell::Time),
            Cell::Word(row.reason.name()),
        ]);
        into.extend(origin_cells(row.origin, labels));
    }
}

impl TakeEntry for UnmatchedLog {
    type Out = LedgerOut;

    fn take(out: &LedgerOut) -> Option<Unmatched> {
        match out {
            LedgerOut::Audit(event) => match &**event {
                AuditEvent::Unmatched(row) => Some(*row),
                _ => None,
            },
            _ => None,
        }
    }
}
