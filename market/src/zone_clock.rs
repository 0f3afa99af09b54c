//! Times as a wall clock shows them, and the texts that say them, for feeds whose times have a form of their own.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::time::{EventTime, TimeError};

/// Which of two instants counts that a wall clock shows by one time, where clocks go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AmbiguousTime {
    /// The first.
    #[default]
    Earlier,
    /// The second.
    Later,
    /// Neither: it is a dead letter.
    Refuse,
}

/// The wall clock of a time zone.
#[derive(Clone, Debug)]
pub struct ZoneClock {
    zone: TimeZone,
    name: String,
    ambiguous: AmbiguousTime,
}

/// The forms in which times are written: those of RFC 3339, and those of a feed's own.
#[derive(Clone, Debug, Default)]
pub struct TimeForms {
    forms: Vec<TimeForm>,
    clock: Option<ZoneClock>,
}

#[derive(Clone, Debug)]
struct TimeForm {
    /// As written, with decimals of seconds.
    format: String,
    has_zone: bool,
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTime {
    /// It.
    pub time: EventTime,
    /// The other instant that the wall clock shows by this text, if there is one.
    pub other: Option<EventTime>,
}

/// Why a text is not a time in any of the forms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WallError {
    /// It has none of the forms.
    #[error("is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z{0}")]
    NoForm(String),
    /// It has no zone, and none is known.
    #[error("has no time zone, and none is known")]
    NoZone,
    /// Clocks never showed it.
    #[error("is a time that clocks in {0} skipped")]
    Skipped(String),
    /// Clocks showed it twice.
    #[error("is a time that clocks in {0} showed twice")]
    Twice(String),
    /// Outside the years that the system computes with.
    #[error(transparent)]
    Range(#[from] TimeError),
}

impl ZoneClock {
    /// Of an IANA time zone, or `UTC`.
    pub fn named(zone: &str, ambiguous: AmbiguousTime) -> Result<ZoneClock, String> {
        let name = zone.to_owned();
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("unknown time zone `{zone}` (UTC or an IANA time zone)"))?;
        Ok(ZoneClock { zone, name, ambiguous })
    }

    /// Its zone.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instant at which it shows `shown`.
    fn at(&self, shown: DateTime) -> Result<WallTime, WallError> {
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        let is_twice = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => false,
            AmbiguousOffset::Gap { .. } => return Err(WallError::Skipped(self.name.clone())),
            AmbiguousOffset::Fold { .. } => true,
        };
        let out_of_range = |_| WallError::Range(TimeError::OutOfRange);
        let earlier = event_time(ambiguous.earlier().map_err(out_of_range)?)?;
        if !is_twice {
            return Ok(WallTime { time: earlier, other: None });
        }
        let later = event_time(ambiguous.later().map_err(out_of_range)?)?;
        match self.ambiguous {
            AmbiguousTime::Earlier => Ok(WallTime { time: earlier, other: Some(later) }),
            AmbiguousTime::Later => Ok(WallTime { time: later, other: Some(earlier) }),
            AmbiguousTime::Refuse => Err(WallError::Twice(self.name.clone())),
        }
    }
}

impl TimeForms {
    /// Checks formats of `strptime`, such as `%d/%m/%Y %H:%M:%S`, whose seconds may have decimals; without a zone in
    /// them (`%z`), `clock` says which it is.
    ///
    /// ```
    /// use market::{AmbiguousTime, TimeForms, ZoneClock};
    /// let new_york = ZoneClock::named("America/New_York", AmbiguousTime::Earlier).unwrap();
    /// let forms = TimeForms::check(&["%m/%d/%Y %H:%M:%S".to_owned()], Some(new_york)).unwrap();
    /// let read = |text| forms.read(text).map(|read| read.time.rfc3339());
    /// assert_eq!(read("01/05/2026 10:00:04.5").unwrap(), "2026-01-05T15:00:04.5Z");
    /// assert_eq!(read("2026-01-05 10:00:04").unwrap(), "2026-01-05T15:00:04Z"); // as RFC 3339, without a zone
    /// assert_eq!(read("2026-01-05T10:00:04Z").unwrap(), "2026-01-05T10:00:04Z");
    /// assert!(read("2026-03-08 02:30:00").unwrap_err().to_string().contains("skipped"));
    /// ```
    pub fn check(formats: &[String], clock: Option<ZoneClock>) -> Result<TimeForms, String> {
        let mut forms = Vec::with_capacity(formats.len());
        for format in formats {
            let form = TimeForm {
                format: with_decimals(format),
                has_zone: ["%z", "%:z", "%Q", "%:Q", "%s"].iter().any(|zone| format.contains(zone)),
            };
            let any = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
            let text = jiff::fmt::strtime::format(&form.format, &any).map_err(|e| e.to_string());
            let read = text.and_then(|text| form.read(&text, &|shown| at_utc(shown)));
            match read {
                Ok(Some(_)) => {}
                _ => {
                    return Err(format!(
                        "\"{format}\" does not say a date and a time; write it as strptime does, such as \
                         \"%d/%m/%Y %H:%M:%S\""
                    ));
                }
            }
            if !form.has_zone && clock.is_none() {
                return Err(format!("\"{format}\" has no zone (%z)"));
            }
            forms.push(form);
        }
        Ok(TimeForms { forms, clock })
    }

    /// Whether only RFC 3339 is read, with a zone.
    pub fn is_plain(&self) -> bool {
        self.forms.is_empty() && self.clock.is_none()
    }

    /// The time zone of times that have none.
    pub fn zone(&self) -> Option<&str> {
        self.clock.as_ref().map(ZoneClock::name)
    }

    /// Reads a text in one of its own forms; none if it has none of these.
    pub fn read_own(&self, text: &str) -> Option<Result<WallTime, WallError>> {
        let at = |shown| self.at(shown);
        self.forms.iter().find_map(|form| form.read(text, &at).transpose())
    }

    /// Reads a text: in one of its own forms, else as RFC 3339 has it, where a zone may be missing if one is known.
    pub fn read(&self, text: &str) -> Result<WallTime, WallError> {
        if let Some(own) = self.read_own(text) {
            return own;
        }
        if let Ok(stamp) = text.parse::<Timestamp>() {
            return Ok(WallTime { time: event_time(stamp)?, other: None });
        }
        match text.parse::<DateTime>() {
            Ok(shown) if !text.contains(['Z', 'z']) => self.at(shown),
            _ => Err(WallError::NoForm(match self.forms.is_empty() {
                true => String::new(),
                false => {
                    let formats: Vec<_> =
                        self.forms.iter().map(|form| form.format.replace("%.f", "")).collect();
                    format!(", nor \"{}\"", formats.join("\", \""))
                }
            })),
        }
    }

    fn at(&self, shown: DateTime) -> Result<WallTime, WallError> {
        self.clock.as_ref().ok_or(WallError::NoZone)?.at(shown)
    }
}

impl TimeForm {
    /// Reads a text of this form; `Ok(None)` if it has another.
    fn read<E: From<WallError>>(
        &self,
        text: &str,
        at: &dyn Fn(DateTime) -> Result<WallTime, WallError>,
    ) -> Result<Option<WallTime>, E> {
        let Ok(read) = BrokenDownTime::parse(&self.format, text) else { return Ok(None) };
        if self.has_zone {
            let stamp = match read.to_timestamp() {
                Ok(stamp) => stamp,
                Err(_) => match read.to_zoned() {
                    Ok(zoned) => zoned.timestamp(),
                    Err(_) => return Ok(None),
                },
            };
            let time = event_time(stamp)?;
            return Ok(Some(WallTime { time, other: None }));
        }
        match read.to_datetime() {
            Ok(shown) => Ok(Some(at(shown)?)),
            Err(_) => Ok(None),
        }
    }
}

impl From<WallError> for String {
    fn from(error: WallError) -> String {
        error.to_string()
    }
}

/// A format whose seconds may have decimals, whether it says so or not.
fn with_decimals(format: &str) -> String {
    let mut whole = String::with_capacity(format.len() + 4);
    let mut rest = format;
    while let Some(at) = rest.find("%S").into_iter().chain(rest.find("%T")).min() {
        let (before, after) = rest.split_at(at + 2);
        whole.push_str(before);
        let has_own = [".%", "%f", "%.f", "%N"].iter().any(|own| after.starts_with(own))
            || after.starts_with("%.")
            || after.starts_with(",%f");
        if !has_own {
            whole.push_str("%.f");
        }
        rest = after;
    }
    whole + rest
}

fn at_utc(shown: DateTime) -> Result<WallTime, WallError> {
    let stamp = TimeZone::UTC.to_ambiguous_timestamp(shown).compatible();
    let stamp = stamp.map_err(|_| WallError::Range(TimeError::OutOfRange))?;
    Ok(WallTime { time: event_time(stamp)?, other: None })
}

fn event_time(stamp: Timestamp) -> Result<EventTime, WallError> {
    let ns = i64::try_from(stamp.as_nanosecond()).map_err(|_| TimeError::OutOfRange)?;
    Ok(EventTime(ns).checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(formats: &[&str], zone: Option<(&str, AmbiguousTime)>) -> Result<TimeForms, String> {
        let formats: Vec<String> = formats.iter().map(|format| (*format).to_owned()).collect();
        let clock = zone.map(|(zone, rule)| ZoneClock::named(zone, rule).unwrap());
        TimeForms::check(&formats, clock)
    }

    fn shown(forms: &TimeForms, text: &str) -> String {
        match forms.read(text) {
            Ok(WallTime { time, other: None }) => time.rfc3339(),
            Ok(WallTime { time, other: Some(other) }) => format!("{time} or {other}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_feeds_write() {
        for (format, text, want) in [
            ("%m/%d/%Y %H:%M:%S", "01/05/2026 10:00:04.5", "2026-01-05T10:00:04.5Z"),
            ("%m/%d/%Y,%H:%M:%S", "01/05/2026,10:00:04", "2026-01-05T10:00:04Z"),
            ("%Y%m%d %H%M%S", "20260105 093000.123456789", "2026-01-05T09:30:00.123456789Z"),
            ("%Y%m%d %H%M%S%f", "20260105 093000123", "2026-01-05T09:30:00.123Z"),
            ("%Y.%m.%d %T", "2026.01.05 09:30:00.25", "2026-01-05T09:30:00.25Z"),
            (
                "%d.%m.%Y %H:%M:%S GMT%z",
                "05.01.2026 09:30:00.250 GMT+0100",
                "2026-01-05T08:30:00.25Z",
            ),
            ("%Y%m%d %H:%M:%S.%f", "20260105 09:30:00.007", "2026-01-05T09:30:00.007Z"),
            ("%d %b %Y %I:%M %p", "05 Jan 2026 03:30 PM", "2026-01-05T15:30:00Z"),
            ("%Y%m%d-%H:%M:%S", "20260105-09:30:00.5", "2026-01-05T09:30:00.5Z"),
        ] {
            let forms = forms(&[format], Some(("UTC", AmbiguousTime::Earlier))).unwrap();
            assert_eq!(shown(&forms, text), want, "{format}");
            assert_eq!(shown(&forms, "2026-01-05 09:30:00"), "2026-01-05T09:30:00Z");
        }
    }

    #[test]
    fn the_first_form_that_fits_counts() {
        let utc = Some(("UTC", AmbiguousTime::Earlier));
        let forms = forms(&["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"], utc).unwrap();
        assert_eq!(shown(&forms, "01/05/2026 10:00:00"), "2026-05-01T10:00:00Z");
        assert_eq!(shown(&forms, "01/15/2026 10:00:00"), "2026-01-15T10:00:00Z");
        let want = "is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z, nor \"%d/%m/%Y %H:%M:%S\", \"%m/%d/%Y %H:%M:%S\"";
        assert_eq!(shown(&forms, "noon"), want);
    }

    #[test]
    fn clocks_that_change() {
        let in_new_york = |rule| forms(&[], Some(("America/New_York", rule))).unwrap();
        let (twice, skipped) = ("2024-11-03 01:30:00", "2024-03-10 02:30:00");
        let earlier = in_new_york(AmbiguousTime::Earlier);
        assert_eq!(shown(&earlier, twice), "2024-11-03T05:30:00Z or 2024-11-03T06:30:00Z");
        assert_eq!(shown(&earlier, "2024-11-03 00:59:59"), "2024-11-03T04:59:59Z");
        assert_eq!(shown(&earlier, "2024-11-03 02:00:00"), "2024-11-03T07:00:00Z");
        assert_eq!(shown(&earlier, skipped), "is a time that clocks in America/New_York skipped");
        let later = in_new_york(AmbiguousTime::Later);
        assert_eq!(shown(&later, twice), "2024-11-03T06:30:00Z or 2024-11-03T05:30:00Z");
        let want = "is a time that clocks in America/New_York showed twice";
        assert_eq!(shown(&in_new_york(AmbiguousTime::Refuse), twice), want);
    }

    #[test]
    fn forms_that_cannot_be() {
        for (format, zone, want) in [
            ("%H:%M", true, "\"%H:%M\" does not say a date and a time"),
            ("%Y-%m", true, "\"%Y-%m\" does not say a date and a time"),
            ("noon", true, "\"noon\" does not say a date and a time"),
            ("%Y %!", true, "\"%Y %!\" does not say a date and a time"),
            ("%F %T", false, "\"%F %T\" has no zone (%z)"),
        ] {
            let zone = zone.then_some(("UTC", AmbiguousTime::Earlier));
            let problem = forms(&[format], zone).unwrap_err();
            assert!(problem.starts_with(want), "{problem}");
        }
        assert!(ZoneClock::named("Mars/Olympus", AmbiguousTime::Earlier).is_err());
        let none = forms(&[], None).unwrap();
        assert_eq!(shown(&none, "2026-01-05 09:30:00"), "has no time zone, and none is known");
        assert_eq!(shown(&none, "1500-01-05T09:30:00Z"), "lies outside the years 1700 to 2200");
    }
}
