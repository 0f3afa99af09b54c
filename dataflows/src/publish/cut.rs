//! Several views of the board at one frontier, kept for as long as somebody reads them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use market::{EventTime, InstrumentId, PortfolioId, Shard};

use super::batches::{BatchList, unpack};
use super::board::{Board, KeyedAt, ViewCuts};
use super::keyed_reads::KeyedReads;
use super::logs::LogAt;
use super::reading::Reading;
use super::scan::entries;
use crate::views::CandlesView;
use rows::readers::{Allowance, Class, Exceeded, ReadStop};
use rows::{
    AsOf, CandlePage, Cell, Cut, Dimension, Frontier, Labels, Page, ReadError, ReadFuture,
    RowFilter, Scan, View,
};

/// Views at one frontier. It holds their batches, the entries of their logs and the rows of their tables.
pub(super) struct BoardCut {
    reading: Reading,
    taken: Arc<Taken>,
}

struct Taken {
    frontier: Frontier,
    /// Names for the numbers in rows.
    labels: Labels,
    /// By name of the view.
    views: Vec<(&'static str, ViewAt)>,
}

/// A view at a frontier.
enum ViewAt {
    Keyed(KeyedReads, Vec<BatchList>),
    Log(LogAt),
    Table(Vec<Vec<Cell>>),
}

const NANOS_PER_HOUR: i64 = 3_600 * 1_000_000_000;

/// Which rows of a scan a read returns.
#[derive(Clone, Copy)]
enum Choice {
    All,
    Newest,
}

impl BoardCut {
    /// The views at the present frontier, or at that of the latest snapshot point at or before `as_of`.
    pub(super) fn new(
        board: &Board,
        reading: Reading,
        views: &[&'static View],
        as_of: Option<AsOf>,
    ) -> Result<BoardCut, ReadError> {
        let is_asked = |name: &str| views.iter().any(|view| view.name == name);
        let tables = board.tables.iter().filter(|table| is_asked(table.view.name));
        let held: Vec<_> = tables.map(|table| (table.view.name, table.hold())).collect();
        let mut names: Vec<&'static str> = views.iter().map(|view| view.name).collect();
        names.sort_unstable();
        names.dedup();
        let keyed: Vec<(&'static str, KeyedAt)> =
            names.iter().filter_map(|name| Some((*name, board.keyed(name)?))).collect();
        let positions: Vec<KeyedAt> = keyed.iter().map(|(_, view)| *view).collect();
        let ViewCuts { frontier, batch_lists, .. } = board.cuts(&positions, as_of)?;
        let keyed = keyed.into_iter().zip(batch_lists);
        let keyed = keyed.map(|((name, at), lists)| (name, ViewAt::Keyed(at.reads, lists)));
        let logs = names
            .iter()
            .filter_map(|name| Some((*name, ViewAt::Log(LogAt::new(board.log(name)?, frontier)))));
        let tables = held.iter().map(|(name, table)| (*name, ViewAt::Table(table.rows(frontier))));
        let views = keyed.chain(logs).chain(tables).collect();
        let labels = board.labels.clone();
        Ok(BoardCut { reading, taken: Arc::new(Taken { frontier, labels, views }) })
    }

    fn read(&self, scan: Scan, choice: Choice) -> ReadFuture<'static, Page> {
        let taken = Arc::clone(&self.taken);
        self.reading
            .run(self.class(&scan), None, move |allowance| taken.read(&scan, choice, allowance))
    }

    fn class(&self, scan: &Scan) -> Class {
        match self.taken.view(scan.view) {
            Some(ViewAt::Keyed(reads, _)) => class(scan, Some(reads.sharded_by)),
            _ => class(scan, None),
        }
    }
}

impl Cut for BoardCut {
    fn frontier(&self) -> Frontier {
        self.taken.frontier
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.read(scan, Choice::All)
    }

    fn newest(&self, scan: Scan) -> ReadFuture<'static, Page> {
        self.read(scan, Choice::Newest)
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'static, CandlePage> {
        let taken = Arc::clone(&self.taken);
        let (class, kind) = (self.class(&scan), Some(kind(&scan)));
        self.reading.run(class, kind, move |allowance| taken.candles(&scan, allowance))
    }
}

impl Taken {
    fn view(&self, view: &View) -> Option<&ViewAt> {
        self.views.iter().find(|(name, _)| *name == view.name).map(|(_, at)| at)
    }

    fn read(
        &self,
        scan: &Scan,
        choice: Choice,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, ReadStop> {
        let Taken { frontier, labels, .. } = self;
        Ok(match (self.view(scan.view), choice) {
            (Some(ViewAt::Keyed(reads, lists)), choice) => {
                let read = match choice {
                    Choice::All => reads.read,
                    Choice::Newest => reads.newest,
                };
                read(&asked(reads, lists, scan), *frontier, scan, labels, allowance)?
            }
            (Some(ViewAt::Log(log)), Choice::All) => log.page(scan, labels, allowance)?,
            (Some(ViewAt::Log(log)), Choice::Newest) => log.newest(scan, labels, allowance)?,
            (Some(ViewAt::Table(rows)), _) => table_page(*frontier, rows.clone(), scan),
            (None, _) => Page { frontier: *frontier, rows: Vec::new(), more: false },
        })
    }

    fn candles(&self, scan: &Scan, allowance: &mut Allowance<'_>) -> Result<CandlePage, ReadStop> {
        let lists = match self.view(scan.view) {
            Some(ViewAt::Keyed(reads, lists)) => asked(reads, lists, scan),
            _ => Vec::new(),
        };
        Ok(candle_page(&lists, self.frontier, scan, allowance)?)
    }
}

/// The batches, by worker, of the workers that hold the filtered rows.
fn asked(reads: &KeyedReads, lists: &[BatchList], scan: &Scan) -> Vec<BatchList> {
    let holding = holding(reads.sharded_by, &scan.filter, lists.len());
    let own = lists.iter().enumerate();
    let own = own.filter(|(worker, _)| holding.as_ref().is_none_or(|of| of.contains(worker)));
    own.map(|(_, list)| Arc::clone(list)).collect()
}

/// The bars that a scan selects.
pub(super) fn candle_page(
    batch_lists: &[BatchList],
    frontier: Frontier,
    scan: &Scan,
    allowance: &mut Allowance<'_>,
) -> Result<CandlePage, Exceeded> {
    let batches = unpack::<CandlesView>(batch_lists);
    let (rows, more) = entries::<CandlesView>(batches, frontier, scan, allowance)?;
    let rows = rows.into_iter().map(|(key, candle)| (key, *candle)).collect();
    Ok(CandlePage { frontier, rows, more })
}

/// What a scan selects of the rows of a table.
pub(super) fn table_page(frontier: Frontier, mut rows: Vec<Vec<Cell>>, scan: &Scan) -> Page {
    rows.retain(|row| scan.filter.fits(scan.view, row));
    if scan.latest_first {
        rows.reverse();
    }
    let more = rows.len() > scan.limit;
    rows.truncate(scan.limit);
    Page { frontier, rows, more }
}

/// Whether a read of a view with these shards seeks its rows by key, or scans all of them.
pub(super) fn class(scan: &Scan, sharded_by: Option<Dimension>) -> Class {
    let filter = &scan.filter;
    match sharded_by {
        Some(Dimension::Instrument) if filter.instruments.is_some() => Class::Point,
        Some(Dimension::Portfolio) if filter.portfolios.is_some() => Class::Point,
        _ => Class::Scan,
    }
}

/// The workers that hold the filtered rows of a view; none if all may.
pub(super) fn holding(
    by: Dimension,
    filter: &RowFilter,
    workers: usize,
) -> Option<BTreeSet<usize>> {
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

/// Scans of one kind visit about as many rows: they differ in the texts that they look for, and by less than an hour in
/// from when to when they look.
pub(super) fn kind(scan: &Scan) -> u64 {
    let Scan { view, filter, latest_first, limit, as_of } = scan;
    let RowFilter {
        instruments,
        with_instrument,
        portfolios,
        timeframes,
        from,
        to,
        after,
        through,
        texts,
        comparisons,
    } = filter;
    let mut hasher = DefaultHasher::new();
    (view.name, instruments, with_instrument, portfolios, timeframes).hash(&mut hasher);
    let hour = |time: &Option<EventTime>| time.map(|time| time.0.div_euclid(NANOS_PER_HOUR));
    (hour(from), hour(to), as_of.is_some(), latest_first, limit).hash(&mut hasher);
    (after.is_some(), through.is_some()).hash(&mut hasher);
    texts.iter().for_each(|(column, _)| column.hash(&mut hasher));
    comparisons.iter().for_each(|one| (one.column, one.comparator).hash(&mut hasher));
    hasher.finish()
}
