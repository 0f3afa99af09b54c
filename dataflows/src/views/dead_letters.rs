//! The log `dead_letters`.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Rejection, RejectionReason};
use operators::heap;
use serde::{Deserialize, Serialize};

use super::kinds::LogView;
use rows::{Cell, Column, ColumnType, Labels, View, ViewKind, key, value};

/// Input that did not become a record, or a change of a view that a sink could not deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// The commit of the input; of what a sink could not deliver, the one that says so.
    pub commit: Commit,
    /// The source's name; of a sink, `sink:` and its name.
    pub source: String,
    /// The partition's name; of a sink, the view.
    pub partition: String,
    /// The position in the partition; of a sink, the commit of the change.
    pub position: u64,
    /// The reason.
    pub rejection: Rejection,
}

impl DeadLetterRow {
    /// Whether it is input, which a source counts; else it is a change that a sink could not deliver.
    pub fn is_input(&self) -> bool {
        self.rejection.reason != RejectionReason::Undelivered
    }
}

/// The log `dead_letters`.
pub struct DeadLetterLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the input is bound to, or that says what a sink could not deliver"),
    key("source", ColumnType::Text, "name of the source, or `sink:` and the name of a sink"),
    key("partition", ColumnType::Text, "name of the partition, such as the file; of a sink, the view"),
    key(
        "position",
        ColumnType::Identifier,
        "position in the partition: the line of a file, or the offset of a message of Kafka and one; of a sink, the commit of the change",
    ),
    value("reason", ColumnType::Word(&RejectionReason::NAMES), "kind of reason"),
    value("detail", ColumnType::Text, "the reason in words, with field and value"),
    value("raw", ColumnType::Text, "the input as received, or what was told, cut to 512 bytes, as text"),
    value(
        "original",
        ColumnType::Text,
        "of a message of a server: a JSON object with offset or id, key, headers or fields, and payload as they were \
             (base64, cut where `cut` is true); of a sink: the change as a webhook gets it",
    )
    .nullable(),
];

impl LogView for DeadLetterLog {
    type Entry = DeadLetterRow;
    type Row = DeadLetterRow;
    const VIEW: View = View {
        name: "dead_letters",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "input that could not become a record, changes that a sink could not deliver, and why",
        history: false,
        recorded: true,
    };

    fn rows(row: &DeadLetterRow) -> &[DeadLetterRow] {
        slice::from_ref(row)
    }

    fn bytes(row: &DeadLetterRow) -> usize {
        let Rejection { detail, raw, original, .. } = &row.rejection;
        let texts = [&row.source, &row.partition, detail, raw];
        let texts = texts.map(|text| heap::vec::<u8>(text.capacity()));
        let original = original.as_ref().map_or(0, |original| original.len());
        size_of::<DeadLetterRow>() + texts.iter().sum::<usize>() + original
    }

    fn order(one: &DeadLetterRow, other: &DeadLetterRow) -> Ordering {
        let key = |row: &DeadLetterRow| (row.source.clone(), row.partition.clone(), row.position);
        key(one).cmp(&key(other))
    }

    fn cells(row: &DeadLetterRow, _commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Unsigned(row.commit.0),
            Cell::Text(row.source.clone()),
            Cell::Text(row.partition.clone()),
            Cell::Identifier(row.position),
            Cell::Word(row.rejection.reason.name()),
            Cell::Text(row.rejection.detail.clone()),
            Cell::Text(row.rejection.raw.clone()),
            row.rejection
                .original
                .as_deref()
                .map_or(Cell::Null, |text| Cell::Text(text.to_owned())),
        ]);
    }
}
