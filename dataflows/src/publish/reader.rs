//! Reads views from the board: on the calling thread, or on reader threads.

use std::future::ready;
use std::sync::Arc;

use market::Commit;
use tokio::sync::watch;

use super::board::{Board, ConsistentCut, KeyedAt};
use super::cut::{BoardCut, candle_page, class, holding, kind, table_page};
use super::log_rows::LogQuery;
use super::logs::{LogAt, update};
use super::reading::{Reading, unlimited};
use super::ring::Ring;
use super::snapshots::TableSnapshot;
use super::table::Table;
use super::typed_cut::TypedCut;
use rows::readers::{Allowance, Class, ReadStop, ReaderPool};
use rows::{
    AsOf, CandlePage, Cell, Change, Changes, Cut, Dimension, Frontier, Page, ReadError, ReadFuture,
    RowFilter, Scan, Snapshot, View, ViewReader,
};

/// The rows of a log at a frontier, taken once per read. If a short read exceeds its allowance, it is repeated as a long
/// one with the same rows. To take them is to take some fifty references under the lock that workers append with.
type TakenLog = Option<LogAt>;

/// Reads the views of this process.
#[derive(Clone)]
pub struct BoardReader {
    board: Arc<Board>,
    reading: Reading,
}

impl BoardReader {
    /// A reader of `board` that reads on the calling thread.
    pub fn new(board: Arc<Board>) -> BoardReader {
        BoardReader { board, reading: Reading::default() }
    }

    /// The same reader on the threads of `pool`, for clients.
    pub fn on(self, pool: ReaderPool) -> BoardReader {
        BoardReader { reading: Reading::on(pool), ..self }
    }

    /// Reads rows on the calling thread.
    pub fn read(&self, scan: &Scan) -> Result<Page, ReadError> {
        unlimited(self.read_within(scan, &mut None, &mut Allowance::unlimited()))
    }

    fn read_within(
        &self,
        scan: &Scan,
        taken: &mut TakenLog,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, ReadStop> {
        let labels = &self.board.labels;
        if let Some(view) = self.board.keyed(scan.view.name) {
            let cut = self.cut(view, &scan.filter, scan.as_of)?;
            let ConsistentCut { frontier, batch_lists } = cut;
            return Ok((view.reads.read)(&batch_lists, frontier, scan, labels, allowance)?);
        }
        if let Some(page) = self.table(scan) {
            return Ok(page);
        }
        match self.log(scan.view, taken) {
            Some(log) => Ok(log.page(scan, labels, allowance)?),
            None => Ok(Page { frontier: self.board.frontier(), rows: Vec::new(), more: false }),
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
        let Some(view) = self.board.keyed(scan.view.name) else {
            let frontier = self.board.frontier();
            return Ok(CandlePage { frontier, rows: Vec::new(), more: false });
        };
        let ConsistentCut { frontier, batch_lists } = self.cut(view, &scan.filter, scan.as_of)?;
        Ok(candle_page(&batch_lists, frontier, scan, allowance)?)
    }

    /// Begins a snapshot of a view, on the calling thread; of logs the latest rows.
    pub fn read_snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> Result<Arc<dyn Snapshot>, ReadError> {
        let allowance = &mut Allowance::unlimited();
        unlimited(self.snapshot_within(view, filter, log_rows, (&mut None, allowance)))
    }

    fn snapshot_within(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
        (taken, allowance): (&mut TakenLog, &mut Allowance<'_>),
    ) -> Result<Arc<dyn Snapshot>, ReadStop> {
        let labels = self.board.labels.clone();
        if let Some(keyed) = self.board.keyed(view.name) {
            let ConsistentCut { frontier, batch_lists } = self.cut(keyed, &filter, None)?;
            return Ok((keyed.reads.snapshot)(&batch_lists, frontier, view, filter, labels));
        }
        if let Some(log) = self.log(view, taken) {
            return Ok(log.latest((view, filter), log_rows, labels, allowance)?);
        }
        let all = Scan { filter: RowFilter::clone(&filter), ..Scan::all(view) };
        let page = self.table(&all);
        let (frontier, rows) = page
            .map_or_else(|| (self.board.frontier(), Vec::new()), |page| (page.frontier, page.rows));
        Ok(Arc::new(TableSnapshot::new(frontier, rows)))
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
        let (labels, span) = (&self.board.labels, (after, through));
        let gone = || ReadError::Gone { after: after.unwrap_or(Commit(0)) };
        let changes = if let Some(keyed) = self.board.keyed(view.name) {
            let ring = self.board.rings.get(keyed.position).ok_or_else(gone)?;
            let batch_lists = ring.batches(after, through).ok_or_else(gone)?;
            (keyed.reads.changes)(&batch_lists, (view, filter), span, labels, allowance)?
        } else if let Some(table) = self.board.table(view) {
            let mut changes = table.between(after, through).ok_or_else(gone)?;
            changes.retain(|change| filter.fits(view, &change.cells));
            changes
        } else {
            let log = self.board.log(view.name).ok_or_else(gone)?;
            let query = LogQuery { view, filter, labels };
            let rows = update(log, query, span, allowance)?.ok_or_else(gone)?;
            rows.into_iter().map(|cells| Change { cells, diff: 1 }).collect()
        };
        Ok(Changes { frontier, changes })
    }

    /// Whether the keys of a view begin with an instrument.
    pub fn is_by_instrument(&self, view: &View) -> bool {
        let keyed = self.board.keyed(view.name);
        keyed.is_some_and(|keyed| keyed.reads.sharded_by == Dimension::Instrument)
    }

    /// Calls `each` with every row of a log, without holding all of them. Returns false if the view is not a log.
    pub fn each_of_log<E>(
        &self,
        view: &View,
        mut each: impl FnMut(&[Cell]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let Some(log) = self.log(view, &mut None) else { return Ok(false) };
        let mut outcome = Ok(());
        log.each(view, &self.board.labels, &mut |cells| {
            outcome = each(cells);
            outcome.is_ok()
        });
        outcome.map(|()| true)
    }

    /// The rows of a log, taken at the first call; none if the view is not a log.
    fn log(&self, view: &View, taken: &mut TakenLog) -> Option<LogAt> {
        let log = self.board.log(view.name)?;
        Some(taken.get_or_insert_with(|| LogAt::new(log, self.board.frontier())).clone())
    }

    /// The batches that hold the filtered rows.
    fn cut(
        &self,
        view: KeyedAt,
        filter: &RowFilter,
        as_of: Option<AsOf>,
    ) -> Result<ConsistentCut, ReadError> {
        let workers = self.board.workers();
        let holding = holding(view.reads.sharded_by, filter, workers);
        let asked = |worker: usize| holding.as_ref().is_none_or(|of| of.contains(&worker));
        match as_of {
            Some(as_of) => self.board.cut_as_of(view, asked, as_of),
            None => Ok(self.board.cut(view, asked)),
        }
    }

    /// The rows of a table; none if the view is not one.
    fn table(&self, scan: &Scan) -> Option<Page> {
        let table = self.board.table(scan.view)?;
        let (frontier, rows) = table.read(|| self.board.frontier());
        Some(table_page(frontier, rows, scan))
    }
}

impl BoardReader {
    /// Reads several views at one frontier, with the types of their rows; at the latest snapshot point at or before each
    /// of `points`, or now. A read that is repeated as a long one has the same cuts.
    pub fn typed<T: Send + 'static>(
        &self,
        views: &'static [&'static str],
        points: Vec<Option<AsOf>>,
        mut read: impl FnMut(&[TypedCut], &mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> ReadFuture<'static, T> {
        let mut taken: Option<Vec<TypedCut>> = None;
        self.reading(Class::Scan, None, move |reader, allowance| {
            let cuts = match taken.take() {
                Some(cuts) => cuts,
                None => {
                    let cut = |point: &Option<AsOf>| TypedCut::new(&reader.board, views, *point);
                    points.iter().map(cut).collect::<Result<_, _>>()?
                }
            };
            let answer = read(&cuts, allowance);
            taken = Some(cuts);
            answer
        })
    }

    fn class(&self, scan: &Scan) -> Class {
        class(scan, self.board.keyed(scan.view.name).map(|keyed| keyed.reads.sharded_by))
    }

    /// Runs a read on the threads for that.
    fn reading<T: Send + 'static>(
        &self,
        class: Class,
        kind: Option<u64>,
        mut read: impl FnMut(&BoardReader, &mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> ReadFuture<'static, T> {
        if self.board.is_restoring() {
            return Box::pin(ready(Err(ReadError::Restoring)));
        }
        let reader = BoardReader::new(Arc::clone(&self.board));
        self.reading.run(class, kind, move |allowance| read(&reader, allowance))
    }
}

impl ViewReader for BoardReader {
    fn frontier(&self) -> Frontier {
        self.board.frontier()
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page> {
        let mut taken = None;
        self.reading(self.class(&scan), Some(kind(&scan)), move |reader, allowance| {
            reader.read_within(&scan, &mut taken, allowance)
        })
    }

    fn cut(&self, views: &[&'static View], as_of: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        if self.board.is_restoring() {
            return Err(ReadError::Restoring);
        }
        Ok(Arc::new(BoardCut::new(&self.board, self.reading.clone(), views, as_of)?))
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage> {
        self.reading(self.class(&scan), Some(kind(&scan)), move |reader, allowance| {
            reader.candles_within(&scan, allowance)
        })
    }

    fn snapshot(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        log_rows: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let mut taken = None;
        self.reading(Class::Snapshot, None, move |reader, allowance| {
            reader.snapshot_within(view, Arc::clone(&filter), log_rows, (&mut taken, allowance))
        })
    }

    fn changes(
        &self,
        view: &'static View,
        filter: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        self.reading(Class::Changes, None, move |reader, allowance| {
            reader.read_changes((view, &filter), after, through, allowance)
        })
    }

    fn moved(&self, view: &'static View) -> watch::Receiver<u64> {
        let board = &self.board;
        let ring = board.keyed(view.name).and_then(|keyed| board.rings.get(keyed.position));
        let moved = ring.map(Ring::moved).or_else(|| board.table(view).map(Table::moved));
        let moved = moved.or_else(|| board.log(view.name).map(|log| log.moved()));
        moved.unwrap_or_else(|| watch::channel(0).1)
    }

    fn count(&self, view: &'static View) -> u64 {
        match (self.board.log(view.name), self.board.table(view)) {
            (Some(log), _) => log.appended(),
            (None, Some(table)) => table.rows(),
            (None, None) => self.board.rows(view.name),
        }
    }
}
