//! The rows of the view `indicators`.

use market::CandleKey;
use operators::indicators::Numbers;

use super::candles::{BARS, lowest_bar, place_of_bar};
use super::{Keyed, Place};
use crate::views::{Cell, Dimension, IndicatorRow, Labels, Row};

/// The view `indicators`.
pub struct Indicators;

impl Keyed for Indicators {
    type Key = CandleKey;
    type Value = Numbers;
    const VIEW: &'static str = "indicators";
    const ORDER: &'static [Dimension] = BARS;

    fn parts(numbers: &Numbers) -> usize {
        numbers.slots().len()
    }

    fn has(numbers: &Numbers, slot: usize) -> bool {
        numbers.slots()[slot].is_there()
    }

    fn same(one: &Numbers, other: &Numbers, slot: usize) -> bool {
        one.get(slot) == other.get(slot)
    }

    fn bytes_beside(numbers: &Numbers) -> usize {
        Numbers::bytes_of(numbers.slots().len())
    }

    fn place(key: &CandleKey) -> Place {
        place_of_bar(key)
    }

    fn lowest(place: Place) -> CandleKey {
        lowest_bar(place)
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
