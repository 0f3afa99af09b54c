//! Reads views from the board: on the calling thread, or on reader threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use market::{Commit, InstrumentId, PortfolioId, Shard};
use tokio::sync::watch;

use super::board::{Board, ConsistentCut};
use super::change_log::{ChangeLog, Commits, Retained};
use super::keyed::{Candles, KeyedView, keyed};
use super::keyed_rows::unpack;
use super::log_rows::{LogQuery, ScanEnd};
use super::logs::LogRow;
use super::scan;
use super::snapshots::{LogSnapshot, LogSource, TableSnapshot};
use super::table::Table;
use super::trade_log::{ShardEvents, TRADE_LOG};
use rows::readers::{Allowance, Class, Exceeded, ReadStop, ReaderPool};
use rows::{
    AsOf, CandlePage, Cell, Change, Changes, Dimension, Frontier, Page, ReadError, ReadFuture,
    RowFilter, Scan, Snapshot, View, ViewReader,
};

/// The retained commits of the trade log at a frontier, taken once per read. If a short read exceeds its allowance, it
/// is repeated as a long one with the same commits: a thread of low priority must not hold the lock that workers wait
/// for.
type TradeLogSnapshot = Option<(Frontier, Commits<ShardEvents>)>;

/// Reads the views of this process.
#[derive(Clone)]
pub struct BoardReader {
    board: Arc<Board>,
    /// The threads that read. Without them, the thread that waits for the answer reads.
    pool: Option<ReaderPool>,
}

impl BoardReader {
    /// A reader of `board` that reads on the calling thread.
    pub fn new(board: Arc<Board>) -> BoardReader {
        BoardReader { board, pool: None }
    }

    /// The same reader on the threads of `pool`, for clients.
    pub fn on(self, pool: ReaderPool) -> BoardReader {
        BoardReader { pool: Some(pool), ..self }
    }

    /// Reads rows on the calling thread.
    pub fn read(&self, scan: &Scan) -> Result<Page, ReadError> {
        unlimited(self.read_within(scan, &mut None, &mut Allowance::unlimited()))
    }

    fn read_within(
        &self,
        scan: &Scan,
        trade_log: &mut TradeLogSnapshot,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, ReadStop> {
        match keyed(scan.view.name) {
            Some(view) => {
                let ConsistentCut { frontier, batch_lists } =
                    self.cut(view, &scan.filter, scan.as_of)?;
                Ok((view.read)(&batch_lists, frontier, scan, &self.board.labels, allowance)?)
            }
            None => match self.table(scan) {
                Some(page) => Ok(page),
                None => Ok(self.log(scan, trade_log, allowance)?),
            },
        }
    }

    /// Reads bars on the calling thread.
    pub fn read_candles(&self, scan: &Scan) -> Result<CandlePage, ReadError> {
        unlimited(self.candles_within(scan, &mut Allowance::unlimited()))
    }

    fn candles_within(
        &self,
        scan: &Scan,
        allowance: &mut Allowance<'_>,
    ) -> Result<CandlePage, ReadStop> {
        let Some(view) = keyed(scan.view.name) else {
            let frontier = self.board.frontier();
            return Ok(CandlePage { frontier, rows: Vec::new(), more: false });
        };
        let ConsistentCut { frontier, batch_lists } = self.cut(view, &scan.filter, scan.as_of)?;
        let (rows, more) =
            scan::entries::<Candles>(unpack::<Candles>(&batch_lists), frontier, scan, allowance)?;
        let rows = rows.into_iter().map(|(key, candle)| (key, *candle)).collect();
        Ok(CandlePage { frontier, rows, more })
    }

    /// Begins a snapshot of a view, on the calling thread; of logs the latest rows.
    pub fn read_snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> Result<Arc<dyn Snapshot>, ReadError> {
        let mut trade_log = TradeLogSnapshot::default();
        let allowance = &mut Allowance::unlimited();
        unlimited(self.snapshot_within(view, filter, log_rows, (&mut trade_log, allowance)))
    }

    fn snapshot_within(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
        (trade_log, allowance): (&mut TradeLogSnapshot, &mut Allowance<'_>),
    ) -> Result<Arc<dyn Snapshot>, ReadStop> {
        match keyed(view.name) {
            Some(keyed) => {
                let ConsistentCut { frontier, batch_lists } = self.cut(keyed, &filter, None)?;
                let labels = self.board.labels.clone();
                Ok((keyed.snapshot)(&batch_lists, frontier, view, filter, labels))
            }
            None => {
                let all = Scan { filter: RowFilter::clone(&filter), ..Scan::all(view) };
                if let Some(Page { frontier, rows, .. }) = self.table(&all) {
                    return Ok(Arc::new(TableSnapshot::new(frontier, rows)));
                }
                self.latest(view, filter, log_rows, (trade_log, allowance))
            }
        }
    }

    /// Begins a snapshot of the latest rows of a log.
    fn latest(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        rows: usize,
        (trade_log, allowance): (&mut TradeLogSnapshot, &mut Allowance<'_>),
    ) -> Result<Arc<dyn Snapshot>, ReadStop> {
        let labels = self.board.labels.clone();
        if view.name == TRADE_LOG {
            let (frontier, commits) = self.trade_log(trade_log).clone();
            let source = LogSource { frontier, view, filter, labels, commits };
            return Ok(Arc::new(LogSnapshot::latest(source, rows, allowance)?));
        }
        let (frontier, commits) = self.rows_of_log(view);
        let source = LogSource { frontier, view, filter, labels, commits };
        Ok(Arc::new(LogSnapshot::latest(source, rows, allowance)?))
    }

    /// The net change after a commit, up to a frontier that the board has had.
    fn read_changes(
        &self,
        (view, filter): (&'static View, &RowFilter),
        after: Option<Commit>,
        frontier: Frontier,
        allowance: &mut Allowance<'_>,
    ) -> Result<Changes, ReadStop> {
        let Some(through) = frontier.commit.filter(|through| after.is_none_or(|a| a < *through))
        else {
            return Ok(Changes { frontier, changes: Vec::new() });
        };
        let query = LogQuery { view, filter, labels: &self.board.labels };
        let inserts = |rows: Vec<Vec<Cell>>| {
            rows.into_iter().map(|cells| Change { cells, diff: 1 }).collect()
        };
        let gone = || ReadError::Gone { after: after.unwrap_or(Commit(0)) };
        let changes = match keyed(view.name) {
            Some(keyed) => {
                let ring = self.board.ring(keyed).ok_or_else(gone)?;
                let batch_lists = ring.batches(after, through).ok_or_else(gone)?;
                let span = (after, through);
                (keyed.changes)(&batch_lists, (view, filter), span, &self.board.labels, allowance)?
            }
            None if let Some(table) = self.board.table(view) => {
                let mut changes = table.between(after, through).ok_or_else(gone)?;
                changes.retain(|change| filter.fits(view, &change.cells));
                changes
            }
            None if view.name == TRADE_LOG => {
                let rows = self.board.trade_log.update(query, (after, through), allowance)?;
                inserts(rows.ok_or_else(gone)?)
            }
            None => {
                let log = self.board.logs.of(view.name).ok_or_else(gone)?;
                let commits = log.between(after, through).ok_or_else(gone)?;
                inserts(query.first(&commits, (false, usize::MAX), allowance)?.0)
            }
        };
        Ok(Changes { frontier, changes })
    }

    /// Whether the keys of a view begin with an instrument.
    pub fn is_by_instrument(&self, view: &View) -> bool {
        keyed(view.name).is_some_and(|keyed| keyed.sharded_by == Dimension::Instrument)
    }

    /// Calls `each` with every row of the trade log, without holding all of them.
    pub fn each_trade<E>(
        &self,
        view: &View,
        mut each: impl FnMut(&[Cell]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (filter, labels) = (&RowFilter::default(), &self.board.labels);
        let (mut trade_log, unlimited) = (None, &mut Allowance::unlimited());
        let (_, commits) = self.trade_log(&mut trade_log);
        let query = LogQuery { view, filter, labels };
        let end = query.each(commits, false, unlimited, |cells| each(&cells));
        match end {
            Err(ScanEnd::Stopped(error)) => Err(error),
            Ok(()) | Err(ScanEnd::Exceeded) => Ok(()),
        }
    }

    /// The commits of the trade log, taken at the first call.
    fn trade_log<'a>(
        &self,
        trade_log: &'a mut TradeLogSnapshot,
    ) -> &'a (Frontier, Commits<ShardEvents>) {
        trade_log.get_or_insert_with(|| self.at_frontier(Some(&self.board.trade_log)))
    }

    /// The commits of a log that is not the trade log.
    fn rows_of_log(&self, view: &View) -> (Frontier, Commits<LogRow>) {
        self.at_frontier(self.board.logs.of(view.name))
    }

    fn at_frontier<T: Retained>(&self, log: Option<&ChangeLog<T>>) -> (Frontier, Commits<T>) {
        let frontier = self.board.frontier();
        let retained = log.zip(frontier.commit).map(|(log, through)| log.through(through));
        (frontier, retained.unwrap_or_default())
    }

    /// The batches that hold the filtered rows.
    fn cut(
        &self,
        view: &KeyedView,
        filter: &RowFilter,
        as_of: Option<AsOf>,
    ) -> Result<ConsistentCut, ReadError> {
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
        trade_log: &mut TradeLogSnapshot,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, Exceeded> {
        let Scan { view, filter, latest_first, limit, as_of: _ } = scan; // logs have no history
        let query = LogQuery { view, filter, labels: &self.board.labels };
        let order = (*latest_first, *limit);
        if view.name == TRADE_LOG {
            let (frontier, commits) = self.trade_log(trade_log);
            let (rows, more) = query.first(commits, order, allowance)?;
            return Ok(Page { frontier: *frontier, rows, more });
        }
        let (frontier, commits) = self.rows_of_log(view);
        let (rows, more) = query.first(&commits, order, allowance)?;
        Ok(Page { frontier, rows, more })
    }
}

/// The workers that hold the filtered rows of a view; none if all may.
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

/// Whether a read seeks its rows by key, or scans all of them.
fn class(scan: &Scan) -> Class {
    let RowFilter { instruments, portfolios, .. } = &scan.filter;
    match keyed(scan.view.name).map(|view| view.sharded_by) {
        Some(Dimension::Instrument) if instruments.is_some() => Class::Point,
        Some(Dimension::Portfolio) if portfolios.is_some() => Class::Point,
        _ => Class::Scan,
    }
}

/// The result of a read with an unlimited allowance.
fn unlimited<T>(read: Result<T, ReadStop>) -> Result<T, ReadError> {
    read.map_err(|stop| match stop {
        ReadStop::Failed(error) => error,
        ReadStop::Exceeded => ReadError::Closed, // cannot occur: the allowance is unlimited
    })
}

impl BoardReader {
    /// Runs a read on the pool, or on the calling thread without one.
    fn reading<T: Send + 'static>(
        &self,
        class: Class,
        mut read: impl FnMut(&BoardReader, &mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> ReadFuture<'static, T> {
        let reader = BoardReader::new(Arc::clone(&self.board));
        let Some(pool) = self.pool.clone() else {
            return Box::pin(async move { unlimited(read(&reader, &mut Allowance::unlimited())) });
        };
        Box::pin(async move { pool.read(class, move |allowance| read(&reader, allowance)).await })
    }
}

impl ViewReader for BoardReader {
    fn frontier(&self) -> Frontier {
        self.board.frontier()
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page> {
        let mut trade_log = None;
        self.reading(class(&scan), move |reader, allowance| {
            reader.read_within(&scan, &mut trade_log, allowance)
        })
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage> {
        self.reading(class(&scan), move |reader, allowance| reader.candles_within(&scan, allowance))
    }

    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let mut trade_log = None;
        self.reading(Class::Snapshot, move |reader, allowance| {
            reader.snapshot_within(view, Arc::clone(&filter), log_rows, (&mut trade_log, allowance))
        })
    }

    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        self.reading(Class::Changes, move |reader, allowance| {
            reader.read_changes((view, &filter), after, through, allowance)
        })
    }

    fn moved(&self, view: &'static View) -> watch::Receiver<u64> {
        if let Some(ring) = keyed(view.name).and_then(|keyed| self.board.ring(keyed)) {
            return ring.moved();
        }
        if view.name == TRADE_LOG {
            return self.board.trade_log.moved();
        }
        if let Some(table) = self.board.table(view) {
            return table.moved();
        }
        let log = self.board.logs.of(view.name);
        log.map_or_else(|| watch::channel(0).1, ChangeLog::moved)
    }

    fn count(&self, view: &'static View) -> u64 {
        match keyed(view.name) {
            Some(_) => self.board.rows(view.name),
            None if view.name == TRADE_LOG => self.board.trade_log.appended(),
            None => {
                let log = || self.board.logs.appended(view.name);
                self.board.table(view).map_or_else(log, Table::rows)
            }
        }
    }
}
