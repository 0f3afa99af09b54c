//! The log `incidents`.

use std::cmp::Ordering;
use std::slice;

use connectors::IncidentKind;
use market::Commit;
use operators::heap;
use serde::{Deserialize, Serialize};

use super::kinds::LogView;
use rows::{Cell, Column, ColumnType, Labels, View, ViewKind, key, value};

/// An event of a partition of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRow {
    /// The commit that follows it.
    pub commit: Commit,
    /// Of several of the commit, the how manieth it is, from 0.
    pub number: u32,
    /// The source's name.
    pub source: String,
    /// The partition's name.
    pub partition: String,
    /// What it is.
    pub kind: IncidentKind,
    /// The first and the last lost position, if known.
    pub lost: Option<(u64, u64)>,
    /// What happened, in words.
    pub detail: String,
}

/// The log `incidents`.
pub struct IncidentLog;

const COLUMNS: &[Column] = &[
    key(
        "commit",
        ColumnType::Unsigned,
        "commit that was at hand; rows read before are in it or in earlier ones",
    ),
    key("number", ColumnType::Unsigned, "of several of the commit, the how manieth it is, from 0"),
    value("source", ColumnType::Text, "name of the source"),
    value("partition", ColumnType::Text, "name of the partition"),
    value(
        "kind",
        ColumnType::Word(&IncidentKind::NAMES),
        "connected; disconnected: tried again and again; gap: rows that were there cannot be read any more; \
             failed: cannot be read, opened again and again, its watermark stands meanwhile; \
             given_up: nothing was heard of it for `give_up_after`, so bars do not wait for it any more; \
             warning: nothing is lost, and its operator should know",
    ),
    value("lost_from", ColumnType::Identifier, "first position that was lost, if known").nullable(),
    value("lost_to", ColumnType::Identifier, "last position that was lost, if known").nullable(),
    value("detail", ColumnType::Text, "what happened, in words"),
];

impl LogView for IncidentLog {
    type Entry = IncidentRow;
    type Row = IncidentRow;
    const VIEW: View = View {
        name: "incidents",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "events of connections of sources: disconnected, connected again, rows that cannot be read any more",
        history: false,
        recorded: false,
    };

    fn rows(row: &IncidentRow) -> &[IncidentRow] {
        slice::from_ref(row)
    }

    fn bytes(row: &IncidentRow) -> usize {
        let texts = [&row.source, &row.partition, &row.detail];
        let texts = texts.map(|text| heap::vec::<u8>(text.capacity()));
        size_of::<IncidentRow>() + texts.iter().sum::<usize>()
    }

    /// In the order of arrival: one thread appends them, and the sort is stable.
    fn order(_one: &IncidentRow, _other: &IncidentRow) -> Ordering {
        Ordering::Equal
    }

    fn cells(row: &IncidentRow, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        let IncidentRow { commit, number, source, partition, kind, lost, detail } = row;
        let position = |position: Option<u64>| position.map_or(Cell::Null, Cell::Identifier);
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Unsigned((*number).into()),
            Cell::Text(source.clone()),
            Cell::Text(partition.clone()),
            Cell::Word(kind.name()),
            position(lost.map(|(first, _)| first)),
            position(lost.map(|(_, last)| last)),
            Cell::Text(detail.clone()),
        ]);
    }
}
