//! Calendars: which bar an instant belongs to.
//!
//! A bar is the interval `[open, end)`. In UTC, bars are aligned to 1970-01-01T00:00Z. In a time zone
//! they follow its wall clock:
//!
//! * timeframes up to an hour are aligned to local midnight. They never span a change of the zone's
//!   offset; when clocks go back, the repeated hour has its own bars;
//! * longer ones are aligned to local midnight by the wall clock: on the day that clocks change, the
//!   4-hour bar over the change lasts 3 or 5 hours and the day 23 or 25;
//! * those of several days, weeks and months are unions of days.
//!
//! A calendar with trading sessions aligns bars to them: a bar shorter than a day begins with its
//! session, or a whole number of timeframes later, and never spans the border of a session; a day is a
//! trading day.
//!
//! Reading order: [`Timeframe`] → `period` → `zone` → `plan` (sessions as written) → `holidays` → `week` →
//! `sessions` (trading days) → `markets`.

mod holidays;
mod markets;
mod period;
mod plan;
mod prints;
mod sessions;
mod spelling;
#[cfg(test)]
mod tests;
mod timeframe;
mod week;
mod zone;

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use crate::id::CalendarId;
use crate::time::{EventTime, Span};
use crate::updates::SessionPrint;

pub use holidays::Holidays;
pub use markets::{MARKETS, MarketCalendar};
pub use plan::{SessionKind, SessionRule, WallClock, Weekdays};
pub use sessions::{Sessions, Stretch};
pub use timeframe::Timeframe;

use period::period;
use spelling::HOUR_SECS;
use zone::{aligned, by_wall_clock, in_day, timestamp, within_hour};

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
pub struct Calendar {
    kind: Kind,
    week_starts: Weekday,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
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
    /// Aligned to UTC.
    pub const UTC: Calendar = Calendar::of(Kind::Utc);

    const fn of(kind: Kind) -> Calendar {
        Calendar { kind, week_starts: Weekday::Monday }
    }

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
            return Ok(Calendar::UTC);
        }
        if let Some(market) = markets::market(name) {
            return market;
        }
        TimeZone::get(name).map(Kind::Zone).map(Calendar::of).map_err(|_| {
            format!(
                "unknown calendar `{name}` (`UTC`, {}, or an IANA time zone such as America/New_York)",
                markets::names()
            )
        })
    }

    /// A calendar with trading sessions.
    pub fn with_sessions(sessions: Sessions) -> Calendar {
        Calendar::of(Kind::Sessions(Arc::new(sessions)))
    }

    /// The name it was made from.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Utc => "UTC",
            Kind::Zone(zone) => zone.iana_name().unwrap_or("UTC"),
            Kind::Sessions(sessions) => sessions.name(),
        }
    }

    /// The first and last year whose holidays it knows. None: it keeps none, or a configuration made it.
    ///
    /// ```
    /// # use market::Calendar;
    /// assert_eq!(Calendar::named("XNYS").unwrap().known_years(), Some((1990, 2030)));
    /// assert_eq!(Calendar::UTC.known_years(), None);
    /// ```
    pub fn known_years(&self) -> Option<(i16, i16)> {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => None,
            Kind::Sessions(sessions) => sessions.known(),
        }
    }

    /// From which instant to which it knows holidays; all time, if it keeps none.
    ///
    /// ```
    /// # use market::{Calendar, EventTime};
    /// let (from, to) = Calendar::named("XTKS").unwrap().known();
    /// assert_eq!(from.rfc3339(), "2012-12-31T15:00:00Z", "midnight in Tokyo");
    /// assert_eq!(to.rfc3339(), "2027-12-31T15:00:00Z");
    /// assert_eq!(Calendar::UTC.known(), (EventTime::NEVER, EventTime::END));
    /// ```
    pub fn known(&self) -> (EventTime, EventTime) {
        let found = match &self.kind {
            Kind::Utc | Kind::Zone(_) => None,
            Kind::Sessions(sessions) => sessions.known_time(),
        };
        found.unwrap_or((EventTime::NEVER, EventTime::END))
    }

    /// When the session that holds `time` closes, without the grace for its last prints.
    pub fn regular_close(&self, time: EventTime) -> EventTime {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => EventTime::END,
            Kind::Sessions(sessions) => sessions.closes(time),
        }
    }

    /// How long after a regular session its last prints come.
    pub fn close_grace(&self) -> Span {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => Span::ZERO,
            Kind::Sessions(sessions) => Span::nanos(sessions.grace()),
        }
    }

    /// Its sessions, if it has any.
    pub fn sessions(&self) -> Option<&Sessions> {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => None,
            Kind::Sessions(sessions) => Some(sessions),
        }
    }

    /// Whether it knows trading sessions. One that does not is in one regular session for ever.
    pub fn has_sessions(&self) -> bool {
        matches!(self.kind, Kind::Sessions(_))
    }

    /// Whether a session of its usual week is a whole number of bars of this timeframe.
    ///
    /// ```
    /// # use market::{Calendar, Timeframe};
    /// let shares = Calendar::named("us-equities").unwrap();
    /// let of = |text: &str| text.parse::<Timeframe>().unwrap();
    /// assert!(shares.divides_sessions(of("65m")) && !shares.divides_sessions(of("64m")));
    /// assert!(!Calendar::UTC.divides_sessions(of("65m")));
    /// ```
    pub fn divides_sessions(&self, timeframe: Timeframe) -> bool {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => false,
            Kind::Sessions(sessions) => sessions.divided_by(timeframe),
        }
    }

    /// What kind of trading goes on at `time`.
    ///
    /// ```
    /// use market::{Calendar, EventTime, SessionKind, TimeUnit::Rfc3339};
    /// let time = |text| EventTime::parse(text, Rfc3339).unwrap();
    /// let shares = Calendar::named("us-equities").unwrap();
    /// // The day after Thanksgiving: exchanges close at 13:00, and four hours later for good.
    /// assert_eq!(shares.session(time("2024-11-29T12:59:59-05:00")), SessionKind::Regular);
    /// // The closing auction prints some milliseconds after the bell.
    /// assert_eq!(shares.session(time("2024-11-29T13:00:00.052-05:00")), SessionKind::Regular);
    /// assert_eq!(shares.session(time("2024-11-29T13:00:10-05:00")), SessionKind::Extended);
    /// assert_eq!(shares.session(time("2024-11-29T17:00:00-05:00")), SessionKind::Closed);
    /// ```
    pub fn session(&self, time: EventTime) -> SessionKind {
        self.stretch(time).kind
    }

    /// The session that holds `time`, or the closed time between two sessions.
    pub fn stretch(&self, time: EventTime) -> Stretch {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => {
                Stretch { kind: SessionKind::Regular, open: EventTime::NEVER, end: EventTime::END }
            }
            Kind::Sessions(sessions) => sessions.stretch(time),
        }
    }

    /// When a print at `time` counts: it is in the bar that holds this, and has its place in the order of trades there.
    /// That is its time, unless what its source says of it is of another session. `docs/semantics.md`, section
    /// *Prints of a session*, defines it.
    ///
    /// ```
    /// use market::{Calendar, EventTime, SessionKind, SessionPrint, TimeUnit::Rfc3339};
    /// let time = |text| EventTime::parse(text, Rfc3339).unwrap();
    /// let shares = Calendar::named("us-equities").unwrap();
    /// // An auction at the New York Stock Exchange that took 85 s to print.
    /// let print = time("2013-10-09T16:01:25-04:00");
    /// assert_eq!(shares.session(print), SessionKind::Extended);
    /// let counts = shares.counts_at(print, SessionPrint::Closing);
    /// assert_eq!(counts, time("2013-10-09T16:00:09.999999999-04:00"));
    /// assert_eq!(shares.session(counts), SessionKind::Regular);
    /// // A trade of the extended session, a second after the bell.
    /// let print = time("2013-10-09T16:00:01-04:00");
    /// assert_eq!(shares.session(print), SessionKind::Regular);
    /// let counts = shares.counts_at(print, SessionPrint::Ordinary);
    /// assert_eq!(shares.session(counts), SessionKind::Extended);
    /// assert_eq!(shares.counts_at(print, SessionPrint::Unsaid), print);
    /// ```
    pub fn counts_at(&self, time: EventTime, print: SessionPrint) -> EventTime {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => time,
            Kind::Sessions(sessions) => sessions.counts_at(time, print),
        }
    }

    /// The earliest time of a print that counts to the bar that opens at `open`, of whatever timeframe.
    ///
    /// ```
    /// # use market::{Calendar, EventTime};
    /// # let time = |text| EventTime::parse_any(text).unwrap();
    /// let shares = Calendar::named("us-equities").unwrap();
    /// let extended = shares.first_print(time("2013-10-09T16:00:10-04:00"));
    /// assert_eq!(extended, time("2013-10-09T16:00:00-04:00"));
    /// let later = time("2013-10-09T16:01:00-04:00");
    /// assert_eq!(shares.first_print(later), later);
    /// ```
    pub fn first_print(&self, open: EventTime) -> EventTime {
        match &self.kind {
            Kind::Utc | Kind::Zone(_) => open,
            Kind::Sessions(sessions) => sessions.first_print(open),
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
        match &self.kind {
            Kind::Utc => TimeZone::UTC.to_datetime(timestamp(time)).date(),
            Kind::Zone(zone) => zone.to_datetime(timestamp(time)).date(),
            Kind::Sessions(sessions) => sessions.trading_day(time),
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
        let is_long = timeframe > Timeframe::DAY;
        let found = match &self.kind {
            Kind::Sessions(sessions) => {
                return sessions.bucket(timeframe, time, self.week_starts);
            }
            Kind::Utc if is_long => self.dates(&TimeZone::UTC, timeframe, time),
            Kind::Utc => return aligned(timeframe, time, 0),
            Kind::Zone(zone) if timeframe.secs() <= HOUR_SECS => {
                return within_hour(zone, timeframe, time);
            }
            Kind::Zone(zone) if timeframe < Timeframe::DAY => {
                by_wall_clock(zone, time, |local| in_day(timeframe, local))
            }
            Kind::Zone(zone) => self.dates(zone, timeframe, time),
        };
        // Only a zone whose civil times cannot be computed gets here; none in range does.
        found.unwrap_or_else(|_| aligned(timeframe.min(Timeframe::DAY), time, 0))
    }

    /// A bar of whole dates.
    fn dates(
        &self,
        zone: &TimeZone,
        timeframe: Timeframe,
        time: EventTime,
    ) -> Result<Bucket, jiff::Error> {
        let midnight = |date: Date| -> DateTime { date.to_datetime(Time::midnight()) };
        by_wall_clock(zone, time, |local| {
            let (first, next) = period(timeframe.length(), local.date(), self.week_starts)?;
            Ok((midnight(first), midnight(next)))
        })
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

    /// The same, with weeks that begin on `day`: `mon` to `sun`; else they begin on Monday.
    pub fn with_weeks_from(self, day: &str) -> Result<Calendars, String> {
        let week_starts = plan::weekday_named(day).ok_or_else(|| {
            format!("`{day}` is not a day of the week ({})", plan::NAMES.join(", "))
        })?;
        let with = |calendar: &Calendar| Calendar { week_starts, ..calendar.clone() };
        Ok(Calendars(self.0.iter().map(with).collect()))
    }

    /// UTC alone.
    pub fn utc() -> Calendars {
        Calendars(Arc::from([Calendar::UTC]))
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

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Calendar> {
        self.0.iter()
    }

    /// The calendar that [`crate::InstrumentSpec::calendar`] names; a number that no registry gave out means the first.
    pub fn get(&self, id: CalendarId) -> &Calendar {
        self.0.get(usize::from(id.0)).unwrap_or(&self.0[0])
    }
}
