//! Reads views off the board, on the reader's thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use market::{Commit, InstrumentId, PortfolioId, Shard};
use tokio::sync::watch;

use super::board::{Board, Cut};
use super::keyed::{Candles, KeyedView, keyed, unpack};
use super::scan;
use super::table::Table;
use super::tape::TAPE;
use crate::views::{
    AsOf, CandlePage, Cell, Change, Changes, Dimension, Frontier, Page, ReadError, Reading, Scan,
    Snapshot, View, ViewReader, Wanted,
};

/// Reads the views of this process.
#[derive(Clone)]
pub struct BoardReader {
    board: Arc<Board>,
}

impl BoardReader {
    /// A reader of `board`.
    pub fn new(board: Arc<Board>) -> BoardReader {
        BoardReader { board }
    }

    /// Reads rows on the calling thread.
    pub fn read(&self, scan: &Scan) -> Result<Page, ReadError> {
        match keyed(scan.view.name) {
            Some(view) => {
                let Cut { frontier, shelves } = self.cut(view, &scan.wanted, scan.as_of)?;
                Ok((view.read)(&shelves, frontier, scan, &self.board.labels))
            }
            None => Ok(self.table(scan).unwrap_or_else(|| self.log(scan))),
        }
    }

    /// Reads bars on the calling thread.
    pub fn read_candles(&self, scan: &Scan) -> Result<CandlePage, ReadError> {
        let Some(view) = keyed(scan.view.name) else {
            let frontier = self.board.frontier();
            return Ok(CandlePage { frontier, rows: Vec::new(), more: false });
        };
        let Cut { frontier, shelves } = self.cut(view, &scan.wanted, scan.as_of)?;
        let (rows, more) = scan::found::<Candles>(unpack::<Candles>(&shelves), frontier, scan);
        let rows = rows.into_iter().map(|(key, candle)| (key, *candle)).collect();
        Ok(CandlePage { frontier, rows, more })
    }

    /// A view whole, to be read part by part; of logs the latest rows.
    pub fn read_snapshot(
        &self,
        view: &'static View,
        wanted: Arc<Wanted>,
        log_rows: usize,
    ) -> Result<Box<dyn Snapshot>, ReadError> {
        match keyed(view.name) {
            Some(keyed) => {
                let Cut { frontier, shelves } = self.cut(keyed, &wanted, None)?;
                let labels = self.board.labels.clone();
                Ok((keyed.snapshot)(&shelves, frontier, view, wanted, labels))
            }
            None => {
                let all = Scan { wanted: Wanted::clone(&wanted), ..Scan::all(view) };
                let page = self.table(&all).unwrap_or_else(|| {
                    let latest = Scan { latest_first: true, limit: log_rows, ..all };
                    let mut page = self.log(&latest);
                    page.rows.reverse();
                    page
                });
                Ok(Box::new(Told { frontier: page.frontier, rows: page.rows.into_iter() }))
            }
        }
    }

    /// What has changed after a commit, up to a frontier that the board has had.
    pub fn read_changes(
        &self,
        view: &'static View,
        wanted: &Wanted,
        after: Option<Commit>,
        frontier: Frontier,
    ) -> Result<Changes, ReadError> {
        let Some(through) = frontier.commit.filter(|through| after.is_none_or(|a| a < *through))
        else {
            return Ok(Changes { frontier, changes: Vec::new() });
        };
        let from = after.map_or(0, |after| after.0 + 1);
        let gone = || ReadError::Gone { after: after.unwrap_or(Commit(0)) };
        let changes = match keyed(view.name) {
            Some(keyed) => {
                let ring = self.board.ring(keyed).ok_or_else(gone)?;
                let shelves = ring.between(from, through.0).ok_or_else(gone)?;
                (keyed.changes)(&shelves, view, wanted, (after, through), &self.board.labels)
            }
            None if let Some(table) = self.board.table(view) => {
                let mut changes = table.between(after, through).ok_or_else(gone)?;
                changes.retain(|change| wanted.fits(view, &change.cells));
                changes
            }
            None if view.name == TAPE => {
                let (tape, labels) = (&self.board.tape, &self.board.labels);
                let rows = tape.between((view, wanted), Commit(from), through, labels);
                let rows = rows.ok_or_else(gone)?.into_iter();
                rows.map(|cells| Change { cells, diff: 1 }).collect()
            }
            None => {
                let rows = self.board.logs.between(view, Commit(from), through);
                let fitting = rows.ok_or_else(gone)?.into_iter();
                let fitting = fitting.filter(|cells| wanted.fits(view, cells));
                fitting.map(|cells| Change { cells, diff: 1 }).collect()
            }
        };
        Ok(Changes { frontier, changes })
    }

    /// Whether the keys of a view begin with an instrument, so that each of its rows is one of an instrument's.
    pub fn is_by_instrument(&self, view: &View) -> bool {
        keyed(view.name).is_some_and(|keyed| keyed.sharded_by == Dimension::Instrument)
    }

    /// Calls `each` with every row of the tape of trades, without holding them all.
    pub fn each_trade<E>(
        &self,
        view: &View,
        mut each: impl FnMut(&[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(through) = self.board.frontier().commit else { return Ok(()) };
        let (all, labels) = (Wanted::default(), &self.board.labels);
        self.board.tape.each((view, &all), through, false, labels, |cells| each(&cells))
    }

    /// What holds the rows that are wanted.
    fn cut(
        &self,
        view: &KeyedView,
        wanted: &Wanted,
        as_of: Option<AsOf>,
    ) -> Result<Cut, ReadError> {
        let workers = self.board.workers();
        let holding = holding(view.sharded_by, wanted, workers);
        let asked = |worker: usize| holding.as_ref().is_none_or(|of| of.contains(&worker));
        match as_of {
            Some(as_of) => self.board.cut_as_of(view, asked, as_of),
            None => Ok(self.board.cut(view, asked)),
        }
    }

    /// The rows of a table; none if the view is not one.
    fn table(&self, scan: &Scan) -> Option<Page> {
        let Scan { view, wanted, latest_first, limit, as_of: _ } = scan; // tables have no history
        let table = self.board.table(view)?;
        let (frontier, mut rows) = table.read(|| self.board.frontier());
        rows.retain(|row| wanted.fits(view, row));
        if *latest_first {
            rows.reverse();
        }
        let more = rows.len() > *limit;
        rows.truncate(*limit);
        Some(Page { frontier, rows, more })
    }

    fn log(&self, scan: &Scan) -> Page {
        let frontier = self.board.frontier();
        let Some(through) = frontier.commit else {
            return Page { frontier, rows: Vec::new(), more: false };
        };
        let Scan { view, wanted, latest_first, limit, as_of: _ } = scan; // logs have no history
        if view.name == TAPE {
            let (tape, labels) = (&self.board.tape, &self.board.labels);
            let (rows, more) = tape.read((view, wanted), through, *latest_first, *limit, labels);
            return Page { frontier, rows, more };
        }
        let keep = |row: &[Cell]| wanted.fits(view, row);
        let (rows, more) = self.board.logs.read(view, through, *latest_first, *limit, keep);
        Page { frontier, rows, more }
    }
}

/// The workers that hold what is wanted of a view; none if that may be all.
fn holding(by: Dimension, wanted: &Wanted, workers: usize) -> Option<BTreeSet<usize>> {
    let shards: Vec<Shard> = match by {
        Dimension::Instrument => shards(wanted.instruments.as_deref()?, InstrumentId::shard),
        Dimension::Portfolio => shards(wanted.portfolios.as_deref()?, PortfolioId::shard),
        Dimension::Timeframe | Dimension::OpenTime => return None,
    };
    Some(shards.iter().map(|shard| shard.worker(workers)).collect())
}

fn shards<T: Copy>(ids: &[T], shard: impl Fn(T) -> Shard) -> Vec<Shard> {
    ids.iter().map(|id| shard(*id)).collect()
}

/// Rows that have been read.
struct Told {
    frontier: Frontier,
    rows: std::vec::IntoIter<Vec<Cell>>,
}

impl Snapshot for Told {
    fn frontier(&self) -> Frontier {
        self.frontier
    }

    fn next(&mut self, rows: usize) -> (Vec<Vec<Cell>>, bool) {
        let part = self.rows.by_ref().take(rows).collect();
        (part, self.rows.len() > 0)
    }
}

/// Reads on a thread that may take its time.
fn apart<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Reading<'static, T> {
    Box::pin(
        async move { tokio::task::spawn_blocking(read).await.unwrap_or(Err(ReadError::Closed)) },
    )
}

impl ViewReader for BoardReader {
    fn frontier(&self) -> Frontier {
        self.board.frontier()
    }

    fn scan(&self, scan: Scan) -> Reading<'_, Page> {
        let reader = self.clone();
        apart(move || reader.read(&scan))
    }

    fn candles(&self, scan: Scan) -> Reading<'_, CandlePage> {
        let reader = self.clone();
        apart(move || reader.read_candles(&scan))
    }

    fn snapshot(
        &self,
        view: &'static View,
        wanted: Arc<Wanted>,
        log_rows: usize,
    ) -> Reading<'_, Box<dyn Snapshot>> {
        let reader = self.clone();
        apart(move || reader.read_snapshot(view, wanted, log_rows))
    }

    fn changes(
        &self,
        view: &'static View,
        wanted: Arc<Wanted>,
        after: Option<Commit>,
        through: Frontier,
    ) -> Reading<'_, Changes> {
        let reader = self.clone();
        apart(move || reader.read_changes(view, &wanted, after, through))
    }

    fn moved(&self, view: &'static View) -> watch::Receiver<u64> {
        if let Some(ring) = keyed(view.name).and_then(|keyed| self.board.ring(keyed)) {
            return ring.moved();
        }
        if view.name == TAPE {
            return self.board.tape.moved();
        }
        self.board.table(view).map_or_else(|| self.board.logs.moved(view), Table::moved)
    }

    fn count(&self, view: &'static View) -> u64 {
        match keyed(view.name) {
            Some(_) => self.board.rows(view.name),
            None if view.name == TAPE => self.board.tape.appended(),
            None => {
                let log = || self.board.logs.appended(view.name);
                self.board.table(view).map_or_else(log, Table::rows)
            }
        }
    }
}
