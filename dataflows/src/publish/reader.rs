//! Reads views off the board, on the reader's thread.

use std::sync::Arc;

use super::board::{Board, Cut};
use super::keyed::{self, Alerts, Candles, Keyed};
use crate::views::{Cell, Frontier, Page, ReadError, Reading, Scan, View, ViewKind, ViewReader};

/// Reads the views of this process.
pub struct BoardReader {
    board: Arc<Board>,
}

impl BoardReader {
    /// A reader of `board`.
    pub fn new(board: Arc<Board>) -> BoardReader {
        BoardReader { board }
    }

    /// Reads rows on the calling thread.
    pub fn read(&self, scan: &Scan) -> Page {
        match scan.view.kind {
            ViewKind::Keyed => {
                let workers = self.board.workers();
                let owner = scan.instrument.map(|instrument| instrument.shard().worker(workers));
                let Cut { frontier, published } = self.board.cut(owner);
                let labels = &self.board.labels;
                match scan.view.name {
                    Alerts::VIEW => keyed::read::<Alerts>(published.alerts, frontier, scan, labels),
                    _ => keyed::read::<Candles>(published.candles, frontier, scan, labels),
                }
            }
            ViewKind::Log => self.log(scan),
        }
    }

    fn log(&self, scan: &Scan) -> Page {
        let frontier = self.board.frontier();
        let Some(through) = frontier.commit else {
            return Page { frontier, rows: Vec::new(), more: false };
        };
        let open_time = scan.view.columns.iter().position(|column| column.name == "open_time");
        let keep = |row: &[Cell]| {
            let time = open_time.and_then(|at| row.get(at));
            let in_time = match time {
                Some(Cell::Time(time)) => {
                    scan.from.is_none_or(|from| *time >= from)
                        && scan.to.is_none_or(|to| *time < to)
                }
                _ => true,
            };
            in_time
                && row.iter().all(|cell| match cell {
                    Cell::Instrument(id) => scan.instrument.is_none_or(|asked| asked == *id),
                    Cell::Timeframe(frame) => scan.timeframe.is_none_or(|asked| asked == *frame),
                    _ => true,
                })
        };
        let (rows, more) =
            self.board.logs.read(scan.view, through, scan.latest_first, scan.limit, keep);
        Page { frontier, rows, more }
    }
}

impl ViewReader for BoardReader {
    fn frontier(&self) -> Frontier {
        self.board.frontier()
    }

    fn scan(&self, scan: Scan) -> Reading<'_, Page> {
        let reader = BoardReader { board: Arc::clone(&self.board) };
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || reader.read(&scan));
            read.await.map_err(|_| ReadError::Closed)
        })
    }

    fn count(&self, view: &'static View) -> u64 {
        match view.kind {
            ViewKind::Keyed => self.board.rows(view.name),
            ViewKind::Log => self.board.logs.appended(view.name),
        }
    }
}
