//! The order of keys that begin with a bar.

use market::{CandleKey, EventTime, InstrumentId, Timeframe};

use super::kinds::KeyPrefix;
use rows::Dimension;

/// The order of keys of bars, and of other rows that have a bar in their key.
pub(super) const BARS: &[Dimension] =
    &[Dimension::Instrument, Dimension::Timeframe, Dimension::OpenTime];

/// The prefix of a bar.
pub(super) fn bar_prefix(key: &CandleKey) -> KeyPrefix {
    [key.instrument.0, u64::from(key.timeframe.secs()), Dimension::of_time(key.open_time)]
}

/// The lowest bar whose prefix is this one or later.
pub(super) fn lowest_bar([instrument, secs, open_time]: KeyPrefix) -> CandleKey {
    match Timeframe::at_least(secs) {
        Some(timeframe) => CandleKey {
            instrument: InstrumentId(instrument),
            timeframe,
            open_time: Dimension::time(open_time),
        },
        // No bar is that long, so the next one belongs to another instrument.
        None => CandleKey {
            instrument: InstrumentId(instrument.saturating_add(1)),
            timeframe: Timeframe::SECOND,
            open_time: EventTime::NEVER,
        },
    }
}
