//! Several views of the board at one frontier, kept for as long as somebody reads them.

use std::sync::Arc;

use super::batches::BatchList;
use super::board::{Board, KeyedAt};
use super::keyed_reads::KeyedReads;
use super::logs::LogAt;
use super::reader::BoardReader;
use rows::readers::{Allowance, Class, ReadStop};
use rows::{AsOf, Cell, Cut, Dimension, Frontier, Page, ReadError, ReadFuture, Scan, View};

/// Views at one frontier. It holds their batches, the entries of their logs and the rows of their tables.
pub(super) struct BoardCut {
    /// Runs the reads.
    reader: BoardReader,
    taken: Arc<Taken>,
}

struct Taken {
    frontier: Frontier,
    /// By name of the view.
    views: Vec<(&'static str, ViewAt)>,
}

/// A view at a frontier.
enum ViewAt {
    Keyed(KeyedReads, Vec<BatchList>),
    Log(Arc<dyn LogAt>),
    Table(Vec<Vec<Cell>>),
}

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
        reader: BoardReader,
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
        let (frontier, batch_lists) = board.cuts(&positions, as_of)?;
        let keyed = keyed.into_iter().zip(batch_lists);
        let keyed = keyed.map(|((name, at), lists)| (name, ViewAt::Keyed(at.reads, lists)));
        let logs = names.iter().filter_map(|name| Some((*name, board.log(name)?.at(frontier))));
        let logs = logs.map(|(name, log)| (name, ViewAt::Log(log)));
        let tables = held.iter().map(|(name, table)| (*name, ViewAt::Table(table.rows(frontier))));
        let views = keyed.chain(logs).chain(tables).collect();
        Ok(BoardCut { reader, taken: Arc::new(Taken { frontier, views }) })
    }

    fn read(&self, scan: Scan, choice: Choice) -> ReadFuture<'static, Page> {
        let class = match self.taken.view(scan.view) {
            Some(ViewAt::Keyed(reads, _)) => class(&scan, Some(reads.sharded_by)),
            _ => class(&scan, None),
        };
        let taken = Arc::clone(&self.taken);
        self.reader.reading(class, None, move |reader, allowance| {
            taken.read(&scan, choice, reader, allowance)
        })
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
}

impl Taken {
    fn view(&self, view: &View) -> Option<&ViewAt> {
        self.views.iter().find(|(name, _)| *name == view.name).map(|(_, at)| at)
    }

    fn read(
        &self,
        scan: &Scan,
        choice: Choice,
        reader: &BoardReader,
        allowance: &mut Allowance<'_>,
    ) -> Result<Page, ReadStop> {
        let (frontier, labels) = (self.frontier, reader.labels());
        Ok(match (self.view(scan.view), choice) {
            (Some(ViewAt::Keyed(reads, lists)), Choice::All) => {
                (reads.read)(lists, frontier, scan, labels, allowance)?
            }
            (Some(ViewAt::Keyed(reads, lists)), Choice::Newest) => {
                (reads.newest)(lists, frontier, scan, labels, allowance)?
            }
            (Some(ViewAt::Log(log)), Choice::All) => log.page(scan, labels, allowance)?,
            (Some(ViewAt::Log(log)), Choice::Newest) => log.newest(scan, labels, allowance)?,
            (Some(ViewAt::Table(rows)), _) => table_page(frontier, rows.clone(), scan),
            (None, _) => Page { frontier, rows: Vec::new(), more: false },
        })
    }
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
