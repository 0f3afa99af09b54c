//! Rules for dates that come back every year.
//!
//! `WHAT, WHEN, NAME, YEARS, ROLL`:
//!
//! * `WHEN`: dates parted by blanks. `12-25`; `mon>=05-25`: the first Monday on or after it; `easter-2`: days from
//!   Easter Sunday; `2001-09-11`: that one. `+1` behind a weekday is a day later;
//! * `YEARS`: years or ranges of them, parted by blanks; empty: all;
//! * `ROLL`, which says what becomes of one on a weekend. Empty: it falls away. `nearest`: Saturday moves to Friday,
//!   Sunday to Monday. `sunday`: Sunday moves to the next date that is not closed. `next`: both do. `before`: both
//!   move to the weekday before. Or days, such as `mon-thu`: only on these.
//!
//! A rule adds nothing to a date that has something already, nor to one without sessions; but hours of a single date
//! (`09:15-15:30, 2025-02-01`) are sessions of it also if its weekday has none.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday, date};

use super::super::Holidays;
use super::super::holidays::{Exception, date_of};
use super::super::plan::{Weekdays, weekday_named};
use super::super::sessions::Sessions;

#[derive(Debug)]
pub(super) struct Rule {
    what: Exception,
    when: Vec<When>,
    years: Vec<(i16, i16)>,
    roll: Roll,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Date(Date),
    /// Month and day, the weekday on or after it, and days later.
    Yearly(i8, i8, Option<Weekday>, i64),
    /// Days after Easter Sunday.
    Easter(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Roll {
    FallsAway,
    Nearest,
    Sunday,
    Next,
    Before,
    On(Weekdays),
}

/// Reads `1990-2030` or `1990`.
pub(super) fn years(text: &str) -> Result<(i16, i16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let year = |text: &str| text.parse::<i16>().ok();
    let years = year(first).zip(year(last)).filter(|(first, last)| first <= last);
    years.ok_or_else(|| format!("`{text}` is not years such as 1990-2030"))
}

impl Rule {
    pub(super) fn parse(
        what: &str,
        when: &str,
        years_of: &str,
        roll: &str,
    ) -> Result<Rule, String> {
        let roll = match roll {
            "" => Roll::FallsAway,
            "nearest" => Roll::Nearest,
            "sunday" => Roll::Sunday,
            "next" => Roll::Next,
            "before" => Roll::Before,
            days => Roll::On(days.replace(' ', ",").parse()?),
        };
        Ok(Rule {
            what: Exception::parse(what)?,
            when: when.split(' ').map(When::parse).collect::<Result<_, _>>()?,
            years: years_of.split_whitespace().map(years).collect::<Result<_, _>>()?,
            roll,
        })
    }

    /// Adds what the rule gives in these years, in the order of time.
    pub(super) fn add(
        &self,
        (first, last): (i16, i16),
        sessions: &Sessions,
        holidays: &mut Holidays,
    ) -> Result<(), String> {
        let known = |year: i16| (first..=last).contains(&year);
        let applies = |year: &i16| {
            self.years.is_empty() || self.years.iter().any(|(a, b)| (*a..=*b).contains(year))
        };
        for when in &self.when {
            if let When::Date(date) = when {
                if !known(date.year()) {
                    return Err(format!("{date} is not in the years {first} to {last}"));
                }
                let adds = matches!(self.what, Exception::Hours(_));
                self.put(*date, adds || sessions.is_planned(*date), holidays)?;
                continue;
            }
            for year in (first..=last).filter(applies) {
                let found =
                    when.of(year).map_err(|error| format!("{when:?} of {year}: {error}"))?;
                if let Some(date) = self.rolled(found, holidays).filter(|date| known(date.year())) {
                    self.put(date, sessions.is_planned(date), holidays)?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, date: Date, trades: bool, holidays: &mut Holidays) -> Result<(), String> {
        match holidays.on(date).is_none() && trades {
            true => holidays.add(date, self.what.clone()),
            false => Ok(()),
        }
    }

    /// The date on which it is kept, if it is.
    fn rolled(&self, date: Date, holidays: &Holidays) -> Option<Date> {
        let weekday = date.weekday();
        let weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        let by = |days: i64| date.checked_add(days.days()).ok();
        let free = |date: &Date| {
            !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
                && holidays.on(*date) != Some(&Exception::Closed)
        };
        match self.roll {
            Roll::On(days) => days.has(weekday.to_monday_zero_offset() as usize).then_some(date),
            Roll::Before if weekend => by(if weekday == Weekday::Saturday { -1 } else { -2 }),
            Roll::Nearest if weekend => by(if weekday == Weekday::Saturday { -1 } else { 1 }),
            Roll::Next => (0..10).filter_map(by).find(free),
            Roll::Sunday if weekday == Weekday::Saturday => None,
            Roll::Sunday => (0..10).filter_map(by).find(free),
            _ => (!weekend).then_some(date),
        }
    }
}

impl When {
    fn parse(text: &str) -> Result<When, String> {
        let wrong = || format!("`{text}` is not 12-25, mon>=05-25, easter-2 or 2001-09-11");
        if let Some(days) = text.strip_prefix("easter") {
            return days.parse().map(When::Easter).map_err(|_| wrong());
        }
        if text.len() == "2001-09-11".len() && !text.contains('>') {
            return date_of(text).map(When::Date);
        }
        let (weekday, rest) = match text.split_once(">=") {
            Some((day, rest)) => (Some(weekday_named(day).ok_or_else(wrong)?), rest),
            None => (None, text),
        };
        let (day, later) = rest.split_once('+').unwrap_or((rest, "0"));
        let (month, day) = day.split_once('-').ok_or_else(wrong)?;
        let (month, day) = month.parse().ok().zip(day.parse().ok()).ok_or_else(wrong)?;
        // A leap year has every date.
        Date::new(2024, month, day).map_err(|_| wrong())?;
        Ok(When::Yearly(month, day, weekday, later.parse().map_err(|_| wrong())?))
    }

    fn of(self, year: i16) -> Result<Date, jiff::Error> {
        match self {
            When::Date(date) => Ok(date),
            When::Easter(days) => easter(year).checked_add(days.days()),
            When::Yearly(month, day, weekday, later) => {
                let first = Date::new(year, month, day)?;
                let ahead = weekday.map_or(0, |weekday| first.weekday().until(weekday));
                first.checked_add((i64::from(ahead) + later).days())
            }
        }
    }
}

/// Easter Sunday of the western churches (the rule of Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let f = (b + 8) / 25;
    let h = (19 * a + b - b / 4 - (b - f + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    // Months are 3 and 4, days 1 to 31.
    date(year, (n / 31) as i8, (n % 31 + 1) as i8)
}
