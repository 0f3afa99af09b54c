//! Integers without a width, and the two roundings of the definition.

use num_bigint::{BigInt, BigUint, Sign};

/// A quotient that has not been rounded yet; what is below is not 0.
#[derive(Clone, Debug)]
pub(super) struct Fraction {
    pub(super) above: BigInt,
    pub(super) below: BigInt,
}

impl Fraction {
    pub(super) fn of(above: BigInt, below: BigInt) -> Fraction {
        Fraction { above, below }
    }

    /// This times 10^`power`; a power below zero divides.
    pub(super) fn times_ten_to(self, power: i32) -> Fraction {
        let factor = BigInt::from(10).pow(power.unsigned_abs());
        match power < 0 {
            true => Fraction { below: self.below * factor, ..self },
            false => Fraction { above: self.above * factor, ..self },
        }
    }

    /// This divided by `other`, which is not 0.
    pub(super) fn over(self, other: Fraction) -> Fraction {
        Fraction { above: self.above * other.below, below: self.below * other.above }
    }

    /// The integer between this and 0 that is nearest to this.
    pub(super) fn towards_zero(&self) -> BigInt {
        let (above, below) = (self.above.magnitude(), self.below.magnitude());
        BigInt::from_biguint(self.sign(), above / below)
    }

    /// `rhe`: the nearest integer, halves to the even one.
    pub(super) fn rounded(&self) -> BigInt {
        let (above, below) = (self.above.magnitude(), self.below.magnitude());
        let (down, rest) = (above / below, above % below);
        let odd = &down % 2_u32 == BigUint::from(1_u32);
        let twice = rest * 2_u32;
        let up = twice > *below || (twice == *below && odd);
        let size = if up { down + 1_u32 } else { down };
        BigInt::from_biguint(self.sign(), size)
    }

    fn sign(&self) -> Sign {
        self.above.sign() * self.below.sign()
    }
}

/// The number, if 128 bits hold it.
pub(super) fn fit(number: &BigInt) -> Option<i128> {
    i128::try_from(number).ok()
}

/// The number without its sign.
pub(super) fn size(number: &BigInt) -> BigInt {
    BigInt::from(number.magnitude().clone())
}
