//! The core of fills: holdings and targets of portfolios, and the faults of their records.
//!
//! * **Key**: portfolio. **Input**: account records; fair values are none of its business. **Output**:
//!   [`FillsOut`], net, at the ends of rounds.
//! * **Meaning**: per (portfolio, instrument), the fold of the surviving fills in the order of (time,
//!   sequence, origin), and the target that counts. A function of the set of records.
//! * **Cost**: a fill behind all others of its position is one step; any other change folds anew from there
//!   until the position is what it was.
//! * **State bound**: fills are never forgotten: some 400 bytes each; see [`Core::size`].
//! * **Numbers**: a fill whose amount reaches [`NOTIONAL_LIMIT`] is refused when it is read, with a row; here
//!   it would be left out. So amounts of a position overflow only beyond 2³⁰ fills.

use std::collections::{BTreeMap, BTreeSet};

use market::price::NOTIONAL_LIMIT;
use market::{
    AccountEvent, AccountRecord, Contract, EventTime, Fill, FillRef, InstrumentId, Origin,
    PortfolioId, Shard, TradeId,
};
use serde::{Deserialize, Serialize};

use super::fill_records::FillRecords;
use super::position_history::{Held, Leg, Place, PositionHistory};
use super::row::{Fault, FillFault, PositionKey};
use crate::context::CommitContext;
use crate::heap;
use crate::keyed::{Core, Sharded};

/// A portfolio's line in an instrument: a holding, a target, or both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortfolioLine {
    /// What that is.
    pub contract: Contract,
    /// What is held; none without a surviving fill.
    pub held: Option<Held>,
    /// The target share, at [`market::WEIGHT_SCALE`].
    pub target: Option<i64>,
}

/// What the core puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FillsOut {
    /// A line changed. After a restore, lines are emitted as if they were new.
    Line {
        /// Which.
        key: PositionKey,
        /// What it is, if there is one. Differs from what it was.
        line: Option<PortfolioLine>,
    },
    /// A row for the log `fill_faults`; rare.
    Fault(Box<FillFault>),
    /// A fill, a correction or a bust that was accepted, in its own commit, if that is asked for: all but copies of fills
    /// that change nothing.
    Accepted(Box<AccountRecord>),
}

/// One shard of the fills.
pub struct Fills {
    /// Whether what was bought and what was sold of one id are two fills.
    ids_by_side: bool,
    /// Whether it puts out what it accepts.
    emits_accepted: bool,
    portfolios: BTreeMap<PortfolioId, Holdings>,
    /// What changed in this round so far.
    dirty: Dirty,
    bytes: usize,
}

/// What is known of one portfolio.
#[derive(Default, Serialize, Deserialize)]
struct Holdings {
    fills: BTreeMap<TradeId, FillRecords>,
    entries: BTreeMap<InstrumentId, Entry>,
}

/// What is known of an instrument in a portfolio.
#[derive(Serialize, Deserialize)]
struct Entry {
    contract: Contract,
    history: PositionHistory,
    target: Option<TargetWeight>,
    /// As it was last put out.
    emitted: Option<PortfolioLine>,
}

/// The target that counts: the greatest of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct TargetWeight {
    time: EventTime,
    position: u64,
    origin: std::cmp::Reverse<Origin>,
    weight: Option<i64>,
}

#[derive(Default, Serialize, Deserialize)]
struct Dirty {
    fills: BTreeMap<(PortfolioId, TradeId), FillChange>,
    lines: BTreeSet<PositionKey>,
}

/// A fill in a round: what survived of it before, and what the round brought.
#[derive(Serialize, Deserialize)]
struct FillChange {
    before: [Option<(Place, Fill)>; 2],
    fill: bool,
    other: bool,
}

/// Edits of position histories, by line.
type Edits = BTreeMap<PositionKey, (Contract, BTreeMap<Place, Option<Leg>>)>;

impl Sharded for AccountRecord {
    fn shard(&self) -> Shard {
        self.event.shard()
    }
}

impl Fills {
    /// No fills. `ids_by_side` says whether what was bought and what was sold of one id are two.
    pub fn new(ids_by_side: bool) -> Fills {
        Fills {
            ids_by_side,
            emits_accepted: false,
            portfolios: BTreeMap::new(),
            dirty: Dirty::default(),
            bytes: 0,
        }
    }

    /// The same, that puts out what it accepts ([`FillsOut::Accepted`]) if `emits_accepted`.
    #[must_use]
    pub fn emitting_accepted(self, emits_accepted: bool) -> Fills {
        Fills { emits_accepted, ..self }
    }

    fn apply(&mut self, record: &AccountRecord, out: &mut Vec<FillsOut>) {
        let (name, is_fill) = match &record.event {
            AccountEvent::Fill(fill) if is_taken(fill) => (fill.name, true),
            AccountEvent::Correct(with) if is_taken(with) => (with.name, false),
            AccountEvent::Bust { of, .. } => (*of, false),
            AccountEvent::Target(target) => {
                let weight = TargetWeight {
                    time: target.time,
                    position: record.origin.position,
                    origin: std::cmp::Reverse(record.origin),
                    weight: target.weight,
                };
                let (portfolio, instrument) = (target.portfolio, target.instrument);
                let entry = self.entry(PositionKey { portfolio, instrument }, target.contract);
                if entry.target.is_none_or(|known| known < weight) {
                    entry.target = Some(weight);
                    self.dirty.lines.insert(PositionKey { portfolio, instrument });
                }
                return;
            }
            AccountEvent::Fill(_) | AccountEvent::Correct(_) | AccountEvent::Fair(_) => return,
        };
        let FillRef { portfolio, id } = name;
        let fills = &mut self.portfolios.entry(portfolio).or_default().fills;
        let records = fills.entry(id).or_insert_with(|| {
            self.bytes += heap::btree_entry::<TradeId, FillRecords>();
            FillRecords::default()
        });
        let change = self.dirty.fills.entry((portfolio, id)).or_insert_with(|| FillChange {
            before: records.survivors(),
            fill: false,
            other: false,
        });
        change.fill |= is_fill;
        change.other |= !is_fill;
        let bytes = records.bytes();
        if records.take(record.origin, &record.event, self.ids_by_side) && self.emits_accepted {
            out.push(FillsOut::Accepted(Box::new(*record)));
        }
        self.bytes = self.bytes + records.bytes() - bytes;
    }

    fn entry(&mut self, key: PositionKey, contract: Contract) -> &mut Entry {
        let entries = &mut self.portfolios.entry(key.portfolio).or_default().entries;
        entries.entry(key.instrument).or_insert_with(|| {
            self.bytes += heap::btree_entry::<InstrumentId, Entry>();
            Entry { contract, history: PositionHistory::default(), target: None, emitted: None }
        })
    }

    /// Emits the faults of the round, and returns how its fills change the position histories.
    fn settle(&mut self, context: &CommitContext, out: &mut Vec<FillsOut>) -> Edits {
        let mut edits = Edits::new();
        for ((portfolio, id), change) in std::mem::take(&mut self.dirty.fills) {
            let holdings = self.portfolios.get_mut(&portfolio);
            let Some(records) = holdings.and_then(|holdings| holdings.fills.get_mut(&id)) else {
                continue;
            };
            let (commit, fill) = (context.commit, FillRef { portfolio, id });
            let mut number = 0;
            let mut emit = |fault| {
                let row = FillFault { commit, fill, number, fault };
                number += 1;
                out.push(FillsOut::Fault(Box::new(row)));
            };
            if change.fill {
                let bytes = records.bytes();
                let pairs = records.new_conflicts();
                self.bytes = self.bytes + records.bytes() - bytes;
                pairs
                    .into_iter()
                    .for_each(|(kept, dropped)| emit(Fault::Conflict { kept, dropped }));
            }
            if change.other && !records.is_known() {
                emit(Fault::Unmatched);
            }
            let after = records.survivors();
            if change.before == after {
                continue;
            }
            // Insertions come after removals: both may be at the same place.
            let gone = change.before.into_iter().flatten();
            let gone = gone.map(|(place, fill)| (place, fill, None));
            let come = after.into_iter().flatten();
            let come = come.map(|(place, fill)| (place, fill, Some(Leg::of(&fill))));
            for (place, fill, leg) in gone.into_iter().chain(come) {
                let key = PositionKey { portfolio, instrument: fill.instrument };
                let (_, of_line) = edits.entry(key).or_insert((fill.contract, BTreeMap::new()));
                of_line.insert(place, leg);
            }
        }
        edits
    }
}

impl Core for Fills {
    type In = AccountRecord;
    type Out = FillsOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<AccountRecord>,
        out: &mut Vec<FillsOut>,
    ) {
        records.drain(..).for_each(|record| self.apply(&record, out));
        if !context.round {
            return;
        }
        let mut lines = std::mem::take(&mut self.dirty.lines);
        for (key, (contract, edits)) in self.settle(context, out) {
            let entry = self.entry(key, contract);
            let bytes = entry.history.bytes();
            let edits: Vec<_> = edits.into_iter().collect();
            entry.history.apply(&contract, &edits);
            let bytes_after = entry.history.bytes();
            self.bytes = self.bytes + bytes_after - bytes;
            lines.insert(key);
        }
        for key in lines {
            let holdings = self.portfolios.get_mut(&key.portfolio);
            let entry = holdings.and_then(|holdings| holdings.entries.get_mut(&key.instrument));
            let Some(entry) = entry else { continue };
            let line = entry.line();
            if entry.emitted != line {
                entry.emitted = line.clone();
                out.push(FillsOut::Line { key, line });
            }
        }
    }

    fn restate(&self, out: &mut Vec<FillsOut>) {
        for (portfolio, holdings) in &self.portfolios {
            let emitted = holdings.entries.iter().filter(|(_, entry)| entry.emitted.is_some());
            out.extend(emitted.map(|(instrument, entry)| FillsOut::Line {
                key: PositionKey { portfolio: *portfolio, instrument: *instrument },
                line: entry.emitted.clone(),
            }));
        }
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&(&self.portfolios, &self.dirty))
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        (self.portfolios, self.dirty) = postcard::from_bytes(state)?;
        self.bytes = self.portfolios.values().map(Holdings::bytes).sum();
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        let dirty = self.dirty.fills.len() * size_of::<FillChange>() * 5 / 4;
        (self.portfolios.len(), self.bytes + dirty)
    }
}

/// Whether the fill's amount may enter sums.
pub(super) fn is_taken(fill: &Fill) -> bool {
    let amount = fill.contract.amount(i128::from(fill.quantity), fill.price);
    amount.is_some_and(|amount| amount.unsigned_abs() < NOTIONAL_LIMIT.unsigned_abs())
}

impl Holdings {
    fn bytes(&self) -> usize {
        let fills = self.fills.len() * heap::btree_entry::<TradeId, FillRecords>()
            + self.fills.values().map(FillRecords::bytes).sum::<usize>();
        let entries = self.entries.len() * heap::btree_entry::<InstrumentId, Entry>()
            + self.entries.values().map(|entry| entry.history.bytes()).sum::<usize>();
        fills + entries
    }
}

impl Entry {
    fn line(&self) -> Option<PortfolioLine> {
        let (held, target) = (self.history.held(), self.target.and_then(|target| target.weight));
        let is_one = held.is_some() || target.is_some();
        is_one.then_some(PortfolioLine { contract: self.contract, held, target })
    }
}
