//! The log `alert_events`: what became of alerts, by commit.

use std::cmp::Ordering;
use std::slice;
use std::sync::Arc;

use market::Commit;
use operators::AlertKey;
use operators::signals::{Acknowledged, AlertChange, Raising};
use serde::{Deserialize, Serialize};

use super::kinds::{LogView, TakeEntry};
use rows::{Cell, Column, ColumnType, Labels, PRICE, View, ViewKind, key, value};

/// What became of an alert in a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEvent {
    key: AlertKey,
    kind: AlertEventKind,
    raising: Raising,
    /// Who has acknowledged it, and what they say.
    acknowledged: Option<Arc<Acknowledged>>,
}

/// What became of it; of several things the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AlertEventKind {
    Raised,
    Withdrawn,
    Settled,
    Unsettled,
    Acknowledged,
}

impl AlertEventKind {
    const NAMES: [&'static str; 5] =
        ["raised", "withdrawn", "settled", "unsettled", "acknowledged"];

    fn name(self) -> &'static str {
        AlertEventKind::NAMES[self as usize]
    }
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
        ColumnType::Word(&AlertEventKind::NAMES),
        "raised; withdrawn when a restatement ended its cause, or the rule is gone; settled when the bar became final; \
         unsettled if it is open again; acknowledged",
    ),
    value(
        "raised_at",
        ColumnType::Time,
        "system time of the commit that last raised it; price and value are as they were then",
    ),
    value("price", PRICE, "close of the bar then; empty of a bar without prices").nullable(),
    value("value", ColumnType::Number, "number at the bar then that the rule compares; else empty")
        .nullable(),
    value("by", ColumnType::Text, "who has acknowledged it").nullable(),
    value("note", ColumnType::Text, "what they say").nullable(),
];

impl LogView for AlertEventLog {
    type Entry = AlertEvent;
    type Row = AlertEvent;
    const VIEW: View = View {
        name: "alert_events",
        kind: ViewKind::Log,
        columns: COLUMNS,
        doc: "alerts that were raised, withdrawn, settled or acknowledged, each time",
        history: false,
        recorded: true,
    };

    fn rows(entry: &AlertEvent) -> &[AlertEvent] {
        slice::from_ref(entry)
    }

    fn bytes(entry: &AlertEvent) -> usize {
        let shared = entry.acknowledged.as_ref().map_or(0, |own| own.bytes());
        size_of::<AlertEvent>() + shared
    }

    fn order(one: &AlertEvent, other: &AlertEvent) -> Ordering {
        one.key.cmp(&other.key)
    }

    fn cells(row: &AlertEvent, commit: Commit, labels: &Labels, into: &mut Vec<Cell>) {
        let AlertEvent { key, kind, raising, acknowledged } = row;
        let text = |text: &String| match text.is_empty() {
            true => Cell::Null,
            false => Cell::Text(text.clone()),
        };
        into.extend([
            Cell::Unsigned(commit.0),
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Time(key.open_time),
            Cell::Text(labels.rules.of(key.rule)),
            Cell::Word(kind.name()),
            Cell::Time(raising.at),
            raising.close.map_or(Cell::Null, |(mantissa, scale)| Cell::Decimal {
                mantissa: i128::from(mantissa),
                scale,
            }),
            raising.value.map_or(Cell::Null, |value| Cell::number(value.0)),
            acknowledged.as_ref().map_or(Cell::Null, |own| text(&own.by)),
            acknowledged.as_ref().map_or(Cell::Null, |own| text(&own.note)),
        ]);
    }
}

impl TakeEntry for AlertEventLog {
    type Out = AlertChange;

    fn take(change: &AlertChange) -> Option<AlertEvent> {
        let AlertChange { key, before, after, restored } = change;
        let before = before.as_ref();
        let kind = if before.is_some_and(|before| before.raised) != after.raised {
            if after.raised { AlertEventKind::Raised } else { AlertEventKind::Withdrawn }
        } else if before.is_some_and(|before| before.settled) != after.settled {
            if after.settled { AlertEventKind::Settled } else { AlertEventKind::Unsettled }
        } else if before.and_then(|before| before.acknowledged.as_ref())
            != after.acknowledged.as_ref()
        {
            AlertEventKind::Acknowledged
        } else {
            return None;
        };
        let acknowledged = after.acknowledged.clone();
        let acknowledged = acknowledged.filter(|_| kind == AlertEventKind::Acknowledged);
        let (key, raising) = (*key, after.raising);
        (!restored).then_some(AlertEvent { key, kind, raising, acknowledged })
    }
}
