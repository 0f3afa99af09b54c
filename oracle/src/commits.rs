//! Values, history and logs after every commit: the definition as a fold.
//!
//! The fold keeps every accepted record that is not forgotten, and at every commit makes everything
//! anew from them. It is slow: a commit costs as much as all that came before.

use std::collections::{BTreeMap, BTreeSet};

use market::{Commit, EventTime, InstrumentId, Record, Trade, TradeRef};

use crate::instrument::InstrumentFold;

pub use crate::history::{History, Output};

/// One commit of input.
#[derive(Clone, Debug, Default)]
pub struct CommitInput {
    /// *R(c)*; their order means nothing.
    pub records: Vec<Record>,
    /// *M(c)* by source; none, or beyond the end, for a historic one. Never goes down.
    pub watermarks: Vec<Option<EventTime>>,
    /// Whether this commit ends a round.
    pub round: bool,
}

/// The fold over commits.
#[derive(Clone, Debug)]
pub struct Fold {
    history: History,
    next: Commit,
    /// *M(c−1)*.
    watermarks: Vec<Option<EventTime>>,
    /// The watermarks of the commit that ended the last round.
    round_watermarks: Vec<Option<EventTime>>,
    instruments: BTreeMap<InstrumentId, InstrumentFold>,
}

impl Fold {
    /// Before the first commit.
    pub fn new(history: History) -> Fold {
        Fold {
            history,
            next: Commit(0),
            watermarks: Vec::new(),
            round_watermarks: Vec::new(),
            instruments: BTreeMap::new(),
        }
    }

    /// Takes the next commit.
    pub fn commit(&mut self, input: &CommitInput) -> Output {
        let commit = self.next;
        for record in &input.records {
            self.instruments
                .entry(record.event.instrument())
                .or_insert_with(|| InstrumentFold::before(commit));
        }

        let mut output = Output::default();
        for (id, fold) in &mut self.instruments {
            let mut records = input.records.clone();
            records.retain(|record| record.event.instrument() == *id);
            fold.commit(&self.history, commit, &records, &self.watermarks, &mut output);
            if input.round {
                fold.round(&self.history, commit, &self.round_watermarks, &mut output);
            }
            fold.show(*id, &mut output);
        }
        output.conflicts.sort();
        output.too_late.sort();
        output.unmatched.sort();
        output.revisions.sort();
        output.outliers.sort();
        output.accepted.sort();

        self.next = commit.next();
        self.watermarks.clone_from(&input.watermarks);
        if input.round {
            self.round_watermarks.clone_from(&input.watermarks);
        }
        output
    }

    /// How many trades have been forgotten while they showed in a bar, for tests that want to know
    /// whether their input reaches this far.
    pub fn forgotten(&self) -> usize {
        self.instruments.values().map(InstrumentFold::forgotten).sum()
    }

    /// The trades of an instrument that survive, and those that were forgotten and count for ever.
    pub fn surviving(&self, instrument: InstrumentId) -> Vec<Trade> {
        self.instruments.get(&instrument).map(InstrumentFold::shown).unwrap_or_default()
    }

    /// The ids of trades that are known, matched or not: neither forgotten nor never seen.
    pub fn known_ids(&self) -> BTreeSet<TradeRef> {
        self.instruments.values().flat_map(InstrumentFold::known_ids).collect()
    }
}
