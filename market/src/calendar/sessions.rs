//! Trading days and sessions: which one an instant belongs to, and where bars begin in it.
//!
//! `docs/semantics.md`, section *Sessions*, defines what is computed here:
//!
//! * a trading day begins when its first session opens and ends when that of the next trading day does. So its bar
//!   opens with its market, and reports after the close still count to it; it is final only when the next day begins;
//! * it is tiled by **stretches**: its sessions, and the closed times after each of them;
//! * a bar shorter than a day is aligned to the beginning of its stretch and cut at its end;
//! * with a grace, a regular session's stretch lasts that much longer than the session, and so does its last bar.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::holidays::Holidays;
use super::period::period;
use super::plan::{SessionKind, SessionRule};
use super::timeframe::Length;
use super::week::{DAY_MINUTES, Planned, Week, changed, overlap, usual_week, weekday};
use super::zone::{NANOS, first_showing, timestamp};
use super::{Bucket, Timeframe};
use crate::time::{EventTime, Span};

/// The longest grace for last prints.
const CLOSE_GRACE_MAX: Span = Span::secs(3_600);

/// A calendar's sessions, in the time of its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    name: String,
    zone: TimeZone,
    /// Usual weeks, each from a date on; the first from ever.
    eras: Vec<(Date, Week)>,
    holidays: Holidays,
    /// The sessions of the dates on which the usual week does not hold.
    changed: BTreeMap<Date, Vec<Planned>>,
    /// How long after a regular session its last prints come.
    close_grace: i64,
    /// The years whose holidays it knows; none: it was made by a configuration.
    known: Option<(i16, i16)>,
}

/// A session or the closed time after one, and how bars lie in it.
#[derive(Clone, Copy, Debug)]
struct Piece {
    stretch: Stretch,
    /// From where bars are counted: when it would open if prints never came late.
    from: EventTime,
    /// Where the last bar would end.
    to: EventTime,
}

/// A session, or the closed time between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What goes on in it.
    pub kind: SessionKind,
    /// Its first instant.
    pub open: EventTime,
    /// The first instant after it.
    pub end: EventTime,
}

impl Sessions {
    /// The calendar `name`: sessions by the wall clock of `zone` (`UTC` or an IANA name).
    ///
    /// Sessions must not overlap, also not those of days that follow each other. Early closes must fall
    /// inside the trading hours of their day. Other hours may lie outside of them.
    pub fn new(
        name: &str,
        zone: &str,
        rules: &[SessionRule],
        holidays: Holidays,
    ) -> Result<Sessions, String> {
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("unknown zone `{zone}` (`UTC` or an IANA time zone such as America/New_York)")
        })?;
        let eras = vec![(Date::MIN, usual_week(rules)?)];
        let (name, changed) = (name.to_owned(), BTreeMap::new());
        let sessions =
            Sessions { name, zone, eras, holidays, changed, close_grace: 0, known: None };
        sessions.with_changes()
    }

    /// With other sessions from a date on, which is after those of other such dates.
    pub(super) fn with_era(
        mut self,
        from: Date,
        rules: &[SessionRule],
    ) -> Result<Sessions, String> {
        self.eras.push((from, usual_week(rules)?));
        match self.eras.is_sorted_by_key(|(from, _)| *from) {
            true => self.with_changes(),
            false => Err(format!("{from} is not after the dates before it")),
        }
    }

    pub(super) fn with_holidays(self, holidays: Holidays) -> Result<Sessions, String> {
        Sessions { holidays, ..self }.with_changes()
    }

    /// Knowing the holidays of these years.
    pub(super) fn with_known(self, years: (i16, i16)) -> Sessions {
        Sessions { known: Some(years), ..self }
    }

    /// With trades that count to a regular session if they come so long after its end.
    pub fn with_close_grace(self, grace: Span) -> Result<Sessions, String> {
        match grace <= CLOSE_GRACE_MAX {
            true => Ok(Sessions { close_grace: grace.as_nanos(), ..self }),
            false => Err(format!("close_grace = {grace} is more than {CLOSE_GRACE_MAX}")),
        }
    }

    /// The same under another name, with dates of its own.
    pub fn like(&self, name: &str, dates: &Holidays) -> Result<Sessions, String> {
        let mut holidays = dates.clone();
        for (date, exception) in self.holidays.iter() {
            if holidays.on(date).is_none() {
                holidays.add(date, exception.clone())?;
            }
        }
        self.renamed(name).with_holidays(holidays)
    }

    pub(super) fn renamed(&self, name: &str) -> Sessions {
        Sessions { name: name.to_owned(), ..self.clone() }
    }

    /// The years whose holidays it knows.
    pub(super) fn known(&self) -> Option<(i16, i16)> {
        self.known
    }

    /// The calendar's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone that its times are in.
    #[cfg(test)]
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// From the first midnight to the last of these years.
    pub(super) fn known_time(&self) -> Option<(EventTime, EventTime)> {
        let (first, last) = self.known?;
        let new_year = |year| Date::new(year, 1, 1).ok().map(|date| self.at(date, 0));
        Some((new_year(first)?, new_year(last.checked_add(1)?)?))
    }

    /// When the session or pause that holds `time` ends, if no print comes late.
    pub(super) fn closes(&self, time: EventTime) -> EventTime {
        self.piece(time).to
    }

    /// The date of the trading day that holds `time`.
    pub(super) fn trading_day(&self, time: EventTime) -> Date {
        self.day(time).0
    }

    /// The stretch that holds `time`.
    pub(super) fn stretch(&self, time: EventTime) -> Stretch {
        self.piece(time).stretch
    }

    /// The stretch that holds `time`, and when it would end if no print came late.
    pub(super) fn stretch_and_bell(&self, time: EventTime) -> (Stretch, EventTime) {
        let Piece { stretch, to, .. } = self.piece(time);
        (stretch, to)
    }

    /// How long after a regular session its last prints come, in nanoseconds.
    pub(super) fn grace(&self) -> i64 {
        self.close_grace
    }

    fn piece(&self, time: EventTime) -> Piece {
        let (date, first) = self.day(time);
        let sessions: Vec<Stretch> = self.on(date).collect();
        // When the session before ends, and when its last prints have come.
        let (mut over, mut begins) = (first, first);
        for (index, session) in sessions.iter().enumerate() {
            if over < session.open {
                if time < session.open {
                    let closed = SessionKind::Closed;
                    let stretch = Stretch { kind: closed, open: begins, end: session.open };
                    return Piece { stretch, from: over, to: session.open };
                }
                begins = session.open;
            }
            let end = self.last_print(session, sessions.get(index + 1), date);
            if time < end {
                let stretch = Stretch { kind: session.kind, open: begins, end };
                return Piece { stretch, from: session.open, to: session.end };
            }
            (over, begins) = (session.end, end);
        }
        let end = self.next_open(date);
        let stretch = Stretch { kind: SessionKind::Closed, open: begins, end };
        Piece { stretch, from: over, to: end }
    }

    /// When the last prints of a session have come: a grace after a regular one, if what follows is not regular and is
    /// longer than that.
    fn last_print(&self, session: &Stretch, next: Option<&Stretch>, date: Date) -> EventTime {
        if self.close_grace == 0 || session.kind != SessionKind::Regular {
            return session.end;
        }
        let late = EventTime(session.end.0.saturating_add(self.close_grace));
        let follows = match next {
            Some(next) if next.open > session.end => next.open,
            Some(next) if next.kind == SessionKind::Regular => session.end,
            Some(next) => next.end,
            None => self.next_open(date),
        };
        if late < follows { late } else { session.end }
    }

    /// The bar of `timeframe` that holds `time`.
    pub(super) fn bucket(
        &self,
        timeframe: Timeframe,
        time: EventTime,
        week_starts: Weekday,
    ) -> Bucket {
        if timeframe >= Timeframe::DAY {
            let (date, open) = self.day(time);
            return self.days(timeframe.length(), (date, open), week_starts);
        }
        let Piece { stretch, from, to } = self.piece(time);
        let length = i64::from(timeframe.secs()) * NANOS;
        // Late prints are in the last bar.
        let passed = time.0.min(to.0 - 1) - from.0;
        let open = from.0 + passed.div_euclid(length) * length;
        let end = if open + length >= to.0 { stretch.end.0 } else { open + length };
        Bucket { open: EventTime(open).max(stretch.open), end: EventTime(end) }
    }

    /// The bar of whole trading days that holds the one of `date`, which opens at `open`.
    fn days(&self, length: Length, (date, open): (Date, EventTime), week: Weekday) -> Bucket {
        let dates = match length {
            Length::Seconds(_) | Length::Days(1) => {
                return Bucket { open, end: self.next_open(date) };
            }
            Length::Days(n) => self.counted(n, date),
            _ => period(length, date, week).ok(),
        };
        // Only where the civil calendar ends is there none.
        let (first, next) = dates.unwrap_or((date, date));
        let open = first.yesterday().map_or(open, |before| self.next_open(before));
        Bucket { open, end: next.yesterday().map_or(EventTime::END, |last| self.next_open(last)) }
    }

    /// The first of the `n` dates with sessions, counted from the first one of the year, that hold `date`; and the
    /// first date after them.
    fn counted(&self, n: u32, date: Date) -> Option<(Date, Date)> {
        let new_year = |year| Date::new(year, 1, 1).ok();
        let (mut at, end) = (new_year(date.year())?, new_year(date.year().checked_add(1)?)?);
        let (mut first, mut count) = (at, 0);
        while at < end {
            if self.is_planned(at) {
                if count == n {
                    if at > date {
                        return Some((first, at));
                    }
                    (first, count) = (at, 0);
                }
                count += 1;
            }
            at = at.tomorrow().ok()?;
        }
        Some((first, end))
    }

    /// Whether a date has sessions, if clocks skip none of them.
    pub(super) fn is_planned(&self, date: Date) -> bool {
        !self.planned(date).is_empty()
    }

    /// Whether some regular session is a whole number of such bars on usual days.
    pub(super) fn divided_by(&self, timeframe: Timeframe) -> bool {
        let fits = |session: &Planned| {
            let secs = (session.closes - session.opens).unsigned_abs() * 60;
            session.kind == SessionKind::Regular && secs.is_multiple_of(timeframe.secs())
        };
        self.eras.iter().flat_map(|(_, week)| week.iter().flatten()).any(fits)
    }

    /// The latest trading day that has begun at `time`, and when it did.
    fn day(&self, time: EventTime) -> (Date, EventTime) {
        let local = self.zone.to_datetime(timestamp(time));
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        // A day may open up to a day before its date, and clocks that go back over midnight (by a
        // day at most) show an earlier date again.
        for ahead in (1 - self.longest_pause()..=3).rev() {
            let Ok(date) = local.date().checked_add(ahead.days()) else { continue };
            let planned = self.planned(date).first();
            let opens = planned.map(|first| ahead * DAY_MINUTES + first.opens);
            if opens.is_none_or(|opens| opens > minute + DAY_MINUTES + 60) {
                continue;
            }
            if let Some(first) = self.first_open(date)
                && first <= time
            {
                return (date, first);
            }
        }
        // Only reached where the civil calendar ends, beyond every time that a record may carry.
        (local.date(), time)
    }

    /// When the first session after those of `date` opens.
    fn next_open(&self, date: Date) -> EventTime {
        let days = (1..=self.longest_pause()).filter_map(|n| date.checked_add(n.days()).ok());
        days.filter_map(|date| self.first_open(date)).next().unwrap_or(EventTime::END)
    }

    /// More days than can pass between two trading days: a week, dates that the zone left out, and
    /// as many holidays as there are.
    fn longest_pause(&self) -> i32 {
        i32::try_from(self.holidays.len()).unwrap_or(i32::MAX - 16).min(1 << 20) + 16
    }

    /// When a trading day begins; none if it is not one.
    fn first_open(&self, date: Date) -> Option<EventTime> {
        self.on(date).next().map(|session| session.open)
    }

    /// The sessions of a date, as they take place. One that clocks skip does not.
    fn on(&self, date: Date) -> impl Iterator<Item = Stretch> {
        let stretch = move |session: &Planned| Stretch {
            kind: session.kind,
            open: self.at(date, session.opens),
            end: self.at(date, session.closes),
        };
        self.planned(date).iter().map(stretch).filter(|session| session.open < session.end)
    }

    /// The sessions of a date by the wall clock.
    fn planned(&self, date: Date) -> &[Planned] {
        self.changed.get(&date).map_or_else(|| self.usual(date), Vec::as_slice)
    }

    /// The sessions of the usual week of a date.
    fn usual(&self, date: Date) -> &[Planned] {
        let era = self.eras.iter().rev().find(|(from, _)| *from <= date);
        era.map_or(&[][..], |(_, week)| &week[weekday(date)])
    }

    /// The first instant at which the wall clock shows so many minutes after the midnight of `date`, or more.
    fn at(&self, date: Date, minutes: i32) -> EventTime {
        let date = date.checked_add(minutes.div_euclid(DAY_MINUTES).days());
        let of_day = minutes.rem_euclid(DAY_MINUTES);
        // Both always fit into 8 bits.
        let clock = ((of_day / 60) as i8, (of_day % 60) as i8);
        let found =
            date.and_then(|date| first_showing(&self.zone, date.at(clock.0, clock.1, 0, 0)));
        // Only a civil time beyond every time that a record may carry has no instant.
        found.unwrap_or(EventTime::END)
    }

    /// With the sessions of the dates on which the usual week does not hold.
    fn with_changes(mut self) -> Result<Sessions, String> {
        let change = |(date, exception)| {
            let found = changed(self.usual(date), exception);
            found.map(|found| (date, found)).map_err(|problem| format!("{date} {problem}"))
        };
        self.changed = self.holidays.iter().map(change).collect::<Result<_, _>>()?;
        // A session may begin a day before its date and end a day after it.
        for (date, sessions) in &self.changed {
            for days in -2..=2_i32 {
                let Ok(other) = date.checked_add(days.days()) else { continue };
                let others = self.planned(other);
                let (before, after) =
                    if days < 0 { (others, &sessions[..]) } else { (&sessions[..], others) };
                let meet = match days {
                    0 => sessions.windows(2).any(|pair| overlap(&pair[..1], &pair[1..], 0)),
                    _ => overlap(before, after, days.abs()),
                };
                if meet {
                    return Err(match days {
                        0 => format!("the sessions of {date} overlap"),
                        _ => format!("the sessions of {date} overlap those of {other}"),
                    });
                }
            }
        }
        Ok(self)
    }
}
