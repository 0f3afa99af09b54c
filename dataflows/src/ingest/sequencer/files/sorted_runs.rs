//! Rows of all partitions in the order of time, whatever the order of lines: sorted runs in a temporary file, merged.
//!
//! A run is a block of rows that was sorted in memory; the last one stays there. In the file each row is its length in
//! bytes (`u32`, little endian) and itself (postcard). The file has no name and goes with the process. Each run is read
//! through a buffer of its own; all of them together take about [`BUFFERS_BYTES`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use connectors::Row;
use market::{AccountEvent, Event, EventTime, IdText, InputEvent, Rejection};
use serde::{Deserialize, Serialize};

use super::partition::FilePartition;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::ControlEvent;
use crate::ingest::sequencer::commit_builder::CommitBuilder;
use crate::ingest::stop::Stop;

/// Bytes of the buffers of all runs together, as long as none has less than [`BUFFER_BYTES_MIN`].
const BUFFERS_BYTES: usize = 32 << 20;
const BUFFER_BYTES_MIN: usize = 16 << 10;
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Runs, and the first row of each that is not taken yet.
pub(super) struct SortedRuns {
    runs: Vec<Run>,
    /// By the order of time; rows of equal keys do not exist.
    heads: BinaryHeap<Reverse<(PlacedRow, usize)>>,
    control: Vec<(usize, ControlEvent)>,
    /// See [`FilePartition::turned_around`].
    turned_around: Vec<FilePlace>,
}

impl SortedRuns {
    /// Reads and sorts all rows. At most `rows_max` of them are in memory, besides those in the queues. Less than all
    /// is read if a stop is asked for.
    pub(super) fn of(
        partitions: Vec<(FilePlace, EventReceiver)>,
        rows_max: usize,
        builder: &CommitBuilder<'_>,
        stop: &Stop,
    ) -> io::Result<SortedRuns> {
        let mut block: Vec<PlacedRow> = Vec::new();
        let mut spilled = SpillFile::default();
        let (mut control, mut turned_around) = (Vec::new(), Vec::new());
        for mut partition in FilePartition::all(partitions) {
            let source = partition.place.0;
            let mut reported = |event| control.push((source, event));
            while !stop.is_set() && partition.head(&mut reported).is_some() {
                let Some(mut row) = partition.take() else { break };
                builder.register(&mut row.row);
                block.push(row);
                if block.len() >= rows_max {
                    block.sort_unstable();
                    spilled.write(block.drain(..))?;
                }
            }
            turned_around.extend(partition.turned_around());
        }
        block.sort_unstable();
        let (runs, heads) = (spilled.runs()?, BinaryHeap::new());
        let mut sorted = SortedRuns { runs, heads, control, turned_around };
        sorted.runs.push(Run::Memory(block.into_iter()));
        for index in 0..sorted.runs.len() {
            sorted.read(index)?;
        }
        Ok(sorted)
    }

    /// The next row.
    pub(super) fn next(&mut self) -> io::Result<Option<PlacedRow>> {
        let Some(Reverse((row, index))) = self.heads.pop() else { return Ok(None) };
        self.read(index)?;
        Ok(Some(row))
    }

    /// The partitions that lie newest first, see [`FilePartition::turned_around`].
    pub(super) fn turned_around(&self) -> Vec<FilePlace> {
        self.turned_around.clone()
    }

    pub(super) fn into_control(self) -> Vec<(usize, ControlEvent)> {
        self.control
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let row = self.runs[index].next()?;
        self.heads.extend(row.map(|row| Reverse((row, index))));
        Ok(())
    }
}

/// The temporary file, and where each run in it ends.
#[derive(Default)]
struct SpillFile {
    file: Option<BufWriter<File>>,
    ends: Vec<u64>,
    length: u64,
}

impl SpillFile {
    fn write(&mut self, rows: impl Iterator<Item = PlacedRow>) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(BUFFER_BYTES_MAX, tempfile::tempfile()?)),
        };
        for row in rows {
            let bytes = postcard::to_stdvec(&Spilled::from(row)).map_err(io::Error::other)?;
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            file.write_all(&length.to_le_bytes())?;
            file.write_all(&bytes)?;
            self.length += 4 + u64::from(length);
        }
        self.ends.push(self.length);
        Ok(())
    }

    /// Readers of all runs.
    fn runs(self) -> io::Result<Vec<Run>> {
        let Some(file) = self.file else { return Ok(Vec::new()) };
        let file = Arc::new(file.into_inner().map_err(|error| error.into_error())?);
        let room = BUFFERS_BYTES / self.ends.len().max(1);
        let room = room.clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let runs = begins.zip(&self.ends).map(|(at, &end)| {
            let (file, buffer) = (Arc::clone(&file), Vec::new());
            Run::File(FileRun { file, at, end, buffer, taken: 0, room })
        });
        Ok(runs.collect())
    }
}

/// The rest of a run.
enum Run {
    Memory(std::vec::IntoIter<PlacedRow>),
    File(FileRun),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<PlacedRow>> {
        match self {
            Run::Memory(rows) => Ok(rows.next()),
            Run::File(run) => run.next(),
        }
    }
}

/// The rest of a run in the file: first what is in the buffer, then from `at` to `end`.
struct FileRun {
    file: Arc<File>,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was read.
    taken: usize,
    /// How much is read at a time.
    room: usize,
}

impl FileRun {
    fn next(&mut self) -> io::Result<Option<PlacedRow>> {
        if self.taken == self.buffer.len() && self.at == self.end {
            return Ok(None);
        }
        let [a, b, c, d] = *self.bytes(4)?.first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let spilled: Spilled =
            postcard::from_bytes(self.bytes(length)?).map_err(io::Error::other)?;
        Ok(Some(spilled.into()))
    }

    /// The next `count` bytes.
    fn bytes(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.taken < count {
            self.buffer.drain(..std::mem::take(&mut self.taken));
            let (held, left) = (self.buffer.len(), self.end - self.at);
            let more = self.room.max(count - held).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.resize(held + more, 0);
            self.file.read_exact_at(&mut self.buffer[held..], self.at)?;
            self.at += more as u64;
        }
        let bytes = self.buffer.get(self.taken..self.taken + count);
        self.taken += count;
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A row in the file.
#[derive(Serialize, Deserialize)]
struct Spilled {
    time: EventTime,
    place: FilePlace,
    position: u64,
    event: SpilledEvent,
    id_texts: Vec<IdText>,
}

#[derive(Serialize, Deserialize)]
enum SpilledEvent {
    Market(Event),
    Account(AccountEvent),
    Refused(Box<Rejection>),
}

impl From<PlacedRow> for Spilled {
    /// Its names are registered.
    fn from(PlacedRow { time, place, row }: PlacedRow) -> Spilled {
        let event = match row.event {
            Ok(InputEvent::Market(event)) => SpilledEvent::Market(event),
            Ok(InputEvent::Account(event)) => SpilledEvent::Account(event),
            Err(rejection) => SpilledEvent::Refused(rejection),
        };
        Spilled { time, place, position: row.position, event, id_texts: row.id_texts }
    }
}

impl From<Spilled> for PlacedRow {
    fn from(spilled: Spilled) -> PlacedRow {
        let Spilled { time, place, position, event, id_texts } = spilled;
        let event = match event {
            SpilledEvent::Market(event) => Ok(InputEvent::Market(event)),
            SpilledEvent::Account(event) => Ok(InputEvent::Account(event)),
            SpilledEvent::Refused(rejection) => Err(rejection),
        };
        PlacedRow { time, place, row: Row { id_texts, ..Row::new(position, event) } }
    }
}
