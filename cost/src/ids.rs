//! Hash maps with a hash that is as cheap as keys that are hashes or counters allow.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use market::TradeId;

/// A map with a cheap hash; not for keys that an enemy chooses.
pub type Map<K, V> = HashMap<K, V, Fast>;

/// Makes cheap hashes.
pub(crate) type Fast = BuildHasherDefault<Folded>;

/// A map of ids: those that follow each other lie beside each other, as they are asked for one after the other.
pub(crate) type ById<V> = HashMap<u64, V, BuildHasherDefault<Near>>;

/// The id itself, but for the top bits, which distinguish neighbouring entries.
#[derive(Default)]
pub(crate) struct Near(u64);

impl Hasher for Near {
    fn write(&mut self, _: &[u8]) {} // ids are words

    fn write_u64(&mut self, id: u64) {
        const TOP: u64 = 0x7f << 57;
        self.0 = (id & !TOP) | (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) & TOP);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A multiplication per word.
#[derive(Default)]
pub struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What kind of id it is, and its number within that kind.
pub(crate) fn kind_and_number(id: TradeId) -> (u8, u64) {
    match id {
        TradeId::Number(number) => (0, number),
        TradeId::Text(hash) => (1, hash),
        TradeId::Position(position) => (2, position),
        TradeId::OfDay(packed) => (3, packed),
    }
}
