//! Ids that a scope uses again: conflicts of trades that lie far apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use market::{Catalog, Conflict, IdScope, Span};

use super::Metrics;

/// Copies of one trade do not lie so far apart: what has the id of another trade is another trade.
const APART: Span = Span::secs(3_600);

/// Conflicts of a scope whose two trades lie an hour or more apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReusedIds {
    /// How many.
    pub conflicts: u64,
    /// The first that was seen.
    pub example: Conflict,
}

/// By scope; bounded by the scopes.
#[derive(Clone, Debug, Default)]
pub(super) struct Reused(Arc<Mutex<BTreeMap<IdScope, ReusedIds>>>);

impl Metrics {
    /// Notes a conflict; only one of trades that lie far apart counts.
    pub fn conflict(&self, conflict: &Conflict) {
        let Conflict { kept, dropped, .. } = conflict;
        let apart = kept.time.0.abs_diff(dropped.time.0);
        if apart < APART.as_nanos().unsigned_abs() {
            return;
        }
        let mut scopes = self.0.reused.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scope =
            scopes.entry(kept.scope).or_insert(ReusedIds { conflicts: 0, example: *conflict });
        scope.conflicts += 1;
        scope.example = scope.example.min(*conflict);
    }

    /// The scopes that use ids again.
    pub fn reused_ids(&self) -> Vec<ReusedIds> {
        let scopes = self.0.reused.0.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.values().copied().collect()
    }
}

impl ReusedIds {
    /// What happens, with an example, and what helps.
    pub fn text(&self, catalog: &Catalog) -> String {
        let ReusedIds { conflicts, example: Conflict { kept, dropped, .. } } = self;
        format!(
            "ids of scope `{}` are used again: {conflicts} trades are left out as conflicts, since each has the id of a trade \
             an hour or more away, such as {} of {} at {} and at {}. If the venue begins its ids anew, set \
             id_period = \"day\" (--id-period day; or session, week); if several exchanges number their own, make them part of \
             the id",
            catalog.scopes.name(kept.scope),
            catalog.ids.show(kept.id),
            catalog.name(kept.instrument),
            kept.time.min(dropped.time).rfc3339(),
            kept.time.max(dropped.time).rfc3339(),
        )
    }
}
