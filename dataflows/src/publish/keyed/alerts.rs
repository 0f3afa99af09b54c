//! The rows of the view `alerts`.

use market::{CandleKey, Numbered, RuleId};
use operators::{Alert, AlertKey};

use super::candles::{BARS, bar_prefix, lowest_bar};
use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::AlertRow;
use rows::{Cell, Dimension, Labels, Row};

/// The view `alerts`.
pub struct Alerts;

impl Keyed for Alerts {
    type Key = AlertKey;
    type Value = Alert;
    const VIEW: &'static str = "alerts";
    const ORDER: &'static [Dimension] = BARS;

    fn in_history(_alert: &Alert) -> bool {
        true
    }

    fn prefix(key: &AlertKey) -> KeyPrefix {
        let AlertKey { instrument, timeframe, open_time, .. } = *key;
        bar_prefix(&CandleKey { instrument, timeframe, open_time })
    }

    fn lowest(prefix: KeyPrefix) -> AlertKey {
        let CandleKey { instrument, timeframe, open_time } = lowest_bar(prefix);
        AlertKey { instrument, timeframe, open_time, rule: RuleId(0) }
    }

    fn cells(key: &AlertKey, alert: &Alert, _part: usize, labels: &Labels, into: &mut Vec<Cell>) {
        let row = AlertRow {
            instrument: key.instrument,
            timeframe: key.timeframe,
            open_time: key.open_time,
            rule: labels.rules.get(key.rule.number()).map_or("", String::as_str),
            raised: alert.raised,
            settled: alert.settled,
            first: alert.first,
            last: alert.last,
            changes: alert.changes,
        };
        row.cells(into);
    }
}
