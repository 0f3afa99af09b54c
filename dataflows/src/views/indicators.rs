//! The view `indicators`.

use market::CandleKey;
use operators::indicators::{IndicatorOut, Numbers};

use super::bars::{BARS, bar_prefix, lowest_bar};
use super::kinds::{KeyPrefix, KeyedView, RowChanges, TakeRows};
use rows::{Cell, Column, ColumnType, Dimension, Labels, View, ViewKind, key, value};

/// The view `indicators`. All numbers of a bar are one entry, because they change together: as nine entries they would
/// cost nine times the sorting, merging and comparing.
pub struct IndicatorsView;

const COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
    key("open_time", ColumnType::Time, "first instant of the bar"),
    key("indicator", ColumnType::Text, "name and parameters, such as sma20 or macd12_26_9"),
    key("output", ColumnType::Text, "which of its numbers, such as signal or upper"),
    value(
        "value",
        ColumnType::Number,
        "the number, in the unit that the indicator's definition gives",
    ),
    value(
        "state",
        ColumnType::Word(&["peek", "closed"]),
        "peek while the bar is open, else closed; restated whenever a bar under it is",
    ),
];

impl KeyedView for IndicatorsView {
    type Key = CandleKey;
    type Value = Numbers;
    const VIEW: View = View {
        name: "indicators",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "indicators of every timeframe, per round, restated whenever their bars are",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = BARS;

    fn rows_per_entry(numbers: &Numbers) -> usize {
        numbers.slots().len()
    }

    fn has(numbers: &Numbers, slot: usize) -> bool {
        numbers.slots()[slot].is_there()
    }

    fn same(one: &Numbers, other: &Numbers, slot: usize) -> bool {
        one.get(slot) == other.get(slot)
    }

    fn shared_bytes(numbers: &Numbers) -> usize {
        Numbers::bytes_of(numbers.slots().len())
    }

    fn prefix(key: &CandleKey) -> KeyPrefix {
        bar_prefix(key)
    }

    fn lowest(prefix: KeyPrefix) -> CandleKey {
        lowest_bar(prefix)
    }

    fn cells(
        key: &CandleKey,
        numbers: &Numbers,
        slot: usize,
        labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        let Some(number) = numbers.get(slot) else { return };
        let (indicator, output) = labels.number(slot).unwrap_or_default();
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Time(key.open_time),
            Cell::Text(indicator.to_owned()),
            Cell::Text(output.to_owned()),
            Cell::number(number.value.0),
            Cell::Word(if number.peek { "peek" } else { "closed" }),
        ]);
    }
}

impl TakeRows for IndicatorsView {
    type Out = IndicatorOut;

    fn take(out: IndicatorOut, rows: &mut impl RowChanges<IndicatorsView>) {
        match out {
            IndicatorOut::Changed(change) => rows.change(change.key, change.before, change.after),
            IndicatorOut::Restored(key, numbers) => rows.restored(key, numbers),
            IndicatorOut::Shown(..) => {}
        }
    }
}
