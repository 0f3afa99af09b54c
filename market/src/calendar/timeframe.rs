//! Timeframes: how long bars are.
//!
//! A timeframe is known by its **nominal length** in seconds. That of a month is a twelfth of 365.2425 days, which is
//! no whole number of days; so no two timeframes have one length, and their order is that of their lengths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::spelling::{self, DAY_SECS, HOUR_SECS, MONTH_SECS, WEEK_SECS, Written};

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

    /// That of `computed` which `text` names, however it is spelled.
    ///
    /// # Errors
    /// What is wrong with `text`, without it: it is no timeframe, or none of these.
    pub fn among(text: &str, computed: &[Timeframe]) -> Result<Timeframe, String> {
        let found = text.parse().ok().filter(|timeframe| computed.contains(timeframe));
        found.ok_or_else(|| {
            let mut computed = computed.to_vec();
            computed.sort_unstable();
            let listed: Vec<_> = computed.iter().map(Timeframe::to_string).collect();
            format!(
                "is not a timeframe that is computed ({}){}",
                listed.join(", "),
                did_you_mean(text)
            )
        })
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

    /// Reads `1s`, `5m`, `4h`, `1d`, `2d`, `1w`, `1M`, `1q`, `1y`, and what others write where that can mean one thing
    /// only: `1min`, `1T`, `M5`, `H1`, `MN1`, `1hour`, `1D`, `PT5M`. `1m` is a minute, and `1M` a month.
    ///
    /// ```
    /// # use market::Timeframe;
    /// let read = |text: &str| text.parse::<Timeframe>().map(|timeframe| timeframe.to_string());
    /// assert_eq!(read("M5"), Ok("5m".to_owned()));
    /// assert_eq!(read("MN1"), read("1M"));
    /// assert!(read("60").unwrap_err().contains("did you mean 1m (60s) or 1h (60m)?"));
    /// ```
    fn from_str(text: &str) -> Result<Timeframe, String> {
        let wrong = || {
            let meant = did_you_mean(text);
            format!(
                "`{text}` is not a timeframe (possible: whole seconds, minutes or hours below a day, such as 1s, 5m, \
                 45m, 4h; 1d to {DAYS_MOST}d; 1w to {WEEKS_MOST}w; 1M, 2M, 3M, 4M, 6M in months, where M is a month \
                 and m a minute; 1y){meant}"
            )
        };
        let Written { count, unit } = spelling::read(text).ok_or_else(wrong)?;
        let found = count.checked_mul(unit).and_then(Timeframe::from_secs).ok_or_else(wrong)?;
        match (unit, found.length()) {
            // Seven trading days need not be a week.
            (DAY_SECS, Length::Weeks(weeks)) => {
                Err(format!("`{text}` is not a timeframe (weeks are written {weeks}w)"))
            }
            _ => Ok(found),
        }
    }
}

/// What an error adds of what may have been meant by `text`, which is no timeframe.
fn did_you_mean(text: &str) -> String {
    match &meant(text)[..] {
        [] => String::new(),
        meant => format!("; did you mean {}?", meant.join(" or ")),
    }
}

/// What may have been meant by `text`: timeframes, each with what it says.
fn meant(text: &str) -> Vec<String> {
    let told = |count: u32, unit: u32, word: &str| {
        let found = count.checked_mul(unit).and_then(Timeframe::from_secs)?;
        Some(match found.to_string() {
            canonical if canonical == format!("{count}{word}") => canonical,
            canonical => format!("{canonical} ({count}{word})"),
        })
    };
    let text = text.trim();
    if let Ok(count) = text.parse::<u32>() {
        return [told(count, 1, "s"), told(count, 60, "m")].into_iter().flatten().collect();
    }
    match spelling::read(text) {
        // Five months divide no year, and MetaTrader's `M` is a minute.
        Some(Written { count, unit: MONTH_SECS }) => told(count, 60, "m").into_iter().collect(),
        _ => Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_mean_one_thing_only_is_read() {
        for (want, texts) in [
            ("1s", &["1s", "1S", "1sec", "1 second", "S1", "PT1S"][..]),
            (
                "1m",
                &[
                    "1m", "1min", "1Min", "1MIN", "1 minute", "1T", "M1", "60s", "60 secs", "PT1M",
                    "minute",
                ],
            ),
            ("5m", &["5m", "5min", "M5", "300s", "5 mins", "PT5M", " 5m "]),
            ("1h", &["1h", "1H", "H1", "1hour", "1Hour", "60m", "60min", "60T", "hourly", "PT1H"]),
            ("4h", &["4h", "4H", "H4", "240min", "4hrs"]),
            ("1d", &["1d", "1D", "D1", "1day", "24h", "D", "daily", "P1D"]),
            ("1w", &["1w", "1W", "W1", "1week", "W", "weekly", "P1W"]),
            ("1M", &["1M", "1mo", "1MO", "MN1", "1month", "1Month", "M", "monthly", "P1M"]),
            ("3M", &["3M", "1q", "1Q", "3 months", "1 quarter", "P3M"]),
            ("1y", &["1y", "1Y", "12M", "1year", "yearly", "P1Y"]),
        ] {
            for text in texts {
                let read = text.parse::<Timeframe>().map(|timeframe| timeframe.to_string());
                assert_eq!(read.as_deref(), Ok(want), "{text}");
            }
        }
    }

    #[test]
    fn what_can_mean_more_is_refused_with_what_may_be_meant() {
        for (text, want) in [
            ("60", "did you mean 1m (60s) or 1h (60m)?"),
            ("1", "did you mean 1s or 1m?"),
            ("240", "did you mean 4m (240s) or 4h (240m)?"),
            ("5M", "did you mean 5m?"),
            ("30M", "did you mean 30m?"),
            ("7d", "weeks are written 1w"),
            ("7 days", "weeks are written 1w"),
            ("m", "possible: "),
            ("m5", "possible: "),
            ("1t", "possible: "),
            ("M+5", "possible: "),
            ("1.5h", "possible: "),
            ("-1m", "possible: "),
            ("0m", "possible: "),
            ("", "possible: "),
            ("1m5s", "possible: "),
            ("99999999999", "possible: "),
            ("PT1D", "possible: "),
        ] {
            let error = text.parse::<Timeframe>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
            assert!(error.starts_with(&format!("`{text}` is not a timeframe")), "{error}");
        }
    }

    #[test]
    fn among_those_that_are_computed() {
        let computed = ["1h", "1m"].map(|text| text.parse().unwrap());
        assert_eq!(Timeframe::among("60min", &computed), Ok(computed[0]));
        assert_eq!(
            Timeframe::among("60", &computed).unwrap_err(),
            "is not a timeframe that is computed (1m, 1h); did you mean 1m (60s) or 1h (60m)?"
        );
        assert!(Timeframe::among("5m", &computed).is_err());
    }
}
