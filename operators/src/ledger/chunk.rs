//! Up to [`CHUNK_ROWS`] plain trades of one base bar: rows while it grows, narrow columns once it is packed.
//!
//! A row never moves, so that what refers to it by its number stays right. Packed, each column holds what
//! its values are above their least, in as few bytes as the widest of them needs: times in the coarsest
//! unit that fits, ids and positions less the number of their row, sequences less the id or the position,
//! whichever they follow. So what a venue counts up takes no room, and a trade of a usual feed some ten bytes.

use market::{EventTime, Price, Quantity, Side, Updates};
use serde::{Deserialize, Serialize};

/// How many rows a chunk holds at most.
pub(super) const CHUNK_ROWS: usize = 256;

/// A plain trade as it is kept: the values that its instrument and its stream do not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) time: EventTime,
    pub(super) sequence: u64,
    /// The number in its id; the stream gives the kind of id.
    pub(super) id: u64,
    /// Where its `New` with the lowest origin came from: the position, and the number of the stream.
    pub(super) position: u64,
    pub(super) stream: u16,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) flags: RowFlags,
}

/// Aggressor, parts and print of a row, whether its sequence is its position, and whether it is one still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowFlags(u8);

/// Rows of one bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Chunk {
    /// It grows.
    Open(Vec<Row>),
    /// It has all its rows.
    Packed(Packed),
}

/// The columns of a chunk that has all its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Packed {
    rows: u16,
    /// Nanoseconds in a step of time.
    unit: i64,
    /// Whether sequences follow positions; else they follow ids.
    by_position: bool,
    columns: [Column; COLUMNS],
    /// The flags of every row, then the columns one behind the other, then what lets the last value be read
    /// as eight bytes.
    bytes: Box<[u8]>,
}

/// Where a column begins, and what its values are made of.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Column {
    least: i64,
    start: u16,
    width: u8,
}

const COLUMNS: usize = 7;
const TIME: usize = 0;
const ID: usize = 1;
const SEQUENCE: usize = 2;
const POSITION: usize = 3;
const STREAM: usize = 4;
const PRICE: usize = 5;
const QUANTITY: usize = 6;

impl RowFlags {
    const POSITIONAL: u8 = 1 << 5;
    const SIDE: u32 = 6;
    /// No side: the row is void.
    const GONE: u8 = 3 << RowFlags::SIDE;

    pub(super) fn new(side: Side, updates: Updates, is_positional: bool) -> RowFlags {
        let positional = if is_positional { RowFlags::POSITIONAL } else { 0 };
        RowFlags(updates.bits() | (side as u8) << RowFlags::SIDE | positional)
    }

    pub(super) fn side(self) -> Side {
        match self.0 >> RowFlags::SIDE {
            1 => Side::Buy,
            2 => Side::Sell,
            _ => Side::Unknown,
        }
    }

    pub(super) fn updates(self) -> Updates {
        Updates::of_bits(self.0)
    }

    /// See [`market::Trade::is_positional`].
    pub(super) fn is_positional(self) -> bool {
        self.0 & RowFlags::POSITIONAL != 0
    }

    /// Whether the trade was promoted or is gone: its row is void.
    pub(super) fn is_gone(self) -> bool {
        self.0 & RowFlags::GONE == RowFlags::GONE
    }
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        match self {
            Chunk::Open(rows) => rows.len(),
            Chunk::Packed(packed) => usize::from(packed.rows),
        }
    }

    /// A row that there is.
    pub(super) fn row(&self, at: usize) -> Row {
        match self {
            Chunk::Open(rows) => rows[at],
            Chunk::Packed(packed) => packed.row(at),
        }
    }

    /// The number in the id, the stream and the flags of a row, if there is one.
    pub(super) fn name(&self, at: usize) -> Option<(u64, u16, RowFlags)> {
        match self {
            Chunk::Open(rows) => rows.get(at).map(|row| (row.id, row.stream, row.flags)),
            Chunk::Packed(packed) => (at < usize::from(packed.rows)).then(|| {
                let id = (packed.get(ID, at) as u64).wrapping_add(at as u64);
                (id, packed.get(STREAM, at) as u16, packed.flags(at))
            }),
        }
    }

    /// Every row that is not void.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        (0..self.len()).map(|at| self.row(at)).filter(|row| !row.flags.is_gone())
    }

    /// Makes the row void.
    pub(super) fn let_go(&mut self, at: usize) {
        match self {
            Chunk::Open(rows) => rows[at].flags.0 |= RowFlags::GONE,
            Chunk::Packed(packed) => packed.bytes[at] |= RowFlags::GONE,
        }
    }

    /// The row's `New` with the lowest origin came from elsewhere.
    pub(super) fn set_origin(&mut self, at: usize, stream: u16, position: u64) {
        match self {
            Chunk::Open(rows) => (rows[at].stream, rows[at].position) = (stream, position),
            Chunk::Packed(packed) => {
                let values = [
                    (STREAM, i64::from(stream)),
                    (POSITION, position.wrapping_sub(at as u64) as i64),
                ];
                let fit = values.iter().all(|(column, value)| packed.fits(*column, *value));
                if fit && !packed.by_position {
                    values.iter().for_each(|(column, value)| packed.put(*column, at, *value));
                } else {
                    // Another feed's positions: from now on any of them fits.
                    let mut rows: Vec<Row> = (0..self.len()).map(|at| self.row(at)).collect();
                    (rows[at].stream, rows[at].position) = (stream, position);
                    *self = Chunk::Packed(Packed::of(&rows, true));
                }
            }
        }
    }

    /// No more rows come.
    pub(super) fn pack(&mut self) {
        if let Chunk::Open(rows) = self {
            *self = Chunk::Packed(Packed::of(rows, false));
        }
    }

    /// About how many bytes it retains.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Chunk::Open(rows) => rows.capacity() * size_of::<Row>(),
            Chunk::Packed(packed) => packed.bytes.len(),
        }
    }
}

impl Packed {
    /// Columns of rows, 256 at most; `widely` with room for every origin.
    fn of(rows: &[Row], widely: bool) -> Packed {
        let first = rows.first().map_or(0, |row| row.time.0);
        let unit = unit_of(rows, first);
        let far = |of: fn(&Row) -> u64| {
            let apart = |row: &Row| row.sequence.wrapping_sub(of(row)) as i64;
            let (least, most) = rows.iter().fold((i64::MAX, i64::MIN), |(least, most), row| {
                (least.min(apart(row)), most.max(apart(row)))
            });
            most.wrapping_sub(least) as u64
        };
        // What follows a position could not stay when that changes.
        let by_position = !widely && far(|row| row.position) < far(|row| row.id);

        let columns = [Column::default(); COLUMNS];
        let mut packed =
            Packed { rows: rows.len() as u16, unit, by_position, columns, bytes: Box::default() };
        let mut bytes = Vec::with_capacity(rows.len() * 24);
        bytes.extend(rows.iter().map(|row| row.flags.0));
        let (position, stream) = match widely {
            true => (Some((0, 8)), Some((0, 2))),
            false => (None, None),
        };
        let into = &mut bytes;
        // Times are counted from the first row's, which the values are relative to.
        let mut times =
            column(rows, None, into, |_, row| in_units(row.time.0.wrapping_sub(first), unit));
        times.least = times.least * unit + first;
        packed.columns[TIME] = times;
        packed.columns[ID] =
            column(rows, None, into, |at, row| row.id.wrapping_sub(at as u64) as i64);
        packed.columns[SEQUENCE] = match by_position {
            true => column(rows, None, into, |_, r| r.sequence.wrapping_sub(r.position) as i64),
            false => column(rows, None, into, |_, row| row.sequence.wrapping_sub(row.id) as i64),
        };
        packed.columns[POSITION] =
            column(rows, position, into, |at, row| row.position.wrapping_sub(at as u64) as i64);
        packed.columns[STREAM] = column(rows, stream, into, |_, row| i64::from(row.stream));
        packed.columns[PRICE] = column(rows, None, into, |_, row| row.price.0);
        packed.columns[QUANTITY] = column(rows, None, into, |_, row| row.quantity.0);
        bytes.extend([0; 8]);
        packed.bytes = bytes.into_boxed_slice();
        packed
    }

    fn flags(&self, at: usize) -> RowFlags {
        RowFlags(self.bytes[at])
    }

    /// What a row has in a column above the least.
    fn above(&self, column: usize, at: usize) -> u64 {
        let Column { start, width, .. } = self.columns[column];
        let from = usize::from(start) + at * usize::from(width);
        let eight = self.bytes.get(from..).and_then(|rest| rest.first_chunk::<8>());
        eight.map_or(0, |eight| u64::from_le_bytes(*eight)) & mask(width)
    }

    fn get(&self, column: usize, at: usize) -> i64 {
        self.columns[column].least.wrapping_add(self.above(column, at) as i64)
    }

    fn fits(&self, column: usize, value: i64) -> bool {
        let Column { least, width, .. } = self.columns[column];
        value.wrapping_sub(least) as u64 <= mask(width)
    }

    fn put(&mut self, column: usize, at: usize, value: i64) {
        let Column { least, start, width } = self.columns[column];
        let (start, width) = (usize::from(start), usize::from(width));
        let above = value.wrapping_sub(least).to_le_bytes();
        self.bytes[start + at * width..][..width].copy_from_slice(&above[..width]);
    }

    fn row(&self, at: usize) -> Row {
        let time = self.columns[TIME].least + self.above(TIME, at) as i64 * self.unit;
        let id = (self.get(ID, at) as u64).wrapping_add(at as u64);
        let position = (self.get(POSITION, at) as u64).wrapping_add(at as u64);
        let followed = if self.by_position { position } else { id };
        Row {
            time: EventTime(time),
            sequence: followed.wrapping_add(self.get(SEQUENCE, at) as u64),
            id,
            position,
            stream: self.get(STREAM, at) as u16,
            price: Price(self.get(PRICE, at)),
            quantity: Quantity(self.get(QUANTITY, at)),
            flags: self.flags(at),
        }
    }
}

/// Appends a column of the values that rows have, each above the least; or above `least`, in so many bytes, if that is
/// given.
fn column(
    rows: &[Row],
    given: Option<(i64, u8)>,
    bytes: &mut Vec<u8>,
    value: impl Fn(usize, &Row) -> i64,
) -> Column {
    let mut values = [0_i64; CHUNK_ROWS];
    let values = &mut values[..rows.len()];
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for ((at, row), place) in rows.iter().enumerate().zip(&mut *values) {
        *place = value(at, row);
        (least, most) = (least.min(*place), most.max(*place));
    }
    let (least, width) = match given {
        Some(given) => given,
        None if rows.is_empty() => (0, 0),
        None => (least, bytes_of(most.wrapping_sub(least) as u64)),
    };
    // A value takes eight bytes at most, so that a chunk's last byte is below 2¹⁶.
    let start = bytes.len() as u16;
    match width {
        0 => {}
        1 => bytes.extend(values.iter().map(|value| value.wrapping_sub(least) as u8)),
        _ => {
            for value in values.iter() {
                let above = value.wrapping_sub(least).to_le_bytes();
                bytes.extend_from_slice(&above[..usize::from(width)]);
            }
        }
    }
    Column { least, start, width }
}

/// The coarsest unit of time in which all rows are so many whole ones from the first.
fn unit_of(rows: &[Row], first: i64) -> i64 {
    // Divisions by what is known when this is compiled are multiplications.
    let all = |whole: fn(i64) -> bool| rows.iter().all(|row| whole(row.time.0.wrapping_sub(first)));
    if !all(|time| time % 1_000 == 0) {
        1
    } else if !all(|time| time % 1_000_000 == 0) {
        1_000
    } else if !all(|time| time % 1_000_000_000 == 0) {
        1_000_000
    } else {
        1_000_000_000
    }
}

fn in_units(time: i64, unit: i64) -> i64 {
    match unit {
        1 => time,
        1_000 => time / 1_000,
        1_000_000 => time / 1_000_000,
        _ => time / 1_000_000_000,
    }
}

/// How many bytes a number needs.
fn bytes_of(number: u64) -> u8 {
    (u64::BITS - number.leading_zeros()).div_ceil(8) as u8
}

/// The largest number of so many bytes.
fn mask(width: u8) -> u64 {
    match width {
        0 => 0,
        8.. => u64::MAX,
        width => (1 << (8 * u32::from(width))) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows as feeds have them, and as none does.
    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let number = || prop_oneof![0..4_u64, 1_000..9_000_u64, any::<u64>()];
        let row = (number(), number(), number(), number(), any::<(i64, i64, u16, u8)>());
        let unit = prop::sample::select(vec![1, 1_000, 1_000_000, 1_000_000_000]);
        (prop::collection::vec(row, 1..=CHUNK_ROWS), unit, any::<bool>()).prop_map(
            |(rows, unit, in_order)| {
                let rows = rows.into_iter().enumerate();
                let rows = rows.map(
                    |(at, (time, sequence, id, position, (price, size, stream, flags)))| {
                        let at = at as u64;
                        let ordered = in_order.then_some(7_000 + at);
                        Row {
                            time: EventTime((time % 90_000_000) as i64 * unit - 40_000_000),
                            id: ordered.unwrap_or(id),
                            sequence: ordered.unwrap_or(sequence),
                            position: ordered.unwrap_or(position),
                            stream: if in_order { 3 } else { stream },
                            price: Price(price),
                            quantity: Quantity(size),
                            flags: RowFlags(flags & 0xbf),
                        }
                    },
                );
                rows.collect()
            },
        )
    }

    proptest! {
        #[test]
        fn packed_rows_are_the_rows(rows in rows()) {
            let mut chunk = Chunk::Open(rows.clone());
            chunk.pack();
            prop_assert_eq!(chunk.len(), rows.len());
            for (at, row) in rows.iter().enumerate() {
                prop_assert_eq!(chunk.row(at), *row);
                prop_assert_eq!(chunk.name(at), Some((row.id, row.stream, row.flags)));
            }
            prop_assert_eq!(chunk.name(rows.len()), None);
        }

        #[test]
        fn a_packed_row_changes_as_an_open_one(
            rows in rows(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<(u16, u64, bool)>()), 0..9),
        ) {
            let (mut open, mut packed) = (Chunk::Open(rows.clone()), Chunk::Open(rows.clone()));
            packed.pack();
            for (at, (stream, position, gone)) in changes {
                let at = at.index(rows.len());
                for chunk in [&mut open, &mut packed] {
                    if gone { chunk.let_go(at) } else { chunk.set_origin(at, stream, position) }
                }
            }
            prop_assert!((0..rows.len()).all(|at| open.row(at) == packed.row(at)));
            prop_assert!(open.rows().eq(packed.rows()));
        }
    }

    #[test]
    fn what_is_counted_up_takes_no_room() {
        let row = |n: u64| Row {
            time: EventTime(1_700_000_000_000_000_000 + n as i64 * 7_000_000),
            sequence: 900 + n,
            id: 900 + n,
            position: 40 + n,
            stream: 2,
            price: Price(4_200_000 + (n as i64 * 37) % 250),
            quantity: Quantity(1 + (n as i64 * 91) % 60_000),
            flags: RowFlags::new(Side::Buy, Updates::ALL, false),
        };
        let mut chunk = Chunk::Open((0..256).map(row).collect());
        chunk.pack();
        let per_row = 1 + 2 + 1 + 2; // flags, time, price, quantity
        assert_eq!(chunk.bytes(), 256 * per_row + 8);
    }
}
