//! Exact arithmetic of amounts: products of up to 256 bits, rounded once, at the end.
//!
//! Amounts are 128 bits wide. What lies in between is not: a basis times a quantity, or an amount times a
//! rate. Every function here is exact for all amounts, for prices and quantities of 64 bits, and for scales
//! up to [`market::decimal::SCALE_MAX`], and gives none where the result does not fit 128 bits.

use ethnum::I256;
use market::{MONEY_SCALE, Price};
use serde::{Deserialize, Serialize};

/// What turns amounts of a quote currency *C* into amounts of a base currency *P*. Prices are above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Rate {
    /// Both are the same.
    Same,
    /// The pair is *C*/*P*: one of *C* costs so much of *P*.
    Over { price: Price, scale: u8 },
    /// The pair is *P*/*C*: one of *P* costs so much of *C*.
    Under { price: Price, scale: u8 },
}

impl Rate {
    /// An amount at `scale` decimals of the quote currency, in the base currency at [`MONEY_SCALE`].
    pub(super) fn convert(self, amount: i128, scale: u8) -> Option<i128> {
        let native = i32::from(scale) - i32::from(MONEY_SCALE);
        let (factor, exponent, divisor) = match self {
            Rate::Same => (1, -native, 1),
            Rate::Over { price, scale } => (i128::from(price.0), -native - i32::from(scale), 1),
            Rate::Under { price, scale } => (1, i32::from(scale) - native, i128::from(price.0)),
        };
        fit(rhe(amount, factor, exponent, divisor)?)
    }

    /// How many whole units, each worth `one` (above zero) at `scale` decimals of the quote currency,
    /// `value` of the base currency comes to, towards zero.
    pub(super) fn units(self, value: i128, one: i128, scale: u8) -> Option<i128> {
        let native = i32::from(scale) - i32::from(MONEY_SCALE);
        let (factor, exponent, price) = match self {
            Rate::Same => (1, native, 1),
            Rate::Over { price, scale } => (1, native + i32::from(scale), price.0),
            Rate::Under { price, scale } => (price.0, native - i32::from(scale), 1),
        };
        let worth = i128::from(price).checked_mul(one);
        if let Some((numerator, divisor)) =
            worth.and_then(|worth| narrow(value, i128::from(factor), exponent, worth))
        {
            return numerator.checked_div(divisor);
        }
        let worth = I256::from(one).checked_mul(I256::from(price))?;
        let value = I256::from(value).checked_mul(I256::from(factor))?;
        fit(towards_zero(value, exponent, worth)?)
    }
}

/// `a · factor · 10^exponent / divisor`, rounded to the nearest integer, halves to the even one; none if
/// the divisor is zero or a product does not fit 256 bits.
pub(super) fn rhe(a: i128, factor: i128, exponent: i32, divisor: i128) -> Option<I256> {
    // Nearly all amounts need no more than 128 bits, which are several times as fast.
    if let Some((numerator, divisor)) = narrow(a, factor, exponent, divisor) {
        let quotient = numerator.checked_div(divisor)?;
        let rest = numerator - quotient * divisor;
        let up = rounds_away(rest.unsigned_abs(), divisor.unsigned_abs(), quotient & 1 != 0);
        let step = if (numerator < 0) == (divisor < 0) { 1 } else { -1 };
        return Some(I256::from(quotient) + if up { I256::from(step) } else { I256::ZERO });
    }
    let numerator = I256::from(a).checked_mul(I256::from(factor))?;
    let (numerator, divisor) = if exponent >= 0 {
        (numerator.checked_mul(power_of_ten(exponent)?)?, I256::from(divisor))
    } else {
        (numerator, I256::from(divisor).checked_mul(power_of_ten(-exponent)?)?)
    };
    let (quotient, rest) = (numerator.checked_div(divisor)?, numerator.checked_rem(divisor)?);
    let odd = quotient & I256::ONE != I256::ZERO;
    let up = rounds_away(rest.unsigned_abs(), divisor.unsigned_abs(), odd);
    let step = if numerator.is_negative() == divisor.is_negative() { 1 } else { -1 };
    if up { quotient.checked_add(I256::from(step)) } else { Some(quotient) }
}

/// The number, if it fits 128 bits.
pub(super) fn fit(number: I256) -> Option<i128> {
    i128::try_from(number).ok()
}

/// Numerator and divisor, if both fit 128 bits.
fn narrow(a: i128, factor: i128, exponent: i32, divisor: i128) -> Option<(i128, i128)> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let numerator = a.checked_mul(factor)?;
    let (numerator, divisor) = if exponent >= 0 {
        (numerator.checked_mul(power)?, divisor)
    } else {
        (numerator, divisor.checked_mul(power)?)
    };
    ((numerator, divisor) != (i128::MIN, -1)).then_some((numerator, divisor))
}

/// Whether a quotient with this remainder is rounded away from zero.
fn rounds_away<N: Copy + PartialOrd + std::ops::Sub<Output = N>>(
    rest: N,
    divisor: N,
    odd: bool,
) -> bool {
    // Compared with what is left to the next multiple, because twice the remainder may not fit.
    let missing = divisor - rest;
    rest > missing || (rest == missing && odd)
}

/// `numerator · 10^exponent / divisor`, towards zero, for a divisor above zero.
fn towards_zero(numerator: I256, exponent: i32, divisor: I256) -> Option<I256> {
    if exponent <= 0 {
        return numerator.checked_div(divisor.checked_mul(power_of_ten(-exponent)?)?);
    }
    // By decimals, as on paper: the whole numerator times the power may take more than 256 bits.
    let (mut quotient, mut rest) =
        (numerator.checked_div(divisor)?, numerator.checked_rem(divisor)?);
    for _ in 0..exponent {
        let carried = rest.checked_mul(I256::from(10))?;
        let digit = carried.checked_div(divisor)?;
        quotient = quotient.checked_mul(I256::from(10))?.checked_add(digit)?;
        rest = carried.checked_rem(divisor)?;
    }
    Some(quotient)
}

fn power_of_ten(exponent: i32) -> Option<I256> {
    I256::from(10).checked_pow(u32::try_from(exponent).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(a: i128, divisor: i128) -> i128 {
        fit(rhe(a, 1, 0, divisor).unwrap()).unwrap()
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (a, by, want) in
            [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (5, -2, -2), (8, 3, 3), (-8, 3, -3)]
        {
            assert_eq!(rounded(a, by), want, "{a}/{by}");
        }
        assert_eq!(rhe(1, 1, 0, 0), None);
    }

    #[test]
    fn the_narrow_and_the_wide_way_agree() {
        // Times and divided by 10^38 leaves 128 bits, and says the same.
        for a in [-1_000_003, -25, -15, -1, 0, 1, 15, 25, 999_999] {
            for by in [-20, -7, -2, 1, 2, 10, 30] {
                let wide = rhe(a * 10_i128.pow(19), 10_i128.pow(19), -38, by);
                assert_eq!(wide, rhe(a, 1, 0, by), "{a}/{by}");
            }
        }
        assert_eq!(fit(rhe(i128::MIN, 1, 0, -1).unwrap()), None);
        assert_eq!(rounded(i128::MIN, 1), i128::MIN);
        assert_eq!(rhe(i128::MIN, i128::MIN + 1, 0, i128::MIN + 1).and_then(fit), Some(i128::MIN));
    }

    #[test]
    fn over_and_under_a_pair() {
        let price = Price(1_250);
        let over = Rate::Over { price, scale: 3 };
        let under = Rate::Under { price, scale: 3 };
        // 8.00 of the quote currency at two decimals.
        assert_eq!(Rate::Same.convert(800, 2), Some(8_000_000_000));
        assert_eq!(over.convert(800, 2), Some(10_000_000_000));
        assert_eq!(under.convert(800, 2), Some(6_400_000_000));
        // Units worth 0.30: 8 of the base currency are 26 of them at rate 1, 21 over, 33 under.
        assert_eq!(Rate::Same.units(8_000_000_000, 30, 2), Some(26));
        assert_eq!(over.units(8_000_000_000, 30, 2), Some(21));
        assert_eq!(under.units(-8_000_000_000, 30, 2), Some(-33));
    }

    #[test]
    fn the_widest_numbers_are_exact_or_none() {
        let wide = Rate::Over { price: Price(i64::MAX), scale: 18 };
        assert_eq!(wide.convert(i128::MAX, 0), None);
        assert!(wide.convert(i128::MAX, 36).is_some());
        // More than 256 bits in between, and an ordinary result.
        let one = i128::from(i64::MAX) * i128::from(u32::MAX);
        assert_eq!(
            wide.units(i128::MAX, one, 36),
            Some(465_661_287_416_159_475_187_268_188_265_494_527)
        );
        let tiny = Rate::Over { price: Price(1), scale: 0 };
        assert_eq!(tiny.units(i128::MAX, i128::MAX, 9), Some(1));
        let under = Rate::Under { price: Price(i64::MAX), scale: 0 };
        assert_eq!(under.units(3, i128::from(i64::MAX), 9), Some(3));
    }
}
