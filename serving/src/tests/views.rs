//! The views that the server of these tests knows.

use rows::{CandleRow, Column, Row, View, ViewKind, ViewList, key, value};

pub(super) const INDICATOR_COLUMNS: &[Column] = &[
    key("instrument", "name of the instrument"),
    key("timeframe", "nominal length of the bar"),
    key("open_time", "first instant of the bar"),
    key("indicator", "name and parameters"),
    key("output", "which of its numbers"),
    value("value", "the number"),
    value("state", "peek while the bar is open, else closed"),
];

const VIEWS: &[View] = &[
    View { history: true, ..keyed("candles", CandleRow::COLUMNS) },
    keyed("indicators", INDICATOR_COLUMNS),
    View { recorded: false, ..keyed("sources", &[key("name", "name of the source")]) },
    View {
        kind: ViewKind::Log,
        ..keyed("trades", &[key("commit", "commit"), key("instrument", "name of the instrument")])
    },
];

pub(super) const VIEW_LIST: ViewList =
    ViewList { views: VIEWS, renamed: &[("providers", "sources")] };

const fn keyed(name: &'static str, columns: &'static [Column]) -> View {
    let (kind, doc) = (ViewKind::Keyed, "a view of the tests");
    View { name, kind, columns, doc, history: false, recorded: true }
}

/// The view of this name.
pub(super) fn view(name: &str) -> &'static View {
    VIEW_LIST.named(name).unwrap()
}
