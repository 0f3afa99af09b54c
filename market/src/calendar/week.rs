//! The sessions of a usual week, and how an early close changes one of its days.

use jiff::civil::Date;

use super::plan::{SessionKind, SessionRule, WallClock};

pub(super) const DAY_MINUTES: i32 = 1_440;
/// At most so many sessions are planned for a day of the week.
const SESSIONS_MAX: usize = 16;

/// Sessions by weekday, Monday first; each in order of time, none over another.
pub(super) type Week = [Vec<Planned>; 7];

/// A session of a weekday, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) kind: SessionKind,
    pub(super) opens: i32,
    pub(super) closes: i32,
}

/// How an early close changes a day.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    at: i32,
    /// When the last session that is cut closes on other days; what opens later moves.
    usual: i32,
    /// How far it moves.
    pub(super) by: i32,
}

impl Cut {
    /// The day's regular sessions end at `at`; of a day without any, all.
    pub(super) fn of(planned: &[Planned], at: WallClock) -> Option<Cut> {
        let at = at.minutes();
        let regular = planned.iter().filter(|s| s.kind == SessionKind::Regular);
        let any = regular.clone().next().is_some();
        let cut = planned.iter().filter(|s| !any || s.kind == SessionKind::Regular);
        let usual = cut.clone().map(|s| s.closes).max()?;
        let last = cut.filter(|s| s.opens < at).map(|s| s.closes.min(at)).max()?;
        Some(Cut { at, usual, by: usual - last })
    }

    /// The session as it takes place, if it does.
    pub(super) fn apply(self, session: Planned) -> Option<Planned> {
        let Planned { kind, opens, closes } = session;
        if opens >= self.usual {
            return Some(Planned { kind, opens: opens - self.by, closes: closes - self.by });
        }
        (opens < self.at).then(|| Planned { kind, opens, closes: closes.min(self.at) })
    }
}

/// The week of these rules.
pub(super) fn usual_week(rules: &[SessionRule]) -> Result<Week, String> {
    let mut week: Week = Default::default();
    for rule in rules {
        let planned =
            Planned { kind: rule.kind, opens: rule.opens.minutes(), closes: rule.closes.minutes() };
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
    Ok(week)
}

fn check_week(week: &Week) -> Result<(), String> {
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

pub(super) fn weekday(date: Date) -> usize {
    // 0 to 6.
    date.weekday().to_monday_zero_offset() as usize
}
