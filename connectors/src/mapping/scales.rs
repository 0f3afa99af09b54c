//! How many decimals the prices and sizes of an instrument need.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use market::decimal::{self, SCALE_MAX};
use market::price::NOTIONAL_LIMIT;
use market::{DecimalError, InstrumentSpec};

/// What the numbers of an instrument need that were seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScaleNeeds {
    price: Held,
    size: Held,
    /// The largest product of a price and a size.
    notional: f64,
}

/// How many of the numbers of one kind each scale holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held([u64; SCALE_MAX as usize + 1]);

impl ScaleNeeds {
    /// Takes a price and a size, of which so many decimals are implied. Numbers that no scale holds need none.
    pub fn note(&mut self, price: (&str, u8), size: (&str, u8)) -> Result<(), DecimalError> {
        let (price, size) = (scales_of(price)?, scales_of(size)?);
        let (Some(price), Some(size)) = (price, size) else { return Ok(()) };
        self.price.note(price.0);
        self.size.note(size.0);
        self.notional = self.notional.max(price.1 * size.1);
        Ok(())
    }

    /// The scales that hold the most numbers, nearest to the default ones, and fewer decimals if products need them and
    /// no number is lost by that. So a broken number among good ones costs none of these.
    pub fn spec(&self) -> InstrumentSpec {
        let InstrumentSpec { price_scale, quantity_scale, calendar } = InstrumentSpec::DEFAULT;
        let best = (self.price.best(price_scale), self.size.best(quantity_scale));
        let (price_scale, quantity_scale) = self.summable(best).unwrap_or(best);
        InstrumentSpec { price_scale, quantity_scale, calendar }
    }

    /// Scales at which all products may enter sums, with fewer decimals than these if need be; none if that would lose
    /// numbers.
    fn summable(&self, (mut price, mut size): (u8, u8)) -> Option<(u8, u8)> {
        while !self.is_summable(price, size) {
            match (self.size.can_be_lower(size), self.price.can_be_lower(price)) {
                (true, _) => size -= 1,
                (false, true) => price -= 1,
                (false, false) => return None,
            }
        }
        Some((price, size))
    }

    /// Whether a trade of the largest price and size may enter sums, at these scales.
    fn is_summable(&self, price: u8, size: u8) -> bool {
        const MARGIN: f64 = 0.999;
        let limit = NOTIONAL_LIMIT as f64 * MARGIN;
        self.notional * 10_f64.powi(i32::from(price) + i32::from(size)) < limit
    }
}

impl Held {
    fn note(&mut self, scales: RangeInclusive<u8>) {
        scales.for_each(|scale| self.0[usize::from(scale)] += 1);
    }

    fn at(&self, scale: u8) -> u64 {
        self.0[usize::from(scale)]
    }

    /// The scale that holds the most, nearest to the default.
    fn best(&self, default: u8) -> u8 {
        let farness = |scale: &u8| Reverse((scale.abs_diff(default), Reverse(*scale)));
        (0..=SCALE_MAX).max_by_key(|scale| (self.at(*scale), farness(scale))).unwrap_or(default)
    }

    fn can_be_lower(&self, scale: u8) -> bool {
        scale.checked_sub(1).is_some_and(|lower| self.at(lower) >= self.at(scale))
    }
}

/// The scales that hold a number, and about how large it is; none if no scale does.
fn scales_of(
    (text, implied): (&str, u8),
) -> Result<Option<(RangeInclusive<u8>, f64)>, DecimalError> {
    let (decimals, large) = decimal::magnitude(text, implied)?;
    let fits = |scale: &u8| {
        let unused = 10_u128.pow(u32::from(SCALE_MAX - scale));
        large.div_ceil(unused) <= i64::MAX as u128
    };
    let least = u8::try_from(decimals).ok().filter(|least| *least <= SCALE_MAX && fits(least));
    let scales = least.map(|least| {
        let most = (least..=SCALE_MAX).take_while(fits).last().unwrap_or(least);
        (least..=most, large as f64 / 10_f64.powi(i32::from(SCALE_MAX)))
    });
    Ok(scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Price, Quantity};
    use proptest::prelude::*;

    fn scales(trades: &[(&str, &str)]) -> (u8, u8) {
        let mut needs = ScaleNeeds::default();
        for (price, size) in trades {
            needs.note((price, 0), (size, 0)).unwrap();
        }
        let spec = needs.spec();
        (spec.price_scale, spec.quantity_scale)
    }

    #[test]
    fn a_broken_number_costs_no_other() {
        let mut trades = vec![("61685.99123", "0.00017"); 9];
        trades.extend([("1e-16", "1"), ("1", "1e17"), ("1e14", "1e14")]);
        assert_eq!(scales(&trades), (9, 8));
    }

    #[test]
    fn the_default_unless_it_does_not_do() {
        for (trades, want) in [
            (&[("28155.10", "0.001")][..], (9, 8)),
            (&[("0.0000071", "150000000000"), ("0.0000072", "90000000000")], (9, 7)),
            (&[("0.00000000072", "5")], (11, 8)),
            (&[("98765432100", "0.01")], (7, 8)),
            (&[("98765432100", "100000")], (7, 5)), // the product
            (&[("1e-30", "1")], (9, 8)),            // no scale holds it
            (&[("-40.32", "1")], (9, 8)),
            (&[("0.000000000001", "1"), ("99999999999", "1")], (7, 8)), // both cannot be held
            (&[], (9, 8)),
        ] {
            assert_eq!(scales(trades), want, "{trades:?}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_held_is(
            trades in prop::collection::vec((1..1_000_000_u64, -13..12_i32, 1..1_000_000_u64, -8..12_i32), 1..4),
        ) {
            let texts: Vec<_> = trades.iter().map(|(p, pe, s, se)| (format!("{p}e{pe}"), format!("{s}e{se}"))).collect();
            let mut needs = ScaleNeeds::default();
            texts.iter().for_each(|(price, size)| needs.note((price, 0), (size, 0)).unwrap());
            let holds = |p: u8, s: u8| texts.iter().all(|(price, size)| {
                let price = Price::parse(price, p);
                let size = Quantity::parse(size, s);
                price.is_ok_and(|price| size.is_ok_and(|size| price.summable(size)))
            });
            let spec = needs.spec();
            let can_be = (0..=18).any(|p| (0..=18).any(|s| holds(p, s)));
            prop_assert_eq!(holds(spec.price_scale, spec.quantity_scale), can_be, "{:?} {:?}", texts, spec);
            if holds(9, 8) {
                prop_assert_eq!((spec.price_scale, spec.quantity_scale), (9, 8));
            }
        }
    }
}
