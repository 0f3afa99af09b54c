//! Keyed views: how the keys of an arrangement are ordered and its rows shown, and reading them.
//!
//! Every keyed view is ordered by instrument, timeframe and time before anything else, so one reader
//! serves all.

use differential_dataflow::ExchangeData;
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::{BatchReader, Cursor};
use market::{Candle, CandleKey, EventTime, InstrumentId, Timeframe};
use operators::arrange::SharedBatch;
use operators::{Alert, AlertKey};

use crate::views::{AlertRow, CandleRow, Cell, Frontier, Labels, Page, Row, Scan};

/// A keyed view.
pub trait Keyed: 'static {
    /// Its key; ordered by place first.
    type Key: ExchangeData + Copy;
    /// The rest of its row.
    type Value: ExchangeData + Copy;
    /// Its name.
    const VIEW: &'static str;

    /// Where a key stands.
    fn place(key: &Self::Key) -> Place;

    /// The lowest key at a place.
    fn lowest(place: Place) -> Self::Key;

    /// Appends the row's cells.
    fn cells(key: &Self::Key, value: &Self::Value, labels: &Labels, into: &mut Vec<Cell>);
}

/// The part of a key that all keyed views have: instrument, timeframe, opening of the bar.
pub type Place = (InstrumentId, Timeframe, EventTime);

/// A batch of a keyed view's arrangement.
pub type Batch<V> = SharedBatch<<V as Keyed>::Key, <V as Keyed>::Value>;

/// The view `candles`.
pub struct Candles;

impl Keyed for Candles {
    type Key = CandleKey;
    type Value = Candle;
    const VIEW: &'static str = "candles";

    fn place(key: &CandleKey) -> Place {
        (key.instrument, key.timeframe, key.open_time)
    }

    fn lowest((instrument, timeframe, open_time): Place) -> CandleKey {
        CandleKey { instrument, timeframe, open_time }
    }

    fn cells(key: &CandleKey, candle: &Candle, _labels: &Labels, into: &mut Vec<Cell>) {
        CandleRow { key, candle }.cells(into);
    }
}

/// The view `alerts`.
pub struct Alerts;

impl Keyed for Alerts {
    type Key = AlertKey;
    type Value = Alert;
    const VIEW: &'static str = "alerts";

    fn place(key: &AlertKey) -> Place {
        (key.instrument, key.timeframe, key.open_time)
    }

    fn lowest((instrument, timeframe, open_time): Place) -> AlertKey {
        AlertKey { instrument, timeframe, open_time, rule: 0 }
    }

    fn cells(key: &AlertKey, alert: &Alert, labels: &Labels, into: &mut Vec<Cell>) {
        let row = AlertRow {
            instrument: key.instrument,
            timeframe: key.timeframe,
            open_time: key.open_time,
            rule: labels.rules.get(usize::from(key.rule)).map_or("", String::as_str),
            raised: alert.raised,
            settled: alert.settled,
            first: alert.first,
            last: alert.last,
            changes: alert.changes,
        };
        row.cells(into);
    }
}

/// The rows of `batches` at `frontier` that a scan asks for.
pub fn read<V: Keyed>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    labels: &Labels,
) -> Page {
    let mut found = found::<V>(batches, frontier, scan);
    let more = found.len() > scan.limit;
    if scan.latest_first {
        found.reverse();
    }
    found.truncate(scan.limit);
    let rows = found.iter().map(|(key, value)| {
        let mut cells = Vec::with_capacity(scan.view.columns.len());
        V::cells(key, value, labels, &mut cells);
        cells
    });
    Page { frontier, rows: rows.collect(), more }
}

/// The rows in the order of their keys; unless the latest are wanted, not many more than the limit.
fn found<V: Keyed>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
) -> Vec<(V::Key, V::Value)> {
    let mut found = Vec::new();
    let Some(commit) = frontier.commit else { return found };
    let batches: Vec<_> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
    let (mut cursor, storage) = cursor_list(batches);
    if let Some(first) = lowest(scan) {
        cursor.seek_key(&storage, &V::lowest(first));
    }
    while let Some(key) = cursor.get_key(&storage).copied() {
        match judge(scan, V::place(&key)) {
            Judged::Past => break,
            Judged::SkipTo(next) => {
                cursor.seek_key(&storage, &V::lowest(next));
                continue;
            }
            Judged::Skip => {}
            Judged::In => {
                while let Some(value) = cursor.get_val(&storage) {
                    let mut copies = 0;
                    cursor.map_times(&storage, |time, diff| {
                        copies += if *time <= commit.0 { *diff } else { 0 };
                    });
                    if copies > 0 {
                        found.push((key, *value));
                    }
                    cursor.step_val(&storage);
                }
            }
        }
        if !scan.latest_first && found.len() > scan.limit {
            break;
        }
        cursor.step_key(&storage);
    }
    found
}

/// What a place means to a scan.
enum Judged {
    In,
    Skip,
    SkipTo(Place),
    Past,
}

const SHORTEST: Timeframe = match Timeframe::from_secs(1) {
    Some(second) => second,
    None => Timeframe::MINUTE,
};

/// The lowest place that a scan may want.
fn lowest(scan: &Scan) -> Option<Place> {
    let from = scan.from.filter(|_| scan.timeframe.is_some()).unwrap_or(EventTime::NEVER);
    scan.instrument.map(|instrument| (instrument, scan.timeframe.unwrap_or(SHORTEST), from))
}

fn judge(scan: &Scan, (instrument, timeframe, open_time): Place) -> Judged {
    if scan.instrument.is_some_and(|wanted| wanted != instrument) {
        return Judged::Past; // the cursor was put at the wanted one
    }
    let of_one = scan.instrument.is_some();
    if let Some(wanted) = scan.timeframe {
        if timeframe < wanted {
            return Judged::SkipTo((instrument, wanted, EventTime::NEVER));
        }
        if timeframe > wanted {
            return if of_one { Judged::Past } else { Judged::Skip };
        }
        if of_one && scan.to.is_some_and(|to| open_time >= to) {
            return Judged::Past;
        }
    }
    let early = scan.from.is_some_and(|from| open_time < from);
    let late = scan.to.is_some_and(|to| open_time >= to);
    if early || late { Judged::Skip } else { Judged::In }
}
