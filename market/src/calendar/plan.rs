//! Sessions as people write them: days of the week, wall clock, kind.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

const DAY_MINUTES: i32 = 1_440;
/// At most so many sessions are planned for a day.
pub(super) const SESSIONS_MAX: usize = 16;
pub(super) const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What kind of trading goes on at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// The main session, or one of them.
    Regular,
    /// Before or after it.
    Extended,
    /// None.
    Closed,
}

/// Days of the week, at least one.
///
/// ```
/// use market::Weekdays;
/// let days: Weekdays = "sun-tue, fri".parse().unwrap();
/// assert_eq!(days.to_string(), "mon,tue,fri,sun");
/// assert!("someday".parse::<Weekdays>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

/// A minute of the wall clock of a trading day, or of the day before or after it.
///
/// ```
/// use market::WallClock;
/// for text in ["09:30", "17:00 previous day", "02:15 next day"] {
///     assert_eq!(text.parse::<WallClock>().unwrap().to_string(), text);
/// }
/// assert_eq!("24:00".parse::<WallClock>().unwrap().to_string(), "00:00 next day");
/// assert!("25:00".parse::<WallClock>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(i32);

/// A session that takes place on each trading day of some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRule {
    /// On which trading days.
    pub days: Weekdays,
    /// Regular or extended.
    pub kind: SessionKind,
    /// Its first minute.
    pub opens: WallClock,
    /// The first minute after it.
    pub closes: WallClock,
}

/// The day of the week with a name such as `mon`.
pub(super) fn weekday_named(name: &str) -> Option<Weekday> {
    let at = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    Weekday::from_monday_zero_offset(at as i8).ok() // 0 to 6
}

impl SessionKind {
    /// `regular`, `extended` or `closed`.
    pub fn name(self) -> &'static str {
        match self {
            SessionKind::Regular => "regular",
            SessionKind::Extended => "extended",
            SessionKind::Closed => "closed",
        }
    }
}

impl Weekdays {
    /// Monday to Friday.
    pub const WORKING: Weekdays = Weekdays(0b001_1111);

    /// Whether a day is one of them; Monday is 0.
    pub(super) fn has(self, day: usize) -> bool {
        self.0 & (1 << day) != 0
    }
}

impl FromStr for Weekdays {
    type Err = String;

    /// Reads days and ranges of days, such as `mon-fri` or `mon,wed,fri`.
    fn from_str(text: &str) -> Result<Weekdays, String> {
        let day = |name: &str| {
            let found = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name.trim()));
            found.ok_or_else(|| {
                format!("`{text}` is not days of the week (such as mon-fri, or mon,wed,fri)")
            })
        };
        let mut days = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            days |= 1 << at;
            while at != last {
                at = (at + 1) % NAMES.len();
                days |= 1 << at;
            }
        }
        Ok(Weekdays(days))
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().enumerate().filter(|(day, _)| self.has(*day));
        let names: Vec<_> = names.map(|(_, name)| *name).collect();
        f.write_str(&names.join(","))
    }
}

impl WallClock {
    /// Minutes after the midnight at which the trading day's date begins; from −1,440 to 2,879.
    pub(super) fn minutes(self) -> i32 {
        self.0
    }
}

impl FromStr for WallClock {
    type Err = String;

    /// Reads `09:30`, `17:00 previous day`, `02:15 next day`; `24:00` is the midnight at the end of a day.
    fn from_str(text: &str) -> Result<WallClock, String> {
        let wrong = || {
            format!(
                "`{text}` is not a time of day such as 09:30, `17:00 previous day` or `02:15 next day`"
            )
        };
        let (clock, day) = match text.trim().split_once(' ') {
            None => (text.trim(), 0),
            Some((clock, day)) => match day.trim() {
                "previous day" => (clock, -DAY_MINUTES),
                "next day" => (clock, DAY_MINUTES),
                _ => return Err(wrong()),
            },
        };
        let digits = |part: &str| match part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())
        {
            true => part.parse::<i32>().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        let (hours, minutes) = clock.split_once(':').ok_or_else(wrong)?;
        let (hours, minutes) = (digits(hours)?, digits(minutes)?);
        let of_day = hours * 60 + minutes;
        if minutes > 59 || of_day > DAY_MINUTES || day + of_day >= 2 * DAY_MINUTES {
            return Err(wrong());
        }
        Ok(WallClock(day + of_day))
    }
}

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.0.rem_euclid(DAY_MINUTES);
        let day = match self.0.div_euclid(DAY_MINUTES) {
            0 => "",
            1 => " next day",
            _ => " previous day",
        };
        write!(f, "{:02}:{:02}{day}", of_day / 60, of_day % 60)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
