//! The random numbers of workloads (SplitMix64): seeded, the same on every machine for ever.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};

/// A sequence of random numbers. Any seed will do.
pub(super) struct Rng(SplitMix64);

/// A probability, in units of 2⁻³².
#[derive(Clone, Copy)]
pub(super) struct Probability(u64);

impl Rng {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Rng {
        Rng(SplitMix64::seed_from_u64(seed))
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `n`; 0 if that is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// True with this probability.
    pub(super) fn hits(&mut self, probability: Probability) -> bool {
        self.next() >> 32 < probability.0
    }
}

impl Probability {
    /// A probability from 0 to 1.
    pub(super) fn of(share: f64) -> Probability {
        Probability((share * (1_u64 << 32) as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of one workload, on whatever machine, are compared by their numbers.
    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut rng = Rng::new(7);
        assert_eq!([(); 8].map(|()| rng.below(100)), [38, 1, 90, 58, 45, 24, 46, 32]);
        let mut rng = Rng::new(7);
        assert_eq!(rng.below(u64::MAX), 0x63cb_e1e4_5932_0dd6);
        let (mut rng, quarter) = (Rng::new(7), Probability::of(0.25));
        let hits = [(); 8].map(|()| rng.hits(quarter));
        assert_eq!(hits, [false, true, false, false, false, true, false, false]);
    }
}
