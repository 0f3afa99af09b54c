//! The log `control`: what somebody decided about the job while it ran.

use std::cmp::Ordering;
use std::slice;

use market::Commit;
use operators::heap;
use serde::{Deserialize, Serialize};

use super::kinds::LogView;
use rows::{Cell, Column, ColumnType, Labels, View, ViewKind, key, value};

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRow {
    /// The commit from which on it counts.
    pub commit: Commit,
    /// Of several of the commit, the how manieth it is, from 0.
    pub number: u32,
    /// What was decided.
    pub kind: ControlKind,
    /// The name of the source that it is about.
    pub source: String,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlKind {
    /// Nothing more is taken of a source.
    Paused,
    /// Events of a source are taken again.
    Resumed,
}

impl ControlKind {
    const NAMES: [&'static str; 2] = ["paused", "resumed"];

    fn name(self) -> &'static str {
        ControlKind::NAMES[self as usize]
    }
}

/// The log `control`.
pub struct ControlLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit from which on it counts"),
    key("number", ColumnType::Unsigned, "of several of the commit, the how manieth it is, from 0"),
    value(
        "kind",
        ColumnType::Word(&ControlKind::NAMES),
        "paused: nothing more is taken of the source; resumed: it is taken again",
    ),
    value("source", ColumnType::Text, "name of the source"),
];

impl LogView for ControlLog {
    type Entry = ControlRow;
    type Row = ControlRow;
    const VIEW: View = View {
        name: "control",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "what was decided about the job while it ran",
        history: false,
        recorded: false,
    };

    fn rows(row: &ControlRow) -> &[ControlRow] {
        slice::from_ref(row)
    }

    fn bytes(row: &ControlRow) -> usize {
        size_of::<ControlRow>() + heap::vec::<u8>(row.source.capacity())
    }

    fn order(one: &ControlRow, other: &ControlRow) -> Ordering {
        one.number.cmp(&other.number)
    }

    fn cells(row: &ControlRow, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(row.commit.0),
            Cell::Unsigned(row.number.into()),
            Cell::Word(row.kind.name()),
            Cell::Text(row.source.clone()),
        ]);
    }
}
