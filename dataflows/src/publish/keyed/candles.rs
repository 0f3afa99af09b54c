//! The rows of the view `candles`.

use std::sync::Arc;

use market::{BarState, Candle, CandleKey, EventTime, InstrumentId, Timeframe};

use super::{Keyed, Place};
use crate::views::{CandleRow, Cell, Dimension, Labels, Row};

/// The view `candles`.
pub struct Candles;

impl Keyed for Candles {
    type Key = CandleKey;
    type Value = Arc<Candle>;
    const VIEW: &'static str = "candles";
    const ORDER: &'static [Dimension] = BARS;

    /// Closed bars are: open ones change too often.
    fn is_remembered(candle: &Arc<Candle>) -> bool {
        candle.state != BarState::Open
    }

    fn bytes_beside(_candle: &Arc<Candle>) -> usize {
        size_of::<Candle>()
    }

    fn place(key: &CandleKey) -> Place {
        place_of_bar(key)
    }

    fn lowest(place: Place) -> CandleKey {
        lowest_bar(place)
    }

    fn cells(
        key: &CandleKey,
        candle: &Arc<Candle>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        CandleRow { key, candle }.cells(into);
    }
}

/// What keys of bars, and of what is told of bars, are ordered by.
pub(super) const BARS: &[Dimension] =
    &[Dimension::Instrument, Dimension::Timeframe, Dimension::OpenTime];

/// Where a bar stands.
pub(super) fn place_of_bar(key: &CandleKey) -> Place {
    [key.instrument.0, u64::from(key.timeframe.secs()), Dimension::of_time(key.open_time)]
}

/// The lowest bar at or after a place.
pub(super) fn lowest_bar([instrument, secs, open_time]: Place) -> CandleKey {
    let secs = u32::try_from(secs).unwrap_or(u32::MAX).max(1);
    let frame = (secs..=Timeframe::DAY.secs()).find_map(Timeframe::from_secs);
    match frame {
        Some(timeframe) => CandleKey {
            instrument: InstrumentId(instrument),
            timeframe,
            open_time: Dimension::time(open_time),
        },
        // No bar is longer than a day: the next one is of another instrument.
        None => CandleKey {
            instrument: InstrumentId(instrument.saturating_add(1)),
            timeframe: SHORTEST,
            open_time: EventTime::NEVER,
        },
    }
}

const SHORTEST: Timeframe = match Timeframe::from_secs(1) {
    Some(second) => second,
    None => Timeframe::MINUTE,
};
