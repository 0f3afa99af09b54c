//! Calendars: which bar an instant belongs to.
//!
//! A bar is the interval `[open, end)`. In UTC, bars are aligned to 1970-01-01T00:00Z. In a time zone
//! they follow its wall clock:
//!
//! * timeframes up to an hour are aligned to the local hour. They never span a change of the zone's
//!   offset; when clocks go back, the repeated hour has its own bars;
//! * longer ones are aligned to local midnight by the wall clock: on the day that clocks change, the
//!   4-hour bar over the change lasts 3 or 5 hours and the day 23 or 25.
//!
//! A calendar with trading sessions aligns bars to them: a bar shorter than a day begins with its
//! session, or a whole number of timeframes later, and never spans the border of a session; a day is a
//! trading day.
//!
//! Reading order: [`Timeframe`] → `zone` → `plan` (sessions as written) → `holidays` → `sessions`
//! (trading days) → `builtin`.

mod builtin;
mod holidays;
mod plan;
mod sessions;
#[cfg(test)]
mod tests;
mod timeframe;
mod zone;

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::id::CalendarId;
use crate::time::EventTime;

pub use builtin::MARKETS;
pub use holidays::Holidays;
pub use plan::{SessionKind, SessionRule, WallClock, Weekdays};
pub use sessions::{Sessions, Stretch};
pub use timeframe::Timeframe;

use timeframe::HOUR_SECS;
use zone::{aligned, by_wall_clock, timestamp, within_hour};

/// One bar's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Its first instant.
    pub open: EventTime,
    /// The first instant after it.
    pub end: EventTime,
}

/// Where bars begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// Aligned to UTC.
    Utc,
    /// Aligned to a zone's wall clock.
    Zone(TimeZone),
    /// Aligned to trading sessions.
    Sessions(Arc<Sessions>),
}

/// The calendars of a job. [`crate::InstrumentSpec::calendar`] is the number of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendars(Arc<[Calendar]>);

impl Calendar {
    /// `UTC`, a market in [`MARKETS`], or an IANA zone such as `America/New_York` from the table that
    /// the binary carries.
    ///
    /// ```
    /// use market::Calendar;
    /// assert!(Calendar::named("America/New_York").is_ok());
    /// assert!(Calendar::named("us-equities").is_ok());
    /// assert!(Calendar::named("Middle/Earth").is_err());
    /// ```
    pub fn named(name: &str) -> Result<Calendar, String> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Calendar::Utc);
        }
        if let Some(market) = builtin::market(name) {
            return market;
        }
        TimeZone::get(name).map(Calendar::Zone).map_err(|_| {
            format!(
                "unknown calendar `{name}` (`UTC`, {}, or an IANA time zone such as America/New_York)",
                MARKETS.join(", ")
            )
        })
    }

    /// A calendar with trading sessions.
    pub fn with_sessions(sessions: Sessions) -> Calendar {
        Calendar::Sessions(Arc::new(sessions))
    }

    /// The name it was made from.
    pub fn name(&self) -> &str {
        match self {
            Calendar::Utc => "UTC",
            Calendar::Zone(zone) => zone.iana_name().unwrap_or("UTC"),
            Calendar::Sessions(sessions) => sessions.name(),
        }
    }

    /// Whether it knows trading sessions. One that does not is in one regular session for ever.
    pub fn has_sessions(&self) -> bool {
        matches!(self, Calendar::Sessions(_))
    }

    /// What kind of trading goes on at `time`.
    ///
    /// ```
    /// use market::{Calendar, EventTime, SessionKind, TimeUnit::Rfc3339};
    /// let time = |text| EventTime::parse(text, Rfc3339).unwrap();
    /// let shares = Calendar::named("us-equities").unwrap();
    /// // The day after Thanksgiving: exchanges close at 13:00, and four hours later for good.
    /// assert_eq!(shares.session(time("2024-11-29T12:59:59-05:00")), SessionKind::Regular);
    /// assert_eq!(shares.session(time("2024-11-29T13:00:00-05:00")), SessionKind::Extended);
    /// assert_eq!(shares.session(time("2024-11-29T17:00:00-05:00")), SessionKind::Closed);
    /// ```
    pub fn session(&self, time: EventTime) -> SessionKind {
        self.stretch(time).kind
    }

    /// The session that holds `time`, or the closed time between two sessions.
    pub fn stretch(&self, time: EventTime) -> Stretch {
        match self {
            Calendar::Utc | Calendar::Zone(_) => {
                Stretch { kind: SessionKind::Regular, open: EventTime::NEVER, end: EventTime::END }
            }
            Calendar::Sessions(sessions) => sessions.stretch(time),
        }
    }

    /// The date of the trading day that holds `time`; without sessions, the local date.
    ///
    /// ```
    /// use market::{Calendar, EventTime, TimeUnit::Rfc3339};
    /// let futures = Calendar::named("cme-globex").unwrap();
    /// let sunday_evening = EventTime::parse("2024-08-04T17:00:00-05:00", Rfc3339).unwrap();
    /// assert_eq!(futures.trading_day(sunday_evening).to_string(), "2024-08-05");
    /// ```
    pub fn trading_day(&self, time: EventTime) -> Date {
        match self {
            Calendar::Utc => TimeZone::UTC.to_datetime(timestamp(time)).date(),
            Calendar::Zone(zone) => zone.to_datetime(timestamp(time)).date(),
            Calendar::Sessions(sessions) => sessions.trading_day(time),
        }
    }

    /// The bar of `timeframe` that holds `time`.
    ///
    /// `time` must be one that a record may carry ([`EventTime::checked`]).
    ///
    /// ```
    /// use market::{Calendar, EventTime, TimeUnit::Rfc3339};
    /// let time = |text| EventTime::parse(text, Rfc3339).unwrap();
    /// let new_york = Calendar::named("America/New_York").unwrap();
    /// // Clocks went forward on 2024-03-10: that day has 23 hours.
    /// let day = new_york.bucket("1d".parse().unwrap(), time("2024-03-10T12:00:00Z"));
    /// assert_eq!(day.open, time("2024-03-10T05:00:00Z"));
    /// assert_eq!(day.end, time("2024-03-11T04:00:00Z"));
    /// ```
    pub fn bucket(&self, timeframe: Timeframe, time: EventTime) -> Bucket {
        match self {
            Calendar::Utc => aligned(timeframe, time, 0),
            Calendar::Zone(zone) if timeframe.secs() <= HOUR_SECS => {
                within_hour(zone, timeframe, time)
            }
            Calendar::Zone(zone) => by_wall_clock(zone, timeframe, time)
                // Only a zone whose civil times cannot be computed gets here; none in range does.
                .unwrap_or_else(|_| aligned(timeframe, time, 0)),
            Calendar::Sessions(sessions) => sessions.bucket(timeframe, time),
        }
    }
}

impl Calendars {
    /// These calendars, by number; at most 256, at least one.
    pub fn new(calendars: Vec<Calendar>) -> Result<Calendars, String> {
        match calendars.len() {
            1..=256 => Ok(Calendars(calendars.into())),
            n => Err(format!("a job has 1 to 256 calendars, not {n}")),
        }
    }

    /// UTC alone.
    pub fn utc() -> Calendars {
        Calendars(Arc::from([Calendar::Utc]))
    }

    /// The earliest beginning of the bars of `timeframe` that hold `time`, under any of them.
    ///
    /// ```
    /// # use market::{Calendar, Calendars, EventTime, Timeframe};
    /// let time = |text: &str| EventTime::parse_any(text).unwrap();
    /// let new_york = Calendar::named("America/New_York").unwrap();
    /// let calendars = Calendars::new(vec![Calendar::named("UTC").unwrap(), new_york]).unwrap();
    /// let open = calendars.earliest_open(Timeframe::DAY, time("2026-01-06T02:00:00Z"));
    /// assert_eq!(open, time("2026-01-05T05:00:00Z"));
    /// ```
    pub fn earliest_open(&self, timeframe: Timeframe, time: EventTime) -> EventTime {
        let opens = self.0.iter().map(|calendar| calendar.bucket(timeframe, time).open);
        opens.min().unwrap_or(time)
    }

    /// The calendar that [`crate::InstrumentSpec::calendar`] names; a number that no registry gave out means the first.
    pub fn get(&self, id: CalendarId) -> &Calendar {
        self.0.get(usize::from(id.0)).unwrap_or(&self.0[0])
    }
}
