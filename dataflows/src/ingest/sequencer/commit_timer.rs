//! When the commits and rounds of a live run are due. Pure: the present is an argument.

use std::time::{Duration, Instant};

/// When a live run closes commits and rounds.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// A commit closes this long after its first record at the latest.
    pub period: Duration,
    /// A commit closes with this many records at the latest.
    pub records_max: usize,
    /// Without any record, a commit closes this often.
    pub idle: Duration,
    /// A round ends about this often.
    pub round: Duration,
}

/// When the open commit and the open round began.
pub(super) struct CommitTimer {
    cadence: Cadence,
    /// When the commit before was closed.
    closed_at: Instant,
    /// When the last round ended.
    round_at: Instant,
    /// Whether commits wait for the end of their round.
    is_round_open: bool,
}

impl CommitTimer {
    /// The first commit opens at `now`.
    pub(super) fn new(cadence: Cadence, now: Instant) -> CommitTimer {
        CommitTimer { cadence, closed_at: now, round_at: now, is_round_open: false }
    }

    /// When the open commit is due if it holds so many rows. The first row of a commit that is open for longer than a
    /// period is not held up.
    pub(super) fn due(&self, rows: usize) -> Instant {
        let Cadence { period, idle, round, .. } = self.cadence;
        let idle = if self.is_round_open { round.min(idle) } else { idle };
        self.closed_at + if rows > 0 { period.min(idle) } else { idle }
    }

    /// Whether a commit of so many rows, closed at `now`, ends a round. One without rows does: nothing is there to wait
    /// for.
    pub(super) fn is_round(&self, rows: usize, now: Instant) -> bool {
        rows == 0 || now.saturating_duration_since(self.round_at) >= self.cadence.round
    }

    /// The open commit was closed at `now`.
    pub(super) fn closed(&mut self, is_round: bool, now: Instant) {
        self.closed_at = now;
        self.is_round_open = !is_round;
        if is_round {
            self.round_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn commits_and_rounds_are_due_by_the_cadence() {
        let cadence =
            Cadence { period: millis(10), records_max: 5, idle: millis(1_000), round: millis(100) };
        let start = Instant::now();
        let mut timer = CommitTimer::new(cadence, start);
        assert_eq!(timer.due(1), start + millis(10));
        assert_eq!(timer.due(0), start + millis(1_000));

        assert!(!timer.is_round(1, start + millis(99)));
        timer.closed(false, start + millis(99));
        assert_eq!(timer.due(1), start + millis(109));
        assert_eq!(timer.due(0), start + millis(199), "an open round does not wait for `idle`");
        assert!(timer.is_round(0, start + millis(99)), "nothing is there to wait for");

        assert!(timer.is_round(1, start + millis(100)));
        timer.closed(true, start + millis(120));
        assert!(!timer.is_round(1, start + millis(219)));
        assert!(timer.is_round(1, start + millis(220)));
        assert_eq!(timer.due(0), start + millis(1_120));
    }
}
