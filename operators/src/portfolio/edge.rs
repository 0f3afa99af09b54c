//! Edges: a fair value beside the mark.

use market::{EventTime, InstrumentSpec, Price};

use super::money::{fit, rhe};
use super::row::Edge;
use super::series::unit;

/// Hundredths of basis points in 1.
const BASIS_POINTS: i128 = 1_000_000;

/// The row of a fair value.
pub(super) fn edge(
    spec: InstrumentSpec,
    time: EventTime,
    fair: Price,
    mark: Option<Price>,
) -> Edge {
    let edge = mark.map(|mark| i128::from(fair.0) - i128::from(mark.0));
    let basis_points = edge
        .zip(mark)
        .and_then(|(edge, mark)| fit(rhe(edge, BASIS_POINTS, 0, i128::from(mark.0).abs())?));
    Edge { spec, time, fair, mark, edge, basis_points }
}

/// A computed number as a price; none if it is not finite or does not fit.
pub(super) fn whole(number: f64, spec: InstrumentSpec) -> Option<Price> {
    let rounded = (number * unit(spec.price_scale)).round_ties_even();
    // 2⁶³ is the first number above that does not fit; −2⁶³ does.
    let bound = -(i64::MIN as f64);
    (-bound..bound).contains(&rounded).then_some(Price(rounded as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(price_scale: u8) -> InstrumentSpec {
        InstrumentSpec { price_scale, ..InstrumentSpec::DEFAULT }
    }

    #[test]
    fn the_bounds_of_computed_prices() {
        assert_eq!(whole(2.5, spec(0)), Some(Price(2)));
        assert_eq!(whole(-0.15, spec(1)), Some(Price(-2)));
        assert_eq!(whole(-9_223_372_036_854_775_808.0, spec(0)), Some(Price(i64::MIN)));
        assert_eq!(whole(9_223_372_036_854_775_808.0, spec(0)), None);
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(whole(number, spec(18)), None);
        }
    }

    #[test]
    fn an_edge_in_basis_points() {
        let row = |fair, mark: Option<i64>| {
            let row = edge(InstrumentSpec::DEFAULT, EventTime(0), Price(fair), mark.map(Price));
            (row.edge, row.basis_points)
        };
        assert_eq!(row(101, Some(100)), (Some(1), Some(10_000)));
        assert_eq!(row(-101, Some(-100)), (Some(-1), Some(-10_000)));
        assert_eq!(row(3, Some(0)), (Some(3), None));
        assert_eq!(row(3, None), (None, None));
        let span = i128::from(i64::MAX) + 1;
        assert_eq!(row(i64::MAX, Some(-1)), (Some(span), Some(span * 1_000_000)));
    }
}
