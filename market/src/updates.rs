//! What a print may change in a candle, and in that of which session: its sale conditions decide both.

use serde::{Deserialize, Serialize};

/// Which parts of a candle a trade may update, and what print of its session it is; sale conditions decide it.
///
/// A byte holds both: the parts are its lowest three bits, the print the two above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Updates(u8);

/// What its source says of a print's session. [`crate::Calendar::counts_at`] has what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionPrint {
    /// Nothing: its time decides, with the grace of its calendar.
    #[default]
    Unsaid,
    /// It is no print of an auction, and of the session that its time lies in: without a grace.
    Ordinary,
    /// The opening print of a regular session.
    Opening,
    /// The closing print of a regular session.
    Closing,
}

impl SessionPrint {
    /// All of them.
    pub const ALL: [SessionPrint; 4] = [
        SessionPrint::Unsaid,
        SessionPrint::Ordinary,
        SessionPrint::Opening,
        SessionPrint::Closing,
    ];
}

impl Updates {
    /// Nothing: the print is known, and a cancel of it too, but no candle shows it.
    pub const NONE: Updates = Updates(0);
    /// Volume, notional and trade count.
    pub const VOLUME: Updates = Updates(1);
    /// High and low.
    pub const HIGH_LOW: Updates = Updates(2);
    /// Open and close.
    pub const OPEN_CLOSE: Updates = Updates(4);
    /// Everything: a regular trade.
    pub const ALL: Updates = Updates(7);

    const PRINT: u32 = 3;

    /// Parts and print as the lowest five bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// What [`Self::bits`] gave; higher bits mean nothing.
    pub const fn of_bits(bits: u8) -> Updates {
        Updates(bits & 0x1f)
    }

    /// Both sets of parts.
    pub const fn and(self, other: Updates) -> Updates {
        Updates(self.0 | other.0)
    }

    /// The parts that both sets have, without a print.
    #[must_use]
    pub const fn common(self, other: Updates) -> Updates {
        Updates(self.0 & other.0 & Updates::ALL.0)
    }

    /// Whether all of `parts` are among these.
    pub const fn has(self, parts: Updates) -> bool {
        self.0 & parts.0 == parts.0
    }

    /// Whether no candle shows it.
    pub const fn is_nothing(self) -> bool {
        self.0 & Updates::ALL.0 == 0
    }

    /// The same parts, of such a print.
    ///
    /// ```
    /// use market::{SessionPrint, Updates};
    /// let close = Updates::ALL.of_print(SessionPrint::Closing);
    /// assert_eq!(close.print(), SessionPrint::Closing);
    /// assert!(close.has(Updates::ALL) && close != Updates::ALL);
    /// ```
    #[must_use]
    pub const fn of_print(self, print: SessionPrint) -> Updates {
        Updates(self.0 & Updates::ALL.0 | (print as u8) << Updates::PRINT)
    }

    /// What print it is.
    pub const fn print(self) -> SessionPrint {
        SessionPrint::ALL[(self.0 >> Updates::PRINT & 3) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_candle() {
        let official_close = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);
        assert!(Updates::ALL.has(official_close) && !official_close.has(Updates::VOLUME));
        assert!(!Updates::NONE.has(Updates::OPEN_CLOSE));
    }

    #[test]
    fn parts_and_prints_keep_each_other() {
        for parts in 0..8 {
            for print in SessionPrint::ALL {
                let updates = Updates::of_bits(parts).of_print(print);
                assert_eq!(updates.print(), print);
                assert_eq!(updates.common(Updates::ALL), Updates::of_bits(parts));
                assert_eq!(Updates::of_bits(updates.bits() | 0xe0), updates);
                assert_eq!(updates.is_nothing(), parts == 0);
                let other = updates.of_print(SessionPrint::Unsaid);
                assert_eq!(other, Updates::of_bits(parts));
            }
        }
    }
}
