//! How many messages a minute there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A bound of messages per minute, and what is beyond it. Reads no clock: the present is an argument.
#[derive(Debug)]
pub(super) struct MessageLimit {
    per_minute: u32,
    /// When the minute at hand began, and how many messages were sent in it.
    minute: Option<(Instant, u32)>,
    held: BTreeMap<String, u64>,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Changes of more rules than this are counted together.
const RULES_MAX: usize = 20;
const OTHERS: &str = "others";

impl MessageLimit {
    pub(super) fn new(per_minute: u32) -> MessageLimit {
        MessageLimit { per_minute, minute: None, held: BTreeMap::new() }
    }

    /// Whether one more message may be sent. Not while some are held back: one message tells of them first.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let sent = self.minute.filter(|(began, _)| now.duration_since(*began) < MINUTE);
        self.held.is_empty() && sent.is_none_or(|(_, sent)| sent < self.per_minute)
    }

    /// A message was sent.
    pub(super) fn sent(&mut self, now: Instant) {
        match &mut self.minute {
            Some((began, sent)) if now.duration_since(*began) < MINUTE => *sent += 1,
            minute => *minute = Some((now, 1)),
        }
    }

    /// A change of a rule is not told.
    pub(super) fn hold(&mut self, rule: &str) {
        let is_room = self.held.contains_key(rule) || self.held.len() < RULES_MAX;
        let rule = if is_room { rule } else { OTHERS };
        *self.held.entry(rule.to_owned()).or_default() += 1;
    }

    /// What was held back, by rule, once the minute is over or `at_once`. It counts as told.
    pub(super) fn take_due(&mut self, now: Instant, at_once: bool) -> Vec<(String, u64)> {
        let is_over = self.minute.is_none_or(|(began, _)| now.duration_since(began) >= MINUTE);
        match is_over || at_once {
            true => std::mem::take(&mut self.held).into_iter().collect(),
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_counted_and_told_once() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut limit = MessageLimit::new(2);
        for secs in [0, 1] {
            assert!(limit.admits(at(secs)));
            limit.sent(at(secs));
        }
        assert!(!limit.admits(at(2)));
        ["a", "a", "b"].into_iter().for_each(|rule| limit.hold(rule));
        assert_eq!(limit.take_due(at(59), false), []);
        assert!(!limit.admits(at(61)), "what is held back is told first");
        assert_eq!(limit.take_due(at(61), false), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!(limit.take_due(at(61), false), []);
        limit.sent(at(61));
        assert!(limit.admits(at(61)), "the minute is another one, with one message");
        limit.sent(at(61));
        assert!(!limit.admits(at(100)));
        limit.hold("c");
        assert_eq!(limit.take_due(at(100), true), [("c".to_owned(), 1)], "at an end");
    }

    #[test]
    fn the_rules_that_are_counted_are_bounded() {
        let mut limit = MessageLimit::new(1);
        (0..1_000).for_each(|rule| limit.hold(&rule.to_string()));
        let held = limit.take_due(Instant::now(), true);
        assert_eq!(held.len(), RULES_MAX + 1);
        assert_eq!(held.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
    }
}
