//! Prints the trading days of a calendar that ships: `calendars NAME FIRST_YEAR LAST_YEAR`; without arguments the
//! calendars, with the years that they know. `scripts/calendars` compares them with others.
//!
//! A line holds a date, then when each regular session opens and closes, in UTC.

use std::io::{self, Write};

use jiff::civil::date;
use jiff::tz::TimeZone;
use market::{Calendar, EventTime, MARKETS, SessionKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    let [name, first, last] = &arguments[..] else {
        for market in &MARKETS {
            let name = market.names().first().map_or("", String::as_str);
            let calendar = market.calendar(name)?;
            let (first, last) = calendar.known_years().unwrap_or_default();
            writeln!(
                out,
                "{}|{}|{first}|{last}|{}",
                market.names().join(" "),
                market.title(),
                market.source()
            )?;
        }
        return Ok(());
    };
    let calendar = Calendar::named(name)?;
    // Trading days of these dates open at most a day before, and close at most a day after them.
    let at = |year: i16, month, day| -> Result<EventTime, Box<dyn std::error::Error>> {
        let stamp = TimeZone::UTC.to_timestamp(date(year, month, day).at(0, 0, 0, 0))?;
        Ok(EventTime(i64::try_from(stamp.as_nanosecond())?))
    };
    let (mut time, end) = (at(first.parse()?, 1, 1)?, at(last.parse::<i16>()? + 1, 1, 2)?);
    let mut shown = None;
    while time < end {
        let stretch = calendar.stretch(time);
        if stretch.kind == SessionKind::Regular {
            let day = calendar.trading_day(time);
            if shown.replace(day) != Some(day) {
                write!(out, "\n{day}")?;
            }
            write!(out, " {} {}", stretch.open.rfc3339(), calendar.regular_close(time).rfc3339())?;
        }
        time = stretch.end;
    }
    Ok(writeln!(out)?)
}
