//! What rules look at, so that nothing is sent to them while nobody does.

use std::sync::atomic::{AtomicBool, Ordering};

use operators::signals::Rule;

/// Whether a rule has ever watched bars, or referred to numbers, since the job began.
///
/// It is set before a commit with such a rule is dispatched, and never reset: workers may be commits behind, and their
/// rules still need what comes. What no rule of a commit watches, the signals drop.
#[derive(Debug, Default)]
pub struct Watching {
    bars: AtomicBool,
    numbers: AtomicBool,
}

impl Watching {
    /// These rules count in the commits that come.
    pub fn note(&self, rules: &[Rule]) {
        if !rules.is_empty() {
            self.bars.store(true, Ordering::Relaxed); // workers see it with the commit, which a channel brings
        }
        if rules.iter().any(Rule::uses_numbers) {
            self.numbers.store(true, Ordering::Relaxed);
        }
    }

    /// Whether rules watch bars.
    pub fn bars(&self) -> bool {
        self.bars.load(Ordering::Relaxed)
    }

    /// Whether rules refer to numbers.
    pub fn numbers(&self) -> bool {
        self.numbers.load(Ordering::Relaxed)
    }
}
