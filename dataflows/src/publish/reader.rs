//! Reads views off the board, on the reader's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::{BatchReader, Cursor};
use market::{Candle, CandleKey, EventTime, InstrumentId, Timeframe};

use super::board::{Board, Cut};
use crate::views::{
    CandlePage, CandleRow, Cell, Frontier, Page, ReadError, Reading, Row, Scan, View, ViewKind,
    ViewReader,
};

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
                let CandlePage { frontier, rows, more } = self.read_candles(scan);
                let rows = rows.iter().map(|(key, candle)| {
                    let mut cells = Vec::with_capacity(scan.view.columns.len());
                    CandleRow { key, candle }.cells(&mut cells);
                    cells
                });
                Page { frontier, rows: rows.collect(), more }
            }
            ViewKind::Log => self.log(scan),
        }
    }

    /// Reads bars on the calling thread.
    pub fn read_candles(&self, scan: &Scan) -> CandlePage {
        let workers = self.board.workers();
        let owner = scan.instrument.map(|instrument| instrument.shard().worker(workers));
        candles(self.board.cut(owner), scan)
    }

    fn log(&self, scan: &Scan) -> Page {
        let frontier = self.board.frontier();
        let Some(through) = frontier.commit else {
            return Page { frontier, rows: Vec::new(), more: false };
        };
        let keep = |row: &[Cell]| {
            row.iter().all(|cell| match cell {
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

    fn candles(&self, scan: Scan) -> Reading<'_, CandlePage> {
        let reader = BoardReader { board: Arc::clone(&self.board) };
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || reader.read_candles(&scan));
            read.await.map_err(|_| ReadError::Closed)
        })
    }

    fn count(&self, view: &'static View) -> u64 {
        match view.kind {
            ViewKind::Keyed => {
                u64::try_from(self.board.candle_rows.load(Ordering::Relaxed)).unwrap_or(0)
            }
            ViewKind::Log => self.board.logs.appended(view.name),
        }
    }
}

/// The rows of a cut that a scan asks for.
fn candles(cut: Cut, scan: &Scan) -> CandlePage {
    let Cut { frontier, batches } = cut;
    let mut found: Vec<(CandleKey, Candle)> = Vec::new();
    let mut more = false;
    if let Some(commit) = frontier.commit {
        let batches: Vec<_> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
        let (mut cursor, storage) = cursor_list(batches);
        if let Some(first) = lowest(scan) {
            cursor.seek_key(&storage, &first);
        }
        while let Some(key) = cursor.get_key(&storage).copied() {
            match place(scan, &key) {
                Place::Past => break,
                Place::SkipTo(next) => {
                    cursor.seek_key(&storage, &next);
                    continue;
                }
                Place::Skip => {}
                Place::In => {
                    while let Some(candle) = cursor.get_val(&storage) {
                        let mut copies = 0;
                        cursor.map_times(&storage, |time, diff| {
                            copies += if *time <= commit.0 { *diff } else { 0 };
                        });
                        if copies > 0 {
                            found.push((key, *candle));
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
    }
    if found.len() > scan.limit {
        more = true;
        if scan.latest_first {
            found.drain(..found.len() - scan.limit);
        } else {
            found.truncate(scan.limit);
        }
    }
    if scan.latest_first {
        found.reverse();
    }
    CandlePage { frontier, rows: found, more }
}

enum Place {
    In,
    Skip,
    SkipTo(CandleKey),
    Past,
}

/// The lowest key that a scan may want.
fn lowest(scan: &Scan) -> Option<CandleKey> {
    let instrument = scan.instrument?;
    Some(CandleKey {
        instrument,
        timeframe: scan.timeframe.unwrap_or(SHORTEST),
        open_time: scan.from.filter(|_| scan.timeframe.is_some()).unwrap_or(EventTime::NEVER),
    })
}

const SHORTEST: Timeframe = match Timeframe::from_secs(1) {
    Some(second) => second,
    None => Timeframe::MINUTE,
};

fn place(scan: &Scan, key: &CandleKey) -> Place {
    let wanted: InstrumentId = scan.instrument.unwrap_or(key.instrument);
    if key.instrument != wanted {
        return Place::Past; // the cursor was put at the wanted one
    }
    if let Some(timeframe) = scan.timeframe {
        if key.timeframe < timeframe {
            return Place::SkipTo(CandleKey { timeframe, open_time: EventTime::NEVER, ..*key });
        }
        if key.timeframe > timeframe {
            let all = scan.instrument.is_none();
            return if all { Place::Skip } else { Place::Past };
        }
        if scan.instrument.is_some() && scan.to.is_some_and(|to| key.open_time >= to) {
            return Place::Past;
        }
    }
    let early = scan.from.is_some_and(|from| key.open_time < from);
    let late = scan.to.is_some_and(|to| key.open_time >= to);
    if early || late { Place::Skip } else { Place::In }
}
