//! Timeframes: how long bars are.
//!
//! A timeframe is known by its **nominal length** in seconds. That of a month is a twelfth of 365.2425 days, which is
//! no whole number of days; so no two timeframes have one length, and their order is that of their lengths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(super) const HOUR_SECS: u32 = 3_600;
pub(super) const DAY_SECS: u32 = 86_400;
const WEEK_SECS: u32 = 7 * DAY_SECS;
/// 365.2425 days are 31,556,952 s.
const MONTH_SECS: u32 = 31_556_952 / 12;

const DAYS_MOST: u32 = 30;
const WEEKS_MOST: u32 = 4;

/// How long a bar nominally is: whole seconds below a day; 1 to 30 days; 1 to 4 weeks; or months that divide a year.
///
/// ```
/// use market::Timeframe;
/// for text in ["1s", "45m", "65m", "4h", "1d", "2d", "1w", "1M", "3M", "1y"] {
///     assert_eq!(text.parse::<Timeframe>().unwrap().to_string(), text);
/// }
/// // Case matters: a month is not a minute.
/// assert!("1M".parse::<Timeframe>().unwrap() > "1m".parse().unwrap());
/// assert_eq!("1mo".parse::<Timeframe>(), "1M".parse());
/// assert_eq!("1q".parse::<Timeframe>(), "3M".parse());
/// assert_eq!("12M".parse::<Timeframe>(), "1y".parse());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeframe(u32);

/// What a timeframe counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Less than a day.
    Seconds(u32),
    /// Trading days, or local dates.
    Days(u32),
    /// Weeks.
    Weeks(u32),
    /// Months that divide a year.
    Months(u32),
}

impl Timeframe {
    /// One second, the shortest.
    pub const SECOND: Timeframe = Timeframe(1);
    /// One minute.
    pub const MINUTE: Timeframe = Timeframe(60);
    /// One day.
    pub const DAY: Timeframe = Timeframe(DAY_SECS);

    /// The timeframe of this nominal length, if there is one.
    pub const fn from_secs(secs: u32) -> Option<Timeframe> {
        let is_months = secs.is_multiple_of(MONTH_SECS);
        let is_one = match secs {
            0 => false,
            1..DAY_SECS => true,
            _ if is_months => matches!(secs / MONTH_SECS, 1 | 2 | 3 | 4 | 6 | 12),
            _ if secs.is_multiple_of(WEEK_SECS) => secs / WEEK_SECS <= WEEKS_MOST,
            _ => secs.is_multiple_of(DAY_SECS) && secs / DAY_SECS <= DAYS_MOST,
        };
        if is_one { Some(Timeframe(secs)) } else { None }
    }

    /// The shortest timeframe that is at least so long.
    pub fn at_least(secs: u64) -> Option<Timeframe> {
        let secs = u32::try_from(secs).ok()?.max(1);
        let days = (1..=DAYS_MOST).map(|n| n * DAY_SECS);
        let months = [1, 2, 3, 4, 6, 12].map(|n| n * MONTH_SECS);
        let longer = || days.chain(months).find(|length| *length >= secs).map(Timeframe);
        if secs < DAY_SECS { Some(Timeframe(secs)) } else { longer() }
    }

    /// Nominal length in seconds.
    pub fn secs(self) -> u32 {
        self.0
    }

    pub(super) fn length(self) -> Length {
        match self.0 {
            secs if secs < DAY_SECS => Length::Seconds(secs),
            secs if secs.is_multiple_of(MONTH_SECS) => Length::Months(secs / MONTH_SECS),
            secs if secs.is_multiple_of(WEEK_SECS) => Length::Weeks(secs / WEEK_SECS),
            secs => Length::Days(secs / DAY_SECS),
        }
    }

    /// Whether days are whole numbers of its bars, or a bar is one day or longer.
    pub fn divides_days(self) -> bool {
        self.0 >= DAY_SECS || DAY_SECS.is_multiple_of(self.0)
    }

    /// Whether bars of this timeframe are unions of bars of `smaller`, in every calendar.
    ///
    /// ```
    /// # use market::Timeframe;
    /// let is = |large: &str, small: &str| {
    ///     large.parse::<Timeframe>().unwrap().is_union_of(small.parse().unwrap())
    /// };
    /// assert!(is("90m", "45m") && is("1d", "65m") && is("1w", "1d") && is("1y", "1M") && is("6d", "2d"));
    /// assert!(!is("1h", "45m") && !is("1M", "1w") && !is("1w", "2d") && !is("1M", "2d"));
    /// ```
    pub fn is_union_of(self, smaller: Timeframe) -> bool {
        use Length::{Days, Months, Seconds, Weeks};
        match (self.length(), smaller.length()) {
            (Seconds(n), Seconds(of)) | (Days(n), Days(of)) => n.is_multiple_of(of),
            (Weeks(n), Weeks(of)) | (Months(n), Months(of)) => n.is_multiple_of(of),
            (Seconds(_), _) => false,
            // Midnight, or the beginning of a trading day, is a border of every shorter bar.
            (_, Seconds(_) | Days(1)) => true,
            _ => false,
        }
    }
}

impl FromStr for Timeframe {
    type Err = String;

    /// Reads `1s`, `5m`, `4h`, `1d`, `2d`, `1w`, `1M` (also `1mo`), `1q`, `1y`.
    fn from_str(text: &str) -> Result<Timeframe, String> {
        let wrong = || {
            format!(
                "`{text}` is not a timeframe (possible: whole seconds, minutes or hours below a day, such as 1s, 5m, \
                 45m, 4h; 1d to {DAYS_MOST}d; 1w to {WEEKS_MOST}w; 1M, 2M, 3M, 4M, 6M in months, where M is a month \
                 and m a minute; 1y)"
            )
        };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, unit) = text.split_at(digits);
        let count: u32 = count.parse().map_err(|_| wrong())?;
        let secs = match unit {
            "s" => 1,
            "m" => 60,
            "h" => HOUR_SECS,
            "d" => DAY_SECS,
            "w" => WEEK_SECS,
            "M" | "mo" => MONTH_SECS,
            "q" => 3 * MONTH_SECS,
            "y" => 12 * MONTH_SECS,
            _ => return Err(wrong()),
        };
        let found = count.checked_mul(secs).and_then(Timeframe::from_secs).ok_or_else(wrong)?;
        match (unit, found.length()) {
            // Seven trading days need not be a week.
            ("d", Length::Weeks(weeks)) => {
                Err(format!("`{text}` is not a timeframe (weeks are written {weeks}w)"))
            }
            _ => Ok(found),
        }
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length() {
            Length::Months(12) => f.write_str("1y"),
            Length::Months(n) => write!(f, "{n}M"),
            Length::Weeks(n) => write!(f, "{n}w"),
            Length::Days(n) => write!(f, "{n}d"),
            Length::Seconds(s) if s.is_multiple_of(HOUR_SECS) => write!(f, "{}h", s / HOUR_SECS),
            Length::Seconds(s) if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            Length::Seconds(s) => write!(f, "{s}s"),
        }
    }
}

impl fmt::Debug for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
