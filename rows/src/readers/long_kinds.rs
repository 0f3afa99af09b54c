//! Which kinds of reads were long a moment ago: the next of these is not tried as a short one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Kinds of reads that exceeded the allowance of a short read when they were last tried, at most [`KINDS_MAX`].
#[derive(Default)]
pub(super) struct LongKinds(HashMap<u64, Instant>);

/// More kinds are not remembered: their reads are tried.
const KINDS_MAX: usize = 1_024;
/// Then a read of this kind is tried again: views change, and reads of one kind differ.
const REMEMBERED: Duration = Duration::from_secs(1);

impl LongKinds {
    /// Notes whether a read of this kind was long.
    pub(super) fn note(&mut self, kind: u64, is_long: bool, now: Instant) {
        if !is_long {
            self.0.remove(&kind);
            return;
        }
        if self.0.len() >= KINDS_MAX {
            self.0.retain(|_, at| is_recent(*at, now));
        }
        if self.0.len() < KINDS_MAX || self.0.contains_key(&kind) {
            self.0.insert(kind, now);
        }
    }

    /// Whether a read of this kind was long a moment ago.
    pub(super) fn has(&self, kind: u64, now: Instant) -> bool {
        self.0.get(&kind).is_some_and(|at| is_recent(*at, now))
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_long_until_one_is_short_or_a_moment_has_passed() {
        let (mut kinds, now) = (LongKinds::default(), Instant::now());
        assert!(!kinds.has(1, now));
        kinds.note(1, true, now);
        kinds.note(2, true, now);
        kinds.note(2, false, now);
        assert!(kinds.has(1, now) && !kinds.has(2, now));
        assert!(!kinds.has(1, now + REMEMBERED));
    }

    #[test]
    fn no_more_kinds_are_remembered_than_the_bound() {
        let (mut kinds, now) = (LongKinds::default(), Instant::now());
        let all = 2 * KINDS_MAX as u64;
        (0..all).for_each(|kind| kinds.note(kind, true, now));
        assert_eq!((0..all).filter(|kind| kinds.has(*kind, now)).count(), KINDS_MAX);
        kinds.note(0, true, now);
        let later = now + REMEMBERED;
        kinds.note(all, true, later);
        assert!(kinds.has(all, later) && kinds.0.len() == 1, "those of before are gone");
    }
}
