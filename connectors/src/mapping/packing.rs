//! Positions of rows where a message, or a line, holds several.

/// How positions name rows: by the number of their message alone or, where a message may hold several rows, by 4,096
/// times that number and the place in the message, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    bits: u32,
}

impl Packing {
    /// One row to a message.
    pub const ONE: Packing = Packing { bits: 0 };
    /// Several.
    pub const SEVERAL: Packing = Packing { bits: 12 };
    /// At most so many rows lie in a message, so that the last place of each is free.
    pub const ROWS_MAX: usize = (1 << Packing::SEVERAL.bits) - 1;

    /// So many bits of a position are the place in a message.
    pub(crate) fn bits(self) -> u32 {
        self.bits
    }

    /// The position of a row, by the number of its message and its place in it.
    ///
    /// ```
    /// use connectors::mapping::Packing;
    /// assert_eq!(Packing::ONE.row(7, 0), 7);
    /// assert_eq!(Packing::SEVERAL.row(7, 2), 7 * 4_096 + 2);
    /// assert_eq!(Packing::SEVERAL.message(7 * 4_096 + 2), 7);
    /// assert_eq!(Packing::SEVERAL.last(7), 7 * 4_096 + 4_095);
    /// ```
    pub fn row(self, message: u64, place: usize) -> u64 {
        message.saturating_mul(1 << self.bits).saturating_add(place as u64)
    }

    /// A position after all rows of a message and before those of the next.
    pub fn last(self, message: u64) -> u64 {
        self.row(message, (1 << self.bits) - 1)
    }

    /// The number of the message that the row at a position lies in.
    pub fn message(self, position: u64) -> u64 {
        position >> self.bits
    }

    /// The number of the last message none of whose rows lies after this position: reading on begins after it.
    ///
    /// ```
    /// use connectors::mapping::Packing;
    /// let several = Packing::SEVERAL;
    /// assert_eq!(several.whole(several.row(7, 2)), 6, "the seventh may have more rows");
    /// assert_eq!(several.whole(several.last(7)), 7);
    /// assert_eq!((Packing::ONE.whole(7), several.whole(0)), (7, 0));
    /// ```
    pub fn whole(self, position: u64) -> u64 {
        let message = self.message(position);
        if position == self.last(message) { message } else { message.saturating_sub(1) }
    }
}
