//! The plain trades of one instrument: those with one `New` and its copies only.
//!
//! They lie in [`Chunk`]s, each of one base bar, which keeps the list of its own. A row is found by its number:
//! that of its chunk and its place in it. When a bar leaves the horizon its rows are forgotten at once, by a
//! comparison; their memory goes a few chunks per commit.

use std::collections::VecDeque;

use market::{Bar, EventTime, InstrumentId, InstrumentSpec, Origin, Trade};
use serde::{Deserialize, Serialize};

use super::chunk::{CHUNK_ROWS, Chunk, Row, RowFlags};
use super::index::Hash;
use super::streams::{Id, Kind, Streams, hash};
use super::version::Version;

/// The number of a row: below [`ROW_NUMBERS`].
pub(super) type RowNo = u32;

/// Row numbers end here; what does not get one is kept otherwise.
pub(super) const ROW_NUMBERS: u32 = 1 << 31;

/// Rows from which on columns take less room.
const PACK_MIN_ROWS: usize = 32;
/// When a chunk reaches this many rows, older open chunks are packed. This spreads the work instead of packing
/// all instruments when a minute ends.
const PACK_OTHERS_AT_ROWS: usize = 64;
/// How many chunks are open at a time.
const OPEN_CHUNKS_MAX: usize = 4;
/// How many chunks of forgotten bars are freed per commit.
const FREED_PER_COMMIT: usize = 256;

/// The chunks of one instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rows {
    instrument: InstrumentId,
    /// Of all its rows; none before the first.
    spec: Option<InstrumentSpec>,
    chunks: Vec<ChunkSlot>,
    /// Chunks that may be used anew.
    free: Vec<u32>,
    /// Chunks that are not packed, the oldest first; some may be.
    open_chunks: VecDeque<u32>,
    /// Chunks of forgotten bars, still to be freed.
    pending_frees: VecDeque<Vec<u32>>,
    /// Rows of bars that end at or before this are forgotten.
    forgotten: EventTime,
    streams: Streams,
    /// Bytes of the chunks' bodies.
    bytes: usize,
}

/// A chunk and the bar that owns it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChunkSlot {
    /// The end of its bar; before all time if it is free.
    end: EventTime,
    /// How many of its rows were there before the commit at hand.
    settled: u16,
    chunk: Chunk,
    /// The fold of its rows, once it is packed.
    fold: Option<Box<Bar>>,
}

impl Rows {
    pub(super) fn new(instrument: InstrumentId) -> Rows {
        Rows {
            instrument,
            spec: None,
            chunks: Vec::new(),
            free: Vec::new(),
            open_chunks: VecDeque::new(),
            pending_frees: VecDeque::new(),
            forgotten: EventTime::NEVER,
            streams: Streams::default(),
            bytes: 0,
        }
    }

    /// The stream number of a trade's row; none if the trade cannot be stored as a row.
    pub(super) fn stream(&mut self, trade: &Trade, origin: Origin) -> Option<u16> {
        let fits = *self.spec.get_or_insert(trade.spec) == trade.spec;
        if fits { self.streams.number((trade.scope, trade.id), origin) } else { None }
    }

    /// Whether another row fits into a chunk.
    pub(super) fn has_room(&self, chunk: u32) -> bool {
        let chunk = self.chunks.get(chunk as usize).map(|slot| &slot.chunk);
        matches!(chunk, Some(Chunk::Open(rows)) if rows.len() < CHUNK_ROWS)
    }

    /// Keeps a trade in a chunk that has room, under a stream of [`Self::stream`].
    pub(super) fn add(&mut self, chunk: u32, stream: u16, trade: &Trade, origin: Origin) -> RowNo {
        let Chunk::Open(rows) = &mut self.chunks[chunk as usize].chunk else {
            unreachable!("a chunk that has room is open");
        };
        let (capacity, at) = (rows.capacity(), rows.len());
        rows.push(Row {
            time: trade.time,
            sequence: trade.sequence,
            id: Kind::of(trade.id).1,
            position: origin.position,
            stream,
            price: trade.price,
            quantity: trade.quantity,
            flags: RowFlags::new(trade.side, trade.updates, trade.is_positional),
        });
        self.bytes += (rows.capacity() - capacity) * size_of::<Row>();
        match at + 1 {
            PACK_OTHERS_AT_ROWS => self.pack_others(chunk),
            CHUNK_ROWS => self.pack(chunk),
            _ => {}
        }
        chunk << 8 | at as u32
    }

    /// The trade of a row, as reported with the lowest origin.
    pub(super) fn version(&self, number: RowNo) -> Version {
        let row = self.chunks[chunk_of(number)].chunk.row(row_in_chunk(number));
        self.version_of(&row)
    }

    /// The end of the bar that a row is in.
    pub(super) fn end(&self, number: RowNo) -> EventTime {
        self.chunks[chunk_of(number)].end
    }

    /// The same, if the bar is not forgotten.
    pub(super) fn end_if_kept(&self, number: RowNo) -> Option<EventTime> {
        let slot = self.chunks.get(chunk_of(number))?;
        Some(slot.end).filter(|end| *end > self.forgotten)
    }

    /// Whether a row was added in the commit at hand.
    pub(super) fn is_new(&self, number: RowNo) -> bool {
        row_in_chunk(number) >= usize::from(self.chunks[chunk_of(number)].settled)
    }

    /// The commit at hand is done with what it added to the chunk of this row.
    pub(super) fn settle(&mut self, number: RowNo) {
        let slot = &mut self.chunks[chunk_of(number)];
        slot.settled = slot.chunk.len() as u16;
    }

    /// Whether this is the row of an id.
    pub(super) fn is(&self, number: RowNo, id: Id) -> bool {
        self.name(number) == Some(id)
    }

    /// Under which hash a row is found, if it still is one.
    pub(super) fn hash(&self, number: RowNo) -> Option<Hash> {
        self.name(number).map(hash)
    }

    /// The trade's `New` with the lowest origin is this one; false if that does not fit in here.
    pub(super) fn set_origin(&mut self, number: RowNo, id: Id, origin: Origin) -> bool {
        let Some(stream) = self.streams.number(id, origin) else {
            return false;
        };
        let chunk = &mut self.chunks[chunk_of(number)].chunk;
        let before = chunk.bytes();
        chunk.set_origin(row_in_chunk(number), stream, origin.position);
        self.bytes = self.bytes + chunk.bytes() - before;
        true
    }

    /// Voids the row of a trade that is promoted.
    pub(super) fn let_go(&mut self, number: RowNo) {
        let version = self.version(number);
        let slot = &mut self.chunks[chunk_of(number)];
        slot.chunk.let_go(row_in_chunk(number));
        let fold = slot.fold.as_mut();
        if fold.is_some_and(|fold| !fold.take_out(&version.trade)) {
            self.fold(chunk_of(number));
        }
    }

    /// Whether a row is void.
    pub(super) fn is_gone(&self, number: RowNo) -> bool {
        let name = self.chunks[chunk_of(number)].chunk.name(row_in_chunk(number));
        name.is_none_or(|(_, _, flags)| flags.is_gone())
    }

    /// Adds what the rows of a bar with these chunks come to.
    pub(super) fn fold_into(&self, bar: &mut Bar, chunks: &[u32]) {
        for chunk in chunks {
            let ChunkSlot { chunk, fold, .. } = &self.chunks[*chunk as usize];
            match fold {
                Some(fold) => bar.merge(fold),
                None => chunk.rows().for_each(|row| bar.add(&self.version_of(&row).trade)),
            }
        }
    }

    /// Forgets the bars that end at or before `horizon`.
    pub(super) fn forget_through(&mut self, horizon: EventTime) {
        self.forgotten = self.forgotten.max(horizon);
    }

    /// Queues the chunks of a forgotten bar to be freed.
    pub(super) fn free_later(&mut self, chunks: Vec<u32>) {
        self.pending_frees.push_back(chunks);
    }

    /// Frees some chunks of forgotten bars.
    pub(super) fn free_forgotten(&mut self) {
        for _ in 0..FREED_PER_COMMIT {
            let Some(bar) = self.pending_frees.front_mut() else {
                return;
            };
            let Some(number) = bar.pop() else {
                self.pending_frees.pop_front();
                continue;
            };
            let slot = &mut self.chunks[number as usize];
            self.bytes -= slot.bytes();
            *slot = ChunkSlot::free();
            self.free.push(number);
        }
    }

    /// Whether chunks of forgotten bars are still to be freed.
    pub(super) fn has_pending_frees(&self) -> bool {
        !self.pending_frees.is_empty()
    }

    /// Every row that there is, with its id.
    pub(super) fn all(&self) -> impl Iterator<Item = (RowNo, Id)> {
        (0_u32..).zip(&self.chunks).flat_map(|(chunk, slot)| {
            let numbers = (0..slot.chunk.len() as u32).map(move |at| chunk << 8 | at);
            numbers.filter_map(|number| self.name(number).map(|id| (number, id)))
        })
    }

    /// About how many bytes it retains.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.free.capacity() + self.open_chunks.capacity();
        self.bytes
            + self.chunks.capacity() * size_of::<ChunkSlot>()
            + lists * size_of::<u32>()
            + self.streams.bytes()
    }

    /// The number of a new chunk of a bar; none if there are too many.
    pub(super) fn begin(&mut self, end: EventTime) -> Option<u32> {
        let slot = ChunkSlot { end, ..ChunkSlot::free() };
        let number = match self.free.pop() {
            Some(number) => {
                self.chunks[number as usize] = slot;
                number
            }
            None => {
                let next = u32::try_from(self.chunks.len()).ok()?;
                if next >= ROW_NUMBERS >> 8 {
                    return None;
                }
                self.chunks.push(slot);
                next
            }
        };
        while self.open_chunks.len() >= OPEN_CHUNKS_MAX {
            self.pack_oldest();
        }
        self.open_chunks.push_back(number);
        Some(number)
    }

    fn pack_others(&mut self, than: u32) {
        while self.open_chunks.front().is_some_and(|front| *front != than) {
            self.pack_oldest();
        }
    }

    /// The chunk that has grown longest is packed if that is worth it. It may still grow if not.
    fn pack_oldest(&mut self) {
        let Some(oldest) = self.open_chunks.pop_front() else {
            return;
        };
        let slot = &mut self.chunks[oldest as usize];
        if let Chunk::Open(rows) = &mut slot.chunk {
            if rows.len() >= PACK_MIN_ROWS {
                self.pack(oldest);
            } else {
                let capacity = rows.capacity();
                rows.shrink_to_fit();
                self.bytes -= (capacity - rows.capacity()) * size_of::<Row>();
            }
        }
    }

    fn pack(&mut self, chunk: u32) {
        self.fold(chunk as usize); // while its rows are at hand
        let slot = &mut self.chunks[chunk as usize];
        let before = slot.chunk.bytes();
        slot.chunk.pack();
        self.bytes = self.bytes + slot.chunk.bytes() - before;
    }

    /// Folds a chunk anew.
    fn fold(&mut self, chunk: usize) {
        let (Some(spec), ChunkSlot { end, chunk: rows, fold, .. }) =
            (self.spec, &self.chunks[chunk])
        else {
            return;
        };
        let mut bar = Bar::empty(spec, *end);
        rows.rows().for_each(|row| bar.add(&self.version_of(&row).trade));
        if fold.is_none() {
            self.bytes += size_of::<Bar>();
        }
        self.chunks[chunk].fold = Some(Box::new(bar));
    }

    /// The number in the id of a row, void or not; none of forgotten rows.
    pub(super) fn number_in(&self, number: RowNo) -> Option<u64> {
        let slot = self.chunks.get(chunk_of(number)).filter(|slot| slot.end > self.forgotten)?;
        slot.chunk.name(row_in_chunk(number)).map(|(id, ..)| id)
    }

    fn name(&self, number: RowNo) -> Option<Id> {
        let slot = self.chunks.get(chunk_of(number)).filter(|slot| slot.end > self.forgotten)?;
        let (id, stream, flags) = slot.chunk.name(row_in_chunk(number))?;
        let stream = self.streams.get(stream).filter(|_| !flags.is_gone())?;
        Some(stream.id(id))
    }

    fn version_of(&self, row: &Row) -> Version {
        let (Some(stream), Some(spec)) = (self.streams.get(row.stream), self.spec) else {
            unreachable!("a row has the number of a stream, and its instrument has terms");
        };
        let (scope, id) = stream.id(row.id);
        let trade = Trade {
            instrument: self.instrument,
            spec,
            scope,
            id,
            time: row.time,
            sequence: row.sequence,
            is_positional: row.flags.is_positional(),
            price: row.price,
            quantity: row.quantity,
            side: row.flags.side(),
            updates: row.flags.updates(),
        };
        Version { trade, origin: stream.origin(row.position) }
    }
}

impl ChunkSlot {
    fn free() -> ChunkSlot {
        ChunkSlot { end: EventTime::NEVER, settled: 0, chunk: Chunk::Open(Vec::new()), fold: None }
    }

    fn bytes(&self) -> usize {
        self.chunk.bytes() + self.fold.as_ref().map_or(0, |_| size_of::<Bar>())
    }
}

fn chunk_of(number: RowNo) -> usize {
    (number >> 8) as usize
}

fn row_in_chunk(number: RowNo) -> usize {
    (number & 0xff) as usize
}
