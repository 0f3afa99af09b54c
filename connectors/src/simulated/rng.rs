//! The random numbers of simulated venues (SplitMix64): seeded, the same on every machine for ever.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};

/// A sequence of random numbers. Any seed will do.
#[derive(Clone, Debug)]
pub(super) struct Rng(SplitMix64);

/// A probability, in units of 2⁻⁵³.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability(u64);

impl Rng {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Rng {
        Rng(SplitMix64::seed_from_u64(seed))
    }

    /// A sequence for one thing (`which`) of many that a seed decides of, whatever came before.
    pub(super) fn of(seed: u64, which: u64) -> Rng {
        let mut seeds = Rng::new(seed ^ which.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Rng::new(seeds.next())
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
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

    /// True with this probability.
    pub(super) fn hits(&mut self, probability: Probability) -> bool {
        self.next() >> 11 < probability.0
    }
}

impl Probability {
    /// The units of 1.
    const ALWAYS: f64 = (1_u64 << 53) as f64;

    /// A probability from 0 to 1; less than 0 is never, more than 1 always.
    pub fn new(fraction: f64) -> Probability {
        Probability((fraction.clamp(0.0, 1.0) * Probability::ALWAYS) as u64)
    }

    /// So many times as often.
    pub(super) fn times(self, n: u32) -> Probability {
        Probability(self.0.saturating_mul(u64::from(n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of simulated venues depend on these numbers.
    #[test]
    fn the_sequence_of_a_seed_never_changes() {
        let first = |mut rng: Rng| [rng.next(), rng.next()];
        assert_eq!(first(Rng::new(0)), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(first(Rng::new(7)), [0x63cb_e1e4_5932_0dd7, 0x044c_3cd7_f43c_661c]);
        assert_eq!(first(Rng::new(u64::MAX)), [0xe4d9_7177_1b65_2c20, 0xe99f_f867_dbf6_82c9]);
        assert_eq!(first(Rng::of(7, 3)), [0x95f6_ba2f_f8f1_c828, 0x87f4_4edd_07ae_158b]);
    }

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut rng = Rng::new(7);
        assert_eq!([(); 8].map(|()| rng.below(100)), [87, 4, 46, 3, 74, 5, 98, 82]);
        let mut rng = Rng::new(7);
        assert_eq!([(); 4].map(|()| rng.mostly_small(1_000_000)), [5_895, 65_785, 20_611, 41_068]);
        let (mut rng, quarter) = (Rng::new(7), Probability::new(0.25));
        let hits = [(); 8].map(|()| rng.hits(quarter));
        assert_eq!(hits, [false, true, false, false, false, true, false, false]);
    }
}
