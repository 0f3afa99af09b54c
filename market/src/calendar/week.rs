//! The sessions of a usual week, and how other hours change one of its days.

use jiff::civil::Date;

use super::holidays::Exception;
use super::plan::{SESSIONS_MAX, SessionKind, SessionRule};

pub(super) const DAY_MINUTES: i32 = 1_440;

/// Sessions by weekday, Monday first; each in order of time, none over another.
pub(super) type Week = [Vec<Planned>; 7];

/// A session of a weekday, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) kind: SessionKind,
    pub(super) opens: i32,
    pub(super) closes: i32,
}

/// The sessions of a day that usually has these, in the order of time.
pub(super) fn changed(usual: &[Planned], exception: &Exception) -> Result<Vec<Planned>, String> {
    let mut sessions = match exception {
        Exception::Closed => Vec::new(),
        Exception::Open if usual.is_empty() => {
            return Err("has no sessions in the usual week: write its hours, such as 09:30-16:00"
                .to_owned());
        }
        Exception::Open => usual.to_vec(),
        Exception::EarlyClose(at) => closed_early(usual, at.minutes()).ok_or_else(|| {
            format!("cannot close early at {at}: not inside the sessions of that weekday")
        })?,
        Exception::Hours(hours) => {
            let hours: Vec<_> = hours.iter().map(|(a, b)| (a.minutes(), b.minutes())).collect();
            with_hours(usual, &hours).ok_or("has no hours but in a break between its sessions")?
        }
    };
    sessions.sort_by_key(|session| session.opens);
    Ok(sessions)
}

/// The day's regular sessions end at `at`; of a day without any, all. What opens after them moves with the close.
fn closed_early(usual: &[Planned], at: i32) -> Option<Vec<Planned>> {
    let any = usual.iter().any(is_regular);
    let cut = || usual.iter().filter(|session| !any || is_regular(session));
    let closes = cut().map(|session| session.closes).max()?;
    let last = cut().filter(|s| s.opens < at).map(|session| session.closes.min(at)).max()?;
    let apply = |session: &Planned| match *session {
        late if late.opens >= closes => Some(late.moved(last - closes)),
        session if session.opens < at => {
            Some(Planned { closes: session.closes.min(at), ..session })
        }
        _ => None,
    };
    (last < closes).then(|| usual.iter().filter_map(apply).collect())
}

/// The day's regular sessions with these hours, and around them what else there is.
fn with_hours(usual: &[Planned], hours: &[(i32, i32)]) -> Option<Vec<Planned>> {
    let before: Vec<Planned> = usual.iter().copied().filter(is_regular).collect();
    let mut sessions = regular_hours(&before, hours);
    let (opens, closes) = within(&sessions)?;
    // A day without regular sessions has no extended ones either that could move.
    let (opened, closed) = within(&before).unwrap_or((opens, closes));
    let around = |session: &Planned| match session.opens {
        at if at >= closed => session.moved(closes - closed),
        at if at < opened => Planned { closes: session.closes.min(opens), ..*session },
        _ => Planned { closes: session.closes.min(closes), ..*session },
    };
    let extended = usual.iter().filter(|session| !is_regular(session)).map(around);
    sessions.extend(extended.filter(|session| session.opens < session.closes));
    Some(sessions)
}

/// All regular sessions, or one interval but for the breaks of the usual ones.
fn regular_hours(usual: &[Planned], hours: &[(i32, i32)]) -> Vec<Planned> {
    let regular = |(opens, closes)| Planned { kind: SessionKind::Regular, opens, closes };
    let [(opens, closes)] = *hours else { return hours.iter().copied().map(regular).collect() };
    let breaks = usual.windows(2).map(|pair| (pair[0].closes, pair[1].opens));
    let mut sessions = Vec::new();
    let mut from = opens;
    for (ends, begins) in breaks {
        sessions.push((from, ends.min(closes)));
        from = from.max(begins);
    }
    sessions.push((from, closes));
    sessions.into_iter().filter(|(opens, closes)| opens < closes).map(regular).collect()
}

/// When the first of them opens and the last one closes.
fn within(sessions: &[Planned]) -> Option<(i32, i32)> {
    sessions.iter().map(|s| s.opens).min().zip(sessions.iter().map(|s| s.closes).max())
}

fn is_regular(session: &Planned) -> bool {
    session.kind == SessionKind::Regular
}

impl Planned {
    fn moved(self, by: i32) -> Planned {
        Planned { opens: self.opens + by, closes: self.closes + by, ..self }
    }
}

/// Whether the sessions of a date reach into those of one so many days later.
pub(super) fn overlap(before: &[Planned], after: &[Planned], days: i32) -> bool {
    match (before.last(), after.first()) {
        (Some(last), Some(first)) => last.closes > first.opens + days * DAY_MINUTES,
        _ => false,
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
        let within = sessions.windows(2).any(|pair| overlap(&pair[..1], &pair[1..], 0));
        let later =
            [1, 2].iter().any(|&days| overlap(sessions, &week[(day + days) % 7], days as i32));
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
