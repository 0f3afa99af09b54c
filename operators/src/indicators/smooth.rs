//! The two recurrences of technical analysis, seeded as TA-Lib seeds them.

use serde::{Deserialize, Serialize};

use crate::numbers::Reading;

/// A running mean that begins as the plain mean of its first `period` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Smooth {
    /// So many numbers so far, and their sum.
    Seeding(u32, Reading),
    /// The mean.
    Ready(Reading),
}

impl Smooth {
    pub(super) const NEW: Smooth = Smooth::Seeding(0, Reading(0.0));

    /// The exponential mean: from the seed on, *m + (x − m) · 2 / (period + 1)*.
    pub(super) fn exponential(self, period: usize, x: f64) -> Smooth {
        let k = 2.0 / (period as f64 + 1.0);
        self.next(period, x, |mean| (x - mean) * k + mean)
    }

    /// Wilder's mean: from the seed on, *(m · (period − 1) + x) / period*.
    pub(super) fn wilder(self, period: usize, x: f64) -> Smooth {
        let n = period as f64;
        self.next(period, x, |mean| (mean * (n - 1.0) + x) / n)
    }

    /// The mean, once there is one.
    pub(super) fn mean(self) -> Option<f64> {
        match self {
            Smooth::Seeding(..) => None,
            Smooth::Ready(Reading(mean)) => Some(mean),
        }
    }

    fn next(self, period: usize, x: f64, recur: impl Fn(f64) -> f64) -> Smooth {
        match self {
            Smooth::Seeding(count, Reading(sum)) => {
                let (count, sum) = (count + 1, sum + x);
                if count as usize >= period {
                    Smooth::Ready(Reading(sum / period as f64))
                } else {
                    Smooth::Seeding(count, Reading(sum))
                }
            }
            Smooth::Ready(Reading(mean)) => Smooth::Ready(Reading(recur(mean))),
        }
    }
}
