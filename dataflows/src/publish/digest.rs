//! Digests of views: equal for runs with equal results, whatever the number of workers.

use std::fmt;

use market::{Commit, TradeId};
use xxhash_rust::xxh3::Xxh3;

use rows::Cell;

/// A sum of hashes. It does not depend on the order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u128);

/// The digests of one view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewDigest {
    /// Over every change: (commit, row, +1 or −1).
    pub changes: Digest,
    /// Over the rows at the end.
    pub rows: Digest,
}

impl Digest {
    /// Adds a change of a row.
    pub fn change(&mut self, commit: Commit, cells: &[Cell], diff: i64) {
        let mut hasher = Xxh3::new();
        hasher.update(&commit.0.to_le_bytes());
        hasher.update(&diff.to_le_bytes());
        self.add(hasher, cells);
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell]) {
        self.add(Xxh3::new(), cells);
    }

    /// Adds the sum of another digest.
    pub fn merge(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn add(&mut self, mut hasher: Xxh3, cells: &[Cell]) {
        cells.iter().for_each(|cell| update(&mut hasher, cell));
        self.0 = self.0.wrapping_add(hasher.digest128());
    }
}

/// Hashes one cell as bytes that are the same on every machine.
fn update(hasher: &mut Xxh3, cell: &Cell) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        hasher.update(&[tag]);
        hasher.update(bytes);
    };
    match cell {
        Cell::Null => tagged(0, &[]),
        Cell::Unsigned(n) | Cell::Identifier(n) => tagged(1, &n.to_le_bytes()),
        Cell::Decimal { mantissa, scale } => {
            tagged(2, &mantissa.to_le_bytes());
            hasher.update(&[*scale]);
        }
        Cell::Number(bits) => tagged(8, &bits.to_le_bytes()),
        Cell::Time(time) => tagged(3, &time.0.to_le_bytes()),
        Cell::Instrument(id) => tagged(4, &id.0.to_le_bytes()),
        Cell::Portfolio(id) => tagged(9, &id.0.to_le_bytes()),
        Cell::Model(id) => tagged(10, &id.0.to_le_bytes()),
        Cell::IdScope(scope) => tagged(12, &scope.0.to_le_bytes()),
        Cell::TradeId(id) => {
            let (kind, number) = match id {
                TradeId::Number(number) => (0, number),
                TradeId::Text(hash) => (1, hash),
                TradeId::Position(position) => (2, position),
                TradeId::OfDay(packed) => (3, packed),
            };
            tagged(13, &number.to_le_bytes());
            hasher.update(&[kind]);
        }
        Cell::Timeframe(timeframe) => tagged(5, &timeframe.secs().to_le_bytes()),
        Cell::Word(word) => {
            tagged(6, &(word.len() as u64).to_le_bytes());
            hasher.update(word.as_bytes());
        }
        Cell::Currency(currency) => {
            let text = currency.to_string();
            tagged(11, &[text.len() as u8]);
            hasher.update(text.as_bytes());
        }
        Cell::Text(text) => {
            tagged(7, &(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
