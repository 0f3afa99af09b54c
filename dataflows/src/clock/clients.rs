//! The clock of clients, who send rows when they like.

use std::collections::VecDeque;

use market::{EventTime, Span};
use serde::{Deserialize, Serialize};

/// How far clients are behind the system's time, told by their rows.
///
/// A row of time *e* that came at *r* says that clients are *r* − *e* behind. Rows are waited for a *grace* long: after
/// it, the least of these lags is taken for how far behind clients are. So rows of long ago, sent one after the other
/// in any order, are all in time within the grace, and what clients send as it happens is final a grace later.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ClientClock {
    grace: Span,
    /// From which system time on a lag counts, ascending; each lag is less than those before. At most
    /// [`STEPS`](Self::STEPS) twice: of more, which need a grace in which bodies always wait, one counts with the next.
    waiting: VecDeque<(EventTime, i64)>,
    /// The least lag that counts.
    least: Option<i64>,
    /// The newest event time of the commit at hand.
    newest: Option<EventTime>,
}

impl ClientClock {
    /// Into so many steps a grace is cut, and when a row came is rounded up to a whole one.
    pub(super) const STEPS: i64 = 256;

    pub(super) fn new(grace: Span) -> ClientClock {
        ClientClock { grace, waiting: VecDeque::new(), least: None, newest: None }
    }

    /// A row of the commit at hand that moves watermarks.
    pub(super) fn note(&mut self, time: EventTime) {
        self.newest = self.newest.max(Some(time));
    }

    /// The commit at hand closes at system time `now`.
    pub(super) fn close(&mut self, now: EventTime) {
        let Some(newest) = self.newest.take() else { return };
        if self.grace == Span::FOREVER {
            return;
        }
        let lag = now.0.saturating_sub(newest.0).max(0);
        let step = (self.grace.as_nanos() / Self::STEPS).max(1);
        let came = now.0.div_euclid(step).saturating_add(1).saturating_mul(step);
        let counts = EventTime(came).after(self.grace);
        if self.waiting.back().is_some_and(|(last, _)| *last == counts) {
            let (_, last) = self.waiting.pop_back().unwrap_or((counts, lag));
            self.waiting.push_back((counts, last.min(lag)));
        } else if self.waiting.back().is_none_or(|(_, least)| lag < *least) {
            self.waiting.push_back((counts, lag));
        }
        if self.waiting.len() > 2 * Self::STEPS as usize {
            self.waiting.remove(self.waiting.len() - 2);
        }
    }

    /// No row before this is waited for, when no row that came up to system time `through` waits to be read.
    pub(super) fn watermark(&mut self, through: EventTime) -> EventTime {
        while let Some((_, lag)) = self.waiting.pop_front_if(|(counts, _)| *counts <= through) {
            self.least = Some(self.least.map_or(lag, |least| least.min(lag)));
        }
        self.least
            .map_or(EventTime::NEVER, |lag| through.before(self.grace).before(Span::nanos(lag)))
    }
}
