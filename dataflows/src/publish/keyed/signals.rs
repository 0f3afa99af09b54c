//! The rows of the view `signals`.

use market::{CandleKey, Numbered, RuleId};
use operators::signals::{Signal, SignalKey};

use super::candles::{bar_prefix, lowest_bar};
use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::SignalRow;
use rows::{Cell, Dimension, Labels, Row};

/// The view `signals`.
pub struct Signals;

impl Keyed for Signals {
    type Key = SignalKey;
    type Value = Signal;
    const VIEW: &'static str = "signals";
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
        let row = SignalRow {
            instrument: key.instrument,
            timeframe: key.timeframe,
            rule: labels.rules.get(key.rule.number()).map_or("", String::as_str),
            holds: signal.holds,
            newest: signal.newest,
            last_held: signal.last_held,
            standing: signal.standing,
        };
        row.cells(into);
    }
}
