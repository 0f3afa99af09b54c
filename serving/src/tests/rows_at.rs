//! Cuts of the rows that tests put.

use std::collections::BTreeMap;

use market::{Candle, CandleKey, EventTime};

use rows::{CandlePage, Cell, Cut, Dimension, Frontier, OPEN_TIME, Page, ReadFuture, Scan, View};

/// All rows at a frontier, in the order of keys.
pub(super) struct RowsAt {
    pub(super) frontier: Frontier,
    pub(super) candles: BTreeMap<CandleKey, Candle>,
    pub(super) rows: BTreeMap<&'static str, Vec<Vec<Cell>>>,
}

impl RowsAt {
    /// The rows that a scan selects, by time where they have one.
    fn selected(&self, scan: &Scan) -> Vec<Vec<Cell>> {
        let mut rows = self.rows.get(scan.view.name).cloned().unwrap_or_default();
        rows.retain(|row| scan.filter.fits(scan.view, row));
        rows.sort_by_key(|row| open_time(scan.view, row));
        rows
    }

    fn page(&self, scan: &Scan, rows: Vec<Vec<Cell>>) -> ReadFuture<'static, Page> {
        let (rows, more) = limited(scan, rows);
        let frontier = self.frontier;
        Box::pin(async move { Ok(Page { frontier, rows, more }) })
    }
}

impl Cut for RowsAt {
    fn frontier(&self) -> Frontier {
        self.frontier
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.page(&scan, self.selected(&scan))
    }

    fn newest(&self, scan: Scan) -> ReadFuture<'static, Page> {
        let mut newest: Vec<Vec<Cell>> = Vec::new();
        for row in self.selected(&scan) {
            let time = open_time(scan.view, &row);
            newest.retain(|other| other[..2] != row[..2] || open_time(scan.view, other) == time);
            newest.push(row);
        }
        newest.sort_by_key(|row| format!("{:?}", &row[..2]));
        self.page(&scan, newest)
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'static, CandlePage> {
        let asked = self.candles.iter().filter(|(key, _)| is_asked(&scan, key));
        let (rows, more) = limited(&scan, asked.map(|(key, candle)| (*key, *candle)).collect());
        let frontier = self.frontier;
        Box::pin(async move { Ok(CandlePage { frontier, rows, more }) })
    }
}

fn open_time(view: &View, row: &[Cell]) -> EventTime {
    match view.column(OPEN_TIME).map(|column| &row[column]) {
        Some(Cell::Time(time)) => *time,
        _ => EventTime::NEVER,
    }
}

/// Whether a scan selects the rows of a bar.
pub(super) fn is_asked(scan: &Scan, key: &CandleKey) -> bool {
    let allows =
        |dimension, ordinal| scan.filter.key_range(dimension).next(ordinal) == Some(ordinal);
    allows(Dimension::Instrument, key.instrument.0)
        && allows(Dimension::Timeframe, u64::from(key.timeframe.secs()))
        && allows(Dimension::OpenTime, Dimension::of_time(key.open_time))
}

/// What a scan's order and limit leave of rows, and whether they leave any out.
pub(super) fn limited<T>(scan: &Scan, mut rows: Vec<T>) -> (Vec<T>, bool) {
    if scan.latest_first {
        rows.reverse();
    }
    let more = rows.len() > scan.limit;
    rows.truncate(scan.limit);
    (rows, more)
}
