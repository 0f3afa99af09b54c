//! Why a position is what it is: the fills behind it and what each led to, from the log of fills alone; and what its mark
//! and its rate make of that.
//!
//! The log holds every record that can change a position, so its fills follow from it by the rules of the operators:
//! `FillRecords` choose survivors, `PositionHistory` folds them, `Position::of` values what is held. The log may
//! begin late. Then fills are missing; whoever asks compares the result with the row.

mod changes;
mod worth;

use std::collections::{BTreeMap, BTreeSet};

use market::{
    AccountEvent, AccountRecord, Commit, Contract, Fill, InstrumentId, PortfolioId, TradeId,
};

use super::config::PortfolioConfig;
use super::fill_records::{FillRecords, rank};
use super::fills::is_taken;
use super::position_history::{Held, Leg, Place, PositionHistory};

pub use changes::{FillChange, mark_effect};
pub use worth::RouteLeg;

/// An explanation holds at most so many records.
pub const EXPLAINED_FILLS_MAX: usize = 50_000;

/// More records have to do with a position than one explanation may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFills;

/// A record of the log of fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedFill {
    /// The commit that it is bound to.
    pub commit: Commit,
    /// The record.
    pub record: AccountRecord,
}

/// A fill that counts in the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedFill {
    /// The fill as it survives.
    pub fill: Fill,
    /// The record that reported it: of its copies that with the lowest origin.
    pub report: LoggedFill,
    /// The correction that counts, if it was corrected.
    pub correction: Option<LoggedFill>,
    /// What it realised, at the native scale.
    pub realised: i128,
    /// What is held after it.
    pub quantity_after: i128,
    /// What that cost, at the native scale.
    pub basis_after: i128,
}

/// A fill that was reported for the position and does not count in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedFill {
    /// The fill as it was reported.
    pub fill: Fill,
    /// The record that reported it.
    pub report: LoggedFill,
    /// The instrument in which it counts now; none if it did not happen.
    pub moved_to: Option<InstrumentId>,
    /// The record that made it so.
    pub by: Option<LoggedFill>,
}

/// What is behind a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PositionFills {
    /// The fills that count, in their order.
    pub fills: Vec<CountedFill>,
    /// Those that do not, in the order of their reports.
    pub removed: Vec<RemovedFill>,
    /// What they come to; none without a fill.
    pub held: Option<Held>,
}

/// The records that name the fills of a position.
#[derive(Debug, Default)]
pub struct PositionRecords {
    ids: BTreeSet<TradeId>,
    records: Vec<LoggedFill>,
}

/// Whose position of what, and how it is valued.
#[derive(Clone, Copy, Debug)]
pub struct PositionQuestion<'a> {
    /// Whose.
    pub portfolio: PortfolioId,
    /// Of what.
    pub instrument: InstrumentId,
    /// How.
    pub config: &'a PortfolioConfig,
}

impl PositionQuestion<'_> {
    fn is_of(&self, fill: &Fill) -> bool {
        fill.name.portfolio == self.portfolio && fill.instrument == self.instrument
    }
}

impl PositionRecords {
    /// Looks at a record of the log: which ids have anything to do with the position. Every record is shown to it before
    /// the first [`PositionRecords::take`].
    ///
    /// # Errors
    ///
    /// If they are more than can be explained.
    pub fn look_at(
        &mut self,
        question: &PositionQuestion<'_>,
        record: &AccountRecord,
    ) -> Result<(), TooManyFills> {
        if let AccountEvent::Fill(fill) | AccountEvent::Correct(fill) = &record.event
            && question.is_of(fill)
        {
            self.ids.insert(fill.name.id);
        }
        if self.ids.len() > EXPLAINED_FILLS_MAX { Err(TooManyFills) } else { Ok(()) }
    }

    /// Takes a record of the log, if it names one of these fills.
    ///
    /// # Errors
    ///
    /// If they are more than can be explained.
    pub fn take(
        &mut self,
        question: &PositionQuestion<'_>,
        logged: LoggedFill,
    ) -> Result<(), TooManyFills> {
        let name = match &logged.record.event {
            AccountEvent::Fill(fill) | AccountEvent::Correct(fill) if is_taken(fill) => fill.name,
            AccountEvent::Bust { of, .. } => *of,
            _ => return Ok(()),
        };
        if name.portfolio == question.portfolio && self.ids.contains(&name.id) {
            self.records.push(logged);
        }
        if self.records.len() > EXPLAINED_FILLS_MAX { Err(TooManyFills) } else { Ok(()) }
    }

    /// What is behind the position after commit `through`, which ends a round.
    pub fn explain(&self, question: &PositionQuestion<'_>, through: Commit) -> PositionFills {
        let mut by_id: BTreeMap<TradeId, (FillRecords, Vec<LoggedFill>)> = BTreeMap::new();
        for logged in self.records.iter().filter(|logged| logged.commit <= through) {
            let Some(id) = id_of(&logged.record) else { continue };
            let (records, all) = by_id.entry(id).or_default();
            let LoggedFill { record: AccountRecord { origin, event }, .. } = logged;
            let _ = records.take(*origin, event, question.config.ids_by_side);
            all.push(*logged);
        }
        let mut found = PositionFills::default();
        let mut placed: BTreeMap<Place, CountedFill> = BTreeMap::new();
        for (records, mut all) in by_id.into_values() {
            all.sort_by_key(|logged| (logged.commit, logged.record.origin));
            let survivors = records.survivors();
            for (place, fill) in survivors.iter().flatten().filter(|(_, fill)| question.is_of(fill))
            {
                placed.extend(counted(*place, *fill, &all).map(|counted| (*place, counted)));
            }
            found.removed.extend(removed(question, &survivors, &all));
        }
        found.fold(placed);
        found.removed.sort_by_key(|gone| (gone.report.commit, gone.report.record.origin));
        found
    }
}

impl PositionFills {
    fn fold(&mut self, placed: BTreeMap<Place, CountedFill>) {
        let Some(contract) = placed.values().next().map(|counted| counted.fill.contract) else {
            return;
        };
        let edits: Vec<_> =
            placed.iter().map(|(place, one)| (*place, Some(Leg::of(&one.fill)))).collect();
        let mut history = PositionHistory::default();
        history.apply(&contract, &edits);
        let steps = history.steps().zip(placed.into_values());
        self.fills = steps
            .map(|((_, realised, (quantity_after, basis_after)), counted)| CountedFill {
                realised,
                quantity_after,
                basis_after,
                ..counted
            })
            .collect();
        self.held = history.held();
    }

    /// What the fills trade; none without one.
    pub fn contract(&self) -> Option<Contract> {
        self.fills.first().map(|counted| counted.fill.contract)
    }
}

fn id_of(record: &AccountRecord) -> Option<TradeId> {
    match &record.event {
        AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => Some(fill.name.id),
        AccountEvent::Bust { of, .. } => Some(of.id),
        AccountEvent::Target(_) | AccountEvent::Fair(_) => None,
    }
}

fn counted(place: Place, fill: Fill, records: &[LoggedFill]) -> Option<CountedFill> {
    let (_, _, origin) = place;
    let report = records.iter().find(|logged| logged.record.origin == origin).copied()?;
    let corrections = records.iter().filter_map(|logged| match logged.record.event {
        AccountEvent::Correct(with) if with == fill => Some((logged, with)),
        _ => None,
    });
    let strongest = corrections.max_by_key(|(logged, with)| rank(&(logged.record.origin, *with)));
    let is_as_reported = report.record.event == AccountEvent::Fill(fill);
    let correction = strongest.map(|(logged, _)| *logged).filter(|_| !is_as_reported);
    let (realised, quantity_after, basis_after) = (0, 0, 0); // until it is folded
    Some(CountedFill { fill, report, correction, realised, quantity_after, basis_after })
}

/// The reports of a position that do not count in it, with what became of them.
fn removed(
    question: &PositionQuestion<'_>,
    survivors: &[Option<(Place, Fill)>; 2],
    records: &[LoggedFill],
) -> Vec<RemovedFill> {
    let mut gone = Vec::new();
    for report in records {
        let AccountEvent::Fill(fill) = report.record.event else { continue };
        let is_outranked = records.iter().any(|other| match other.record.event {
            AccountEvent::Fill(copy) => {
                copy.side() == fill.side() && other.record.origin < report.record.origin
            }
            _ => false,
        });
        if !question.is_of(&fill) || is_outranked {
            continue;
        }
        let own = survivors.iter().flatten().find(|((.., at), _)| *at == report.record.origin);
        let (moved_to, by) = match own {
            Some((_, now)) if question.is_of(now) => continue,
            Some((_, now)) => {
                let is_it =
                    |logged: &&LoggedFill| logged.record.event == AccountEvent::Correct(*now);
                (Some(now.instrument), records.iter().find(is_it))
            }
            None => {
                let is_bust =
                    |logged: &&LoggedFill| matches!(logged.record.event, AccountEvent::Bust { .. });
                (None, records.iter().find(is_bust))
            }
        };
        gone.push(RemovedFill { fill, report: *report, moved_to, by: by.copied() });
    }
    gone
}
