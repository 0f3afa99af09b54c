//! How many decimals the prices and sizes of an instrument need.

use market::decimal::{self, SCALE_MAX};
use market::price::NOTIONAL_LIMIT;
use market::{DecimalError, InstrumentSpec};

/// What the numbers of an instrument need that were seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScaleNeeds {
    price: Needs,
    size: Needs,
    /// The largest product of a price and a size.
    notional: f64,
}

/// What numbers of one kind need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Needs {
    /// Decimals.
    decimals: u8,
    /// The largest, at [`SCALE_MAX`] decimals.
    largest: u128,
}

impl ScaleNeeds {
    /// Takes a price and a size, of which so many decimals are implied. Numbers that no scale holds need none.
    pub fn note(&mut self, price: (&str, u8), size: (&str, u8)) -> Result<(), DecimalError> {
        let (price, size) = (Needs::of(price)?, Needs::of(size)?);
        let (Some(price), Some(size)) = (price, size) else { return Ok(()) };
        self.price.join(price);
        self.size.join(size);
        self.notional = self.notional.max(price.value() * size.value());
        Ok(())
    }

    /// The scales that hold all of it: the default ones if these do, else as many more or fewer decimals as are needed. If
    /// no scales hold all, those that keep every decimal.
    pub fn spec(&self) -> InstrumentSpec {
        let InstrumentSpec { price_scale, quantity_scale, calendar } = InstrumentSpec::DEFAULT;
        let mut price = self.price.scale(price_scale);
        let mut size = self.size.scale(quantity_scale);
        while !self.is_summable(price, size) {
            match (size > self.size.decimals, price > self.price.decimals) {
                (true, _) => size -= 1,
                (false, true) => price -= 1,
                (false, false) => break,
            }
        }
        InstrumentSpec { price_scale: price, quantity_scale: size, calendar }
    }

    /// Whether a trade of the largest price and size may enter sums, at these scales.
    fn is_summable(&self, price: u8, size: u8) -> bool {
        const MARGIN: f64 = 0.999;
        let limit = NOTIONAL_LIMIT as f64 * MARGIN;
        self.notional * 10_f64.powi(i32::from(price) + i32::from(size)) < limit
    }
}

impl Needs {
    fn of((text, implied): (&str, u8)) -> Result<Option<Needs>, DecimalError> {
        let (decimals, largest) = decimal::magnitude(text, implied)?;
        let decimals = u8::try_from(decimals).ok().filter(|decimals| *decimals <= SCALE_MAX);
        let needs = decimals.map(|decimals| Needs { decimals, largest });
        Ok(needs.filter(|needs| needs.fits(needs.decimals)))
    }

    fn join(&mut self, other: Needs) {
        self.decimals = self.decimals.max(other.decimals);
        self.largest = self.largest.max(other.largest);
    }

    fn value(self) -> f64 {
        self.largest as f64 / 10_f64.powi(i32::from(SCALE_MAX))
    }

    /// Whether 64 bits hold the largest at a scale.
    fn fits(self, scale: u8) -> bool {
        let unused = 10_u128.pow(u32::from(SCALE_MAX - scale));
        self.largest.div_ceil(unused) <= i64::MAX as u128
    }

    /// The default scale, or the nearest that holds all.
    fn scale(self, default: u8) -> u8 {
        let most = default.max(self.decimals);
        (self.decimals..=most).rev().find(|scale| self.fits(*scale)).unwrap_or(self.decimals)
    }
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
    fn the_default_unless_it_does_not_do() {
        for (trades, want) in [
            (&[("28155.10", "0.001")][..], (9, 8)),
            (&[("0.0000071", "150000000000"), ("0.0000072", "90000000000")], (9, 7)),
            (&[("0.00000000072", "5")], (11, 8)),
            (&[("98765432100", "0.01")], (7, 8)),
            (&[("98765432100", "100000")], (7, 5)), // the product
            (&[("1e-30", "1")], (9, 8)),            // no scale holds it
            (&[("-40.32", "1")], (9, 8)),
            (&[("0.000000000001", "1"), ("99999999999", "1")], (12, 8)), // both cannot be held
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
