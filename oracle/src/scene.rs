//! The configuration of a random script: of which shape it is, and where and when it plays.

use market::{
    Calendar, Calendars, EventTime, Holidays, SessionKind, SessionRule, Sessions, SourceId, Span,
    Timeframe,
};

use crate::history::{Far, History};
use crate::prng::Prng;

/// How much input, and of what kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many instruments trade; the first ones most.
    pub instruments: usize,
    /// How many sources report them, each of another provider rank or not: 1 to 64.
    pub sources: u8,
    /// How many commits; in some scripts the last ones are empty.
    pub commits: usize,
    /// How many records a commit has about.
    pub records_per_commit: usize,
    /// Whether trades can be too late and be forgotten; else both horizons are `forever`.
    pub horizons: bool,
}

/// Where and when a script plays.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) history: History,
    pub(crate) start: EventTime,
    /// Event time that passes per commit, in nanoseconds.
    pub(crate) step: i64,
    /// How many calendars instruments choose from.
    pub(crate) calendars: u8,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { instruments: 64, sources: 3, commits: 40, records_per_commit: 24, horizons: true }
    }
}

impl Scene {
    /// By chance.
    pub(crate) fn choose(prng: &mut Prng, shape: &Shape) -> Scene {
        const SECOND: i64 = 1_000_000_000;
        const HOUR: i64 = 3_600 * SECOND;
        // 2024-03-09T20:00Z and 2024-11-02T20:00Z: New York changes its clocks ten or eleven hours
        // later, on a day that ends within the forty hours of the script.
        const FORWARD: i64 = 1_710_014_400 * SECOND;
        const BACK: i64 = 1_730_577_600 * SECOND;
        let slow = 40 * HOUR / shape.commits.max(1) as i64;
        const DAY: u32 = 86_400;
        const MONTH: u32 = 2_629_746;
        let (timeframes, start, step): (&[u32], i64, i64) = match prng.below(5) {
            0 => (&[1, 10, 60], FORWARD + 11 * HOUR - 30 * SECOND, 1_700_000_000),
            1 => (&[60, 300, 3_600], BACK + 9 * HOUR, 150 * SECOND),
            2 => (&[60, 900, 14_400, DAY], FORWARD, slow),
            // Ten weeks and more; without days, which larger bars are made of all the same.
            3 => (&[2_700, 5_400, 2 * DAY, 7 * DAY, MONTH, 3 * MONTH], BACK, 48 * slow),
            _ => (&[3_600, 14_400, DAY], BACK, slow),
        };
        let base = i64::from(timeframes[0]) * SECOND;
        let new_york = Calendar::named("America/New_York").ok();
        let new_york = new_york.filter(|_| start == FORWARD || start == BACK || prng.percent(50));
        let sessions = sessions(prng.clone());
        let calendars: Vec<Calendar> =
            [Calendar::UTC].into_iter().chain(new_york).chain(sessions).collect();
        let count = calendars.len() as u8;
        let (reject_after, correction_horizon) = horizons(prng, shape, base, step);
        // In some scripts so few that gaps are merged; then they depend on commits.
        let few = shape.horizons && prng.percent(40);
        let gaps_max = if few { 1 + prng.index(4) } else { 1_000 };
        Scene {
            history: History {
                far: far(prng),
                timeframes: timeframes
                    .iter()
                    .filter_map(|secs| Timeframe::from_secs(*secs))
                    .collect(),
                calendars: Calendars::new(calendars).unwrap_or_else(|_| Calendars::utc()),
                reject_after,
                correction_horizon,
                gaps_max,
                read_from: read_from(prng, start, step * shape.commits as i64),
                clients: clients(prng.clone(), shape),
            },
            start: EventTime(start),
            step,
            calendars: count,
        }
    }
}

/// A market with sessions on every day, several of which end within each script, one whose prints come late. Drawn by a
/// generator of its own.
fn sessions(mut prng: Prng) -> Option<Calendar> {
    let rule = |(kind, opens, closes): (SessionKind, &str, &str)| -> Result<SessionRule, String> {
        let (opens, closes) = (opens.parse()?, closes.parse()?);
        Ok(SessionRule { days: "mon-sun".parse()?, kind, opens, closes })
    };
    let rules = [
        (SessionKind::Extended, "04:00", "05:30"),
        (SessionKind::Regular, "05:30", "06:15"),
        (SessionKind::Extended, "06:15", "06:40"),
        (SessionKind::Regular, "06:40", "07:00"),
        (SessionKind::Extended, "07:00", "09:00"),
        (SessionKind::Regular, "14:00", "20:00"),
    ];
    let rules = rules.into_iter().map(rule).collect::<Result<Vec<_>, _>>().ok()?;
    let sessions = Sessions::new("late prints", "UTC", &rules, Holidays::default()).ok()?;
    let grace = Span::secs(prng.pick(&[0, 10, 20, 600, 3_600, 3_600]));
    Some(Calendar::with_sessions(sessions.with_close_grace(grace).ok()?))
}

/// In some scripts one of the sources is that of clients. Drawn by a generator of its own, so that scripts are otherwise
/// what they would be without.
fn clients(mut prng: Prng, shape: &Shape) -> Option<SourceId> {
    let source = prng.below(u64::from(shape.sources)) as u8;
    prng.percent(40).then_some(SourceId(source))
}

/// Windows of few bars are full early, and in narrow bands many prices are far away.
fn far(prng: &mut Prng) -> Far {
    Far {
        bars: prng.pick(&[0, 1, 2, 3, 5, 5, 8, 30]),
        deviations: prng.pick(&[1, 1, 2, 3, 10]),
        floor_bps: prng.pick(&[0, 10, 50, 100]),
    }
}

/// In most scripts all sources are read from their beginning; in others some are not, or it is unknown.
fn read_from(prng: &mut Prng, start: i64, span: i64) -> Vec<Option<EventTime>> {
    if prng.percent(70) {
        return Vec::new();
    }
    let mut of_source = || match prng.below(4) {
        0 => None,
        1 => Some(EventTime::NEVER),
        _ => Some(EventTime(start + prng.between(0, span / 2))),
    };
    (0..4).map(|_| of_source()).collect()
}

/// `reject_after` and `correction_horizon`.
fn horizons(prng: &mut Prng, shape: &Shape, base: i64, step: i64) -> (Span, Span) {
    if !shape.horizons {
        return (Span::FOREVER, Span::FOREVER);
    }
    let reject = prng.pick(&[0, base, step, 2 * step, 4 * step]);
    let longer = prng.pick(&[0, base, step, 3 * step, 8 * step]);
    let correct = match prng.percent(10) {
        true => Span::FOREVER,
        false => Span::nanos(reject + longer),
    };
    (Span::nanos(reject), correct)
}
