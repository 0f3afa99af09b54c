//! An even rate.

use std::time::{Duration, Instant};

use dataflows::ingest::Stop;

/// Lets so many rows a second pass; who falls behind may catch up.
pub struct Pace {
    begun: Instant,
    rate: u32,
    passed: u64,
}

/// A stop is noticed within this time.
const STOP_NOTICED: Duration = Duration::from_millis(100);

impl Pace {
    /// So many rows a second, from the first one on.
    pub fn new(rate: u32) -> Pace {
        Pace { begun: Instant::now(), rate: rate.max(1), passed: 0 }
    }

    /// When the row of this number, from 0, is due after the first.
    pub fn due(&self, row: u64) -> Duration {
        Duration::from_nanos(
            (u128::from(row) * 1_000_000_000 / u128::from(self.rate))
                .try_into()
                .unwrap_or(u64::MAX),
        )
    }

    /// Waits until the next row is due; false if a stop was asked for.
    pub fn wait(&mut self, stop: &Stop) -> bool {
        if self.passed == 0 {
            self.begun = Instant::now();
        }
        let due = self.due(self.passed);
        self.passed += 1;
        loop {
            let left = due.saturating_sub(self.begun.elapsed());
            if left.is_zero() {
                return true;
            }
            if stop.is_set() {
                return false;
            }
            std::thread::sleep(left.min(STOP_NOTICED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_due_evenly() {
        let pace = Pace::new(400);
        assert_eq!(pace.due(0), Duration::ZERO);
        assert_eq!(pace.due(1), Duration::from_micros(2_500));
        assert_eq!(pace.due(4_000_000), Duration::from_secs(10_000));
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let stop = Stop::default();
        let mut pace = Pace::new(1);
        assert!(pace.wait(&stop));
        stop.set();
        assert!(!pace.wait(&stop));
    }
}
