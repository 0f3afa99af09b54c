//! Days as a wall clock shows them, for feeds that write a time of day and leave the day to a file's name.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::EventTime;

const DAY_NANOS: i64 = 86_400 * 1_000_000_000;

/// One day in one time zone.
#[derive(Clone, Debug)]
pub struct WallDay {
    date: Date,
    zone: TimeZone,
    /// The instant of midnight, if clocks do not change on this day.
    midnight: Option<EventTime>,
}

impl WallDay {
    /// The day `date`, as `20131010`, in an IANA time zone or `UTC`.
    ///
    /// ```
    /// use market::{EventTime, TimeUnit::Rfc3339, WallDay};
    /// let day = WallDay::named("20131010", "America/New_York").unwrap();
    /// let open = EventTime::parse("2013-10-10T13:30:00Z", Rfc3339).unwrap();
    /// assert_eq!(day.at(34_200 * 1_000_000_000), Some(open)); // 09:30, four hours behind UTC
    /// assert_eq!(day.at(86_400 * 1_000_000_000), None); // no more of this day
    /// ```
    pub fn named(date: &str, zone: &str) -> Result<WallDay, String> {
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = is_date.then(|| Date::strptime("%Y%m%d", date).ok()).flatten();
        let date = parsed.ok_or_else(|| format!("`{date}` is not a date such as 20131010"))?;
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("unknown time zone `{zone}` (UTC or an IANA time zone)"))?;
        let midnight = unchanged(date, &zone);
        Ok(WallDay { date, zone, midnight })
    }

    /// The instant at which the zone's wall clock shows so many nanoseconds after midnight; none before
    /// midnight and from the next midnight on.
    ///
    /// Of two such instants (clocks go back), the first; of none (clocks go forward), as if they had not
    /// gone forward yet.
    pub fn at(&self, since_midnight: i64) -> Option<EventTime> {
        if !(0..DAY_NANOS).contains(&since_midnight) {
            return None;
        }
        if let Some(EventTime(midnight)) = self.midnight {
            return midnight.checked_add(since_midnight).map(EventTime);
        }
        let local = self.date.to_datetime(jiff::civil::Time::midnight());
        let local = local.checked_add(since_midnight.nanoseconds()).ok()?;
        event_time(self.zone.to_ambiguous_timestamp(local).compatible().ok()?)
    }
}

/// The midnight at which `date` begins, if the zone's offset is the same all that day.
fn unchanged(date: Date, zone: &TimeZone) -> Option<EventTime> {
    let midnight = |date: Date| {
        let local = date.to_datetime(jiff::civil::Time::midnight());
        zone.to_ambiguous_timestamp(local).compatible().ok()
    };
    let (start, end) = (midnight(date)?, midnight(date.tomorrow().ok()?)?);
    let changes = zone.following(start).next().is_some_and(|change| change.timestamp() < end);
    // Where midnight itself is skipped, the day does not begin at it.
    let is_shown = zone.to_datetime(start).time() == jiff::civil::Time::midnight();
    if changes || !is_shown { None } else { event_time(start) }
}

fn event_time(stamp: Timestamp) -> Option<EventTime> {
    i64::try_from(stamp.as_nanosecond()).ok().map(EventTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(date: &str, zone: &str, hour: i64) -> String {
        let day = WallDay::named(date, zone).unwrap();
        day.at(hour * 3_600 * 1_000_000_000).unwrap().rfc3339()
    }

    #[test]
    fn wall_clocks() {
        for (date, zone, hour, want) in [
            ("20131010", "UTC", 4, "2013-10-10T04:00:00Z"),
            ("20131010", "America/New_York", 4, "2013-10-10T08:00:00Z"),
            ("20131210", "America/New_York", 4, "2013-12-10T09:00:00Z"),
            // Clocks go forward at 2, and back at 2.
            ("20240310", "America/New_York", 1, "2024-03-10T06:00:00Z"),
            ("20240310", "America/New_York", 2, "2024-03-10T07:00:00Z"),
            ("20240310", "America/New_York", 4, "2024-03-10T08:00:00Z"),
            ("20241103", "America/New_York", 1, "2024-11-03T05:00:00Z"),
            ("20241103", "America/New_York", 4, "2024-11-03T09:00:00Z"),
            // Clocks went forward at midnight.
            ("20181104", "America/Sao_Paulo", 4, "2018-11-04T06:00:00Z"),
        ] {
            assert_eq!(shown(date, zone, hour), want, "{date} {hour}h in {zone}");
        }
    }

    #[test]
    fn days_that_cannot_be() {
        for (date, zone) in
            [("20131310", "UTC"), ("2013101", "UTC"), ("x", "UTC"), ("20131010", "Mars")]
        {
            assert!(WallDay::named(date, zone).is_err(), "{date} {zone}");
        }
        let day = WallDay::named("20131010", "UTC").unwrap();
        assert_eq!((day.at(-1), day.at(DAY_NANOS)), (None, None));
        // Beyond what 64 bits of nanoseconds hold, there is no instant.
        assert_eq!(WallDay::named("99981010", "UTC").unwrap().at(0), None);
    }
}
