//! SplitMix64: small, seeded, the same on every machine for ever.

pub(super) struct Dice(u64);

/// So many of 2³² times.
#[derive(Clone, Copy)]
pub(super) struct Odds(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if that is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    pub(super) fn hits(&mut self, odds: Odds) -> bool {
        self.next() >> 32 < odds.0
    }
}

impl Odds {
    /// The odds of a share from 0 to 1.
    pub(super) fn of(share: f64) -> Odds {
        Odds((share * (1_u64 << 32) as f64) as u64)
    }
}
