//! The rows of the view `indicators`.

use market::CandleKey;
use operators::indicators::Numbers;

use super::candles::{BARS, bar_prefix, lowest_bar};
use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::IndicatorRow;
use rows::{Cell, Dimension, Labels, Row};

/// The view `indicators`. All numbers of a bar are one entry, because they change together: as nine entries they would
/// cost nine times the sorting, merging and comparing.
pub struct Indicators;

impl Keyed for Indicators {
    type Key = CandleKey;
    type Value = Numbers;
    const VIEW: &'static str = "indicators";
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
        let row = IndicatorRow {
            instrument: key.instrument,
            timeframe: key.timeframe,
            open_time: key.open_time,
            indicator,
            output,
            value: number.value.0,
            peek: number.peek,
        };
        row.cells(into);
    }
}
