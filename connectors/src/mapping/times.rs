//! How the times of a mapping are read.

use std::cell::RefCell;

use market::{EventTime, TimeForms, TimeUnit, WallDay, WallError, WallTime, ZoneClock, decimal};

use super::readings::{self, Given, TimeReading};
use super::units::UnitsConfig;

/// How times are written, checked.
#[derive(Clone, Debug)]
pub(super) struct Times {
    unit: TimeUnit,
    forms: TimeForms,
    day: Option<WallDay>,
    /// The date before each text, if times have forms of their own and are of one day.
    date: Option<String>,
}

/// What was seen while a partition was read and its user should know; each kind is told once.
#[derive(Debug, Default)]
pub(super) struct TimeNotes {
    told: Told,
    warnings: Vec<String>,
}

#[derive(Debug, Default)]
struct Told {
    ambiguous: bool,
    unit: bool,
}

/// The times of numbers of the wrong unit lie before this: March 1973.
const TOO_EARLY: EventTime = EventTime(100_000_000_000_000_000);

impl Times {
    /// Checks what was written.
    pub(super) fn check(units: &UnitsConfig) -> Result<Times, String> {
        let unit = units.time;
        let is_number = !matches!(unit, TimeUnit::Rfc3339 | TimeUnit::Auto);
        let zone = units.time_zone.as_deref();
        let wrong = |why| format!("`units.day`: {why}");
        let day = units
            .day
            .as_ref()
            .map(|day| WallDay::named(&day.replace('-', ""), zone.unwrap_or("UTC")).map_err(wrong));
        let day = day.transpose()?;
        if let (Some(_), true) = (&day, is_number && units.time_format.is_empty()) {
            return Ok(Times { unit, forms: TimeForms::default(), day, date: None });
        }
        if let (Some(_), true) = (&day, units.time_format.is_empty() || unit != TimeUnit::Rfc3339) {
            return Err(format!(
                "`units.day` needs a unit in which times count from its midnight, and `units.time` is {unit}; write s, ms, \
                 us or ns, or a `time_format` of the time of day"
            ));
        }
        if is_number && !(units.time_format.is_empty() && zone.is_none()) {
            return Err(format!(
                "`units.time` is {unit}, a number since 1970, which has neither `time_format` nor `time_zone`; keep \
                 one, or write time = \"auto\""
            ));
        }
        let clock = zone.map(|zone| ZoneClock::named(zone, units.ambiguous_time));
        let clock = clock.transpose().map_err(|why| format!("`units.time_zone`: {why}"))?;
        let of_day = |format: &String| match &day {
            Some(_) => format!("%Y-%m-%d {format}"),
            None => format.clone(),
        };
        let formats: Vec<String> = units.time_format.iter().map(of_day).collect();
        let forms = TimeForms::check(&formats, clock).map_err(|why| {
            format!("`units.time_format`: {why}; `units.time_zone` says which it is where none is written")
        })?;
        Ok(Times { unit, forms, day: None, date: units.day.clone() })
    }

    /// How many nanoseconds a plain number of it means, if it is one since 1970.
    pub(super) fn plain_unit(&self) -> Option<u64> {
        match self.unit {
            _ if self.day.is_some() => None,
            TimeUnit::Ns => Some(1),
            TimeUnit::Us => Some(1_000),
            TimeUnit::Ms => Some(1_000_000),
            TimeUnit::S => Some(1_000_000_000),
            TimeUnit::Rfc3339 | TimeUnit::Auto => None,
        }
    }

    /// Whether a time of a plain number needs the full reading, since somebody should hear of it.
    pub(super) fn is_suspicious(time: EventTime) -> bool {
        time < TOO_EARLY
    }

    /// Reads a time; an error says what is wrong with `text`, which it does not repeat.
    pub(super) fn read(
        &self,
        text: &str,
        reading: TimeReading,
        given: &Given,
        notes: &RefCell<TimeNotes>,
    ) -> Result<EventTime, String> {
        if let Some(read) = readings::time(text, reading, given) {
            return read;
        }
        if let Some(day) = &self.day {
            let ns = decimal::parse(text, scale(self.unit)).map_err(|error| error.to_string())?;
            let outside = || "lies outside the day, which begins at midnight".to_owned();
            return day.at(ns).ok_or_else(outside);
        }
        let read = match self.unit {
            TimeUnit::Rfc3339 => match &self.date {
                Some(date) => self.forms.read(&format!("{date} {text}")),
                None => self.forms.read(text),
            },
            TimeUnit::Auto => match (self.forms.read_own(text), TimeUnit::of_magnitude(text)) {
                (Some(own), _) => own,
                (None, Some(unit)) => return self.number(text, unit, notes),
                (None, None) => self.forms.read(text),
            },
            unit => return self.number(text, unit, notes),
        };
        let WallTime { time, other } = read.map_err(|why| self.with_hint(&why, text))?;
        if let Some(other) = other {
            notes.borrow_mut().ambiguous(text, self.forms.zone().unwrap_or_default(), time, other);
        }
        Ok(time)
    }

    fn number(
        &self,
        text: &str,
        unit: TimeUnit,
        notes: &RefCell<TimeNotes>,
    ) -> Result<EventTime, String> {
        let other = TimeUnit::of_magnitude(text).filter(|other| *other != unit);
        let other = other.and_then(|other| Some((other, EventTime::parse(text, other).ok()?)));
        let other = other.filter(|(_, time)| *time >= TOO_EARLY);
        match (EventTime::parse(text, unit), other) {
            (Ok(time), Some((other, meant))) if time < TOO_EARLY => {
                notes.borrow_mut().unit(text, (unit, time), (other, meant));
                Ok(time)
            }
            (Err(why), Some((other, meant))) => Err(format!(
                "{why}; as {other} it is {meant}: `units.time` (--time-unit) says in what times are written, or \"auto\""
            )),
            (Err(why), None) if TimeUnit::of_magnitude(text).is_none() => Err(format!(
                "{why}; `units.time` (--time-unit) and `units.time_format` (--time-format) say how times are written"
            )),
            (read, _) => read.map_err(|why| why.to_string()),
        }
    }

    fn with_hint(&self, why: &WallError, text: &str) -> String {
        match why {
            WallError::NoForm(_) => match TimeUnit::of_magnitude(text) {
                Some(unit) => format!(
                    "{why}{}; `units.time` (--time-unit) says the unit of a number since 1970, or \"auto\"; \
                     `units.time_format` (--time-format) another form",
                    EventTime::parse(text, unit)
                        .map_or_else(|_| String::new(), |time| format!("; as {unit} it is {time}"))
                ),
                None => {
                    format!("{why}; `units.time_format` (--time-format) says how times are written")
                }
            },
            WallError::NoZone => {
                format!("{why}; `units.time_zone` (--time-zone) says which it is")
            }
            WallError::Twice(_) => {
                format!("{why}; `units.ambiguous_time` (--ambiguous-time) says which counts")
            }
            WallError::Skipped(_) | WallError::Range(_) => why.to_string(),
        }
    }
}

impl TimeNotes {
    /// What has not been told yet.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn ambiguous(&mut self, text: &str, zone: &str, time: EventTime, other: EventTime) {
        if !std::mem::replace(&mut self.told.ambiguous, true) {
            let which = if time < other { "earlier" } else { "later" };
            self.warnings.push(format!(
                "clocks in {zone} showed \"{text}\" twice; {time} counts, the {which} of the two, and not {other}; so it is \
                 with all such times (`units.ambiguous_time`, --ambiguous-time)"
            ));
        }
    }

    fn unit(&mut self, text: &str, read: (TimeUnit, EventTime), meant: (TimeUnit, EventTime)) {
        if !std::mem::replace(&mut self.told.unit, true) {
            self.warnings.push(format!(
                "the time \"{text}\" is {} as {}, and would be {} as {}; `units.time` (--time-unit) says which unit it is, \
                 or \"auto\"",
                read.1, read.0, meant.1, meant.0
            ));
        }
    }
}

/// Decimals of a number of this unit that are whole nanoseconds.
fn scale(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::S => 9,
        TimeUnit::Ms => 6,
        TimeUnit::Us => 3,
        TimeUnit::Ns | TimeUnit::Auto | TimeUnit::Rfc3339 => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn times(units: Value) -> Result<Times, String> {
        Times::check(&serde_json::from_value(units).unwrap())
    }

    fn read(units: Value, text: &str) -> Result<String, String> {
        let notes = RefCell::default();
        let given = Given::default();
        let time = times(units)?.read(text, TimeReading::InUnit, &given, &notes)?;
        let warnings = notes.into_inner().take();
        Ok([vec![time.rfc3339()], warnings].concat().join(" "))
    }

    #[test]
    fn times_in_units_and_forms() {
        let day = json!({"time": "s", "day": "2012-06-21", "time_zone": "America/New_York"});
        let forms = json!({"time": "auto", "time_format": "%Y%m%d %H%M%S", "time_zone": "UTC"});
        for (units, text, want) in [
            (json!({"time": "auto"}), "1741046404.349", "2025-03-04T00:00:04.349Z"),
            (json!({"time": "auto"}), "1741046404349", "2025-03-04T00:00:04.349Z"),
            (json!({"time": "auto"}), "1741046404349123", "2025-03-04T00:00:04.349123Z"),
            (json!({"time": "auto"}), "2025-03-04T00:00:04Z", "2025-03-04T00:00:04Z"),
            (forms.clone(), "20260105 093000", "2026-01-05T09:30:00Z"),
            (forms, "1741046404", "2025-03-04T00:00:04Z"),
            (day.clone(), "34200.017459617", "2012-06-21T13:30:00.017459617Z"),
            (
                json!({"day": "2026-01-05", "time_format": "%H%M%S%f", "time_zone": "America/New_York"}),
                "093000123456789",
                "2026-01-05T14:30:00.123456789Z",
            ),
            (json!({"time_zone": "Asia/Tokyo"}), "2026-01-05 09:00:00", "2026-01-05T00:00:00Z"),
        ] {
            assert_eq!(read(units, text).as_deref(), Ok(want), "{text}");
        }
        assert!(read(day, "86400").unwrap_err().contains("lies outside the day"));
    }

    #[test]
    fn what_a_wrong_unit_comes_to_is_told() {
        let told = read(json!({"time": "us"}), "1741046404349").unwrap();
        let want = "1970-01-21T03:37:26.404349Z the time \"1741046404349\" is 1970-01-21T03:37:26.404349Z as us, and would \
                    be 2025-03-04T00:00:04.349Z as ms; `units.time` (--time-unit)";
        assert!(told.starts_with(want), "{told}");
        let refused = read(json!({"time": "ms"}), "1741046404349123").unwrap_err();
        assert!(refused.contains("as us it is 2025-03-04T00:00:04.349123Z"), "{refused}");
        // What lies early in any unit is nothing to tell.
        assert_eq!(read(json!({"time": "ms"}), "1000").as_deref(), Ok("1970-01-01T00:00:01Z"));
    }

    #[test]
    fn errors_name_the_key_that_helps() {
        for (units, text, want) in [
            (json!({}), "2026-01-05 10:00:00", "`units.time_zone` (--time-zone)"),
            (json!({}), "01/05/2026", "`units.time_format` (--time-format)"),
            (json!({}), "1741046404", "`units.time` (--time-unit)"),
            (json!({"time": "ms"}), "soon", "`units.time_format` (--time-format)"),
            (
                json!({"time_zone": "America/New_York", "ambiguous_time": "refuse"}),
                "2024-11-03 01:30:00",
                "`units.ambiguous_time` (--ambiguous-time)",
            ),
        ] {
            let error = read(units, text).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        let told = read(json!({"time_zone": "America/New_York"}), "2024-11-03 01:30:00").unwrap();
        assert!(told.contains("2024-11-03T05:30:00Z counts, the earlier of the two"), "{told}");
    }

    #[test]
    fn units_that_cannot_be() {
        for (units, want) in [
            (json!({"time": "ms", "time_zone": "UTC"}), "`units.time` is ms, a number since 1970"),
            (json!({"time_format": "%F %T"}), "`units.time_format`: \"%F %T\" has no zone"),
            (json!({"time_zone": "Mars"}), "`units.time_zone`: unknown time zone `Mars`"),
            (json!({"day": "2026-01-05"}), "`units.day` needs a unit"),
            (json!({"time": "s", "day": "2026-13-05"}), "`units.day`: `20261305` is not a date"),
        ] {
            let problem = times(units).unwrap_err();
            assert!(problem.starts_with(want), "{problem}");
        }
    }
}
