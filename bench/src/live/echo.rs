//! The same load, the same server and the same client, and nothing in between: a view of one row, the newest probe.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use connectors::source::Place;
use connectors::{PartitionReader, Progress};
use market::{
    Bar, BarState, Candle, CandleKey, Catalog, Commit, Event, EventTime, InputEvent, Timeframe,
};
use tokio::sync::watch;

use super::paced::{PROBE, Schedule, probe_source};
use rows::{
    AsOf, CandlePage, CandleRow, Cell, Change, Changes, Cut, Frontier, Page, ReadError, ReadFuture,
    Row, RowFilter, Scan, Snapshot, SnapshotPart, View, ViewReader,
};

/// Brings the load and shows its newest probe.
pub(super) struct Echo {
    pub(super) reader: Arc<EchoReader>,
    pub(super) catalog: Arc<Catalog>,
    schedule: Arc<Schedule>,
}

/// Every probe is a commit of its own.
pub(super) struct EchoReader {
    row: Mutex<(u64, Option<(CandleKey, Candle)>)>,
    moved: watch::Sender<u64>,
}

impl Echo {
    pub(super) fn new(schedule: Arc<Schedule>) -> Echo {
        let moved = watch::channel(0).0;
        let reader = Arc::new(EchoReader { row: Mutex::new((0, None)), moved });
        Echo { reader, catalog: Arc::new(Catalog::new(Vec::new(), 100_000)), schedule }
    }

    /// Starts a thread that brings what is due, to the end.
    pub(super) fn load(&self) -> anyhow::Result<thread::JoinHandle<()>> {
        let source = probe_source(&self.schedule, &self.catalog)?;
        let mut load: Box<dyn PartitionReader> = source.open(0, Place::Earliest)?;
        let reader = Arc::clone(&self.reader);
        Ok(thread::Builder::new().name("source".to_owned()).spawn(move || {
            let probe = market::InstrumentId::of(PROBE);
            let mut rows = Vec::new();
            while load.read(&mut rows).is_ok_and(|progress| progress == Progress::More) {
                for row in rows.drain(..) {
                    if let Ok(InputEvent::Market(Event::New(trade))) = row.event
                        && trade.instrument == probe
                    {
                        reader.show(&trade);
                    }
                }
            }
        })?)
    }
}

impl EchoReader {
    fn show(&self, trade: &market::Trade) {
        let minute = 60_000_000_000;
        let open_time = EventTime(trade.time.0 - trade.time.0.rem_euclid(minute));
        let mut bar = Bar::empty(trade.spec, EventTime(open_time.0 + minute));
        bar.add(trade);
        let key =
            CandleKey { instrument: trade.instrument, timeframe: Timeframe::MINUTE, open_time };
        let candle = Candle { bar, state: BarState::Open, revision: 0, cause: None };
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        *row = (row.0 + 1, Some((key, candle)));
        self.moved.send_replace(row.0);
    }

    fn now(&self) -> (Frontier, Option<(CandleKey, Candle)>) {
        let row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        let at = row.1.map_or(EventTime::NEVER, |(_, candle)| candle.bar.end_time);
        (Frontier { commit: row.0.checked_sub(1).map(Commit), at }, row.1)
    }

    fn cells(&self) -> (Frontier, Vec<Vec<Cell>>) {
        let (frontier, row) = self.now();
        let cells = row.map(|(key, candle)| {
            let mut cells = Vec::new();
            CandleRow { key: &key, candle: &candle }.cells(&mut cells);
            cells
        });
        (frontier, cells.into_iter().collect())
    }
}

struct Rows(Frontier, Vec<Vec<Cell>>);

impl Snapshot for Rows {
    fn frontier(&self) -> Frontier {
        self.0
    }

    fn next(&self, _: usize) -> SnapshotPart {
        (self.1.clone(), None)
    }
}

impl Cut for Rows {
    fn frontier(&self) -> Frontier {
        self.0
    }

    fn scan(&self, _: Scan) -> ReadFuture<'static, Page> {
        ready(Page { frontier: self.0, rows: self.1.clone(), more: false })
    }

    fn newest(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.scan(scan)
    }

    fn candles(&self, _: Scan) -> ReadFuture<'static, CandlePage> {
        Box::pin(std::future::ready(Err(ReadError::Closed))) // nobody asks the probe for sessions
    }
}

fn ready<T: Send + 'static>(answer: T) -> ReadFuture<'static, T> {
    Box::pin(std::future::ready(Ok::<_, ReadError>(answer)))
}

impl ViewReader for EchoReader {
    fn frontier(&self) -> Frontier {
        self.now().0
    }

    fn scan(&self, _: Scan) -> ReadFuture<'_, Page> {
        let (frontier, rows) = self.cells();
        ready(Page { frontier, rows, more: false })
    }

    fn cut(&self, _: &[&'static View], _: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        let (frontier, rows) = self.cells();
        Ok(Arc::new(Rows(frontier, rows)))
    }

    fn candles(&self, _: Scan) -> ReadFuture<'_, CandlePage> {
        let (frontier, row) = self.now();
        ready(CandlePage { frontier, rows: row.into_iter().collect(), more: false })
    }

    fn snapshot(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        _: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let (frontier, rows) = self.cells();
        ready(Arc::new(Rows(frontier, rows)))
    }

    fn changes(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        _: Option<Commit>,
        _: Frontier,
    ) -> ReadFuture<'_, Changes> {
        let (frontier, rows) = self.cells();
        let changes = rows.into_iter().map(|cells| Change { cells, diff: 1 });
        ready(Changes { frontier, changes: changes.collect() })
    }

    fn moved(&self, _: &'static View) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn count(&self, _: &'static View) -> u64 {
        1
    }
}
