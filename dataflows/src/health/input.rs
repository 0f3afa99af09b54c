//! What share of a source's rows has been refused lately.

use std::collections::VecDeque;

use market::{EventTime, Span};

/// How far back is looked.
const WINDOW: Span = Span::secs(60);
/// How often the sums are kept; so a window holds about sixty of them.
const EVERY: Span = Span::secs(1);
/// With fewer rows the share is not computed.
const ROWS_MIN: u64 = 100;

/// The sums of rows, and of those that were refused or too late, at moments of the last minute.
#[derive(Debug, Default)]
pub(super) struct RefusedShare {
    sums: VecDeque<(EventTime, u64, u64)>,
}

impl RefusedShare {
    /// Takes the sums since the start at system time `at`; gives the rows of the last minute and how many were
    /// refused, if they are not few.
    pub(super) fn take(&mut self, at: EventTime, rows: u64, refused: u64) -> Option<(u64, u64)> {
        if self.sums.is_empty() {
            self.sums.push_back((at, 0, 0)); // a run begins with nothing
        }
        if self.sums.back().is_none_or(|(last, ..)| last.after(EVERY) <= at) {
            self.sums.push_back((at, rows, refused));
        }
        // The newest of those that are older than the window is where it begins.
        while self.sums.get(1).is_some_and(|(second, ..)| second.after(WINDOW) <= at) {
            self.sums.pop_front();
        }
        let (_, rows_before, refused_before) = *self.sums.front()?;
        let window = (rows.saturating_sub(rows_before), refused.saturating_sub(refused_before));
        Some(window).filter(|(rows, _)| *rows >= ROWS_MIN)
    }
}
