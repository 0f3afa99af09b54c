//! Cursors: where the next page begins. To clients they are opaque texts.

use std::hash::{BuildHasher, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::order::Place;

/// The beginning of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The cut that it reads.
    pub(crate) cut: u64,
    /// A hash of all that decides which rows there are, and in which order.
    pub(crate) query: u64,
    /// Where the page begins.
    pub(crate) place: Place,
}

/// Recognises the cursors of this process: each has a checksum that depends on a random number. That keeps a mistyped
/// cursor from being another place; it keeps no secret, since a cursor allows nothing that its holder may not read.
#[derive(Clone, Copy)]
pub(crate) struct CursorKey(u64);

const BYTES: usize = 5 * size_of::<u64>();

impl CursorKey {
    pub(crate) fn random() -> CursorKey {
        CursorKey(RandomState::new().hash_one(0))
    }

    pub(crate) fn write(self, cursor: Cursor) -> String {
        let Cursor { cut, query, place } = cursor;
        let numbers = [cut, query, place.at, place.skip as u64];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let checksum = xxh3_64_with_seed(&bytes, self.0);
        bytes.extend(checksum.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a text, and whether this process wrote it; none if nobody did.
    pub(crate) fn read(self, text: &str) -> Option<(Cursor, bool)> {
        let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let [cut, query, at, skip, checksum] = *numbers else { return None };
        let [cut, query, at, skip, checksum] =
            [cut, query, at, skip, checksum].map(u64::from_be_bytes);
        let place = Place { at, skip: usize::try_from(skip).ok()? };
        let is_own = xxh3_64_with_seed(&bytes[..BYTES - size_of::<u64>()], self.0) == checksum;
        Some((Cursor { cut, query, place }, is_own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_was_written_and_no_other() {
        let key = CursorKey::random();
        let cursor = Cursor { cut: 7, query: u64::MAX, place: Place { at: 1 << 63, skip: 3 } };
        let text = key.write(cursor);
        assert_eq!(key.read(&text), Some((cursor, true)));
        assert_eq!(CursorKey(!key.0).read(&text), Some((cursor, false)), "of another process");
        for at in 0..text.len() - 1 {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let read = key.read(std::str::from_utf8(&other).unwrap());
            assert!(read.is_none_or(|(_, is_own)| !is_own), "changed at {at}");
        }
        for wrong in ["", "x", "%", &text[1..], &format!("{text}A")] {
            assert_eq!(key.read(wrong), None, "{wrong}");
        }
    }
}
