//! The views that the server of these tests knows.

use rows::{
    CandleRow, Column, ColumnType, PRICE, Row, Scale, Unit, View, ViewKind, ViewList, key, value,
};

pub(super) const INDICATOR_COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
    key("open_time", ColumnType::Time, "first instant of the bar"),
    key("indicator", ColumnType::Text, "name and parameters"),
    key("output", ColumnType::Text, "which of its numbers"),
    value("value", ColumnType::Number, "the number"),
    value(
        "state",
        ColumnType::Word(&["peek", "closed"]),
        "peek while the bar is open, else closed",
    ),
];

const VIEWS: &[View] = &[
    View { history: true, ..keyed("candles", CandleRow::COLUMNS) },
    keyed("indicators", INDICATOR_COLUMNS),
    View {
        recorded: false,
        ..keyed("sources", &[key("name", ColumnType::Text, "name of the source"), LAG])
    },
    View {
        history: true,
        ..keyed(
            "positions",
            &[
                key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
                key("instrument", ColumnType::Instrument, "name of the instrument"),
            ],
        )
    },
    View {
        kind: ViewKind::Log,
        ..keyed(
            "fills",
            &[
                key("commit", ColumnType::Unsigned, "commit"),
                key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
            ],
        )
    },
    View {
        kind: ViewKind::Log,
        recorded: false,
        ..keyed(
            "events",
            &[
                key("commit", ColumnType::Unsigned, "commit"),
                key("type", ColumnType::Word(&["trade", "cancel", "alert", "incident"]), "type"),
                value("instrument", ColumnType::Instrument, "name of the instrument").nullable(),
                value("timeframe", ColumnType::Timeframe, "length of a bar").nullable(),
                value("state", ColumnType::Word(&["open", "final"]), "state of a bar").nullable(),
                value("time", ColumnType::Time, "event time").nullable(),
                value("price", PRICE, "price").nullable(),
                value("source", ColumnType::Text, "name of the source").nullable(),
            ],
        )
    },
    View {
        kind: ViewKind::Log,
        ..keyed(
            "trades",
            &[
                key("commit", ColumnType::Unsigned, "commit"),
                key("instrument", ColumnType::Instrument, "name of the instrument"),
            ],
        )
    },
];

pub(super) const VIEW_LIST: ViewList =
    ViewList { views: VIEWS, renamed: &[("providers", "sources")], elsewhere: job_with };

/// The same with alerts.
pub(super) const WITH_ALERTS: ViewList = ViewList {
    views: &{
        let mut views = [keyed("alerts", ALERT_COLUMNS); VIEWS.len() + 1];
        let mut at = 0;
        while at < VIEWS.len() {
            views[at] = VIEWS[at];
            at += 1;
        }
        views
    },
    ..VIEW_LIST
};

const ALERT_COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
    key("open_time", ColumnType::Time, "first instant of the bar"),
    key("rule", ColumnType::Text, "name of the rule"),
    value("state", ColumnType::Word(&["raised", "withdrawn"]), "raised or withdrawn"),
    value("acknowledged_at", ColumnType::Time, "when").nullable(),
    value("acknowledged_by", ColumnType::Text, "who").nullable(),
    value("note", ColumnType::Text, "why").nullable(),
];

/// Another job has these.
fn job_with(view: &str) -> Option<&'static str> {
    (view == "alerts").then_some("candles")
}

const fn keyed(name: &'static str, columns: &'static [Column]) -> View {
    let (kind, doc) = (ViewKind::Keyed, "a view of the tests");
    View { name, kind, columns, doc, history: false, recorded: true }
}

/// A column with decimals of its own.
const LAG: Column = value("lag_seconds", ColumnType::Decimal(Scale::Fixed(9)), "how far behind")
    .unit(Unit::Seconds);

/// The view of this name.
pub(super) fn view(name: &str) -> &'static View {
    VIEW_LIST.named(name).unwrap()
}
