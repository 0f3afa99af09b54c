//! Trading days and sessions: which one an instant belongs to, and where bars begin in it.
//!
//! `docs/semantics.md`, section *Sessions*, defines what is computed here:
//!
//! * a trading day begins when its first session opens and ends when that of the next trading day does. So its bar
//!   opens with its market, and reports after the close still count to it; it is final only when the next day begins;
//! * it is tiled by **stretches**: its sessions, and the closed times after each of them;
//! * a bar shorter than a day is aligned to the beginning of its stretch and cut at its end.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::holidays::{Exception, Holidays};
use super::plan::{SessionKind, SessionRule, WallClock};
use super::zone::{NANOS, first_showing, timestamp};
use super::{Bucket, Timeframe};
use crate::time::EventTime;

const DAY_MINUTES: i32 = 1_440;
/// At most so many sessions are planned for a day of the week.
const SESSIONS_MAX: usize = 16;

/// A calendar's sessions, in the time of its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    name: String,
    zone: TimeZone,
    /// By weekday, Monday first; each in order of time, none over another.
    week: [Vec<Planned>; 7],
    holidays: Holidays,
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

/// A session of a weekday, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Planned {
    kind: SessionKind,
    opens: i32,
    closes: i32,
}

/// How an early close changes a day.
#[derive(Clone, Copy)]
struct Cut {
    at: i32,
    /// When the last session that is cut closes on other days; what opens later moves.
    usual: i32,
    /// How far it moves.
    by: i32,
}

impl Sessions {
    /// The calendar `name`: sessions by the wall clock of `zone` (`UTC` or an IANA name).
    ///
    /// Sessions must not overlap, also not those of days that follow each other. Early closes must fall
    /// inside the trading hours of their day.
    pub fn new(
        name: &str,
        zone: &str,
        rules: &[SessionRule],
        holidays: Holidays,
    ) -> Result<Sessions, String> {
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("unknown zone `{zone}` (`UTC` or an IANA time zone such as America/New_York)")
        })?;
        let mut week: [Vec<Planned>; 7] = Default::default();
        for rule in rules {
            let planned = Planned {
                kind: rule.kind,
                opens: rule.opens.minutes(),
                closes: rule.closes.minutes(),
            };
            if rule.kind == SessionKind::Closed {
                return Err("a session is `regular` or `extended`".to_owned());
            }
            if planned.opens >= planned.closes || planned.opens >= DAY_MINUTES {
                return Err(format!(
                    "a session cannot open at {} and close at {} (for another day, write \
                     `17:00 previous day` or `02:00 next day`)",
                    rule.opens, rule.closes
                ));
            }
            let days = week.iter_mut().enumerate().filter(|(day, _)| rule.days.has(*day));
            days.for_each(|(_, sessions)| sessions.push(planned));
        }
        for sessions in &mut week {
            sessions.sort_by_key(|session| session.opens);
        }
        check_week(&week)?;
        let sessions = Sessions { name: name.to_owned(), zone, week, holidays };
        sessions.check_holidays()?;
        Ok(sessions)
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

    /// The date of the trading day that holds `time`.
    pub(super) fn trading_day(&self, time: EventTime) -> Date {
        self.day(time).0
    }

    /// The stretch that holds `time`.
    pub(super) fn stretch(&self, time: EventTime) -> Stretch {
        let (date, first) = self.day(time);
        let mut over = first;
        for session in self.on(date) {
            if time < session.open {
                return Stretch { kind: SessionKind::Closed, open: over, end: session.open };
            }
            if time < session.end {
                return session;
            }
            over = session.end;
        }
        Stretch { kind: SessionKind::Closed, open: over, end: self.next_open(date) }
    }

    /// The bar of `timeframe` that holds `time`.
    pub(super) fn bucket(&self, timeframe: Timeframe, time: EventTime) -> Bucket {
        if timeframe == Timeframe::DAY {
            let (date, open) = self.day(time);
            return Bucket { open, end: self.next_open(date) };
        }
        let stretch = self.stretch(time);
        let length = i64::from(timeframe.secs()) * NANOS;
        let open = stretch.open.0 + (time.0 - stretch.open.0).div_euclid(length) * length;
        Bucket { open: EventTime(open), end: EventTime(open + length).min(stretch.end) }
    }

    /// The latest trading day that has begun at `time`, and when it did.
    fn day(&self, time: EventTime) -> (Date, EventTime) {
        let local = self.zone.to_datetime(timestamp(time));
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        // A day may open up to a day before its date, and clocks that go back over midnight (by a
        // day at most) show an earlier date again.
        for ahead in (1 - self.longest_pause()..=3).rev() {
            let Ok(date) = local.date().checked_add(ahead.days()) else { continue };
            let planned = self.week[weekday(date)].first();
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
        let planned = &self.week[weekday(date)][..];
        let (planned, cut) = match self.holidays.on(date) {
            None => (planned, None),
            Some(Exception::Closed) => (&[][..], None),
            Some(Exception::EarlyClose(at)) => (planned, Cut::of(planned, at)),
        };
        planned
            .iter()
            .filter_map(move |session| cut.map_or(Some(*session), |cut| cut.apply(*session)))
            .map(move |session| Stretch {
                kind: session.kind,
                open: self.at(date, session.opens),
                end: self.at(date, session.closes),
            })
            .filter(|session| session.open < session.end)
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

    fn check_holidays(&self) -> Result<(), String> {
        for (date, exception) in self.holidays.iter() {
            let Exception::EarlyClose(at) = exception else { continue };
            let planned = &self.week[weekday(date)];
            let inside = planned.first().is_some_and(|first| first.opens < at.minutes());
            let cut = Cut::of(planned, at).filter(|cut| inside && cut.by > 0);
            if cut.is_none() {
                return Err(format!(
                    "{date} cannot close early at {at}: not inside the sessions of that weekday"
                ));
            }
        }
        Ok(())
    }
}

impl Cut {
    /// The day's regular sessions end at `at`; of a day without any, all.
    fn of(planned: &[Planned], at: WallClock) -> Option<Cut> {
        let at = at.minutes();
        let regular = planned.iter().filter(|s| s.kind == SessionKind::Regular);
        let any = regular.clone().next().is_some();
        let cut = planned.iter().filter(|s| !any || s.kind == SessionKind::Regular);
        let usual = cut.clone().map(|s| s.closes).max()?;
        let last = cut.filter(|s| s.opens < at).map(|s| s.closes.min(at)).max()?;
        Some(Cut { at, usual, by: usual - last })
    }

    /// The session as it takes place, if it does.
    fn apply(self, session: Planned) -> Option<Planned> {
        let Planned { kind, opens, closes } = session;
        if opens >= self.usual {
            return Some(Planned { kind, opens: opens - self.by, closes: closes - self.by });
        }
        (opens < self.at).then(|| Planned { kind, opens, closes: closes.min(self.at) })
    }
}

fn check_week(week: &[Vec<Planned>; 7]) -> Result<(), String> {
    if week.iter().all(Vec::is_empty) {
        return Err("a calendar needs at least one session".to_owned());
    }
    for (day, sessions) in week.iter().enumerate() {
        if sessions.len() > SESSIONS_MAX {
            return Err(format!("a day has at most {SESSIONS_MAX} sessions"));
        }
        let overlap = |a: &Planned, b: &Planned, days: i32| a.closes > b.opens + days * DAY_MINUTES;
        let within = sessions.windows(2).any(|pair| overlap(&pair[0], &pair[1], 0));
        let later = [1, 2].iter().any(|days: &usize| {
            match (sessions.last(), week[(day + days) % 7].first()) {
                (Some(last), Some(first)) => overlap(last, first, if *days == 1 { 1 } else { 2 }),
                _ => false,
            }
        });
        if within || later {
            return Err(format!("sessions overlap on or after {}", NAMES[day]));
        }
    }
    Ok(())
}

const NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn weekday(date: Date) -> usize {
    // 0 to 6.
    date.weekday().to_monday_zero_offset() as usize
}
