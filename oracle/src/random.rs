//! Random input from a seed: what venues and feeds do on a bad day, and more often than they do it.
//!
//! The same seed and shape give the same script on every machine. What happens to trades is defined in
//! the private module `stories`, what a script plays on in `scene`; this one has sources, watermarks and commits.

use market::{Event, EventTime, NameOrder, Origin, PartitionId, Record, SourceId};

use crate::commits::CommitInput;
use crate::history::History;
use crate::prng::Prng;
use crate::scene::Scene;
use crate::stories::Stories;

pub use crate::scene::Shape;

/// A job's configuration and its whole input. How many workers there are is nobody's business here.
#[derive(Clone, Debug)]
pub struct Script {
    /// The configuration of the job.
    pub history: History,
    /// The input. The last commit ends a round.
    pub commits: Vec<CommitInput>,
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
