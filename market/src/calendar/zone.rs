//! Bars aligned to UTC or to a zone's wall clock.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::timeframe::HOUR_SECS;
use super::{Bucket, Timeframe};
use crate::time::EventTime;

pub(super) const NANOS: i64 = 1_000_000_000;

/// The bar of fixed length that holds `time`, where local time is `offset_secs` ahead of UTC.
pub(super) fn aligned(timeframe: Timeframe, time: EventTime, offset_secs: i32) -> Bucket {
    let length = i64::from(timeframe.secs()) * NANOS;
    let offset = i64::from(offset_secs) * NANOS;
    let open = (time.0 + offset).div_euclid(length) * length - offset;
    Bucket { open: EventTime(open), end: EventTime(open + length) }
}

/// Aligned to the local hour, and cut where the zone's offset changes.
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

/// Aligned to local midnight by the wall clock.
pub(super) fn by_wall_clock(
    zone: &TimeZone,
    timeframe: Timeframe,
    time: EventTime,
) -> Result<Bucket, jiff::Error> {
    let local = zone.to_datetime(timestamp(time));
    let hours = i64::from(timeframe.secs() / HOUR_SECS);
    let first_hour = i64::from(local.hour()) / hours * hours;
    let open = local.date().to_datetime(Time::midnight()).checked_add(first_hour.hours())?;
    let end = open.checked_add(hours.hours())?;
    Ok(Bucket { open: first_instant(zone, open)?, end: first_instant(zone, end)? })
}

/// The first instant at which the zone's wall clock shows `local` or, if it skips it, a later time.
fn first_instant(zone: &TimeZone, local: DateTime) -> Result<EventTime, jiff::Error> {
    Ok(nanos(zone.to_ambiguous_timestamp(local).compatible()?))
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
