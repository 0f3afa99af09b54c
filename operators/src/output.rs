//! What the ledger and the roll-ups emit, commit by commit.

use std::sync::Arc;

use market::{
    AcceptedEvent, Candle, CandleKey, Cause, Conflict, EventTime, Gap, GapKey, InstrumentId,
    Outlier, Revision, Shard, SourceId, TooLate, Unmatched,
};

use crate::context::SourceSet;
use crate::keyed::Sharded;

/// The net change of one bar in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarChange {
    /// The bar.
    pub key: CandleKey,
    /// Its row before, if it had one.
    pub before: Option<Arc<Candle>>,
    /// Its row after, if it has one. Differs from `before`.
    pub after: Option<Arc<Candle>>,
    /// The strongest record behind the change; none if only time passed.
    pub cause: Option<Cause>,
}

/// The net change of one gap in one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapChange {
    /// The gap.
    pub key: GapKey,
    /// Its row before, if there was one.
    pub before: Option<Gap>,
    /// Its row after, if there is one. Differs from `before`.
    pub after: Option<Gap>,
}

/// A change or a restored row of gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapOut {
    /// A gap came, changed or went.
    Changed(GapChange),
    /// A gap that exists already, emitted again because state was restored.
    Restored(GapKey, Gap),
}

/// A row for one of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is boxed where it is sent; a box per row costs more"
)]
pub enum AuditEvent {
    /// For `conflicts`.
    Conflict(Conflict),
    /// For `too_late`.
    TooLate(TooLate),
    /// For `unmatched`.
    Unmatched(Unmatched),
    /// For `revisions`.
    Revision(Revision),
    /// For `outliers`.
    Outlier(Outlier),
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordOutcome {
    /// A trade not known before.
    Accepted,
    /// A copy that agrees with what is known.
    Duplicate,
    /// A copy that does not.
    Conflict,
    /// A correction, applied or waiting for its trade.
    Correction,
    /// A cancel, applied or waiting for its trade.
    Cancel,
    /// Older than `reject_after`, or a correction beyond the horizon.
    Late,
}

/// What the ledger made of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What became of it.
    pub outcome: RecordOutcome,
    /// Of a copy of a trade: whether it is another one than that which counted so far, and counts from now on.
    pub replaces: bool,
}

/// How many records of a source had an outcome in a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The source.
    pub source: SourceId,
    /// What became of them.
    pub outcome: RecordOutcome,
    /// How many.
    pub records: u64,
}

/// What the operators put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerOut {
    /// A bar changed. Shared, for many operators look at it.
    Bar(Arc<BarChange>),
    /// A row that exists already, emitted again because state was restored.
    Restored(CandleKey, Arc<Candle>),
    /// A row that exists already, emitted again for rules that newly watch it, and for nobody else.
    Shown(CandleKey, Arc<Candle>),
    /// A gap, or what became of one.
    Gap(Box<GapOut>),
    /// A row for a log.
    Audit(Box<AuditEvent>),
    /// Records counted.
    Counts(OutcomeCounts),
    /// What was accepted of one commit in one shard, in no particular order, if that is asked for: all
    /// but copies of trades that change nothing.
    Accepted(Arc<Vec<AcceptedEvent>>),
    /// These sources speak of the instrument for the first time.
    SourceSeen(InstrumentId, SourceSet),
    /// The newest base bar of the instrument that was seen opens at this time.
    NewestBar(InstrumentId, EventTime),
}

/// What roll-ups need of the ledger's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollupIn {
    /// A base bar changed.
    Bar(Arc<BarChange>),
    /// See [`LedgerOut::SourceSeen`].
    SourceSeen(InstrumentId, SourceSet),
    /// See [`LedgerOut::NewestBar`].
    NewestBar(InstrumentId, EventTime),
}

impl LedgerOut {
    /// The part that roll-ups need.
    pub fn for_rollup(self) -> Option<RollupIn> {
        match self {
            LedgerOut::Bar(change) => Some(RollupIn::Bar(change)),
            LedgerOut::SourceSeen(instrument, sources) => {
                Some(RollupIn::SourceSeen(instrument, sources))
            }
            LedgerOut::NewestBar(instrument, open) => Some(RollupIn::NewestBar(instrument, open)),
            LedgerOut::Restored(key, candle) => Some(RollupIn::Bar(restored(key, candle))),
            LedgerOut::Shown(..)
            | LedgerOut::Gap(_)
            | LedgerOut::Audit(_)
            | LedgerOut::Counts(_)
            | LedgerOut::Accepted(_) => None,
        }
    }

    /// The part about gaps.
    pub fn gap(self) -> Option<GapOut> {
        match self {
            LedgerOut::Gap(gap) => Some(*gap),
            _ => None,
        }
    }

    /// The same for rules alone, if it is a row that exists already.
    pub(crate) fn shown(self) -> Option<LedgerOut> {
        match self {
            LedgerOut::Restored(key, candle) => Some(LedgerOut::Shown(key, candle)),
            _ => None,
        }
    }

    /// The part that indicators and portfolios need.
    pub fn bar_change(self) -> Option<Arc<BarChange>> {
        match self {
            LedgerOut::Bar(change) => Some(change),
            LedgerOut::Restored(key, candle) => Some(restored(key, candle)),
            _ => None,
        }
    }
}

/// A row that is put out again, as a change: operators that are rebuilt take it, and restored ones ignore it.
fn restored(key: CandleKey, candle: Arc<Candle>) -> Arc<BarChange> {
    Arc::new(BarChange { key, before: None, after: Some(candle), cause: None })
}

impl From<AuditEvent> for LedgerOut {
    fn from(event: AuditEvent) -> LedgerOut {
        LedgerOut::Audit(Box::new(event))
    }
}

impl RollupIn {
    /// The instrument that it speaks of.
    pub fn instrument(&self) -> InstrumentId {
        match self {
            RollupIn::Bar(change) => change.key.instrument,
            RollupIn::SourceSeen(instrument, _) | RollupIn::NewestBar(instrument, _) => *instrument,
        }
    }
}

impl Sharded for RollupIn {
    fn shard(&self) -> Shard {
        self.instrument().shard()
    }
}

impl Sharded for market::Record {
    fn shard(&self) -> Shard {
        self.event.instrument().shard()
    }
}

impl RecordOutcome {
    /// All outcomes.
    pub const ALL: [RecordOutcome; 6] = [
        RecordOutcome::Accepted,
        RecordOutcome::Duplicate,
        RecordOutcome::Conflict,
        RecordOutcome::Correction,
        RecordOutcome::Cancel,
        RecordOutcome::Late,
    ];
}

impl Judged {
    /// Whether the record is a row of the trade log: it was accepted, and is not a copy of a trade that changes nothing.
    pub fn is_accepted_event(self) -> bool {
        let outcome = self.outcome;
        let is_new = matches!(
            outcome,
            RecordOutcome::Accepted | RecordOutcome::Correction | RecordOutcome::Cancel
        );
        is_new || self.replaces
    }
}

impl From<RecordOutcome> for Judged {
    fn from(outcome: RecordOutcome) -> Judged {
        Judged { outcome, replaces: false }
    }
}
