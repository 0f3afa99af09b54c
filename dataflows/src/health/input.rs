//! What share of a source's rows has been refused lately, and whether all of them are.

use std::collections::VecDeque;

use market::{EventTime, Span};

/// How far back is looked.
const WINDOW: Span = Span::secs(60);
/// How often the sums are kept; so a window holds about sixty of them.
const EVERY: Span = Span::secs(1);
/// With fewer rows the share is not computed.
const ROWS_MIN: u64 = 100;
/// So many rows without one that was accepted between them are told, however long they took.
const STREAK_MIN: u64 = 10;

/// Rows of a source of which too many were refused or too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedLately {
    /// So many of the last minute, of so many.
    Share {
        /// How many were refused or too late.
        refused: u64,
        /// How many there were.
        rows: u64,
    },
    /// The last so many, all of them.
    All(u64),
}

/// The sums of rows, and of those that were refused or too late, at moments of the last minute.
#[derive(Debug, Default)]
pub(super) struct RefusedShare {
    sums: VecDeque<(EventTime, u64, u64)>,
    /// How many rows were accepted since the start, and how many refused when the last of them was.
    accepted: (u64, u64),
}

impl RefusedShare {
    /// Takes the sums since the start at system time `at`; gives what was refused, if it was at least half.
    pub(super) fn take(&mut self, at: EventTime, rows: u64, refused: u64) -> Option<RefusedLately> {
        let accepted = rows.saturating_sub(refused);
        if accepted != self.accepted.0 {
            self.accepted = (accepted, refused);
        }
        let streak = refused.saturating_sub(self.accepted.1);
        if streak >= STREAK_MIN {
            self.share(at, rows, refused);
            return Some(RefusedLately::All(streak));
        }
        let (rows, refused) = self.share(at, rows, refused)?;
        (refused * 2 >= rows).then_some(RefusedLately::Share { refused, rows })
    }

    /// The rows of the last minute and how many were refused, if they are not few.
    fn share(&mut self, at: EventTime, rows: u64, refused: u64) -> Option<(u64, u64)> {
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
