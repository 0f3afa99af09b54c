//! The rows of the view `indicators`.

use market::CandleKey;
use operators::indicators::{IndicatorKey, IndicatorValue};

use super::candles::{BARS, lowest_bar, place_of_bar};
use super::{Keyed, Place};
use crate::views::{Cell, Dimension, IndicatorRow, Labels, Row};

/// The view `indicators`.
pub struct Indicators;

impl Keyed for Indicators {
    type Key = IndicatorKey;
    type Value = IndicatorValue;
    const VIEW: &'static str = "indicators";
    const ORDER: &'static [Dimension] = BARS;

    fn place(key: &IndicatorKey) -> Place {
        let IndicatorKey { instrument, timeframe, open_time, .. } = *key;
        place_of_bar(&CandleKey { instrument, timeframe, open_time })
    }

    fn lowest(place: Place) -> IndicatorKey {
        let CandleKey { instrument, timeframe, open_time } = lowest_bar(place);
        IndicatorKey { instrument, timeframe, open_time, indicator: 0, output: 0 }
    }

    fn cells(key: &IndicatorKey, value: &IndicatorValue, labels: &Labels, into: &mut Vec<Cell>) {
        let known = labels.indicators.get(usize::from(key.indicator));
        let (indicator, outputs) = known.map_or(("", &[][..]), |(label, outputs)| (label, outputs));
        let row = IndicatorRow {
            instrument: key.instrument,
            timeframe: key.timeframe,
            open_time: key.open_time,
            indicator,
            output: outputs.get(usize::from(key.output)).copied().unwrap_or_default(),
            value: value.value.0,
            peek: value.peek,
        };
        row.cells(into);
    }
}
