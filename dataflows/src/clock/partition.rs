//! One partition as the commit clock knows it: how far its events are, and whether it is idle.

use market::{EventTime, Span};

use super::SourceTiming;

/// What the clock knows of one partition.
#[derive(Clone)]
pub(super) struct Partition {
    /// The newest event time that it brought.
    pub(super) newest: EventTime,
    pub(super) position: u64,
    /// A number below that of a partition that is there; it may be opened yet.
    pub(super) absent: bool,
    pub(super) ended: bool,
    /// Whether it brought a row in the commit at hand.
    pub(super) has_new_rows: bool,
    /// The system's time of the last commit in which it brought a row.
    last_row_at: EventTime,
    /// While nothing was left to read: from when on, and up to when that is known.
    drained: Option<(EventTime, EventTime)>,
    /// Whether nothing was left to read once since it was opened.
    pub(super) was_drained: bool,
    /// Whether it is not waited for any more.
    pub(super) is_given_up: bool,
}

/// Two times at which nothing was left to read belong to one stretch if they are at most this far apart, or half an
/// `idle_timeout`: a longer silence of the reader (a suspended machine, a stopped process) proves nothing.
const STRETCH_GAP: Span = Span::secs(2);

impl Partition {
    /// A partition that has sent nothing; its silence begins at system time `at`.
    pub(super) fn fresh(at: EventTime) -> Partition {
        Partition {
            newest: EventTime::NEVER,
            position: 0,
            absent: false,
            ended: false,
            has_new_rows: false,
            last_row_at: at,
            drained: None,
            was_drained: false,
            is_given_up: false,
        }
    }

    /// A partition that is not there.
    pub(super) fn missing(at: EventTime) -> Partition {
        Partition { absent: true, ..Partition::fresh(at) }
    }

    /// It is there from now on. What was bound of it before stays bound.
    pub(super) fn open(&mut self, at: EventTime) {
        let (position, newest) = (self.position, self.newest);
        *self = Partition { position, newest, ..Partition::fresh(at) };
    }

    /// It brought a row: there was something to read.
    pub(super) fn note_row(&mut self, position: u64) {
        self.position = position;
        self.has_new_rows = true;
        self.drained = None;
    }

    /// Its reader was connected and found nothing left to read at system time `at`.
    pub(super) fn drain(&mut self, at: EventTime, idle: Option<Span>) {
        let gap =
            idle.map_or(STRETCH_GAP, |idle| STRETCH_GAP.max(Span::nanos(idle.as_nanos() / 2)));
        self.was_drained = true;
        self.drained = Some(match self.drained {
            Some((since, through)) if at <= through.after(gap) => (since, through.max(at)),
            _ => (at, at),
        });
    }

    /// The commit at hand closes at system time `now`.
    pub(super) fn close(&mut self, now: EventTime) {
        if std::mem::take(&mut self.has_new_rows) {
            self.last_row_at = now;
        }
    }

    /// Whether it will bring nothing more.
    pub(super) fn is_done(&self) -> bool {
        self.ended || self.absent
    }

    /// Whether neither a row nor an empty read came of it within `idle` before `now`: it is disconnected, cannot be
    /// read, or waits behind others.
    pub(super) fn is_silent(&self, idle: Span, now: EventTime) -> bool {
        !self.is_done() && self.heard_at().after(idle) <= now
    }

    /// When a row or an empty read came of it last; when it was opened, if none has.
    pub(super) fn heard_at(&self) -> EventTime {
        self.drained.map_or(self.last_row_at, |(_, through)| through.max(self.last_row_at))
    }

    /// While nothing was left to read: up to when that is known.
    pub(super) fn drained_through(&self) -> Option<EventTime> {
        self.drained.map(|(_, through)| through)
    }

    /// No event before this is expected of it, as is known at system time `now`.
    pub(super) fn watermark(&self, timing: &SourceTiming, now: EventTime) -> EventTime {
        if self.is_done() {
            return EventTime::END;
        }
        let mut own = self.newest.before(timing.disorder);
        if let Some(limit) = timing.give_up_after.filter(|_| self.is_given_up) {
            own = own.max(now.before(limit).before(timing.disorder));
        }
        match (timing.idle_after, self.drained) {
            (Some(idle), Some((since, through))) if since.after(idle) <= through => {
                own.max(through.before(timing.disorder).before(idle))
            }
            _ => own,
        }
    }
}
