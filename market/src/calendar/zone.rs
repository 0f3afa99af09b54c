//! Bars aligned to UTC or to a zone's wall clock.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::spelling::DAY_SECS;
use super::{Bucket, Timeframe};
use crate::time::EventTime;

pub(super) const NANOS: i64 = 1_000_000_000;

/// The bar of a timeframe up to a day that holds `time`, where local time is `offset_secs` ahead of UTC: counted from
/// local midnight, and cut at the next.
pub(super) fn aligned(timeframe: Timeframe, time: EventTime, offset_secs: i32) -> Bucket {
    const DAY: i64 = DAY_SECS as i64 * NANOS;
    let length = i64::from(timeframe.secs()) * NANOS;
    let offset = i64::from(offset_secs) * NANOS;
    let of_day = (time.0 + offset).rem_euclid(DAY);
    let midnight = time.0 - of_day;
    let open = of_day - of_day % length;
    let end = (open + length).min(DAY);
    Bucket { open: EventTime(midnight + open), end: EventTime(midnight + end) }
}

/// Of a timeframe up to an hour: aligned to local midnight, and cut where the zone's offset changes.
pub(super) fn within_hour(zone: &TimeZone, timeframe: Timeframe, time: EventTime) -> Bucket {
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

/// By the wall clock: between two instants at which it first shows a border or, if clocks skip that, a later time.
/// `around` gives the last border at or before a local time, and the next one.
pub(super) fn by_wall_clock(
    zone: &TimeZone,
    time: EventTime,
    around: impl Fn(DateTime) -> Result<(DateTime, DateTime), jiff::Error>,
) -> Result<Bucket, jiff::Error> {
    let (first, mut next) = around(zone.to_datetime(timestamp(time)))?;
    let (mut open, mut end) = (first_showing(zone, first)?, first_showing(zone, next)?);
    // Where clocks have gone back, the next border may have been shown before; where they go forward over several,
    // these are one instant.
    while end <= time {
        next = around(next)?.1;
        (open, end) = (end, first_showing(zone, next)?);
    }
    Ok(Bucket { open, end })
}

/// The borders of a timeframe below a day around a local time: from midnight on, the last one at midnight.
pub(super) fn in_day(
    timeframe: Timeframe,
    local: DateTime,
) -> Result<(DateTime, DateTime), jiff::Error> {
    let midnight = local.date().to_datetime(Time::midnight());
    let of_day = i64::from(local.hour()) * 3_600 + i64::from(local.minute()) * 60;
    let of_day = of_day + i64::from(local.second());
    let length = i64::from(timeframe.secs());
    let first = of_day - of_day % length;
    let next = (first + length).min(i64::from(DAY_SECS));
    Ok((midnight.checked_add(first.seconds())?, midnight.checked_add(next.seconds())?))
}

pub(super) fn timestamp(time: EventTime) -> Timestamp {
    // Every i64 of nanoseconds lies within jiff's years −9999 to 9999.
    Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default()
}

pub(super) fn after(stamp: Timestamp) -> Timestamp {
    stamp.checked_add(1.nanosecond()).unwrap_or(stamp)
}

pub(super) fn nanos(stamp: Timestamp) -> EventTime {
    EventTime(i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX))
}

/// The first instant at which the zone's wall clock shows `local` or a later time. Where clocks go
/// forward over `local`, that is when they do.
pub(super) fn first_showing(zone: &TimeZone, local: DateTime) -> Result<EventTime, jiff::Error> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let stamp = ambiguous.compatible()?;
    if skipped && let Some(change) = zone.preceding(after(stamp)).next() {
        return Ok(nanos(change.timestamp()));
    }
    Ok(nanos(stamp))
}
