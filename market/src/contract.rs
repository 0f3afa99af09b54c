//! What has to be known of an instrument to compute with it, and to value a holding of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decimal;
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
    /// How many units of the underlying one unit of quantity represents.
    pub multiplier: Multiplier,
}

/// How many units of the underlying one unit of quantity represents: 100 for options on shares, 0.01 for contracts of a
/// hundredth of a coin. Always above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Multiplier {
    mantissa: u32,
    /// Without zeros at its end: one number has one form.
    scale: u8,
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

impl Multiplier {
    /// A unit is a unit.
    pub const ONE: Multiplier = Multiplier { mantissa: 1, scale: 0 };
    /// At most so many decimals.
    pub const SCALE_MAX: u8 = 9;

    /// The multiplier that a text says.
    ///
    /// ```
    /// use market::Multiplier;
    /// let hundredth = Multiplier::parse("0.010").unwrap();
    /// assert_eq!((hundredth.mantissa(), hundredth.scale()), (1, 2));
    /// assert!(Multiplier::parse("0").is_err() && Multiplier::parse("-1").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Multiplier, String> {
        let possible = "a multiplier is above 0, has at most 9 decimals and at most 4,294,967,295 of the last of them";
        let whole = decimal::parse_wide(text, Multiplier::SCALE_MAX)
            .ok_or_else(|| format!("multiplier = {text} is not possible: {possible}"))?;
        let (mut mantissa, mut scale) = (whole, Multiplier::SCALE_MAX);
        while scale > 0 && mantissa % 10 == 0 && mantissa != 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        match u32::try_from(mantissa) {
            Ok(0) => Err("a multiplier of 0 makes everything worth nothing".to_owned()),
            Ok(mantissa) => Ok(Multiplier { mantissa, scale }),
            Err(_) => Err(format!("multiplier = {text} is not possible: {possible}")),
        }
    }

    /// The number times 10^[`Self::scale`]; at least 1.
    pub fn mantissa(self) -> u32 {
        self.mantissa
    }

    /// Its decimals.
    pub fn scale(self) -> u8 {
        self.scale
    }
}

impl From<u32> for Multiplier {
    /// That of a whole number; that of 0 is 1.
    fn from(whole: u32) -> Multiplier {
        Multiplier { mantissa: whole.max(1), scale: 0 }
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal::format(self.mantissa.into(), self.scale))
    }
}

impl Currency {
    /// The dollar of the United States.
    pub const USD: Currency = Currency(*b"USD\0\0\0\0\0");
    /// Not above any; nobody has it.
    pub const LOWEST: Currency = Currency([0; 8]);

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
    /// Decimals of price × quantity × multiplier.
    pub fn native_scale(&self) -> u8 {
        self.spec.notional_scale() + self.multiplier.scale()
    }

    /// What `quantity` at `price` costs, signed like the quantity, at [`Self::native_scale`]; none if that is more than
    /// 128 bits hold.
    pub fn amount(&self, quantity: i128, price: Price) -> Option<i128> {
        self.units(quantity)?.checked_mul(i128::from(price.0))
    }

    /// How many units of the underlying that is, at the scales of quantity and multiplier; none if it is more than 128
    /// bits hold.
    pub fn units(&self, quantity: i128) -> Option<i128> {
        quantity.checked_mul(i128::from(self.multiplier.mantissa))
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
            multiplier: u32::MAX.into(),
        };
        assert_eq!(contract.amount(-2, Price(3)), Some(-6 * i128::from(u32::MAX)));
        assert_eq!(contract.amount(i128::MAX, Price(2)), None);
    }

    #[test]
    fn multipliers_have_one_form_and_bounds() {
        let parts = |text| Multiplier::parse(text).map(|it| (it.mantissa(), it.scale()));
        for (text, want) in [
            ("1", (1, 0)),
            ("100", (100, 0)),
            ("0.01", (1, 2)),
            ("0.50", (5, 1)),
            ("1e-9", (1, 9)),
            ("2.5", (25, 1)),
            ("4294967295", (u32::MAX, 0)),
        ] {
            assert_eq!(parts(text), Ok(want), "{text}");
            assert_eq!(
                Multiplier::parse(&Multiplier::parse(text).unwrap().to_string()),
                Multiplier::parse(text)
            );
        }
        for text in ["0", "-1", "1e-10", "4294967296", "429496729.51", "many", ""] {
            assert!(parts(text).is_err(), "{text}");
        }
        let contract = Contract {
            multiplier: Multiplier::parse("0.01").unwrap(),
            spec: InstrumentSpec::DEFAULT,
            quote: Currency::USD,
        };
        assert_eq!((contract.amount(300, Price(2)), contract.native_scale()), (Some(600), 19));
    }
}
