//! Exact arithmetic of amounts: products of up to 256 bits, rounded once, at the end.
//!
//! Amounts are 128 bits wide. What lies in between is not: a basis times a quantity, or an amount times a
//! rate. Every function here is exact for all amounts, for prices and quantities of 64 bits, for rates whose factor
//! and divisor have 127 bits, and for scales up to [`market::decimal::SCALE_MAX`] of each of them, and gives none where
//! the result does not fit 128 bits.
//!
//! The crate `ethnum` has integers of fixed width, without allocation and dependencies.

use ethnum::I256;
use market::{MONEY_SCALE, Price};

use super::config::{Direction, RateSource, Route};

/// What turns amounts of a quote currency *C* into amounts of a base currency *P*: `factor · 10^exponent / divisor`,
/// both above zero. So the prices of a chain of pairs are multiplied exactly, and an amount is rounded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    factor: i128,
    exponent: i32,
    divisor: i128,
}

impl Rate {
    /// Both are the same.
    pub(super) const SAME: Rate = Rate { factor: 1, exponent: 0, divisor: 1 };

    /// And then over a pair of this price; none if it is not above zero, or if the prices multiplied, or those divided
    /// by, do not fit 127 bits together.
    pub(super) fn then(self, direction: Direction, price: Price, scale: u8) -> Option<Rate> {
        let (price, scale) = (i128::from(price.0), i32::from(scale));
        let Rate { factor, exponent, divisor } = self;
        let one = (price > 0).then_some(price)?;
        Some(match direction {
            Direction::Over => {
                Rate { factor: factor.checked_mul(one)?, exponent: exponent - scale, divisor }
            }
            Direction::Under => {
                Rate { factor, exponent: exponent + scale, divisor: divisor.checked_mul(one)? }
            }
        })
    }

    /// The rate of a route, of whose steps these are the marks; those of fixed rates are not looked at.
    pub(super) fn of(route: &Route, marks: &[Option<Price>]) -> Option<Rate> {
        route.iter().zip(marks).try_fold(Rate::SAME, |rate, (step, mark)| {
            let (price, scale) = match step.source {
                RateSource::Mark { spec, .. } => ((*mark)?, spec.price_scale),
                RateSource::Fixed { price, scale } => (price, scale),
            };
            rate.then(step.direction, price, scale)
        })
    }

    /// An amount at `scale` decimals of the quote currency, in the base currency at [`MONEY_SCALE`].
    pub(super) fn convert(self, amount: i128, scale: u8) -> Option<i128> {
        let native = i32::from(scale) - i32::from(MONEY_SCALE);
        fit(rhe(amount, self.factor, self.exponent - native, self.divisor)?)
    }

    /// How many whole units, each worth `one` (above zero) at `scale` decimals of the quote currency,
    /// `value` of the base currency comes to, towards zero.
    pub(super) fn units(self, value: i128, one: i128, scale: u8) -> Option<i128> {
        let native = i32::from(scale) - i32::from(MONEY_SCALE);
        let Rate { factor, divisor, .. } = self;
        let exponent = native - self.exponent;
        let worth = factor.checked_mul(one);
        let narrow = worth.and_then(|worth| narrow(value, divisor, exponent, worth));
        if let Some(fraction) = narrow {
            let (quotient, _) = fraction.quotient_and_rest()?;
            return fit(fraction.signed(quotient));
        }
        let worth = I256::from(one).checked_mul(I256::from(factor))?;
        let value = I256::from(value).checked_mul(I256::from(divisor))?;
        fit(towards_zero(value, exponent, worth)?)
    }
}

/// `a · factor · 10^exponent / divisor`, rounded to the nearest integer, halves to the even one; none if
/// the divisor is zero or the result, not rounded, does not fit 256 bits.
pub(super) fn rhe(a: i128, factor: i128, exponent: i32, divisor: i128) -> Option<I256> {
    // Nearly all amounts need no more than 128 bits, which are many times as fast.
    let Some(fraction) = narrow(a, factor, exponent, divisor) else {
        return wide(a, factor, exponent, divisor);
    };
    let (quotient, rest) = fraction.quotient_and_rest()?;
    let up = rounds_away(rest, fraction.divisor, quotient & 1 != 0);
    // Whatever leaves a rest is divided by 2 at least.
    Some(fraction.signed(quotient + u128::from(up)))
}

/// The same, whatever the numbers.
fn wide(a: i128, factor: i128, exponent: i32, divisor: i128) -> Option<I256> {
    let numerator = I256::from(a).checked_mul(I256::from(factor))?;
    let divisor = I256::from(divisor);
    let (numerator, divisor) = if exponent >= 0 {
        (numerator.checked_mul(power_of_ten(exponent)?)?, divisor)
    } else {
        let scaled = power_of_ten(-exponent).and_then(|power| divisor.checked_mul(power));
        match scaled {
            Some(scaled) => (numerator, scaled),
            // More than twice any product of two numbers of 128 bits.
            None => return (divisor != I256::ZERO).then_some(I256::ZERO),
        }
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

/// A sign, and a numerator and a divisor without it.
#[derive(Clone, Copy)]
struct Fraction {
    negative: bool,
    numerator: u128,
    divisor: u128,
}

/// As a fraction of `a · factor · 10^exponent` by `divisor`, if both fit 128 bits without their signs.
fn narrow(a: i128, factor: i128, exponent: i32, divisor: i128) -> Option<Fraction> {
    let negative = (a < 0) ^ (factor < 0) ^ (divisor < 0);
    let power = *POWERS_OF_TEN.get(exponent.unsigned_abs() as usize)?;
    let numerator = a.unsigned_abs().checked_mul(factor.unsigned_abs())?;
    let divisor = divisor.unsigned_abs();
    Some(match exponent >= 0 {
        true => Fraction { negative, numerator: numerator.checked_mul(power)?, divisor },
        false => Fraction { negative, numerator, divisor: divisor.checked_mul(power)? },
    })
}

impl Fraction {
    /// Of the division towards zero; none by zero.
    fn quotient_and_rest(self) -> Option<(u128, u128)> {
        let Fraction { numerator, divisor, .. } = self;
        if let (Ok(numerator), Ok(divisor)) = (u64::try_from(numerator), u64::try_from(divisor)) {
            let quotient = numerator.checked_div(divisor)?;
            return Some((u128::from(quotient), u128::from(numerator - quotient * divisor)));
        }
        if divisor == 1 {
            return Some((numerator, 0));
        }
        let quotient = numerator.checked_div(divisor)?;
        Some((quotient, numerator - quotient * divisor))
    }

    fn signed(self, number: u128) -> I256 {
        let number = I256::from(number);
        if self.negative { -number } else { number }
    }
}

/// Those that fit 128 bits.
const POWERS_OF_TEN: [u128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

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
        let scaled = power_of_ten(-exponent).and_then(|power| divisor.checked_mul(power));
        // What does not fit is more than any product of two numbers of 128 bits.
        return scaled.map_or(Some(I256::ZERO), |scaled| numerator.checked_div(scaled));
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
    use proptest::prelude::*;

    use super::*;

    fn over(price: i64, scale: u8) -> Rate {
        Rate::SAME.then(Direction::Over, Price(price), scale).unwrap()
    }

    fn under(price: i64, scale: u8) -> Rate {
        Rate::SAME.then(Direction::Under, Price(price), scale).unwrap()
    }

    #[test]
    fn chains_of_pairs_are_exact_however_long() {
        // 4,000 pence over GBP/GBX at 100 and GBP/USD at 1.25 are 50 dollars, in euros at 1.10 each 45.4545…
        let dollars = under(100, 0).then(Direction::Over, Price(125), 2).unwrap();
        assert_eq!(dollars.convert(4_000, 0), Some(50_000_000_000));
        let euros = dollars.then(Direction::Under, Price(110), 2).unwrap();
        assert_eq!(euros.convert(4_000, 0), Some(45_454_545_455));
        assert_eq!(euros.units(45_454_545_455, 4_000, 0), Some(1));
        assert_eq!(Rate::SAME.then(Direction::Over, Price(0), 0), None);
        let (two, least) =
            (over(i64::MAX, 18).then(Direction::Over, Price(i64::MAX), 18).unwrap(), over(1, 18));
        assert_eq!(two.then(Direction::Over, Price(3), 0), None, "more than 127 bits");
        // The widest products, and divisors beyond 256 bits.
        assert_eq!(two.convert(i128::MAX, 0), None);
        assert_eq!(two.convert(1, 0), Some(85_070_591_730));
        let least = least
            .then(Direction::Over, Price(1), 18)
            .unwrap()
            .then(Direction::Over, Price(1), 18)
            .unwrap();
        assert_eq!(least.convert(i128::MAX, 45), Some(0));
        assert_eq!(least.units(1, 1, 45), None);
        let most = under(1, 18).then(Direction::Under, Price(1), 18).unwrap();
        let most = most.then(Direction::Under, Price(1), 18).unwrap();
        assert_eq!(most.units(i128::MAX, i128::MAX, 0), Some(0));
    }

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

    /// Small ones, any, and those at the borders of 64 and 128 bits.
    fn numbers() -> impl Strategy<Value = i128> {
        let border = prop::sample::select(vec![0, 1 << 63, 1 << 64, i128::MAX, i128::MIN]);
        prop_oneof![
            -1_000_i128..1_000,
            any::<i64>().prop_map(i128::from),
            any::<i128>(),
            (border, -2_i128..=2).prop_map(|(border, off)| border.wrapping_add(off)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_narrow_way_says_what_the_wide_one_does(
            a in numbers(),
            factor in prop_oneof![Just(1), numbers()],
            exponent in -40..=40,
            divisor in prop_oneof![Just(1), numbers()],
        ) {
            for exponent in [0, exponent] {
                let want = wide(a, factor, exponent, divisor);
                prop_assert_eq!(rhe(a, factor, exponent, divisor), want);
            }
        }

        #[test]
        fn whole_units_are_the_same_the_narrow_and_the_wide_way(
            value in numbers(),
            one in numbers().prop_filter("a unit is worth something", |one| *one > 0),
            price in 1..=i64::MAX,
            scale in 0..=45_u8,
            pair_scale in 0..=18_u8,
        ) {
            let rates = [
                (Rate::SAME, 1, 0, 1),
                (over(price, pair_scale), 1, pair_scale.into(), price),
                (under(price, pair_scale), price, -i32::from(pair_scale), 1),
            ];
            for (rate, factor, exponent, price) in rates {
                let exponent = exponent + i32::from(scale) - i32::from(MONEY_SCALE);
                let worth = I256::from(one).checked_mul(I256::from(price));
                let value_of = I256::from(value).checked_mul(I256::from(factor));
                let want = worth
                    .zip(value_of)
                    .and_then(|(worth, value)| fit(towards_zero(value, exponent, worth)?));
                prop_assert_eq!(rate.units(value, one, scale), want);
            }
        }
    }

    #[test]
    fn the_narrow_and_the_wide_way_agree() {
        // Times and divided by 10^38 leaves 128 bits, with the same result.
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
        let (over, under) = (over(1_250, 3), under(1_250, 3));
        // 8.00 of the quote currency at two decimals.
        assert_eq!(Rate::SAME.convert(800, 2), Some(8_000_000_000));
        assert_eq!(over.convert(800, 2), Some(10_000_000_000));
        assert_eq!(under.convert(800, 2), Some(6_400_000_000));
        // Units worth 0.30: 8 of the base currency are 26 of them at rate 1, 21 over, 33 under.
        assert_eq!(Rate::SAME.units(8_000_000_000, 30, 2), Some(26));
        assert_eq!(over.units(8_000_000_000, 30, 2), Some(21));
        assert_eq!(under.units(-8_000_000_000, 30, 2), Some(-33));
    }

    #[test]
    fn the_widest_numbers_are_exact_or_none() {
        let wide = over(i64::MAX, 18);
        assert_eq!(wide.convert(i128::MAX, 0), None);
        assert!(wide.convert(i128::MAX, 36).is_some());
        // More than 256 bits in between, and an ordinary result.
        let one = i128::from(i64::MAX) * i128::from(u32::MAX);
        assert_eq!(
            wide.units(i128::MAX, one, 36),
            Some(465_661_287_416_159_475_187_268_188_265_494_527)
        );
        let tiny = over(1, 0);
        assert_eq!(tiny.units(i128::MAX, i128::MAX, 9), Some(1));
        let under = under(i64::MAX, 0);
        assert_eq!(under.units(3, i128::from(i64::MAX), 9), Some(3));
    }
}
