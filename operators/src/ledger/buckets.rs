//! Which base bar a time falls into.

use market::{Bucket, Calendar, EventTime, Timeframe};

/// The bar that holds a time, remembering the last one: most trades fall into the same.
#[derive(Clone, Debug)]
pub(super) struct Buckets<'a> {
    calendar: &'a Calendar,
    timeframe: Timeframe,
    last: Bucket,
}

impl<'a> Buckets<'a> {
    pub(super) fn new(calendar: &'a Calendar, timeframe: Timeframe) -> Buckets<'a> {
        let nothing = Bucket { open: EventTime::END, end: EventTime::END };
        Buckets { calendar, timeframe, last: nothing }
    }

    pub(super) fn of(&mut self, time: EventTime) -> Bucket {
        if !(self.last.open <= time && time < self.last.end) {
            self.last = self.calendar.bucket(self.timeframe, time);
        }
        self.last
    }
}
