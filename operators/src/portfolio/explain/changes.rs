//! Which fills count otherwise than they did, and what that and the mark made of the profit.

use std::collections::{BTreeMap, BTreeSet};

use market::{Commit, Contract, Fill, Price};

use super::{LoggedFill, PositionFills, PositionRecords, id_of};

/// What changed of a fill between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillChange {
    /// As it counted then.
    pub before: Option<Fill>,
    /// As it counts now.
    pub after: Option<Fill>,
    /// The last record about it since then.
    pub by: Option<LoggedFill>,
    /// Its part in the change of realised and unrealised profit, at the native scale and the mark of now; none without
    /// one.
    pub profit: Option<i128>,
}

impl PositionFills {
    /// Which fills count otherwise than they did `then`, at commit `at`; `mark` is that of now.
    pub fn changes_since(
        &self,
        records: &PositionRecords,
        (then, at): (&PositionFills, Commit),
        mark: Option<Price>,
    ) -> Vec<FillChange> {
        let by_report = |of: &PositionFills| {
            let all = of.fills.iter().map(|one| (one.report.record.origin, *one));
            all.collect::<BTreeMap<_, _>>()
        };
        let (was, is) = (by_report(then), by_report(self));
        let origins: BTreeSet<_> = was.keys().chain(is.keys()).copied().collect();
        let mut changes = Vec::new();
        for origin in origins {
            let before = was.get(&origin).map(|one| one.fill);
            let after = is.get(&origin).map(|one| one.fill);
            let Some(id) = before.or(after).filter(|_| before != after).map(|fill| fill.name.id)
            else {
                continue;
            };
            let since = records.records.iter().filter(|logged| logged.commit > at);
            let by = since.filter(|logged| id_of(&logged.record) == Some(id));
            let by = by.max_by_key(|logged| (logged.commit, logged.record.origin)).copied();
            let part = |fill: Option<Fill>| fill.map_or(Some(0), |fill| profit(&fill, mark));
            let profit = part(after).zip(part(before)).and_then(|(is, was)| is.checked_sub(was));
            changes.push(FillChange { before, after, by, profit });
        }
        changes
    }
}

/// What a fill has won at a mark, at the native scale.
fn profit(fill: &Fill, mark: Option<Price>) -> Option<i128> {
    let quantity = i128::from(fill.quantity);
    fill.contract.amount(quantity, mark?)?.checked_sub(fill.contract.amount(quantity, fill.price)?)
}

/// What a move of the mark made of what was held, at the native scale; none if there was no mark then or is none now.
pub fn mark_effect(
    contract: Contract,
    held: i128,
    (then, now): (Option<Price>, Option<Price>),
) -> Option<i128> {
    if held == 0 {
        return Some(0);
    }
    contract.amount(held, now?)?.checked_sub(contract.amount(held, then?)?)
}
