//! The log `events`: everything that happens, in one form.

use super::kinds::{LogView, UnionPart, UnionView};
use super::{
    AlertEventLog, ConflictLog, ControlLog, DeadLetterLog, GapEventLog, IncidentLog, OutlierLog,
    RevisionLog, TooLateLog, TradeLog, UnmatchedLog,
};
use market::Side;
use rows::{Column, ColumnType, PRICE, QUANTITY, View, ViewKind, key, value};

/// The log `events`: a row per row of each of its parts.
pub struct EventLog;

const TYPES: &[&str] = &[
    "trade",
    "correction",
    "cancel",
    "late",
    "outlier",
    "conflict",
    "unmatched",
    "revision",
    "alert",
    "gap",
    "incident",
    "dead_letter",
    "control",
];

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that the event is bound to"),
    key("type", ColumnType::Word(TYPES), "what happened; the log of this kind says more"),
    value("instrument", ColumnType::Instrument, "name of the instrument, if it is of one").nullable(),
    value("timeframe", ColumnType::Timeframe, "of a revision or alert, that of the bar").nullable(),
    value(
        "time",
        ColumnType::Time,
        "event time; of a revision or alert when the bar opens, of a gap that of the trade before it, of a conflict that of the \
         copy that counts",
    )
    .nullable(),
    value(
        "kind",
        ColumnType::Text,
        "of an alert, a gap, an incident or a control: what became of it; of a revision the kind of its cause; of a dead \
         letter the reason; of an outlier or something unmatched the kind of the record",
    )
    .nullable(),
    value("id", ColumnType::Text, "id of the trade; of a revision, of its cause").nullable(),
    value("of", ColumnType::Text, "id of the trade that is corrected or cancelled").nullable(),
    value("rule", ColumnType::Text, "of an alert or a control, the name of the rule").nullable(),
    value("price", PRICE, "price; of a revision the close after it, of an alert that at raising").nullable(),
    value("size", QUANTITY, "size; of a revision the volume after it").nullable(),
    value("side", ColumnType::Word(&Side::NAMES), "who took liquidity").nullable(),
    value("source", ColumnType::Text, "name of the source").nullable(),
    value("partition", ColumnType::Text, "name of the partition, such as the file").nullable(),
    value("position", ColumnType::Identifier, "position in the partition").nullable(),
    value("by", ColumnType::Text, "who has acknowledged an alert, or decided something").nullable(),
    value("detail", ColumnType::Text, "more, in words; of an alert, the note").nullable(),
];

const fn part<L: LogView>(
    types: &'static [&'static str],
    renamed: &'static [(&'static str, &'static str)],
) -> UnionPart {
    UnionPart { view: const { &L::VIEW }, types, renamed }
}

impl UnionView for EventLog {
    const VIEW: View = View {
        name: "events",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "everything that happens, by commit: the rows of all logs but those of portfolios, in one form",
        history: false,
        recorded: false,
    };
    const PARTS: &'static [UnionPart] = &[
        part::<ControlLog>(&["control"], &[]),
        part::<IncidentLog>(&["incident"], &[]),
        part::<DeadLetterLog>(&["dead_letter"], &[("reason", "kind")]),
        // The kind is the type.
        part::<TradeLog>(&["trade", "correction", "cancel"], &[("", "kind")]),
        part::<TooLateLog>(&["late"], &[]),
        part::<ConflictLog>(
            &["conflict"],
            &[("kept_time", "time"), ("kept_price", "price"), ("kept_size", "size")],
        ),
        part::<UnmatchedLog>(&["unmatched"], &[("reason", "detail")]),
        part::<OutlierLog>(&["outlier"], &[]),
        part::<GapEventLog>(&["gap"], &[("from_time", "time")]),
        part::<RevisionLog>(
            &["revision"],
            &[
                ("open_time", "time"),
                ("cause", "kind"),
                ("cause_id", "id"),
                ("close_after", "price"),
                ("volume_after", "size"),
            ],
        ),
        part::<AlertEventLog>(&["alert"], &[("open_time", "time"), ("note", "detail")]),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each type is of one log, each renamed column is there, and each cell fits the column that it goes to.
    #[test]
    fn parts_fit_the_columns() {
        let mut types: Vec<&str> =
            EventLog::PARTS.iter().flat_map(|part| part.types).copied().collect();
        let mut declared = TYPES.to_vec();
        types.sort_unstable();
        declared.sort_unstable();
        assert_eq!(types, declared);
        for part in EventLog::PARTS {
            for column in COLUMNS.iter().filter(|column| column.name != "type") {
                let renamed = part.renamed.iter().find(|(_, here)| *here == column.name);
                let there = renamed.map_or(column.name, |(there, _)| there);
                let found = part.view.column(there).map(|at| part.view.columns[at]);
                let (of, name) = (part.view.name, column.name);
                assert!(
                    found.is_some() || renamed.is_none_or(|(there, _)| there.is_empty()),
                    "{of}.{there}"
                );
                let Some(found) = found else { continue };
                let is_text = column.column_type == ColumnType::Text;
                assert!(
                    found.column_type == column.column_type
                        || is_text && matches!(found.column_type, ColumnType::Word(_)),
                    "{of}.{there} is no {name}"
                );
                assert!(column.is_nullable || !found.is_nullable, "{of}.{there} may be empty");
            }
        }
    }
}
