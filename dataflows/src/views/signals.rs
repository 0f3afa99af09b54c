//! The view `signals`.

use market::{CandleKey, RuleId};
use operators::signals::{Signal, SignalChange, SignalKey};

use super::bars::{bar_prefix, lowest_bar};
use super::kinds::{KeyPrefix, KeyedView, RowChanges, TakeRows};
use rows::{Cell, Column, ColumnType, Dimension, Labels, View, ViewKind, count, key, value};

/// The view `signals`: the state of a rule at the bars of an instrument and timeframe.
pub struct SignalsView;

const COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bars"),
    key("rule", ColumnType::Text, "name of the rule"),
    value(
        "holds",
        ColumnType::Word(&["yes", "no"]),
        "yes if the rule holds at the newest bar, else no",
    ),
    value("newest_bar", ColumnType::Time, "first instant of the newest bar that has a row"),
    value(
        "last_held",
        ColumnType::Time,
        "first instant of the newest bar at which the rule holds; empty if none",
    )
    .nullable(),
    count("standing", "alerts", "number of alerts of the rule that are raised and not withdrawn"),
];

impl KeyedView for SignalsView {
    type Key = SignalKey;
    type Value = Signal;
    const VIEW: View = View {
        name: "signals",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "the state of each rule at each instrument and timeframe, per round",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Instrument, Dimension::Timeframe];

    fn prefix(key: &SignalKey) -> KeyPrefix {
        let SignalKey { instrument, timeframe, .. } = *key;
        let open_time = Dimension::time(0);
        bar_prefix(&CandleKey { instrument, timeframe, open_time })
    }

    fn lowest(prefix: KeyPrefix) -> SignalKey {
        let CandleKey { instrument, timeframe, .. } = lowest_bar(prefix);
        SignalKey { instrument, timeframe, rule: RuleId(0) }
    }

    fn cells(
        key: &SignalKey,
        signal: &Signal,
        _part: usize,
        labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        let rule = labels.rules.of(key.rule);
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Text(rule),
            Cell::Word(if signal.holds { "yes" } else { "no" }),
            Cell::Time(signal.newest),
            signal.last_held.map_or(Cell::Null, Cell::Time),
            Cell::Unsigned(signal.standing),
        ]);
    }
}

impl TakeRows for SignalsView {
    type Out = SignalChange;

    fn take(change: SignalChange, rows: &mut impl RowChanges<SignalsView>) {
        match change {
            SignalChange { key, after: Some(after), restored: true, .. } => {
                rows.restored(key, after);
            }
            SignalChange { key, before, after, .. } => rows.change(key, before, after),
        }
    }
}
