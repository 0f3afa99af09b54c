//! Fixed-point money and sizes.
//!
//! A [`Price`] or [`Quantity`] is a bare mantissa; its decimals belong to the instrument
//! ([`crate::InstrumentSpec`]). A record's field is 64 bits wide; products and sums are 128 bits wide. A trade
//! whose notional reaches [`NOTIONAL_LIMIT`] is refused at the edge, so a bar would need two thousand
//! million maximal trades to overflow: more than any memory holds.

use serde::{Deserialize, Serialize};

use crate::decimal::{self, DecimalError};

/// A price per unit: mantissa at the instrument's price scale. May be negative (some futures).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Price(pub i64);

/// A traded size, never negative: mantissa at the instrument's quantity scale. Zero is legal, where a source says what
/// it means.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Quantity(pub i64);

/// 2⁹⁶: the magnitude that a single trade's notional must stay below. At the default scales (17
/// decimals together) this is 792 thousand million units of the quote currency; instruments that trade
/// larger amounts are configured with fewer decimals.
pub const NOTIONAL_LIMIT: i128 = 1 << 96;

impl Price {
    /// Reads exact decimal text at `scale` decimals.
    pub fn parse(text: &str, scale: u8) -> Result<Price, DecimalError> {
        decimal::parse(text, scale).map(Price)
    }

    /// Exact text at `scale` decimals.
    pub fn text(self, scale: u8) -> String {
        decimal::format(i128::from(self.0), scale)
    }

    /// Price × quantity, at the sum of both scales; exact for all values.
    ///
    /// ```
    /// use market::{Price, Quantity};
    /// // 2.5 (one decimal) × 0.04 (two decimals) = 0.100 (three decimals)
    /// assert_eq!(Price(25).notional(Quantity(4)), 100);
    /// ```
    pub fn notional(self, quantity: Quantity) -> i128 {
        i128::from(self.0) * i128::from(quantity.0)
    }

    /// Whether a trade of `quantity` at this price may enter sums.
    pub fn summable(self, quantity: Quantity) -> bool {
        self.notional(quantity).abs() < NOTIONAL_LIMIT
    }
}

impl Quantity {
    /// Reads exact decimal text at `scale` decimals; the sign, if any, is kept.
    pub fn parse(text: &str, scale: u8) -> Result<Quantity, DecimalError> {
        decimal::parse(text, scale).map(Quantity)
    }

    /// Exact text at `scale` decimals.
    pub fn text(self, scale: u8) -> String {
        decimal::format(i128::from(self.0), scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn notional_is_exact_everywhere(price: i64, quantity: i64) {
            let notional = Price(price).notional(Quantity(quantity));
            if price != 0 {
                prop_assert_eq!(notional / i128::from(price), i128::from(quantity));
                prop_assert_eq!(notional % i128::from(price), 0);
            } else {
                prop_assert_eq!(notional, 0);
            }
        }
    }

    #[test]
    fn the_extremes_multiply() {
        assert_eq!(
            Price(i64::MIN).notional(Quantity(i64::MAX)),
            i128::from(i64::MIN) * i128::from(i64::MAX)
        );
    }
}
