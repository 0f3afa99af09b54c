//! The view `alerts`.

use market::{CandleKey, RuleId};
use operators::signals::AlertChange;
use operators::{Alert, AlertKey};

use super::bars::{BARS, bar_prefix, lowest_bar};
use super::kinds::{KeyPrefix, KeyedView, RowChanges, TakeRows};
use rows::{Cell, Column, ColumnType, Dimension, Labels, PRICE, View, ViewKind, count, key, value};

/// The view `alerts`: a rule at a bar.
pub struct AlertsView;

const COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
    key("open_time", ColumnType::Time, "first instant of the bar at which the rule came to hold"),
    key("rule", ColumnType::Text, "name of the rule"),
    value(
        "state",
        ColumnType::Word(&["raised", "withdrawn"]),
        "raised, or withdrawn when a restatement ended its cause",
    ),
    value(
        "settled",
        ColumnType::Word(&["final", "open"]),
        "final if the bar was final when this was decided, else open",
    ),
    value(
        "raised_at",
        ColumnType::Time,
        "system time of the commit that last raised it; price and value are as they were then",
    ),
    value("price", PRICE, "close of the bar then; empty of a bar without prices").nullable(),
    value(
        "value",
        ColumnType::Number,
        "number at the bar then that the rule compares: the left series of a cross, the series of a threshold; else empty",
    )
    .nullable(),
    value("first_commit", ColumnType::Unsigned, "commit that first raised it"),
    value("last_commit", ColumnType::Unsigned, "commit that last raised or withdrew it"),
    count("changes", "changes", "how often it was raised or withdrawn"),
    value(
        "acknowledged_at",
        ColumnType::Time,
        "system time of the commit that acknowledged it; empty if nobody has since it was last raised",
    )
    .nullable(),
    value("acknowledged_by", ColumnType::Text, "name of whoever did").nullable(),
    value("note", ColumnType::Text, "what they say").nullable(),
];

impl KeyedView for AlertsView {
    type Key = AlertKey;
    type Value = Alert;
    const VIEW: View = View {
        name: "alerts",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "rules that came to hold at a bar: raised, and withdrawn when a restatement ended that",
        history: true,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = BARS;

    fn in_history(_alert: &Alert) -> bool {
        true
    }

    fn shared_bytes(alert: &Alert) -> usize {
        alert.acknowledged.as_ref().map_or(0, |own| own.bytes())
    }

    fn prefix(key: &AlertKey) -> KeyPrefix {
        let AlertKey { instrument, timeframe, open_time, .. } = *key;
        bar_prefix(&CandleKey { instrument, timeframe, open_time })
    }

    fn lowest(prefix: KeyPrefix) -> AlertKey {
        let CandleKey { instrument, timeframe, open_time } = lowest_bar(prefix);
        AlertKey { instrument, timeframe, open_time, rule: RuleId(0) }
    }

    fn cells(key: &AlertKey, alert: &Alert, _part: usize, labels: &Labels, into: &mut Vec<Cell>) {
        let rule = labels.rules.of(key.rule);
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Time(key.open_time),
            Cell::Text(rule),
            Cell::Word(if alert.raised { "raised" } else { "withdrawn" }),
            Cell::Word(if alert.settled { "final" } else { "open" }),
            Cell::Time(alert.raising.at),
            alert.raising.close.map_or(Cell::Null, |(mantissa, scale)| Cell::Decimal {
                mantissa: i128::from(mantissa),
                scale,
            }),
            alert.raising.value.map_or(Cell::Null, |value| Cell::number(value.0)),
            Cell::Unsigned(alert.first.0),
            Cell::Unsigned(alert.last.0),
            Cell::Unsigned(alert.changes.into()),
        ]);
        let acknowledged = alert.acknowledged.as_ref();
        let text = |text: &String| match text.is_empty() {
            true => Cell::Null,
            false => Cell::Text(text.clone()),
        };
        into.extend([
            acknowledged.map_or(Cell::Null, |own| Cell::Time(own.at)),
            acknowledged.map_or(Cell::Null, |own| text(&own.by)),
            acknowledged.map_or(Cell::Null, |own| text(&own.note)),
        ]);
    }
}

impl TakeRows for AlertsView {
    type Out = AlertChange;

    fn take(change: AlertChange, rows: &mut impl RowChanges<AlertsView>) {
        match change.restored {
            true => rows.restored(change.key, change.after),
            false => rows.change(change.key, change.before, Some(change.after)),
        }
    }
}
