//! The log `alert_events`: what became of alerts, by commit.

use std::cmp::Ordering;
use std::slice;

use market::{Commit, Numbered};
use operators::signals::AlertChange;
use operators::{Alert, AlertKey};
use serde::{Deserialize, Serialize};

use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, View, ViewKind, key, value};

/// What became of an alert in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEvent {
    key: AlertKey,
    /// Whether the rule came to hold, or ceased to; neither if only the bar became final, or is open again.
    moved: bool,
    alert: Alert,
}

/// The log `alert_events`.
pub struct AlertEventLog;

const COLUMNS: &[Column] = &[
    key("commit", ColumnType::Unsigned, "commit that ended the round"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
    key("open_time", ColumnType::Time, "first instant of the bar"),
    key("rule", ColumnType::Text, "name of the rule"),
    value(
        "kind",
        ColumnType::Word(&["raised", "withdrawn", "settled", "unsettled"]),
        "raised; withdrawn when a restatement ended its cause; settled when the bar became final; unsettled if it is open again",
    ),
    value(
        "raised_at",
        ColumnType::Time,
        "system time of the commit that last raised it; price and value are as they were then",
    ),
    value("price", PRICE, "close of the bar then; empty of a bar without prices").nullable(),
    value("value", ColumnType::Number, "number at the bar then that the rule compares; else empty")
        .nullable(),
];

impl LogView for AlertEventLog {
    type Entry = AlertEvent;
    type Row = AlertEvent;
    const VIEW: View = View {
        name: "alert_events",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "alerts that were raised, withdrawn or settled, each time",
        history: false,
        recorded: true,
    };

    fn rows(entry: &AlertEvent) -> &[AlertEvent] {
        slice::from_ref(entry)
    }

    fn order(one: &AlertEvent, other: &AlertEvent) -> Ordering {
        one.key.cmp(&other.key)
    }

    fn cells(row: &AlertEvent, commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let AlertEvent { key, moved, alert } = *row;
        let kind = match (moved, alert.raised, alert.settled) {
            (true, true, _) => "raised",
            (true, false, _) => "withdrawn",
            (false, _, true) => "settled",
            (false, _, false) => "unsettled",
        };
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Time(key.open_time),
            Cell::Text(labels.rules.get(key.rule.number()).cloned().unwrap_or_default()),
            Cell::Word(kind),
            Cell::Time(alert.raising.at),
            alert.raising.close.map_or(Cell::Null, |(mantissa, scale)| Cell::Decimal {
                mantissa: i128::from(mantissa),
                scale,
            }),
            alert.raising.value.map_or(Cell::Null, |value| Cell::number(value.0)),
        ]);
    }
}

impl TakeEntry for AlertEventLog {
    type Out = AlertChange;

    fn take(change: &AlertChange) -> Option<AlertEvent> {
        let AlertChange { key, before, after, restored } = *change;
        let moved = before.is_some_and(|before| before.raised) != after.raised;
        let settled = before.is_some_and(|before| before.settled) != after.settled;
        (!restored && (moved || settled)).then_some(AlertEvent { key, moved, alert: after })
    }
}
