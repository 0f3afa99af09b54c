//! What a commit has done to an instrument so far, while its records are applied.

use std::collections::{BTreeMap, BTreeSet};

use market::{Cause, CauseKind, EventTime, Origin, Trade, TradeRef, Unmatched, UnmatchedReason};

use crate::context::CommitContext;
use crate::ledger::LedgerConfig;
use crate::ledger::rows::RowNo;
use crate::ledger::trades::{IdNo, TradeNo};
use crate::ledger::version::Version;

/// An id of an amended trade that an event names, and the event's time if it carries one.
pub(super) type TimedId = (IdNo, Option<EventTime>);

/// A commit while it is applied to the instrument's state.
pub(super) struct Application<'a> {
    pub(super) config: &'a LedgerConfig,
    /// Plain trades that came, with the places of their records. Some may be amended by now.
    pub(super) fresh: Vec<(RowNo, u32)>,
    /// Whether some are.
    pub(super) some_are_amended: bool,
    pub(super) watermark: EventTime,
    /// Trades whose latest bar ends at or before it are forgotten.
    pub(super) horizon: EventTime,
    pub(super) context: &'a CommitContext,
    pub(super) trade_changes: Vec<TradeChange>,
    pub(super) dirty: BTreeSet<TradeNo>,
    /// Per id, the versions that met in this commit.
    pub(super) conflict_candidates: BTreeMap<IdNo, Vec<Version>>,
    /// Corrections and cancels, to be looked at when all is applied.
    pub(super) amendments: Vec<(IdNo, Unmatched)>,
    /// Ids of amended trades that events named, to schedule when their trades are forgotten.
    pub(super) timed_ids: Vec<TimedId>,
}

/// What a commit does to one trade: its contribution when the commit first changed it, and why.
pub(super) struct TradeChange {
    pub(super) id: IdNo,
    pub(super) before: Option<Trade>,
    pub(super) cause: Cause,
}

impl<'a> Application<'a> {
    /// Before the first of `records` records.
    pub(super) fn new(
        config: &'a LedgerConfig,
        context: &'a CommitContext,
        (watermark, horizon): (EventTime, EventTime),
        records: usize,
    ) -> Application<'a> {
        Application {
            config,
            fresh: Vec::with_capacity(records),
            some_are_amended: false,
            watermark,
            horizon,
            context,
            trade_changes: Vec::new(),
            dirty: BTreeSet::new(),
            conflict_candidates: BTreeMap::new(),
            amendments: Vec::new(),
            timed_ids: Vec::new(),
        }
    }

    /// Notes a correction or a cancel, to be emitted if no trade is found when all is applied.
    pub(super) fn amend(
        &mut self,
        id: IdNo,
        of: TradeRef,
        (kind, origin): (CauseKind, Origin),
        time: Option<EventTime>,
    ) {
        let (commit, reason) = (self.context.commit, UnmatchedReason::Unknown);
        self.amendments.push((id, Unmatched { commit, kind, of, time, reason, origin }));
    }
}
