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
//! Trading sessions (regular and extended hours, half days, overnight) will become a part of
//! [`Calendar`] beside the zone; nothing else asks where a bar begins.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::time::EventTime;

const HOUR_SECS: u32 = 3_600;
const DAY_SECS: u32 = 86_400;
const NANOS: i64 = 1_000_000_000;

/// How long a bar nominally is: whole seconds that divide an hour, whole hours that divide a day, or
/// a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeframe(u32);

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
}

/// The calendars of a job. [`crate::Terms::calendar`] is an index into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendars(Arc<[Calendar]>);

impl Timeframe {
    /// One minute.
    pub const MINUTE: Timeframe = Timeframe(60);
    /// One day.
    pub const DAY: Timeframe = Timeframe(DAY_SECS);

    /// A timeframe of so many seconds, if bars of this length fit hours and days.
    pub const fn from_secs(secs: u32) -> Option<Timeframe> {
        let fits = match secs {
            0 => false,
            1..=HOUR_SECS => HOUR_SECS.is_multiple_of(secs),
            _ => secs.is_multiple_of(HOUR_SECS) && DAY_SECS.is_multiple_of(secs),
        };
        if fits { Some(Timeframe(secs)) } else { None }
    }

    /// Nominal length in seconds.
    pub fn secs(self) -> u32 {
        self.0
    }

    /// Whether bars of this timeframe are unions of bars of `smaller`, in every calendar.
    pub fn is_union_of(self, smaller: Timeframe) -> bool {
        self.0.is_multiple_of(smaller.0)
    }
}

impl FromStr for Timeframe {
    type Err = String;

    /// Reads `1s`, `5m`, `4h`, `1d`.
    fn from_str(text: &str) -> Result<Timeframe, String> {
        let wrong = || {
            format!(
                "`{text}` is not a timeframe (seconds, minutes or hours that divide a day, such as 1s, 5m, 4h, 1d)"
            )
        };
        let unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => HOUR_SECS,
            Some(b'd') => DAY_SECS,
            _ => return Err(wrong()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(unit).and_then(Timeframe::from_secs).ok_or_else(wrong)
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DAY_SECS => f.write_str("1d"),
            s if s.is_multiple_of(HOUR_SECS) => write!(f, "{}h", s / HOUR_SECS),
            s if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl fmt::Debug for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Calendar {
    /// `UTC`, or an IANA zone such as `America/New_York` from the table that the binary carries.
    ///
    /// ```
    /// use market::Calendar;
    /// assert!(Calendar::named("America/New_York").is_ok());
    /// assert!(Calendar::named("Middle/Earth").is_err());
    /// ```
    pub fn named(name: &str) -> Result<Calendar, String> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Calendar::Utc);
        }
        TimeZone::get(name).map(Calendar::Zone).map_err(|_| {
            format!(
                "unknown calendar `{name}` (`UTC` or an IANA time zone such as America/New_York)"
            )
        })
    }

    /// The name it was made from.
    pub fn name(&self) -> &str {
        match self {
            Calendar::Utc => "UTC",
            Calendar::Zone(zone) => zone.iana_name().unwrap_or("UTC"),
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
            Calendar::Zone(zone) if timeframe.0 <= HOUR_SECS => within_hour(zone, timeframe, time),
            Calendar::Zone(zone) => by_wall_clock(zone, timeframe, time)
                // Only a zone whose civil times cannot be computed gets here; none in range does.
                .unwrap_or_else(|_| aligned(timeframe, time, 0)),
        }
    }
}

impl Calendars {
    /// These calendars, in this order; at most 256, at least one.
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

    /// The calendar that [`crate::Terms::calendar`] names; an index that no configuration gave out
    /// means the first.
    pub fn get(&self, index: u8) -> &Calendar {
        self.0.get(usize::from(index)).unwrap_or(&self.0[0])
    }
}

/// The bar of fixed length that holds `time`, where local time is `offset_secs` ahead of UTC.
fn aligned(timeframe: Timeframe, time: EventTime, offset_secs: i32) -> Bucket {
    let length = i64::from(timeframe.0) * NANOS;
    let offset = i64::from(offset_secs) * NANOS;
    let open = (time.0 + offset).div_euclid(length) * length - offset;
    Bucket { open: EventTime(open), end: EventTime(open + length) }
}

/// Aligned to the local hour, and cut where the zone's offset changes.
fn within_hour(zone: &TimeZone, timeframe: Timeframe, time: EventTime) -> Bucket {
    let stamp = timestamp(time);
    let offset = zone.to_offset(stamp).seconds();
    let Bucket { mut open, mut end } = aligned(timeframe, time, offset);
    // A transition strictly inside the bar is a border of it: before the instant, or after it.
    let changes = |at: EventTime| zone.to_offset(timestamp(at)).seconds() != offset;
    if changes(open) {
        let last = zone.preceding(after(stamp)).map(|t| nanos(t.timestamp()));
        open = last.take_while(|at| *at > open).filter(|at| *at <= time).last().unwrap_or(open);
    }
    if changes(EventTime(end.0 - 1)) {
        let next = zone.following(stamp).map(|t| nanos(t.timestamp())).next();
        end = next.filter(|at| *at < end).unwrap_or(end);
    }
    Bucket { open, end }
}

/// Aligned to local midnight by the wall clock.
fn by_wall_clock(
    zone: &TimeZone,
    timeframe: Timeframe,
    time: EventTime,
) -> Result<Bucket, jiff::Error> {
    let local = zone.to_datetime(timestamp(time));
    let hours = i64::from(timeframe.0 / HOUR_SECS);
    let first_hour = i64::from(local.hour()) / hours * hours;
    let open = local.date().to_datetime(Time::midnight()).checked_add(first_hour.hours())?;
    let end = open.checked_add(hours.hours())?;
    Ok(Bucket { open: first_instant(zone, open)?, end: first_instant(zone, end)? })
}

/// The first instant at which the zone's wall clock shows `local` or, if it skips it, a later time.
fn first_instant(zone: &TimeZone, local: DateTime) -> Result<EventTime, jiff::Error> {
    Ok(nanos(zone.to_ambiguous_timestamp(local).compatible()?))
}

fn timestamp(time: EventTime) -> Timestamp {
    // Every i64 of nanoseconds lies within jiff's years −9999 to 9999.
    Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default()
}

fn after(stamp: Timestamp) -> Timestamp {
    stamp.checked_add(1.nanosecond()).unwrap_or(stamp)
}

fn nanos(stamp: Timestamp) -> EventTime {
    EventTime(i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeUnit;
    use proptest::prelude::*;

    const FRAMES: [&str; 9] = ["1s", "10s", "1m", "5m", "15m", "1h", "2h", "4h", "1d"];
    /// Whole-hour and half-hour shifts, midnight shifts, odd offsets, no shifts.
    const ZONES: [&str; 7] = [
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Asia/Beirut",
        "Asia/Tokyo",
    ];

    fn time(text: &str) -> EventTime {
        EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
    }

    fn bars(zone: &str, frame: &str, from: &str, to: &str) -> Vec<String> {
        let calendar = Calendar::named(zone).unwrap();
        let frame = frame.parse().unwrap();
        let mut opens = Vec::new();
        let mut at = time(from);
        while at < time(to) {
            let bucket = calendar.bucket(frame, at);
            opens.push(bucket.open.rfc3339());
            at = bucket.end;
        }
        opens
    }

    #[test]
    fn the_day_that_clocks_go_forward_in_new_york() {
        assert_eq!(
            bars("America/New_York", "4h", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"),
            [
                "2024-03-10T05:00:00Z", // midnight; three hours long
                "2024-03-10T08:00:00Z", // 04:00 EDT
                "2024-03-10T12:00:00Z",
                "2024-03-10T16:00:00Z",
                "2024-03-10T20:00:00Z",
                "2024-03-11T00:00:00Z",
            ]
        );
    }

    #[test]
    fn the_day_that_clocks_go_back_in_new_york() {
        let hours = bars("America/New_York", "1h", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z");
        assert_eq!(hours.len(), 25, "the repeated hour has a bar of its own: {hours:?}");
        let long = bars("America/New_York", "4h", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z");
        assert_eq!(long[..2], ["2024-11-03T04:00:00Z", "2024-11-03T09:00:00Z"]);
        assert_eq!(long.len(), 6);
    }

    #[test]
    fn a_half_hour_shift_cuts_the_hour() {
        // Lord Howe, 2024-04-06T15:00Z: 02:00 +11 becomes 01:30 +10:30.
        assert_eq!(
            bars("Australia/Lord_Howe", "1h", "2024-04-06T14:00:00Z", "2024-04-06T16:30:00Z"),
            ["2024-04-06T14:00:00Z", "2024-04-06T15:00:00Z", "2024-04-06T15:30:00Z"]
        );
    }

    #[test]
    fn frames_and_their_text() {
        for frame in FRAMES {
            assert_eq!(frame.parse::<Timeframe>().unwrap().to_string(), frame);
        }
        for wrong in ["", "m", "0s", "7s", "7h", "70s", "2d", "1w", "-1m", "99999999999d", "1µ"] {
            assert!(wrong.parse::<Timeframe>().is_err(), "{wrong}");
        }
    }

    /// An instant, often within hours of a change of the zone's clocks.
    fn near_a_change(calendar: &Calendar, secs: i64, offset_secs: i64) -> EventTime {
        let at = EventTime(secs * NANOS);
        let Calendar::Zone(zone) = calendar else {
            return at;
        };
        let change = zone.following(timestamp(at)).next().map(|t| nanos(t.timestamp()));
        change.map_or(at, |change| EventTime(change.0 + offset_secs * NANOS))
    }

    proptest! {
        #[test]
        fn every_instant_is_in_its_bar_and_bars_tile_time(
            zone in 0..=ZONES.len(),
            frame in 0..FRAMES.len(),
            secs in 0..2_000_000_000_i64,
            offset in -30_000..30_000_i64,
        ) {
            let calendar = ZONES.get(zone).map_or(Calendar::Utc, |z| Calendar::named(z).unwrap());
            let frame: Timeframe = FRAMES[frame].parse().unwrap();
            let at = near_a_change(&calendar, secs, offset);
            let bucket = calendar.bucket(frame, at);
            prop_assert!(bucket.open <= at && at < bucket.end, "{at} in {bucket:?}");
            // Both ends of the bar agree, and its neighbours touch it.
            prop_assert_eq!(calendar.bucket(frame, bucket.open), bucket);
            prop_assert_eq!(calendar.bucket(frame, EventTime(bucket.end.0 - 1)), bucket);
            prop_assert_eq!(calendar.bucket(frame, bucket.end).open, bucket.end);
            prop_assert_eq!(calendar.bucket(frame, EventTime(bucket.open.0 - 1)).end, bucket.open);
        }

        #[test]
        fn larger_bars_are_unions_of_smaller_ones(
            zone in 0..=ZONES.len(),
            frames in (0..FRAMES.len(), 0..FRAMES.len()),
            secs in 0..2_000_000_000_i64,
            offset in -30_000..30_000_i64,
        ) {
            let calendar = ZONES.get(zone).map_or(Calendar::Utc, |z| Calendar::named(z).unwrap());
            // Each of `FRAMES` divides the next.
            let small: Timeframe = FRAMES[frames.0.min(frames.1)].parse().unwrap();
            let large: Timeframe = FRAMES[frames.0.max(frames.1)].parse().unwrap();
            prop_assert!(large.is_union_of(small));
            let inner = calendar.bucket(small, near_a_change(&calendar, secs, offset));
            let outer = calendar.bucket(large, inner.open);
            prop_assert!(outer.open <= inner.open && inner.end <= outer.end, "{inner:?} in {outer:?}");
        }
    }
}
