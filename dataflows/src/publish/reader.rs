//! Reads views off the board: on the thread that asks, or on reader threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use market::{Commit, InstrumentId, PortfolioId, Shard};
use tokio::sync::watch;

use super::board::{Board, Cut};
use super::keyed::{Candles, KeyedView, keyed, unpack};
use super::rest::{LogRest, Shown, TableRest};
use super::scan;
use super::table::Table;
use super::tape::{self, Ended, Parts, TAPE};
use crate::readers::{Allowance, Class, Exceeded, ReaderPool, Stop};
use crate::views::{
    AsOf, CandlePage, Cell, Change, Changes, Dimension, Frontier, Page, ReadError, Reading,
    RowFilter, Scan, Snapshot, View, ViewReader,
};

/// What is kept of the tape at a frontier, once it was looked at. A read that is given up as a short one goes on with it
/// as a long one, so that no thread of low priority holds the lock that workers wait for.
type Taped = Option<(Frontier, Vec<(Commit, Parts)>)>;

/// Reads the views of this process.
#[derive(Clone)]
pub struct BoardReader {
    board: Arc<Board>,
    /// Who reads; without it, whoever waits for the answer does.
    pool: Option<ReaderPool>,
}

impl BoardReader {
    /// A reader of `board` that reads on the thread which waits for the answer.
    pub fn new(board: Arc<Board>) -> BoardReader {
        BoardReader { board, pool: None }
    }

    /// The same for clients: it reads on the threads of `pool`.
    pub fn on(self, pool: ReaderPool) -> BoardReader {
        BoardReader { pool: Some(pool), ..self }
    }

    /// Reads rows on the calling thread.
    pub fn read(&self, scan: &Scan) -> Result<Page, ReadError> {
        whole(self.read_within(scan, &mut None, &mut Allowance::unlimited()))
    }

    fn read_within(
        &self,
        scan: &Scan,
        taped: &mut Taped,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Stop> {
        match keyed(scan.view.name) {
            Some(view) => {
                let Cut { frontier, shelves } = self.cut(view, &scan.filter, scan.as_of)?;
                Ok((view.read)(&shelves, frontier, scan, &self.board.labels, allowance)?)
            }
            None => match self.table(scan) {
                Some(page) => Ok(page),
                None => Ok(self.log(scan, taped, allowance)?),
            },
        }
    }

    /// Reads bars on the calling thread.
    pub fn read_candles(&self, scan: &Scan) -> Result<CandlePage, ReadError> {
        whole(self.candles_within(scan, &mut Allowance::unlimited()))
    }

    fn candles_within(
        &self,
        scan: &Scan,
        allowance: &mut Allowance<'_>,
    ) -> Result<CandlePage, Stop> {
        let Some(view) = keyed(scan.view.name) else {
            let frontier = self.board.frontier();
            return Ok(CandlePage { frontier, rows: Vec::new(), more: false });
        };
        let Cut { frontier, shelves } = self.cut(view, &scan.filter, scan.as_of)?;
        let (rows, more) =
            scan::found::<Candles>(unpack::<Candles>(&shelves), frontier, scan, allowance)?;
        let rows = rows.into_iter().map(|(key, candle)| (key, *candle)).collect();
        Ok(CandlePage { frontier, rows, more })
    }

    /// A view whole, to be read part by part, on the calling thread; of logs the latest rows.
    pub fn read_snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> Result<Arc<dyn Snapshot>, ReadError> {
        let mut taped = Taped::default();
        let allowance = &mut Allowance::unlimited();
        whole(self.snapshot_within(view, filter, log_rows, (&mut taped, allowance)))
    }

    fn snapshot_within(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
        (taped, allowance): (&mut Taped, &mut Allowance<'_>),
    ) -> Result<Arc<dyn Snapshot>, Stop> {
        match keyed(view.name) {
            Some(keyed) => {
                let Cut { frontier, shelves } = self.cut(keyed, &filter, None)?;
                let labels = self.board.labels.clone();
                Ok((keyed.snapshot)(&shelves, frontier, view, filter, labels))
            }
            None => {
                let all = Scan { filter: RowFilter::clone(&filter), ..Scan::all(view) };
                if let Some(Page { frontier, rows, .. }) = self.table(&all) {
                    return Ok(Arc::new(TableRest::new(frontier, rows)));
                }
                self.latest(
                    Shown { view, filter, labels: self.board.labels.clone() },
                    log_rows,
                    taped,
                    allowance,
                )
            }
        }
    }

    /// The latest rows of a log, to be read part by part.
    fn latest(
        &self,
        shown: Shown,
        rows: usize,
        taped: &mut Taped,
        allowance: &mut Allowance<'_>,
    ) -> Result<Arc<dyn Snapshot>, Stop> {
        if shown.view.name == TAPE {
            let (frontier, commits) = self.taped(taped).clone();
            return Ok(Arc::new(LogRest::latest(frontier, shown, commits, rows, allowance)?));
        }
        let frontier = self.board.frontier();
        let Some(through) = frontier.commit else {
            return Ok(Arc::new(TableRest::new(frontier, Vec::new())));
        };
        let commits = self.board.logs.kept(shown.view, through);
        Ok(Arc::new(LogRest::latest(frontier, shown, commits, rows, allowance)?))
    }

    /// What has changed after a commit, up to a frontier that the board has had.
    fn read_changes(
        &self,
        (view, filter): (&'static View, &RowFilter),
        after: Option<Commit>,
        frontier: Frontier,
        allowance: &mut Allowance<'_>,
    ) -> Result<Changes, Stop> {
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
                let span = (after, through);
                (keyed.changes)(&shelves, (view, filter), span, &self.board.labels, allowance)?
            }
            None if let Some(table) = self.board.table(view) => {
                let mut changes = table.between(after, through).ok_or_else(gone)?;
                changes.retain(|change| filter.fits(view, &change.cells));
                changes
            }
            None if view.name == TAPE => {
                let (tape, labels) = (&self.board.tape, &self.board.labels);
                let rows =
                    tape.between((view, filter), Commit(from), through, labels, allowance)?;
                let rows = rows.ok_or_else(gone)?.into_iter();
                rows.map(|cells| Change { cells, diff: 1 }).collect()
            }
            None => {
                let rows = self.board.logs.between(view, Commit(from), through, allowance)?;
                let fitting = rows.ok_or_else(gone)?.into_iter();
                let fitting = fitting.filter(|cells| filter.fits(view, cells));
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
        let (all, labels) = (RowFilter::default(), &self.board.labels);
        let (mut taped, unlimited) = (None, &mut Allowance::unlimited());
        let (_, commits) = self.taped(&mut taped);
        let told =
            tape::each(commits, (view, &all), false, labels, unlimited, |cells| each(&cells));
        match told {
            Err(Ended::Told(error)) => Err(error),
            Ok(()) | Err(Ended::Exceeded) => Ok(()),
        }
    }

    /// The tape as it is now, or was when it was looked at first.
    fn taped<'a>(&self, taped: &'a mut Taped) -> &'a (Frontier, Vec<(Commit, Parts)>) {
        taped.get_or_insert_with(|| {
            let frontier = self.board.frontier();
            let kept = frontier.commit.map(|through| self.board.tape.kept(through));
            (frontier, kept.unwrap_or_default())
        })
    }

    /// What holds the rows that are filter.
    fn cut(
        &self,
        view: &KeyedView,
        filter: &RowFilter,
        as_of: Option<AsOf>,
    ) -> Result<Cut, ReadError> {
        let workers = self.board.workers();
        let holding = holding(view.sharded_by, filter, workers);
        let asked = |worker: usize| holding.as_ref().is_none_or(|of| of.contains(&worker));
        match as_of {
            Some(as_of) => self.board.cut_as_of(view, asked, as_of),
            None => Ok(self.board.cut(view, asked)),
        }
    }

    /// The rows of a table; none if the view is not one.
    fn table(&self, scan: &Scan) -> Option<Page> {
        let Scan { view, filter, latest_first, limit, as_of: _ } = scan; // tables have no history
        let table = self.board.table(view)?;
        let (frontier, mut rows) = table.read(|| self.board.frontier());
        rows.retain(|row| filter.fits(view, row));
        if *latest_first {
            rows.reverse();
        }
        let more = rows.len() > *limit;
        rows.truncate(*limit);
        Some(Page { frontier, rows, more })
    }

    fn log(
        &self,
        scan: &Scan,
        taped: &mut Taped,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let frontier = self.board.frontier();
        let Some(through) = frontier.commit else {
            return Ok(Page { frontier, rows: Vec::new(), more: false });
        };
        let Scan { view, filter, latest_first, limit, as_of: _ } = scan; // logs have no history
        let order = (*latest_first, *limit);
        if view.name == TAPE {
            let (frontier, commits) = self.taped(taped);
            let of = (*view, filter);
            let read = tape::read(commits, of, order, &self.board.labels, allowance);
            return read.map(|(rows, more)| Page { frontier: *frontier, rows, more });
        }
        let keep = |row: &[Cell]| filter.fits(view, row);
        let (rows, more) = self.board.logs.read(view, through, order, allowance, keep)?;
        Ok(Page { frontier, rows, more })
    }
}

/// The workers that hold what is filter of a view; none if that may be all.
fn holding(by: Dimension, filter: &RowFilter, workers: usize) -> Option<BTreeSet<usize>> {
    let shards: Vec<Shard> = match by {
        Dimension::Instrument => shards(filter.instruments.as_deref()?, InstrumentId::shard),
        Dimension::Portfolio => shards(filter.portfolios.as_deref()?, PortfolioId::shard),
        Dimension::Timeframe | Dimension::OpenTime => return None,
    };
    Some(shards.iter().map(|shard| shard.worker(workers)).collect())
}

fn shards<T: Copy>(ids: &[T], shard: impl Fn(T) -> Shard) -> Vec<Shard> {
    ids.iter().map(|id| shard(*id)).collect()
}

/// Whether a read finds its rows by their keys, or goes through all.
fn class(scan: &Scan) -> Class {
    let RowFilter { instruments, portfolios, .. } = &scan.filter;
    match keyed(scan.view.name).map(|view| view.sharded_by) {
        Some(Dimension::Instrument) if instruments.is_some() => Class::Point,
        Some(Dimension::Portfolio) if portfolios.is_some() => Class::Point,
        _ => Class::Scan,
    }
}

/// What came of a read that may visit all rows.
fn whole<T>(read: Result<T, Stop>) -> Result<T, ReadError> {
    read.map_err(|stop| match stop {
        Stop::Failed(error) => error,
        Stop::Exceeded => ReadError::Closed, // nobody gives it up
    })
}

impl BoardReader {
    /// Has something read where this reader reads.
    fn reading<T: Send + 'static>(
        &self,
        class: Class,
        mut read: impl FnMut(&BoardReader, &mut Allowance<'_>) -> Result<T, Stop> + Send + 'static,
    ) -> Reading<'static, T> {
        let reader = BoardReader::new(Arc::clone(&self.board));
        let Some(pool) = self.pool.clone() else {
            return Box::pin(async move { whole(read(&reader, &mut Allowance::unlimited())) });
        };
        Box::pin(async move { pool.read(class, move |allowance| read(&reader, allowance)).await })
    }
}

impl ViewReader for BoardReader {
    fn frontier(&self) -> Frontier {
        self.board.frontier()
    }

    fn scan(&self, scan: Scan) -> Reading<'_, Page> {
        let mut taped = None;
        self.reading(class(&scan), move |reader, allowance| {
            reader.read_within(&scan, &mut taped, allowance)
        })
    }

    fn candles(&self, scan: Scan) -> Reading<'_, CandlePage> {
        self.reading(class(&scan), move |reader, allowance| reader.candles_within(&scan, allowance))
    }

    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> Reading<'_, Arc<dyn Snapshot>> {
        let mut taped = None;
        self.reading(Class::Snapshot, move |reader, allowance| {
            reader.snapshot_within(view, Arc::clone(&filter), log_rows, (&mut taped, allowance))
        })
    }

    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> Reading<'_, Changes> {
        self.reading(Class::Changes, move |reader, allowance| {
            reader.read_changes((view, &filter), after, through, allowance)
        })
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
