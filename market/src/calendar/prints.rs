//! Prints that count to a session although their time lies beside it: those of auctions, and those that are none.

use super::plan::SessionKind;
use super::sessions::Sessions;
use crate::time::EventTime;
use crate::updates::SessionPrint;

impl Sessions {
    /// When a print at `time` counts, see [`super::Calendar::counts_at`].
    pub(super) fn counts_at(&self, time: EventTime, print: SessionPrint) -> EventTime {
        if print == SessionPrint::Unsaid {
            return time;
        }
        let (stretch, bell) = self.stretch_and_bell(time);
        let is_regular = stretch.kind == SessionKind::Regular;
        match print {
            SessionPrint::Ordinary if is_regular && time >= bell => stretch.end,
            SessionPrint::Closing if !is_regular && self.is_regular(before(stretch.open)) => {
                before(stretch.open)
            }
            SessionPrint::Opening
                if !is_regular
                    && stretch.end.0.saturating_sub(time.0) <= self.grace()
                    && self.is_regular(stretch.end) =>
            {
                stretch.end
            }
            _ => time,
        }
    }

    /// The earliest time of a print that counts to the bar that opens at `open`.
    pub(super) fn first_print(&self, open: EventTime) -> EventTime {
        if self.grace() == 0 {
            return open;
        }
        let (stretch, _) = self.stretch_and_bell(open);
        let is_border = stretch.open == open
            && (stretch.kind == SessionKind::Regular) != self.is_regular(before(open));
        if is_border { EventTime(open.0.saturating_sub(self.grace())) } else { open }
    }

    fn is_regular(&self, time: EventTime) -> bool {
        self.stretch(time).kind == SessionKind::Regular
    }
}

/// The last instant before another.
fn before(time: EventTime) -> EventTime {
    EventTime(time.0.saturating_sub(1))
}
