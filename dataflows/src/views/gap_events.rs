//! The log `gap_events`: how gaps came, changed and went.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Gap, GapKey};
use operators::{GapChange, GapOut};
use serde::{Deserialize, Serialize};

use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, View, ViewKind, count, key, value};

/// What became of a gap in a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapEvent {
    key: GapKey,
    before: Option<Gap>,
    after: Option<Gap>,
}

/// The log `gap_events`.
pub struct GapEventLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit of the change"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id_scope", ColumnType::IdScope, "name of the space of ids"),
    key("first_id", ColumnType::Identifier, "lowest id that is missing"),
    value(
        "kind",
        ColumnType::Word(&["opened", "changed", "closed"]),
        "opened; changed: some of it came, or it was merged with others; closed: nothing of it is missing as a gap of its own",
    ),
    value("last_id", ColumnType::Identifier, "highest id that is missing, or that was"),
    count("missing", "ids", "number of missing ids after it; 0 of a closed one"),
    value("from_time", ColumnType::Time, "event time of the trade before it"),
    value("to_time", ColumnType::Time, "event time of the trade behind it"),
];

impl LogView for GapEventLog {
    type Entry = GapEvent;
    type Row = GapEvent;
    const VIEW: View = View {
        name: "gap_events",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "holes in ids that were found, got smaller, or were filled",
        history: false,
        recorded: true,
    };

    fn rows(entry: &GapEvent) -> &[GapEvent] {
        slice::from_ref(entry)
    }

    fn order(one: &GapEvent, other: &GapEvent) -> Ordering {
        one.key.cmp(&other.key)
    }

    fn cells(row: &GapEvent, commit: Commit, _labels: &Labels, into: &mut Vec<Cell>) {
        let GapEvent { key, before, after } = *row;
        let Some(gap) = after.or(before) else { return };
        let kind = match (before, after) {
            (None, _) => "opened",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "closed",
        };
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(key.instrument),
            Cell::IdScope(key.scope),
            Cell::Identifier(key.first_id),
            Cell::Word(kind),
            Cell::Identifier(gap.last_id),
            Cell::Unsigned(after.map_or(0, |gap| gap.missing)),
            Cell::Time(gap.from_time),
            Cell::Time(gap.to_time),
        ]);
    }
}

impl TakeEntry for GapEventLog {
    type Out = GapOut;

    fn take(out: &GapOut) -> Option<GapEvent> {
        match *out {
            GapOut::Changed(GapChange { key, before, after }) => {
                before.or(after).map(|_| GapEvent { key, before, after })
            }
            GapOut::Restored(..) => None,
        }
    }
}
