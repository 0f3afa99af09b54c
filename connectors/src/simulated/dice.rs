//! SplitMix64: small, seeded, the same on every machine for ever.

/// A sequence of random numbers. Any seed will do.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

/// How often something happens: a fraction of all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odds(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A sequence for one thing (`which`) of many that a seed decides of, whatever came before.
    pub(super) fn of(seed: u64, which: u64) -> Dice {
        let mut dice = Dice(seed ^ which.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Dice(dice.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `n` − 1; 0 if `n` is not above 0.
    pub(super) fn below(&mut self, n: i64) -> i64 {
        let n = u64::try_from(n).unwrap_or(0);
        self.next().checked_rem(n).unwrap_or(0).cast_signed()
    }

    /// A number from 0 to `n` − 1, mostly small: half of them below a fourteenth of `n`.
    pub(super) fn mostly_small(&mut self, n: i64) -> i64 {
        let (a, b, c) = (self.unit(), self.unit(), n.max(0) as u128);
        let a = (self.unit() * a) >> 32;
        ((c * ((a * b) >> 32)) >> 32) as i64
    }

    /// 32 random bits.
    fn unit(&mut self) -> u128 {
        u128::from(self.next() >> 32)
    }

    pub(super) fn hits(&mut self, odds: Odds) -> bool {
        self.next() >> 11 < odds.0
    }
}

impl Odds {
    /// In all times.
    const ALWAYS: f64 = (1_u64 << 53) as f64;

    /// `fraction` of all times; less than 0 is never, more than 1 always.
    pub fn new(fraction: f64) -> Odds {
        Odds((fraction.clamp(0.0, 1.0) * Odds::ALWAYS) as u64)
    }

    /// So many times as often.
    pub(super) fn times(self, n: u32) -> Odds {
        Odds(self.0.saturating_mul(u64::from(n)))
    }
}
