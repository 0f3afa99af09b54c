//! Which of many equal warnings are worth a line.

use std::time::{Duration, Instant};

/// The first pause between two lines; each next one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause. After so long without a warning, the next one counts as the first.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Says which of the warnings of one cause are told: the first at once, then at most one per pause, and pauses grow
/// from a second to a minute. What is left out is counted. Reads no clock: the present is an argument.
///
/// ```
/// use std::time::{Duration, Instant};
/// use node_api::Throttle;
///
/// let start = Instant::now();
/// let mut throttle = Throttle::default();
/// let told = |throttle: &mut Throttle, ms| throttle.happened(start + Duration::from_millis(ms));
/// assert_eq!(told(&mut throttle, 0).map(|told| told.left_out), Some(0));
/// assert_eq!(told(&mut throttle, 50), None);
/// assert_eq!(told(&mut throttle, 100), None);
/// assert_eq!(told(&mut throttle, 1_000).unwrap().to_string(), " (2 more since the last line)");
/// let over = throttle.over(start + Duration::from_secs(3)).unwrap();
/// assert_eq!(over.to_string(), "after 3 s, 4 times");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    /// The last warning, whether told or not.
    last: Option<Instant>,
    /// When the last line was told, and how long none follows it.
    told: Option<(Instant, Duration)>,
    left_out: u64,
    /// Since when it happens, how often it has, and whether any of that was told.
    lasting: Option<(Instant, u64, bool)>,
}

/// A warning that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many were left out since the line before.
    pub left_out: u64,
}

/// What is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// How long it has lasted, since it happened first.
    pub lasted: Duration,
    /// How often it has happened.
    pub times: u64,
}

impl Throttle {
    /// It happens at `now`. Gives what a line is told with, if one is.
    pub fn happened(&mut self, now: Instant) -> Option<Told> {
        let is_quiet = |last: Instant| now.saturating_duration_since(last) >= PAUSE_MAX;
        if self.last.is_some_and(is_quiet) && self.lasting.is_none() {
            self.told = None;
        }
        self.last = Some(now);
        let lasting = self.lasting.get_or_insert((now, 0, false));
        lasting.1 += 1;
        let pause = match self.told {
            None => PAUSE_FIRST,
            Some((at, pause)) if now.saturating_duration_since(at) >= pause => {
                (pause * 2).min(PAUSE_MAX)
            }
            Some(_) => {
                self.left_out += 1;
                return None;
            }
        };
        lasting.2 = true;
        self.told = Some((now, pause));
        Some(Told { left_out: std::mem::take(&mut self.left_out) })
    }

    /// It does not happen any more at `now`. Gives what a line is told with: none if it did not happen, or if no line
    /// said that it did. What begins and ends again and again is not told each time.
    pub fn over(&mut self, now: Instant) -> Option<Over> {
        let (since, times, was_told) = self.lasting.take()?;
        was_told.then(|| Over { lasted: now.saturating_duration_since(since), times })
    }

    /// The same for what has no end of its own: it is over if it has not happened for a minute at `now`, and ended when
    /// it happened last.
    pub fn over_if_quiet(&mut self, now: Instant) -> Option<Over> {
        let last = self.last.filter(|last| now.saturating_duration_since(*last) >= PAUSE_MAX)?;
        self.over(last)
    }
}

/// Stands behind the text of a warning: nothing, or how many more there were.
impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.left_out {
            0 => Ok(()),
            more => write!(f, " ({more} more since the last line)"),
        }
    }
}

/// How long it lasted, in whole seconds from one on, and how often it happened.
impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lasted {
            short if short < Duration::from_secs(1) => write!(f, "after {} ms", short.as_millis())?,
            long => write!(f, "after {} s", long.as_secs())?,
        }
        match self.times {
            1 => write!(f, ", once"),
            times => write!(f, ", {times} times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When lines are told, in milliseconds, of something that happens every 50 ms for so long.
    fn lines(throttle: &mut Throttle, start: Instant, ms: std::ops::Range<u64>) -> Vec<(u64, u64)> {
        let told = ms.step_by(50).filter_map(|ms| {
            let told = throttle.happened(start + Duration::from_millis(ms))?;
            Some((ms, told.left_out))
        });
        told.collect()
    }

    #[test]
    fn pauses_grow_and_nothing_is_lost_count_of() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let told = lines(&mut throttle, start, 0..250_000);
        let at: Vec<u64> = told.iter().map(|(ms, _)| ms / 1_000).collect();
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
        let counted: u64 = told.iter().map(|(_, left_out)| left_out + 1).sum();
        let rest = (250_000 - 243_000) / 50 - 1;
        assert_eq!(counted + rest, 250_000 / 50);
        let over = throttle.over(start + Duration::from_secs(250)).unwrap();
        assert_eq!(over, Over { lasted: Duration::from_secs(250), times: 5_000 });
        assert_eq!(throttle.over(start + Duration::from_secs(251)), None, "it was over");
    }

    #[test]
    fn what_comes_and_goes_is_not_told_each_time() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let mut lines = 0;
        for turn in 0..600 {
            let now = start + Duration::from_millis(turn * 100);
            lines += usize::from(throttle.happened(now).is_some());
            lines += usize::from(throttle.over(now + Duration::from_millis(50)).is_some());
        }
        assert_eq!(lines, 12, "two at 0, 1, 3, 7, 15 and 31 s of a minute");
    }

    #[test]
    fn after_a_minute_of_quiet_it_begins_anew() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        lines(&mut throttle, start, 0..10_000);
        assert!(throttle.over(start + Duration::from_secs(10)).is_some());
        let later = start + Duration::from_secs(75);
        assert_eq!(throttle.happened(later), Some(Told { left_out: 59 }), "of those before");
        assert_eq!(throttle.happened(later + Duration::from_secs(1)), Some(Told { left_out: 0 }));
        // What lasts is no quiet, however seldom it happens.
        assert!(throttle.happened(later + Duration::from_secs(120)).is_some());
        assert_eq!(throttle.happened(later + Duration::from_secs(123)), None);

        assert_eq!(throttle.over_if_quiet(later + Duration::from_secs(182)), None);
        let over = throttle.over_if_quiet(later + Duration::from_secs(183)).unwrap();
        assert_eq!(over, Over { lasted: Duration::from_secs(123), times: 4 });
        assert_eq!(throttle.over_if_quiet(later + Duration::from_secs(999)), None);
    }
}
