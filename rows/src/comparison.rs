//! Conditions that compare a cell with a bound.

use std::cmp::Ordering;

use crate::cell::Cell;

/// On which side of its bound a cell must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparator {
    /// Greater than the bound.
    Above,
    /// The bound or greater.
    AtLeast,
    /// Less than the bound.
    Below,
    /// The bound or less.
    AtMost,
}

/// A condition on a column: its cell is on one side of a bound. A cell without a value, or of another type than the bound,
/// is on no side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// The number of the column.
    pub column: usize,
    /// On which side of the bound.
    pub comparator: Comparator,
    /// A number or a time, of the type that the column has. Decimals may differ in their scale.
    pub bound: Cell,
}

impl Comparator {
    /// By name, such as `gte`.
    pub const NAMES: [(&'static str, Comparator); 4] = [
        ("gt", Comparator::Above),
        ("gte", Comparator::AtLeast),
        ("lt", Comparator::Below),
        ("lte", Comparator::AtMost),
    ];

    /// The comparator of this name.
    pub fn named(name: &str) -> Option<Comparator> {
        let found = Comparator::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, comparator)| *comparator)
    }

    fn admits(self, order: Ordering) -> bool {
        match self {
            Comparator::Above => order.is_gt(),
            Comparator::AtLeast => order.is_ge(),
            Comparator::Below => order.is_lt(),
            Comparator::AtMost => order.is_le(),
        }
    }
}

impl Comparison {
    /// Whether a row fulfils the condition.
    pub fn holds(&self, row: &[Cell]) -> bool {
        let order = row.get(self.column).and_then(|cell| compare(cell, &self.bound));
        order.is_some_and(|order| self.comparator.admits(order))
    }
}

/// The order of two numbers, or of two times; none of anything else, and of what is no number.
fn compare(one: &Cell, other: &Cell) -> Option<Ordering> {
    match (one, other) {
        (Cell::Unsigned(one), Cell::Unsigned(other))
        | (Cell::Identifier(one), Cell::Identifier(other)) => Some(one.cmp(other)),
        (Cell::Time(one), Cell::Time(other)) => Some(one.cmp(other)),
        (Cell::Number(one), Cell::Number(other)) => {
            f64::from_bits(*one).partial_cmp(&f64::from_bits(*other))
        }
        (
            Cell::Decimal { mantissa: one, scale: of_one },
            Cell::Decimal { mantissa: other, scale: of_other },
        ) => Some(compare_decimals((*one, *of_one), (*other, *of_other))),
        _ => None,
    }
}

/// The order of `mantissa · 10⁻ˢᶜᵃˡᵉ`, exact: first of the whole parts, then of what is left at the larger scale.
fn compare_decimals(one: (i128, u8), other: (i128, u8)) -> Ordering {
    let parts = |(mantissa, scale): (i128, u8)| match 10_i128.checked_pow(scale.into()) {
        Some(unit) => (mantissa.div_euclid(unit), mantissa.rem_euclid(unit)),
        // A unit beyond 10³⁸ is more than any mantissa.
        None => (if mantissa < 0 { -1 } else { 0 }, mantissa),
    };
    let ((whole, part), (other_whole, other_part)) = (parts(one), parts(other));
    let scale = one.1.max(other.1);
    let at_scale = |part: i128, own: u8| {
        let factor = 10_i128.checked_pow((scale - own).into())?;
        part.checked_mul(factor)
    };
    whole.cmp(&other_whole).then_with(|| {
        match (at_scale(part, one.1), at_scale(other_part, other.1)) {
            (Some(part), Some(other)) => part.cmp(&other),
            // Only scales beyond 38 come here, which no column has.
            (part, other) => part.is_none().cmp(&other.is_none()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::EventTime;

    fn decimal(mantissa: i128, scale: u8) -> Cell {
        Cell::Decimal { mantissa, scale }
    }

    #[test]
    fn decimals_of_any_scale_are_compared_by_their_values() {
        for (one, other, want) in [
            (decimal(1050, 2), decimal(105, 1), Ordering::Equal),
            (decimal(1051, 2), decimal(105, 1), Ordering::Greater),
            (decimal(-1051, 2), decimal(-105, 1), Ordering::Less),
            (decimal(-1, 1), decimal(0, 0), Ordering::Less),
            (decimal(i128::MAX, 0), decimal(i128::MAX, 2), Ordering::Greater),
            (decimal(i128::MIN, 0), decimal(i128::MIN, 30), Ordering::Less),
            (decimal(i128::MAX, 38), decimal(1, 0), Ordering::Greater),
        ] {
            assert_eq!(compare(&one, &other), Some(want), "{one:?} {other:?}");
            assert_eq!(compare(&other, &one), Some(want.reverse()), "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_cell_is_on_a_side_of_a_bound_of_its_type() {
        let bound = |comparator, bound| Comparison { column: 1, comparator, bound };
        let row = |cell| vec![Cell::Null, cell];
        for (name, sides) in [
            ("gt", [false, false, true]),
            ("gte", [false, true, true]),
            ("lt", [true, false, false]),
            ("lte", [true, true, false]),
        ] {
            let comparator = Comparator::named(name).unwrap();
            let comparison = bound(comparator, Cell::Unsigned(5));
            assert_eq!([4, 5, 6].map(|cell| comparison.holds(&row(Cell::Unsigned(cell)))), sides);
            assert!(!comparison.holds(&row(Cell::Null)), "no value is on no side");
            assert!(!comparison.holds(&row(Cell::Identifier(5))));
            assert!(!comparison.holds(&[]));
            let not_a_number = bound(comparator, Cell::number(f64::NAN));
            assert!(!not_a_number.holds(&row(Cell::number(1.0))));
            let time = bound(comparator, Cell::Time(EventTime(5)));
            assert_eq!([4, 5, 6].map(|at| time.holds(&row(Cell::Time(EventTime(at))))), sides);
        }
        assert_eq!(Comparator::named("eq"), None);
    }
}
