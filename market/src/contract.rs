//! What has to be known of an instrument to compute with it, and to value a holding of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::CalendarId;
use crate::price::Price;

/// What has to be known to compute with an instrument's records; travels with each trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstrumentSpec {
    /// Decimals of a price.
    pub price_scale: u8,
    /// Decimals of a quantity.
    pub quantity_scale: u8,
    /// Where its bars begin and end.
    pub calendar: CalendarId,
}

/// What has to be known of an instrument to value a holding of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contract {
    /// Scales and calendar.
    pub spec: InstrumentSpec,
    /// What its prices are in.
    pub quote: Currency,
    /// How many units of the underlying one unit of quantity represents; at least 1.
    pub multiplier: u32,
}

/// A currency: 1 to 8 of `A–Z` and `0–9`, such as `USD` or `USDT`; unused bytes are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency([u8; 8]);

impl InstrumentSpec {
    /// 9 decimals for prices, 8 for quantities, the calendar with the first number.
    pub const DEFAULT: InstrumentSpec =
        InstrumentSpec { price_scale: 9, quantity_scale: 8, calendar: CalendarId(0) };

    /// Decimals of price × quantity.
    pub fn notional_scale(self) -> u8 {
        self.price_scale + self.quantity_scale
    }
}

impl Currency {
    /// The dollar of the United States.
    pub const USD: Currency = Currency(*b"USD\0\0\0\0\0");

    /// The currency of this name; none if it is not 1 to 8 of `A–Z` and `0–9`.
    ///
    /// ```
    /// use market::Currency;
    /// assert_eq!(Currency::of("USDT").unwrap().to_string(), "USDT");
    /// assert_eq!(Currency::of("usd"), None);
    /// ```
    pub fn of(name: &str) -> Option<Currency> {
        let allowed = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let mut bytes = [0; 8];
        bytes.get_mut(..name.len()).filter(|to| allowed && !to.is_empty())?;
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Currency(bytes))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take_while(|b| **b != 0).try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Contract {
    /// What `quantity` at `price` costs, signed like the quantity, at [`InstrumentSpec::notional_scale`]; none if
    /// that is more than 128 bits hold.
    pub fn amount(&self, quantity: i128, price: Price) -> Option<i128> {
        quantity.checked_mul(i128::from(price.0))?.checked_mul(i128::from(self.multiplier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_short_and_upper_case() {
        for name in ["USD", "X", "ABCDEFGH", "1INCH"] {
            assert_eq!(Currency::of(name).unwrap().to_string(), name);
        }
        for name in ["", "ABCDEFGHI", "usd", "U D", "€"] {
            assert_eq!(Currency::of(name), None, "{name:?}");
        }
    }

    #[test]
    fn amounts_are_exact_or_none() {
        let contract = Contract {
            spec: InstrumentSpec::DEFAULT,
            quote: Currency([b'X'; 8]),
            multiplier: u32::MAX,
        };
        assert_eq!(contract.amount(-2, Price(3)), Some(-6 * i128::from(u32::MAX)));
        assert_eq!(contract.amount(i128::MAX, Price(2)), None);
    }
}
