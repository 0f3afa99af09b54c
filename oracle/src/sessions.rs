//! Trading days and sessions of two markets, the slow way: every minute is looked at by the wall clock.
//!
//! Written from section *Sessions* of the definition and the rules of the markets; no calendar is asked.

use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use market::{Bucket, EventTime, SessionKind, Timeframe};

use crate::timeframes::Unit;

const MINUTE: i64 = 60_000_000_000;
const GRACE: i64 = 10_000_000_000;
/// No market here pauses for so long.
const PAUSE: i64 = 12 * 1_440 * MINUTE;

/// A market whose sessions are defined here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Shares in the United States.
    UsEquities,
    /// Futures of Chicago, overnight.
    CmeGlobex,
}

/// A session, or the closed time after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The trading day that it belongs to.
    pub day: Date,
    /// What goes on.
    pub kind: SessionKind,
    /// Its first instant.
    pub open: EventTime,
    /// The first instant after it.
    pub end: EventTime,
    /// The number of the session in its day.
    session: u8,
}

impl Market {
    /// Both.
    pub const ALL: [Market; 2] = [Market::UsEquities, Market::CmeGlobex];

    /// The name of its calendar.
    pub fn name(self) -> &'static str {
        match self {
            Market::UsEquities => "us-equities",
            Market::CmeGlobex => "cme-globex",
        }
    }

    fn zone(self) -> TimeZone {
        let name = match self {
            Market::UsEquities => "America/New_York",
            Market::CmeGlobex => "America/Chicago",
        };
        TimeZone::get(name).unwrap_or(TimeZone::UTC)
    }

    /// Trading day, kind and number of the session that goes on in a minute.
    fn minute(self, local: DateTime) -> Option<(Date, SessionKind, u8)> {
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        match self {
            Market::UsEquities => {
                let day = local.date();
                if is_weekend(day) || us_closed(day) {
                    return None;
                }
                let close = if us_half_day(day) { 13 * 60 } else { 16 * 60 };
                match minute {
                    m if m < 4 * 60 => None,
                    m if m < 9 * 60 + 30 => Some((day, SessionKind::Extended, 0)),
                    m if m < close => Some((day, SessionKind::Regular, 1)),
                    m if m < close + 4 * 60 => Some((day, SessionKind::Extended, 2)),
                    _ => None,
                }
            }
            Market::CmeGlobex => {
                let day = match minute / 60 {
                    17.. => local.date().tomorrow().ok()?,
                    16 => return None,
                    _ => local.date(),
                };
                let closes = cme_close(day).unwrap_or(16 * 60);
                let over = local.date() == day && minute >= closes;
                (!is_weekend(day) && !cme_closed(day) && !over).then_some((
                    day,
                    SessionKind::Regular,
                    0,
                ))
            }
        }
    }

    /// The pieces that hold any of `[from, to)`, in order.
    pub fn pieces(self, from: EventTime, to: EventTime) -> Vec<Piece> {
        self.walk(from, to, MINUTE)
    }

    fn walk(self, from: EventTime, to: EventTime, step: i64) -> Vec<Piece> {
        let zone = self.zone();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = (from.0 - PAUSE).div_euclid(step) * step;
        while at < to.0 + PAUSE {
            let stamp = Timestamp::from_nanosecond(at.into()).unwrap_or_default();
            let session = self.minute(zone.to_datetime(stamp));
            let before = pieces.last().map(|last| (last.day, last.session));
            let now = match (session, before) {
                (Some((day, kind, session)), _) => Some((day, kind, session)),
                (None, Some((day, session))) => Some((day, SessionKind::Closed, session)),
                (None, None) => None,
            };
            if let Some((day, kind, session)) = now {
                let end = EventTime(at + step);
                match pieces.last_mut() {
                    Some(last) if (last.day, last.kind, last.session) == (day, kind, session) => {
                        last.end = end;
                    }
                    _ => pieces.push(Piece { day, kind, open: EventTime(at), end, session }),
                }
            }
            at += step;
        }
        if self == Market::UsEquities {
            // The last prints of the regular session are waited for.
            for at in 1..pieces.len() {
                if pieces[at - 1].kind == SessionKind::Regular {
                    pieces[at - 1].end.0 += GRACE;
                    pieces[at].open.0 += GRACE;
                }
            }
        }
        pieces.retain(|piece| from < piece.end && piece.open < to);
        pieces
    }

    /// The bars of whole trading days that hold any of `[from, to)`, in order. Weeks begin on Monday.
    fn days(self, unit: Unit, from: EventTime, to: EventTime) -> Vec<Bucket> {
        // Sessions open on half hours. A bar is a year long at most, and days are counted from the first of a year.
        let around = 800 * 1_440 * MINUTE;
        let walked = self.walk(EventTime(from.0 - around), EventTime(to.0 + around), 30 * MINUTE);
        let (mut year, mut count) = (None, 0);
        let mut bars: Vec<((i16, i64), Bucket)> = Vec::new();
        for day in walked.chunk_by(|a, b| a.day == b.day) {
            let (Some(first), Some(last)) = (day.first(), day.last()) else { continue };
            if year.replace(first.day.year()) != Some(first.day.year()) {
                count = 0;
            }
            let period = match unit {
                Unit::Dates(n) => (first.day.year(), count / n),
                _ => (0, unit.period(first.day, Weekday::Monday)),
            };
            count += 1;
            match bars.last_mut() {
                Some((of, bar)) if *of == period => bar.end = last.end,
                _ => bars.push((period, Bucket { open: first.open, end: last.end })),
            }
        }
        bars.into_iter().map(|(_, bar)| bar).collect()
    }

    /// The bars that hold any of `[from, to)`, in order.
    pub fn bars(self, timeframe: Timeframe, from: EventTime, to: EventTime) -> Vec<Bucket> {
        let mut bars: Vec<Bucket> = Vec::new();
        if timeframe == Timeframe::DAY {
            let pieces = self.pieces(EventTime(from.0 - PAUSE), EventTime(to.0 + PAUSE));
            for day in pieces.chunk_by(|a, b| a.day == b.day) {
                if let (Some(first), Some(last)) = (day.first(), day.last()) {
                    bars.push(Bucket { open: first.open, end: last.end });
                }
            }
        } else if timeframe > Timeframe::DAY {
            bars = self.days(Unit::of(timeframe), from, to);
        } else {
            for piece in self.pieces(from, to) {
                // Bars are counted as if no print came late; then they are cut, and the last one is longer.
                let late = |at: EventTime| at.0.rem_euclid(MINUTE);
                let last = piece.end.0 - late(piece.end);
                let mut open = piece.open.0 - late(piece.open);
                while open < last {
                    let full = open + i64::from(timeframe.secs()) * 1_000_000_000;
                    let end = EventTime(if full < last { full } else { piece.end.0 });
                    if end > piece.open {
                        bars.push(Bucket { open: EventTime(open).max(piece.open), end });
                    }
                    open = full;
                }
            }
        }
        bars.retain(|bar| from < bar.end && bar.open < to);
        bars
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Whether the rules of the US exchanges close a day.
pub fn us_closed(day: Date) -> bool {
    let year = day.year();
    let feasts = [
        observed(date(year, 1, 1)),
        nth(year, 1, 3, Weekday::Monday),
        nth(year, 2, 3, Weekday::Monday),
        good_friday(year),
        nth(year, 5, -1, Weekday::Monday),
        observed(date(year, 7, 4)),
        nth(year, 9, 1, Weekday::Monday),
        nth(year, 11, 4, Weekday::Thursday),
        observed(date(year, 12, 25)),
    ];
    let juneteenth = year >= 2022 && day == observed(date(year, 6, 19));
    feasts.contains(&day) || juneteenth || day == date(2025, 1, 9)
}

/// Whether they close it at 13:00.
pub fn us_half_day(day: Date) -> bool {
    let thanksgiving = nth(day.year(), 11, 4, Weekday::Thursday);
    let eve = matches!((day.month(), day.day()), (7, 3) | (12, 24));
    let early = eve || thanksgiving.tomorrow().is_ok_and(|after| after == day);
    early && !is_weekend(day) && !us_closed(day)
}

/// Whether Globex has no equity index session of this day. Before 2016 nothing is known.
fn cme_closed(day: Date) -> bool {
    let year = day.year();
    let new_year = match date(year, 1, 1).weekday() {
        Weekday::Sunday => date(year, 1, 2),
        _ => date(year, 1, 1),
    };
    let friday = day == good_friday(year) && ![2021, 2023, 2026].contains(&year);
    (2016..=2028).contains(&year)
        && (day == new_year || friday || day == observed(date(year, 12, 25)))
}

/// When it ends early, in minutes of the day.
fn cme_close(day: Date) -> Option<i32> {
    let year = day.year();
    if !(2016..=2028).contains(&year) || is_weekend(day) {
        return None;
    }
    let thanksgiving = nth(year, 11, 4, Weekday::Thursday);
    let noon = [
        nth(year, 1, 3, Weekday::Monday),
        nth(year, 2, 3, Weekday::Monday),
        nth(year, 5, -1, Weekday::Monday),
        observed(date(year, 7, 4)),
        nth(year, 9, 1, Weekday::Monday),
        thanksgiving,
    ];
    let juneteenth = year >= 2022 && day == observed(date(year, 6, 19));
    let eve = matches!((day.month(), day.day()), (7, 3) | (12, 24));
    match day {
        _ if noon.contains(&day) || juneteenth => Some(12 * 60),
        _ if eve || thanksgiving.tomorrow().is_ok_and(|after| after == day) => Some(12 * 60 + 15),
        _ if day == good_friday(year) => Some(8 * 60 + 15),
        _ if [date(2018, 12, 5), date(2025, 1, 9)].contains(&day) => Some(8 * 60 + 30),
        _ => None,
    }
}

/// A feast on a Saturday is kept on Friday, on a Sunday on Monday.
fn observed(feast: Date) -> Date {
    let days = match feast.weekday() {
        Weekday::Saturday => -1,
        Weekday::Sunday => 1,
        _ => 0,
    };
    feast.saturating_add(days.days())
}

fn nth(year: i16, month: i8, n: i8, weekday: Weekday) -> Date {
    let first = date(year, month, 1);
    first.nth_weekday_of_month(n, weekday).unwrap_or(first)
}

/// Two days before Easter, by the anonymous Gregorian rule.
fn good_friday(year: i16) -> Date {
    let year = i32::from(year);
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let moon = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon + 15) % 30;
    let sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * sunday) / 451;
    let days = epact + sunday - 7 * late + 114;
    // Months are 3 and 4, days 1 to 31.
    let easter = date(year as i16, (days / 31) as i8, (days % 31 + 1) as i8);
    easter.saturating_sub(2.days())
}
