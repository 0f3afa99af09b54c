//! How texts are read where a unit or a word is not enough: what codecs set beside columns and units.

use market::{EventTime, TimeUnit, Updates, WallDay, decimal};

use super::vocabulary;

/// How the texts of a mapping are read.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// Whether a codec wrote the mapping, and not a user.
    pub is_preset: bool,
    /// Whether a partition has one symbol, known from elsewhere ([`Given::symbol`]).
    pub symbol_is_given: bool,
    /// How times are read.
    pub time: TimeReading,
    /// Whether an integer id names one trade of each day in UTC, and ids go on over days all the same; unless `id_period` is
    /// configured.
    pub ids_by_day: bool,
    /// What the text of [`super::Field::Updates`] means.
    pub updates: fn(&str) -> Result<Updates, &'static str>,
}

/// How times are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeReading {
    /// In the mapping's unit.
    InUnit,
    /// As milliseconds since 1970 or, from [`MICROSECONDS_FROM`] on, microseconds.
    MsOrUs,
    /// As milliseconds since the midnight at which [`Given::day`] begins, by the wall clock.
    OfDay,
}

/// What is the same for all records of a partition, and known from elsewhere: from its file's name.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// What was traded.
    pub symbol: Option<Box<str>>,
    /// When.
    pub day: Option<WallDay>,
}

/// The least number that [`TimeReading::MsOrUs`] reads as microseconds: 10¹⁴ µs is in March of 1973, and
/// 10¹⁴ ms would be in the year 5138.
pub const MICROSECONDS_FROM: u64 = 100_000_000_000_000;

impl Default for Readings {
    fn default() -> Readings {
        Readings {
            is_preset: false,
            symbol_is_given: false,
            time: TimeReading::InUnit,
            ids_by_day: false,
            updates: vocabulary::updates,
        }
    }
}

/// Reads a time as a codec has it; none if it is in the mapping's unit. An error says what is wrong with `text`, which
/// it does not repeat.
pub(super) fn time(
    text: &str,
    reading: TimeReading,
    given: &Given,
) -> Option<Result<EventTime, String>> {
    let in_unit = |unit| EventTime::parse(text, unit).map_err(|error| error.to_string());
    Some(match reading {
        TimeReading::InUnit => return None,
        TimeReading::MsOrUs => match text.parse::<i64>() {
            Ok(number) if number.unsigned_abs() >= MICROSECONDS_FROM => in_unit(TimeUnit::Us),
            _ => in_unit(TimeUnit::Ms),
        },
        TimeReading::OfDay => of_day(text, given),
    })
}

fn of_day(text: &str, given: &Given) -> Result<EventTime, String> {
    const MS: u8 = 6;
    let of_day = decimal::parse(text, MS)
        .map_err(|error| format!("as a number of ms since midnight {error}"))?;
    let time = given.day.as_ref().and_then(|day| day.at(of_day));
    let time = time.ok_or("is not a number of ms since midnight, below 86400000")?;
    time.checked().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_and_microseconds() {
        let read = |text| {
            let time = time(text, TimeReading::MsOrUs, &Given::default()).unwrap();
            time.map(EventTime::rfc3339)
        };
        for (text, want) in [
            ("1741046404349", "2025-03-04T00:00:04.349Z"),
            ("1741046401271497", "2025-03-04T00:00:01.271497Z"),
            ("100000000000000", "1973-03-03T09:46:40Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("-1", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(read(text), Ok(want.to_owned()), "{text}");
        }
        assert_eq!(read("99999999999999"), Err("lies outside the years 1700 to 2200".to_owned()));
        assert!(read("-9223372036854775808").is_err() && read("soon").is_err());
    }

    #[test]
    fn times_of_a_day() {
        let day = WallDay::named("20131010", "America/New_York").ok();
        let given = Given { symbol: None, day };
        let read = |text| time(text, TimeReading::OfDay, &given).unwrap();
        assert_eq!(read("34200000.5").unwrap().rfc3339(), "2013-10-10T13:30:00.0005Z");
        for text in ["", "86400000", "-1", "9:30", "1e30"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
