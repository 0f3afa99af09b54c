//! Which alerts somebody was told of.

use std::collections::{HashSet, VecDeque};

/// The keys of alerts that were told as raised and not as withdrawn, at most [`TOLD_MAX`]: the newest.
#[derive(Debug, Default)]
pub(super) struct Told {
    keys: HashSet<String>,
    /// In the order in which they were told; some are not in `keys` any more.
    order: VecDeque<String>,
    /// Whether one was dropped since there were too many.
    is_partial: bool,
}

/// Kept in memory, at about 100 bytes each.
const TOLD_MAX: usize = 20_000;

impl Told {
    pub(super) fn raised(&mut self, key: &str) {
        if self.keys.insert(key.to_owned()) {
            self.order.push_back(key.to_owned());
        }
        while self.order.len() > TOLD_MAX {
            let oldest = self.order.pop_front();
            self.is_partial |= oldest.is_some_and(|key| self.keys.remove(&key));
        }
    }

    pub(super) fn withdrawn(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// Whether somebody was told that it was raised; none: that is not known any more.
    pub(super) fn is_told(&self, key: &str) -> Option<bool> {
        match self.keys.contains(key) {
            true => Some(true),
            false if self.is_partial => None,
            false => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_and_the_others_are_not_known_to_be_untold() {
        let mut told = Told::default();
        told.raised("a");
        assert_eq!([told.is_told("a"), told.is_told("b")], [Some(true), Some(false)]);
        told.withdrawn("a");
        assert_eq!(told.is_told("a"), Some(false));
        (0..=TOLD_MAX).for_each(|key| told.raised(&key.to_string()));
        assert_eq!([told.is_told("0"), told.is_told("1")], [None, Some(true)]);
        assert!(told.order.len() <= TOLD_MAX && told.keys.len() <= TOLD_MAX);
    }
}
