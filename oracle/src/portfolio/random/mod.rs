//! Random accounts and bars from a seed: what happens to portfolios on bad days.
//!
//! The same seed and shape give the same script on every machine. Reading order: this file → `scene`
//! → `quotes` → `stories` → `sources`.

mod quotes;
mod scene;
mod sources;
mod stories;

use std::collections::BTreeMap;

use market::AccountRecord;

use super::Config;
use super::commits::CommitInput;
use crate::prng::Prng;
use quotes::Quotes;
use scene::Scene;
use sources::Sources;
use stories::Stories;

/// How much input, and of what kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many portfolios there are; at least 1. The first is not configured.
    pub portfolios: usize,
    /// How many instruments they hold; at least 1. Pairs of currencies come on top.
    pub instruments: usize,
    /// How many sources report them: 1 to 64.
    pub sources: u8,
    /// How many commits.
    pub commits: usize,
    /// How many records of accounts a commit has about.
    pub records_per_commit: usize,
    /// Whether prices, quantities, fees, weights and capital come near the bounds of their types. No
    /// fill's |price · quantity · multiplier| reaches 2⁹⁶.
    pub extremes: bool,
}

/// A job's configuration and its whole input.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The configuration of the job.
    pub config: Config,
    /// The input. The last commit ends a round; bars of more than the base timeframe, and numbers of
    /// indicators, change only in commits that end one.
    pub commits: Vec<CommitInput>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            portfolios: 5,
            instruments: 10,
            sources: 3,
            commits: 40,
            records_per_commit: 8,
            extremes: false,
        }
    }
}

impl Script {
    /// All records of all commits.
    pub fn records(&self) -> Vec<AccountRecord> {
        self.commits.iter().flat_map(|commit| commit.records.iter().copied()).collect()
    }
}

/// The script of this seed. Origins are unique, and no record names a fill with quantity 0.
pub fn random(seed: u64, shape: &Shape) -> Script {
    let mut prng = Prng::new(seed);
    let scene = Scene::choose(&mut prng, shape);
    let mut quotes = Quotes::new(prng.next(), &scene);
    let mut stories = Stories::new(prng.next(), &scene);
    let mut sources = Sources::cast(prng.next(), shape.sources);

    let mut commits = Vec::new();
    let mut round_in = prng.between(1, 3);
    for number in 0..shape.commits {
        round_in -= 1;
        let round = round_in == 0 || number + 1 == shape.commits;
        if round {
            round_in = prng.between(1, 3);
        }
        quotes.move_on();
        let about = shape.records_per_commit as u64;
        let count = about / 2 + prng.below(about + 1);
        let events = stories.emit(number, &quotes, count as usize);
        let mut records: Vec<AccountRecord> =
            events.into_iter().map(|event| sources.speak(event)).collect();
        prng.shuffle(&mut records);
        let (bars, numbers) = quotes.changes(round);
        commits.push(CommitInput { records, bars, numbers, round });
    }
    Script { config: scene.config, commits }
}

/// `records` in another order.
pub fn shuffle(records: &[AccountRecord], seed: u64) -> Vec<AccountRecord> {
    let mut records = records.to_vec();
    Prng::new(seed).shuffle(&mut records);
    records
}

/// The same records in other commits and rounds, in any order, and the same bars in the end.
pub fn rebatch(script: &Script, seed: u64) -> Script {
    let mut prng = Prng::new(seed);
    let count = 1 + prng.index(2 * script.commits.len());
    let mut commits = vec![CommitInput::default(); count];
    for record in shuffle(&script.records(), prng.next()) {
        commits[prng.index(count)].records.push(record);
    }
    let mut bars = vec![BTreeMap::new(); count];
    let mut numbers = vec![BTreeMap::new(); count];
    for (number, like) in script.commits.iter().enumerate() {
        let to = number * count / script.commits.len();
        bars[to].extend(like.bars.iter().copied());
        numbers[to].extend(like.numbers.iter().copied());
    }
    for (number, commit) in commits.iter_mut().enumerate() {
        commit.bars = std::mem::take(&mut bars[number]).into_iter().collect();
        commit.numbers = std::mem::take(&mut numbers[number]).into_iter().collect();
        commit.round = number + 1 == count || prng.percent(40);
    }
    Script { config: script.config.clone(), commits }
}
