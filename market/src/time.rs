//! Times and lengths of time.
//!
//! [`EventTime`] is when a trade happened according to its venue: data, not a clock. [`Commit`] is the
//! system's one clock: a dense number, the unit of decision, history and digests.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::leap_seconds;

use crate::decimal::{self, DecimalError};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

/// A length of time in nanoseconds; never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(i64);

/// The number of a commit: 0, 1, 2, … without holes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Commit(pub u64);

/// A start of a job, by the system's time: nanoseconds since 1970. It distinguishes commits of different starts, whose
/// numbers begin anew. Taken once, where a job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// Why a text is not an event time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z")]
    NotRfc3339,
    /// Not a number in the declared unit.
    #[error("as a number of {unit} since 1970 {source}")]
    NotANumber {
        /// The declared unit.
        unit: TimeUnit,
        /// What is wrong with the number.
        source: DecimalError,
    },
    /// Outside the years that the system computes with.
    #[error("lies outside the years 1700 to 2200")]
    OutOfRange,
}

/// How a feed writes its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970, decimals allowed.
    S,
    /// Milliseconds since 1970, decimals allowed.
    Ms,
    /// Microseconds since 1970, decimals allowed.
    Us,
    /// Nanoseconds since 1970.
    Ns,
    /// A number of `s` below 10¹¹, of `ms` below 10¹⁴, of `us` below 10¹⁷, else of `ns`; any other text as in
    /// `rfc3339`.
    Auto,
    /// RFC 3339 with a zone, 0 to 9 decimals.
    #[default]
    Rfc3339,
}

impl TimeUnit {
    /// Every unit, as written in configuration.
    pub const ALL: [TimeUnit; 6] =
        [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns, TimeUnit::Auto, TimeUnit::Rfc3339];

    /// The unit of a number since 1970 by its size, which fits all times from March 1973 on; none of other texts.
    ///
    /// ```
    /// use market::TimeUnit;
    /// assert_eq!(TimeUnit::of_magnitude("1741046404"), Some(TimeUnit::S));
    /// assert_eq!(TimeUnit::of_magnitude("1741046404349"), Some(TimeUnit::Ms));
    /// assert_eq!(TimeUnit::of_magnitude("1741046404349.5"), Some(TimeUnit::Ms));
    /// assert_eq!(TimeUnit::of_magnitude("1741046404349123"), Some(TimeUnit::Us));
    /// assert_eq!(TimeUnit::of_magnitude("1741046404349123456"), Some(TimeUnit::Ns));
    /// assert_eq!(TimeUnit::of_magnitude("2025-03-04"), None);
    /// ```
    pub fn of_magnitude(text: &str) -> Option<TimeUnit> {
        let text = text.trim();
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return None;
        }
        Some(match whole.trim_start_matches('0').len() {
            0..=11 => TimeUnit::S,
            12..=14 => TimeUnit::Ms,
            15..=17 => TimeUnit::Us,
            _ => TimeUnit::Ns,
        })
    }

    /// The name used in configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::S => "s",
            TimeUnit::Ms => "ms",
            TimeUnit::Us => "us",
            TimeUnit::Ns => "ns",
            TimeUnit::Auto => "auto",
            TimeUnit::Rfc3339 => "rfc3339",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for TimeUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeUnit, String> {
        TimeUnit::ALL.into_iter().find(|unit| unit.name() == text).ok_or_else(|| {
            format!(
                "unknown time unit `{text}` (possible: {})",
                TimeUnit::ALL.map(TimeUnit::name).join(", ")
            )
        })
    }
}

impl EventTime {
    /// 1700-01-01: the earliest time that a record may carry, so that sums with any [`Span`] of the
    /// system stay inside 64 bits.
    pub const EARLIEST: EventTime = EventTime(-8_520_336_000_000_000_000);
    /// 2200-01-01: the first time that a record may no longer carry.
    pub const LATEST: EventTime = EventTime(7_258_118_400_000_000_000);
    /// Before every event: the watermark of a source without events.
    pub const NEVER: EventTime = EventTime(i64::MIN);
    /// After every event: the watermark of a source that has ended.
    pub const END: EventTime = EventTime(i64::MAX);

    /// Reads a time as a feed writes it.
    ///
    /// ```
    /// use market::{EventTime, TimeUnit};
    /// let want = EventTime(1_514_764_802_610_000_000);
    /// assert_eq!(EventTime::parse("1514764802610", TimeUnit::Ms), Ok(want));
    /// assert_eq!(EventTime::parse("1514764802.61", TimeUnit::S), Ok(want));
    /// assert_eq!(EventTime::parse("2018-01-01T00:00:02.61Z", TimeUnit::Rfc3339), Ok(want));
    /// ```
    pub fn parse(text: &str, unit: TimeUnit) -> Result<EventTime, TimeError> {
        let scale = match unit {
            TimeUnit::S => 9,
            TimeUnit::Ms => 6,
            TimeUnit::Us => 3,
            TimeUnit::Ns => 0,
            TimeUnit::Auto => {
                let unit = TimeUnit::of_magnitude(text).unwrap_or(TimeUnit::Rfc3339);
                return EventTime::parse(text, unit);
            }
            TimeUnit::Rfc3339 => {
                let text = text.trim();
                let stamp: Timestamp = text.parse().map_err(|_| TimeError::NotRfc3339)?;
                if !leap_seconds::exists(text, stamp) {
                    return Err(TimeError::NotRfc3339);
                }
                let ns = i64::try_from(stamp.as_nanosecond()).map_err(|_| TimeError::OutOfRange)?;
                return EventTime(ns).checked();
            }
        };
        match decimal::parse(text, scale) {
            Ok(ns) => EventTime(ns).checked(),
            Err(DecimalError::Overflow { .. }) => Err(TimeError::OutOfRange),
            Err(source) => Err(TimeError::NotANumber { unit, source }),
        }
    }

    /// Reads a time as a person writes it: RFC 3339, or a number with its unit.
    ///
    /// ```
    /// use market::EventTime;
    /// let want = EventTime(1_514_764_802_610_000_000);
    /// assert_eq!(EventTime::parse_any("2018-01-01T00:00:02.61Z"), Ok(want));
    /// assert_eq!(EventTime::parse_any("1514764802610ms"), Ok(want));
    /// assert!(EventTime::parse_any("1514764802610").is_err(), "of what?");
    /// ```
    pub fn parse_any(text: &str) -> Result<EventTime, TimeError> {
        let text = text.trim();
        for unit in [TimeUnit::Ns, TimeUnit::Us, TimeUnit::Ms, TimeUnit::S] {
            if let Some(number) = text.strip_suffix(unit.name()) {
                return EventTime::parse(number, unit);
            }
        }
        EventTime::parse(text, TimeUnit::Rfc3339)
    }

    /// This time, if a record may carry it.
    pub fn checked(self) -> Result<EventTime, TimeError> {
        if (EventTime::EARLIEST..EventTime::LATEST).contains(&self) {
            Ok(self)
        } else {
            Err(TimeError::OutOfRange)
        }
    }

    /// The time `span` earlier; the two ends of time stay where they are.
    pub fn before(self, span: Span) -> EventTime {
        if self == EventTime::END { self } else { EventTime(self.0.saturating_sub(span.0)) }
    }

    /// The time `span` later; the two ends of time stay where they are.
    pub fn after(self, span: Span) -> EventTime {
        if self == EventTime::NEVER { self } else { EventTime(self.0.saturating_add(span.0)) }
    }

    /// RFC 3339 in UTC with as many decimals as needed; `-` and `+` infinity for the ends of time.
    pub fn rfc3339(self) -> String {
        match self {
            EventTime::NEVER => "-infinity".to_owned(),
            EventTime::END => "+infinity".to_owned(),
            EventTime(ns) => match Timestamp::from_nanosecond(i128::from(ns)) {
                Ok(stamp) => stamp.to_string(),
                Err(_) => format!("{ns}ns"), // cannot be: jiff's range holds every i64
            },
        }
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Debug for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than any other: a horizon that never comes.
    pub const FOREVER: Span = Span(i64::MAX);

    /// A span of nanoseconds; negative ones become zero.
    pub const fn nanos(ns: i64) -> Span {
        Span(if ns < 0 { 0 } else { ns })
    }

    /// A span of milliseconds.
    pub const fn millis(ms: i64) -> Span {
        Span::nanos(ms.saturating_mul(1_000_000))
    }

    /// A span of seconds.
    pub const fn secs(s: i64) -> Span {
        Span::nanos(s.saturating_mul(1_000_000_000))
    }

    /// Length in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Reads `250ms`, `5s`, `10m`, `1h`, `2d`, `0s` or `forever`.
    ///
    /// ```
    /// use market::Span;
    /// assert_eq!("250ms".parse(), Ok(Span::millis(250)));
    /// assert_eq!("forever".parse(), Ok(Span::FOREVER));
    /// assert!("5 parsecs".parse::<Span>().is_err());
    /// ```
    fn read(text: &str) -> Option<Span> {
        if text == "forever" {
            return Some(Span::FOREVER);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = text[..digits].parse().ok()?;
        let unit: i64 = match &text[digits..] {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        count.checked_mul(unit).map(Span)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        Span::read(text).ok_or_else(|| {
            format!("`{text}` is not a length of time (write 250ms, 5s, 10m, 1h, 2d or forever)")
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
        ];
        match *self {
            Span::FOREVER => f.write_str("forever"),
            Span::ZERO => f.write_str("0s"),
            Span(ns) => match units.into_iter().find(|(unit, _)| ns % unit == 0) {
                Some((unit, name)) => write!(f, "{}{name}", ns / unit),
                None => write!(f, "{ns}ns"),
            },
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Generation {
    /// Of a job that starts at this time.
    ///
    /// ```
    /// use market::{EventTime, Generation};
    /// let generation = Generation::at(EventTime(1_767_623_398_100_000_000));
    /// assert_eq!(generation.to_string(), "2026-01-05T14:29:58.1Z");
    /// ```
    pub fn at(time: EventTime) -> Generation {
        Generation(u64::try_from(time.0).unwrap_or(0))
    }
}

impl fmt::Display for Generation {
    /// The time, as receivers of changes know it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&EventTime(i64::try_from(self.0).unwrap_or(i64::MAX)).rfc3339())
    }
}

impl Commit {
    /// The commit after this one.
    pub fn next(self) -> Commit {
        Commit(self.0 + 1)
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_of_60_is_a_time_only_where_one_was_inserted() {
        let read = |text| EventTime::parse(text, TimeUnit::Rfc3339);
        let whole = |text| read(text).unwrap();
        assert_eq!(whole("2016-12-31T23:59:60Z"), whole("2016-12-31T23:59:59Z"));
        assert_eq!(whole("2017-01-01T09:59:60.5+10:00"), whole("2016-12-31T23:59:59.5Z"));
        assert_eq!(whole("2015-06-30 23:59:60Z"), whole("2015-06-30T23:59:59Z"));
        for text in [
            "2026-01-05T23:59:60Z",
            "2016-12-31T22:59:60Z",
            "2016-12-31T23:58:60Z",
            "2016-12-31T23:59:60+01:00",
            "2017-12-31T23:59:60Z",
            "2016-12-31T23:59:61Z",
        ] {
            assert_eq!(read(text), Err(TimeError::NotRfc3339), "{text}");
        }
        assert!(read("2026-01-05T23:60:00Z").is_err() && read("2026-01-05T14:00:59.60Z").is_ok());
    }

    #[test]
    fn text_order_of_rfc3339_is_not_time_order() {
        let whole = EventTime::parse("2025-03-25T23:07:21Z", TimeUnit::Rfc3339).unwrap();
        let fraction = EventTime::parse("2025-03-25T23:07:21.863Z", TimeUnit::Rfc3339).unwrap();
        assert!(whole < fraction);
    }

    #[test]
    fn wrong_times_say_why() {
        for (text, unit, want) in [
            (
                "yesterday",
                TimeUnit::Rfc3339,
                "is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z",
            ),
            (
                "2018-01-01T00:00:00",
                TimeUnit::Rfc3339,
                "is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z",
            ),
            ("9999-01-01T00:00:00Z", TimeUnit::Rfc3339, "lies outside the years 1700 to 2200"),
            ("1e30", TimeUnit::S, "lies outside the years 1700 to 2200"),
            ("x", TimeUnit::Ms, "as a number of ms since 1970 is not a decimal number"),
            ("0.5", TimeUnit::Ns, "as a number of ns since 1970 has more than 0 decimals"),
        ] {
            assert_eq!(EventTime::parse(text, unit).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn the_bounds_are_the_years_they_name() {
        assert_eq!(EventTime::EARLIEST.rfc3339(), "1700-01-01T00:00:00Z");
        assert_eq!(EventTime::LATEST.rfc3339(), "2200-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn rfc3339_and_back(ns in EventTime::EARLIEST.0..EventTime::LATEST.0) {
            let time = EventTime(ns);
            prop_assert_eq!(EventTime::parse(&time.rfc3339(), TimeUnit::Rfc3339), Ok(time));
            prop_assert_eq!(EventTime::parse(&ns.to_string(), TimeUnit::Ns), Ok(time));
        }

        #[test]
        fn spans_and_back(ns in 0..i64::MAX) {
            prop_assert_eq!(Span(ns).to_string().parse(), Ok(Span(ns)));
        }
    }
}
