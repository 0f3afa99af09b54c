//! Ids of entries, and the positions that they are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mapping::Packing;

/// The id of an entry of a stream: milliseconds, and a number within them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EntryId {
    /// Since the epoch, where the server gives the ids.
    pub ms: u64,
    /// Within the millisecond, from 0.
    pub sequence: u64,
}

/// Bits of a position that hold the sequence; the others hold the milliseconds.
pub(super) const SEQUENCE_BITS: u32 = 22;
/// Milliseconds of a position are below this: until May 2109.
pub(super) const MS_END: u64 = 1 << (u64::BITS - SEQUENCE_BITS);
/// The sequence of a position is below this: four million entries of one millisecond.
pub(super) const SEQUENCE_END: u64 = 1 << SEQUENCE_BITS;

impl EntryId {
    /// Before all entries; none has it.
    pub(super) const ZERO: EntryId = EntryId { ms: 0, sequence: 0 };

    /// Reads `1795222806962-0`.
    ///
    /// ```
    /// use connectors::redis::EntryId;
    /// let id = EntryId::parse(b"1795222806962-3").unwrap();
    /// assert_eq!((id.ms, id.sequence), (1_795_222_806_962, 3));
    /// assert_eq!(EntryId::parse(b"5"), None);
    /// ```
    pub fn parse(text: &[u8]) -> Option<EntryId> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        let (ms, sequence) = (number(&text[..dash])?, number(&text[dash + 1..])?);
        Some(EntryId { ms, sequence })
    }

    /// The last id that entries of milliseconds before `ms` can have.
    pub fn before(ms: u64) -> EntryId {
        match ms.checked_sub(1) {
            Some(ms) => EntryId { ms, sequence: u64::MAX },
            None => EntryId::ZERO,
        }
    }

    /// The number that positions have for it; none beyond 42 bits of milliseconds and what `packing` leaves of 22 bits
    /// of sequence.
    ///
    /// ```
    /// use connectors::mapping::Packing;
    /// use connectors::redis::EntryId;
    /// let id = EntryId { ms: 5, sequence: 1_000 };
    /// let number = id.number(Packing::SEVERAL).unwrap();
    /// assert_eq!(EntryId::numbered(number, Packing::SEVERAL), id);
    /// assert_eq!(Packing::SEVERAL.row(number, 0), 5 << 22 | 1_000 << 12);
    /// assert_eq!(EntryId { ms: 5, sequence: 1_024 }.number(Packing::SEVERAL), None);
    /// ```
    pub fn number(self, packing: Packing) -> Option<u64> {
        let bits = SEQUENCE_BITS - packing.bits();
        let fits = self.ms < MS_END && self.sequence < 1 << bits;
        fits.then_some(self.ms << bits | self.sequence)
    }

    /// The entry of a number.
    pub fn numbered(number: u64, packing: Packing) -> EntryId {
        let bits = SEQUENCE_BITS - packing.bits();
        EntryId { ms: number >> bits, sequence: number & ((1 << bits) - 1) }
    }

    /// The number of the first entry that may come after it, as near as numbers go.
    pub fn next_number(self, packing: Packing) -> u64 {
        let bits = SEQUENCE_BITS - packing.bits();
        let sequence = self.sequence.min((1 << bits) - 1);
        (self.ms.min(MS_END - 1) << bits | sequence).saturating_add(1)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_ascend_as_ids_do_and_come_back() {
        let ids = [(0, 1), (0, SEQUENCE_END - 1), (1, 0), (1_795_222_806_962, 7), (MS_END - 1, 9)];
        let ids = ids.map(|(ms, sequence)| EntryId { ms, sequence });
        let positions = ids.map(|id| id.number(Packing::ONE).unwrap());
        assert!(positions.is_sorted() && positions[0] > 0);
        assert_eq!(positions.map(|number| EntryId::numbered(number, Packing::ONE)), ids);
        assert_eq!(ids[1].next_number(Packing::ONE), positions[2]);
        for (ms, sequence) in [(MS_END, 0), (1, SEQUENCE_END), (u64::MAX, u64::MAX)] {
            assert_eq!(EntryId { ms, sequence }.number(Packing::ONE), None);
        }
    }

    #[test]
    fn only_two_numbers_are_an_id() {
        for text in ["", "-", "1-", "-1", "1-2-3", "+1-2", "18446744073709551616-0", "1-x"] {
            assert_eq!(EntryId::parse(text.as_bytes()), None, "{text}");
        }
        let most = EntryId { ms: u64::MAX, sequence: u64::MAX };
        assert_eq!(EntryId::parse(most.to_string().as_bytes()), Some(most));
        assert_eq!(EntryId::before(5), EntryId { ms: 4, sequence: u64::MAX });
        assert_eq!(EntryId::before(0), EntryId::ZERO);
    }
}
