//! Which offsets cannot be read: pure search.
//!
//! The client library stops at a batch of messages that it cannot decompress, and says neither where the batch begins
//! nor where it ends. Whoever asks for an offset within it gets the same error, and who asks for one behind it gets
//! messages, or nothing at the end of the partition. So the end is found by asking: further and further ahead until
//! something can be read, and then between the two.

/// The search for the first offset that can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    /// The first offset that was not read.
    pub(super) from: i64,
    /// An offset that cannot be read.
    bad: i64,
    /// The lowest offset known behind it that can.
    good: Option<i64>,
    /// How far ahead to ask next.
    reach: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for this offset.
    Ask(i64),
    /// Go on here: everything before it, from the first on, is left out.
    GoOn(i64),
}

impl Skip {
    /// What is asked for at `from` cannot be read.
    pub(super) fn new(from: i64) -> Skip {
        Skip { from, bad: from, good: None, reach: 1 }
    }

    /// What to do next in a partition that ends before `high`.
    pub(super) fn step(&self, high: i64) -> Step {
        let good = self.good.unwrap_or(i64::MAX).min(high.max(self.bad + 1));
        let at = match self.good {
            None => self.bad.saturating_add(self.reach),
            Some(good) => self.bad + (good - self.bad) / 2,
        };
        match at {
            _ if good - self.bad <= 1 => Step::GoOn(good),
            at if at >= good => Step::Ask(self.bad + (good - self.bad) / 2),
            at => Step::Ask(at),
        }
    }

    /// What was asked for at `at` cannot be read.
    pub(super) fn cannot(&mut self, at: i64) {
        self.bad = self.bad.max(at);
        self.reach = self.reach.saturating_mul(2);
    }

    /// What was asked for at `at` can be read.
    pub(super) fn can(&mut self, at: i64) {
        self.good = Some(self.good.map_or(at, |good| good.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Of one batch that cannot be read, all of it is left out and nothing else, in few steps.
        #[test]
        fn the_end_of_a_batch_is_found(from in 0_i64..1_000, length in 1_i64..100_000, behind in 0_i64..100_000) {
            let (end, high) = (from + length, from + length + behind);
            let mut skip = Skip::new(from);
            for _ in 0..48 {
                match skip.step(high) {
                    Step::GoOn(at) => {
                        prop_assert_eq!(at, end);
                        return Ok(());
                    }
                    Step::Ask(at) => {
                        prop_assert!(at > from && at < high);
                        if at < end { skip.cannot(at) } else { skip.can(at) }
                    }
                }
            }
            prop_assert!(false, "too many steps: {:?}", skip);
        }
    }

    #[test]
    fn an_offset_behind_the_end_is_never_asked_for() {
        assert_eq!(Skip::new(4).step(5), Step::GoOn(5));
        assert_eq!(Skip::new(4).step(0), Step::GoOn(5), "the end was not known yet");
    }
}
