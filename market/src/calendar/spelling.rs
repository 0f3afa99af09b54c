//! Timeframes as people and other programs write them, where that can mean one thing only.

pub(super) const HOUR_SECS: u32 = 3_600;
pub(super) const DAY_SECS: u32 = 86_400;
pub(super) const WEEK_SECS: u32 = 7 * DAY_SECS;
/// 365.2425 days are 31,556,952 s.
pub(super) const MONTH_SECS: u32 = 31_556_952 / 12;

/// The length of each unit and its spellings. Those of [`CASED`] aside, upper and lower case are one.
const UNITS: [(u32, &[&str]); 8] = [
    (1, &["s", "sec", "secs", "second", "seconds"]),
    (60, &["min", "mins", "minute", "minutes"]),
    (HOUR_SECS, &["h", "hr", "hrs", "hour", "hours"]),
    (DAY_SECS, &["d", "day", "days"]),
    (WEEK_SECS, &["w", "wk", "week", "weeks"]),
    (MONTH_SECS, &["mo", "mn", "month", "months"]),
    (3 * MONTH_SECS, &["q", "quarter", "quarters"]),
    (12 * MONTH_SECS, &["y", "yr", "year", "years"]),
];

/// What is a minute in lower case is a month in upper case, as at Binance and TradingView. `T` is the minute of pandas.
const CASED: [(u32, &str); 3] = [(60, "m"), (MONTH_SECS, "M"), (60, "T")];

/// Units before their number, as MetaTrader and OANDA write them: `M5` is five minutes there, and `MN1` a month.
const BEFORE: [(u32, &str); 6] =
    [(MONTH_SECS, "MN"), (1, "S"), (60, "M"), (HOUR_SECS, "H"), (DAY_SECS, "D"), (WEEK_SECS, "W")];

/// Units that stand alone for one of them.
const ALONE: [(u32, &[&str]); 6] = [
    (60, &["minute"]),
    (HOUR_SECS, &["hour", "hourly"]),
    (DAY_SECS, &["D", "day", "daily"]),
    (WEEK_SECS, &["W", "week", "weekly"]),
    (MONTH_SECS, &["M", "month", "monthly"]),
    (12 * MONTH_SECS, &["year", "yearly"]),
];

/// A number of units, each of so many seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) count: u32,
    pub(super) unit: u32,
}

/// What `text` says, if that is clear.
pub(super) fn read(text: &str) -> Option<Written> {
    let text = text.trim();
    alone(text).or_else(|| number_first(text)).or_else(|| unit_first(text)).or_else(|| iso(text))
}

fn alone(text: &str) -> Option<Written> {
    let is_it = |word: &&str| match word.len() {
        1 => *word == text,
        _ => word.eq_ignore_ascii_case(text),
    };
    let (unit, _) = ALONE.into_iter().find(|(_, words)| words.iter().any(is_it))?;
    Some(Written { count: 1, unit })
}

/// `5m`, `5 min`, `1D`.
fn number_first(text: &str) -> Option<Written> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    let (count, unit) = (count.parse().ok()?, unit.trim_start());
    let cased = CASED.into_iter().find(|(_, word)| *word == unit);
    let any = || {
        let is_it = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(unit));
        UNITS.into_iter().find(|(_, words)| is_it(words)).map(|(unit, _)| unit)
    };
    Some(Written { count, unit: cased.map(|(unit, _)| unit).or_else(any)? })
}

/// `M5`, `H1`, `MN1`.
fn unit_first(text: &str) -> Option<Written> {
    BEFORE.into_iter().find_map(|(unit, word)| {
        let count = text.strip_prefix(word)?;
        let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
        Some(Written { count: count.parse().ok().filter(|_| is_number)?, unit })
    })
}

/// `PT5M`, `P1D`, as in ISO 8601.
fn iso(text: &str) -> Option<Written> {
    const OF_TIME: [(u32, &str); 3] = [(1, "S"), (60, "M"), (HOUR_SECS, "H")];
    const OF_DATES: [(u32, &str); 4] =
        [(DAY_SECS, "D"), (WEEK_SECS, "W"), (MONTH_SECS, "M"), (12 * MONTH_SECS, "Y")];
    let rest = text.strip_prefix('P')?;
    let (rest, units) = match rest.strip_prefix('T') {
        Some(rest) => (rest, &OF_TIME[..]),
        None => (rest, &OF_DATES[..]),
    };
    units.iter().find_map(|(unit, word)| {
        let count = rest.strip_suffix(word)?.parse().ok()?;
        Some(Written { count, unit: *unit })
    })
}
