//! Bars of time zones and of periods of dates, the slow way: every step of time is looked at by the wall clock.
//!
//! Written from section *Timeframes* of the definition; no calendar is asked.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use market::{Bucket, EventTime, Timeframe};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// What a timeframe counts, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Clock(i64),
    /// Dates, or trading days.
    Dates(i64),
    Weeks(i64),
    Months(i64),
}

/// In which bar a local time is: two that differ are two bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Label(i64, i64, i64);

impl Unit {
    pub(crate) fn of(timeframe: Timeframe) -> Unit {
        let text = timeframe.to_string();
        let (count, unit) = text.split_at(text.len() - 1);
        let count: i64 = count.parse().unwrap_or(1);
        match unit {
            "h" => Unit::Clock(count * 3_600),
            "m" => Unit::Clock(count * 60),
            "d" => Unit::Dates(count),
            "w" => Unit::Weeks(count),
            "M" => Unit::Months(count),
            "y" => Unit::Months(12 * count),
            _ => Unit::Clock(count),
        }
    }

    /// The number of the period that holds a date; dates are counted from 1970-01-01.
    pub(crate) fn period(self, of: Date, week_starts: Weekday) -> i64 {
        let number = |of: Date| i64::from((of - date(1970, 1, 1)).get_days());
        match self {
            Unit::Clock(_) => number(of),
            Unit::Dates(n) => number(of).div_euclid(n),
            Unit::Weeks(n) => {
                let mut first = date(1970, 1, 1);
                while first.weekday() != week_starts {
                    first = first.tomorrow().unwrap_or(first);
                }
                (number(of) - number(first)).div_euclid(7 * n)
            }
            Unit::Months(n) => {
                (i64::from(of.year()) * 12 + i64::from(of.month()) - 1).div_euclid(n)
            }
        }
    }
}

/// The bars of a zone that hold any of `[from, to)`, in order. Changes of clocks must be at whole steps of `step_secs`,
/// and so must borders.
pub fn bars(
    zone: &TimeZone,
    timeframe: Timeframe,
    week_starts: Weekday,
    (from, to): (EventTime, EventTime),
    step_secs: i64,
) -> Vec<Bucket> {
    let unit = Unit::of(timeframe);
    let step = step_secs * SECOND;
    let pad = (i64::from(timeframe.secs()) + 4 * DAY) * SECOND;
    let mut at = (from.0 - pad).div_euclid(step) * step;
    let mut newest = DateTime::MIN;
    let mut bars: Vec<(Label, Bucket)> = Vec::new();
    while at < to.0 + pad {
        let stamp = Timestamp::from_nanosecond(at.into()).unwrap_or_default();
        let local = zone.to_datetime(stamp);
        newest = newest.max(local);
        let of_day = |at: DateTime| {
            i64::from(at.hour()) * 3_600 + i64::from(at.minute()) * 60 + i64::from(at.second())
        };
        let label = match unit {
            // Where clocks change there is a border.
            Unit::Clock(secs) if secs <= 3_600 => {
                let offset = i64::from(zone.to_offset(stamp).seconds());
                Label(offset, unit.period(local.date(), week_starts), of_day(local) / secs)
            }
            // A border is when the clock first shows it.
            Unit::Clock(secs) => {
                Label(0, unit.period(newest.date(), week_starts), of_day(newest) / secs)
            }
            _ => Label(0, unit.period(newest.date(), week_starts), 0),
        };
        let end = EventTime(at + step);
        match bars.last_mut() {
            Some((last, bar)) if *last == label => bar.end = end,
            _ => bars.push((label, Bucket { open: EventTime(at), end })),
        }
        at += step;
    }
    // The first and the last are cut.
    bars.retain(|(_, bar)| from < bar.end && bar.open < to);
    bars.into_iter().map(|(_, bar)| bar).collect()
}
