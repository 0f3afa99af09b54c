//! Random input from a seed: what venues and feeds do on a bad day, and more often than they do it.
//!
//! The same seed and shape give the same script on every machine. What happens to trades is defined in
//! the private module `stories`; this one has sources, watermarks and commits.

use market::{
    Calendar, Calendars, Event, EventTime, NameOrder, Origin, PartitionId, Record, SourceId, Span,
    Timeframe,
};

use crate::commits::{CommitInput, History};
use crate::outliers::Far;
use crate::prng::Prng;
use crate::stories::Stories;

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

/// A job's configuration and its whole input. How many workers there are is nobody's business here.
#[derive(Clone, Debug)]
pub struct Script {
    /// The configuration of the job.
    pub history: History,
    /// The input. The last commit ends a round.
    pub commits: Vec<CommitInput>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { instruments: 64, sources: 3, commits: 40, records_per_commit: 24, horizons: true }
    }
}

impl Script {
    /// All records of all commits.
    pub fn records(&self) -> Vec<Record> {
        let commits = self.commits.iter();
        commits.flat_map(|c| c.records.iter().copied()).collect()
    }
}

/// The script of this seed.
///
/// Origins are unique. Watermarks never go down, and lag the newest event by a disorder of each source's
/// own; a source may be historic, idle for a while, or ended. Events are late by more than that
/// disorder often enough.
pub fn random(seed: u64, shape: &Shape) -> Script {
    let mut prng = Prng::new(seed);
    let scene = Scene::choose(&mut prng, shape);
    let mut sources = Source::cast(&mut prng, shape, scene.step);
    let mut stories = Stories::new(prng.next(), shape.instruments, &scene);
    // Some scripts go on after the last record, so that what ended can become final.
    let idle = if prng.percent(70) { shape.commits.min(3) } else { 0 };
    let active = shape.commits - idle;

    let mut commits = Vec::new();
    let mut round_in = prng.between(1, 4);
    for number in 0..shape.commits {
        let now = EventTime(scene.start.0 + scene.step * (number as i64 + 1));
        let mut records = Vec::new();
        if number < active {
            let about = shape.records_per_commit as u64;
            let count = about / 2 + prng.below(about + 1);
            for event in stories.emit(number, now, count as usize) {
                records.extend(speak(&mut prng, &mut sources, number, event));
            }
        }
        prng.shuffle(&mut records);
        round_in -= 1;
        let round = round_in == 0 || number + 1 == shape.commits;
        if round {
            round_in = prng.between(1, 4);
        }
        let watermarks = sources.iter_mut().map(|s| s.watermark_after(number, now)).collect();
        commits.push(CommitInput { records, watermarks, round });
    }
    Script { history: scene.history, commits }
}

/// `records` in another order.
pub fn shuffle(records: &[Record], seed: u64) -> Vec<Record> {
    let mut records = records.to_vec();
    Prng::new(seed).shuffle(&mut records);
    records
}

/// The same records in other commits and rounds, in any order. Watermarks still never go down, but may differ
/// nothing true any more: this is for horizons of `forever`, where values do not depend on them.
pub fn rebatch(script: &Script, seed: u64) -> Script {
    let mut prng = Prng::new(seed);
    let count = 1 + prng.index(2 * script.commits.len());
    let mut commits = vec![CommitInput::default(); count];
    for record in shuffle(&script.records(), prng.next()) {
        commits[prng.index(count)].records.push(record);
    }
    for (number, commit) in commits.iter_mut().enumerate() {
        let like = (number + 1) * script.commits.len() / count;
        let like = script.commits.get(like.saturating_sub(1));
        commit.watermarks = like.map_or(Vec::new(), |like| like.watermarks.clone());
        commit.round = number + 1 == count || prng.percent(40);
    }
    Script { history: script.history.clone(), commits }
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

impl Scene {
    fn choose(prng: &mut Prng, shape: &Shape) -> Scene {
        const SECOND: i64 = 1_000_000_000;
        const HOUR: i64 = 3_600 * SECOND;
        // 2024-03-09T20:00Z and 2024-11-02T20:00Z: New York changes its clocks ten or eleven hours
        // later, on a day that ends within the forty hours of the script.
        const FORWARD: i64 = 1_710_014_400 * SECOND;
        const BACK: i64 = 1_730_577_600 * SECOND;
        let slow = 40 * HOUR / shape.commits.max(1) as i64;
        let (timeframes, start, step): (&[u32], i64, i64) = match prng.below(4) {
            0 => (&[1, 10, 60], FORWARD + 11 * HOUR - 30 * SECOND, 1_700_000_000),
            1 => (&[60, 300, 3_600], BACK + 9 * HOUR, 150 * SECOND),
            2 => (&[60, 900, 14_400, 86_400], FORWARD, slow),
            _ => (&[3_600, 14_400, 86_400], BACK, slow),
        };
        let base = i64::from(timeframes[0]) * SECOND;
        let new_york = Calendar::named("America/New_York").ok();
        let new_york = new_york.filter(|_| start == FORWARD || start == BACK || prng.percent(50));
        let calendars: Vec<Calendar> = [Calendar::Utc].into_iter().chain(new_york).collect();
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
            },
            start: EventTime(start),
            step,
            calendars: count,
        }
    }
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

/// One source and what it will do.
#[derive(Clone, Debug)]
struct Source {
    id: SourceId,
    rank: u8,
    /// Names stand in another order than numbers.
    order: NameOrder,
    /// The next position of each partition.
    positions: [u64; 2],
    historic: bool,
    /// How far its watermark lags, in nanoseconds.
    disorder: i64,
    /// The commits in which it is idle.
    idle: std::ops::Range<usize>,
    /// The first commit in which it has ended.
    ends: usize,
    watermark: EventTime,
}

impl Source {
    fn cast(prng: &mut Prng, shape: &Shape, step: i64) -> Vec<Source> {
        let historic = prng.percent(25).then(|| prng.below(u64::from(shape.sources)));
        let commits = shape.commits;
        let source = |id: u8| {
            let idle = prng.index(commits.max(1));
            let early = id > 0 && prng.percent(25);
            let live = if early { commits / 3 } else { commits * 3 / 4 };
            Source {
                id: SourceId(id),
                order: NameOrder(u32::from(shape.sources - id)),
                rank: prng.below(u64::from(shape.sources)) as u8,
                positions: [prng.below(100), prng.below(100)],
                historic: historic == Some(u64::from(id)),
                disorder: prng.pick(&[0, step / 2, step, 2 * step]),
                idle: idle..idle + prng.index(commits / 4 + 1),
                ends: live + prng.index(commits / 4 + 1),
                watermark: EventTime::NEVER,
            }
        };
        (0..shape.sources).map(source).collect()
    }

    fn speaks(&self, commit: usize) -> bool {
        !self.idle.contains(&commit) && (commit < self.ends || self.historic)
    }

    fn origin(&mut self, prng: &mut Prng) -> Origin {
        let partition = prng.index(self.positions.len());
        let position = self.positions[partition];
        self.positions[partition] += 1 + prng.below(3);
        let partition = PartitionId(partition as u16);
        Origin { rank: self.rank, order: self.order, source: self.id, partition, position }
    }

    fn watermark_after(&mut self, commit: usize, now: EventTime) -> Option<EventTime> {
        if commit + 1 >= self.ends {
            self.watermark = EventTime::END;
        } else if self.speaks(commit) {
            self.watermark = self.watermark.max(EventTime(now.0 - self.disorder));
        }
        (!self.historic).then_some(self.watermark)
    }
}

/// The event as reported by one of the sources active in this commit, if any is.
fn speak(prng: &mut Prng, sources: &mut [Source], commit: usize, event: Event) -> Option<Record> {
    let mut speaking: Vec<_> = sources.iter_mut().filter(|s| s.speaks(commit)).collect();
    let chosen = prng.index(speaking.len());
    let origin = speaking.get_mut(chosen)?.origin(prng);
    let mut event = event;
    if let Event::New(trade) | Event::Correct { with: trade, .. } = &mut event
        && trade.is_positional
    {
        trade.sequence = origin.position;
    }
    Some(Record { origin, event })
}
