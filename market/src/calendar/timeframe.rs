//! Timeframes: how long bars are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(super) const HOUR_SECS: u32 = 3_600;
const DAY_SECS: u32 = 86_400;

/// How long a bar nominally is: whole seconds that divide an hour, whole hours that divide a day, or
/// a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeframe(u32);

impl Timeframe {
    /// One minute.
    pub const MINUTE: Timeframe = Timeframe(60);
    /// One day.
    pub const DAY: Timeframe = Timeframe(DAY_SECS);

    /// A timeframe of so many seconds, if bars of this length fit hours and days.
    pub const fn from_secs(secs: u32) -> Option<Timeframe> {
        let fits = match secs {
            0 => false,
            1..=HOUR_SECS => HOUR_SECS.is_multiple_of(secs),
            _ => secs.is_multiple_of(HOUR_SECS) && DAY_SECS.is_multiple_of(secs),
        };
        if fits { Some(Timeframe(secs)) } else { None }
    }

    /// Nominal length in seconds.
    pub fn secs(self) -> u32 {
        self.0
    }

    /// Whether bars of this timeframe are unions of bars of `smaller`, in every calendar.
    pub fn is_union_of(self, smaller: Timeframe) -> bool {
        self.0.is_multiple_of(smaller.0)
    }
}

impl FromStr for Timeframe {
    type Err = String;

    /// Reads `1s`, `5m`, `4h`, `1d`.
    fn from_str(text: &str) -> Result<Timeframe, String> {
        let wrong = || {
            format!(
                "`{text}` is not a timeframe (seconds, minutes or hours that divide a day, such as 1s, 5m, 4h, 1d)"
            )
        };
        let unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => HOUR_SECS,
            Some(b'd') => DAY_SECS,
            _ => return Err(wrong()),
        };
        let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(unit).and_then(Timeframe::from_secs).ok_or_else(wrong)
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DAY_SECS => f.write_str("1d"),
            s if s.is_multiple_of(HOUR_SECS) => write!(f, "{}h", s / HOUR_SECS),
            s if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl fmt::Debug for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
