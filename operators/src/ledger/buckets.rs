//! Which base bar a time falls into, and which one a trade counts in.

use market::{Bucket, Calendar, EventTime, Timeframe, Trade};

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

    pub(super) fn calendar(&self) -> &'a Calendar {
        self.calendar
    }

    pub(super) fn of(&mut self, time: EventTime) -> Bucket {
        if !(self.last.open <= time && time < self.last.end) {
            self.last = self.calendar.bucket(self.timeframe, time);
        }
        self.last
    }

    /// The trade as it counts in bars: at the time at which it does.
    pub(super) fn counted(&self, trade: &Trade) -> Trade {
        Trade { time: self.calendar.counts_at(trade.time, trade.updates.print()), ..*trade }
    }

    /// The later of its time and of that at which it counts: so long it can be amended.
    pub(super) fn latest(&self, trade: &Trade) -> EventTime {
        self.counted(trade).time.max(trade.time)
    }
}
