//! What shows after every commit, and the log of faulty fills: the definition as a fold.

use std::collections::BTreeSet;

use market::{AccountEvent, AccountRecord, Candle, CandleKey, Commit, Fill, FillRef, ModelId};

use super::survivors::{by_fill, fill_of, of};
use super::{Config, Facts, IndicatorNumber, Tables, tables};

/// One commit of input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitInput {
    /// Accepted records; their order means nothing.
    pub records: Vec<AccountRecord>,
    /// The bars that show otherwise after this commit than before; none for one that has no row any
    /// more. No bar is named twice.
    pub bars: Vec<(CandleKey, Option<Candle>)>,
    /// The same for the numbers of indicators.
    pub numbers: Vec<((ModelId, CandleKey), Option<IndicatorNumber>)>,
    /// Whether this commit ends a round.
    pub round: bool,
}

/// What shows after a commit, and what the log gained in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// All rows, as of the last round.
    pub tables: Tables,
    /// Rows of this commit, sorted; none within a round.
    pub fill_faults: Vec<FillFault>,
}

/// A record of a fill that does not fit the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FillFault {
    /// The commit that ended the round.
    pub commit: Commit,
    /// Which fill.
    pub fill: FillRef,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with the records of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::large_enum_variant, reason = "rare")]
pub enum Fault {
    /// Two `Fill`s have different contents.
    Conflict {
        /// The one that counts, unless it is corrected or did not happen.
        kept: Fill,
        /// The other.
        dropped: Fill,
    },
    /// A correction or a bust of a fill that is unknown.
    Unmatched,
}

/// The fold over commits.
#[derive(Clone, Debug)]
pub struct Fold {
    config: Config,
    next: Commit,
    facts: Facts,
    /// The records that this round has brought so far.
    round: Vec<AccountRecord>,
    /// The conflicts that have been emitted.
    emitted: BTreeSet<(Fill, Fill)>,
    /// As of the last round.
    tables: Tables,
}

impl Fold {
    /// Before the first commit.
    pub fn new(config: Config) -> Fold {
        Fold {
            config,
            next: Commit(0),
            facts: Facts::default(),
            round: Vec::new(),
            emitted: BTreeSet::new(),
            tables: Tables::default(),
        }
    }

    /// Takes the next commit.
    pub fn commit(&mut self, input: &CommitInput) -> Output {
        self.facts.take(input);
        self.round.extend(&input.records);
        let mut fill_faults = Vec::new();
        if input.round {
            self.tables = tables(&self.config, &self.facts);
            fill_faults = self.faults();
            self.round.clear();
        }
        self.next = self.next.next();
        Output { tables: self.tables.clone(), fill_faults }
    }

    /// What is known after the last commit.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The faults of the round that ends with this commit.
    fn faults(&mut self) -> Vec<FillFault> {
        let by_side = self.config.ids_by_side;
        let all = by_fill(&self.facts.records, by_side);
        let mut faults = BTreeSet::new();
        let fault = |fill, fault| FillFault { commit: self.next, fill, fault };
        for record in &self.round {
            let Some(name) = fill_of(&record.event) else { continue };
            if all.range(of(name)).next().is_none() {
                // What the round brought is a correction or a bust.
                faults.insert(fault(name, Fault::Unmatched));
            }
            let AccountEvent::Fill(fill) = record.event else { continue };
            let Some(sayings) = all.get(&(name, by_side.then(|| fill.side()))) else { continue };
            let Some(kept) = sayings.kept() else { continue };
            for dropped in sayings.dropped() {
                if self.emitted.insert((kept, dropped)) {
                    faults.insert(fault(name, Fault::Conflict { kept, dropped }));
                }
            }
        }
        faults.into_iter().collect()
    }
}

impl Facts {
    /// What is known after a commit.
    pub fn take(&mut self, input: &CommitInput) {
        self.records.extend(&input.records);
        for (key, candle) in &input.bars {
            match candle {
                Some(candle) => drop(self.bars.insert(*key, *candle)),
                None => drop(self.bars.remove(key)),
            }
        }
        for (key, number) in &input.numbers {
            match number {
                Some(number) => drop(self.numbers.insert(*key, *number)),
                None => drop(self.numbers.remove(key)),
            }
        }
    }
}
