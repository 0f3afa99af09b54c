//! The history of a bar: how sure it is, how often and why it changed after it was final.
//!
//! Base bars live by commits, larger bars by rounds; both live like this.

use std::collections::BTreeSet;
use std::sync::Arc;

use market::{Bar, BarState, Calendar, Candle, CandleKey, Cause, Commit, EventTime, Revision};
use serde::{Deserialize, Serialize};

use crate::output::{AuditEvent, BarChange, LedgerOut};

/// The history columns of one bar, and its row as last put out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    phase: Phase,
    /// Whether it opens before its sources were read; decided when it first has a row.
    partial: Option<bool>,
    revision: u32,
    cause: Option<Cause>,
    shown: Option<Arc<Candle>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Phase {
    Open,
    Provisional,
    Final,
}

/// What time has done to an instrument: the things by which a bar with end `e` is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now<'a> {
    pub(crate) commit: Commit,
    /// A bar is final if its end is at or before this.
    pub(crate) watermark: EventTime,
    /// A bar is provisional if its end is at or before this.
    pub(crate) seen: EventTime,
    /// A bar whose first print may be before this lacks what its sources reported before they were read.
    pub(crate) whole_from: EventTime,
    /// The instrument's.
    pub(crate) calendar: &'a Calendar,
}

impl Now<'_> {
    fn is_partial(&self, open: EventTime) -> bool {
        // Most bars open long after that, so that the calendar need not be asked.
        let grace = self.calendar.close_grace().as_nanos();
        open.0.saturating_sub(grace) < self.whole_from.0
            && self.calendar.first_print(open) < self.whole_from
    }

    fn phase(&self, end: EventTime) -> Phase {
        if end <= self.watermark {
            Phase::Final
        } else if end <= self.seen {
            Phase::Provisional
        } else {
            Phase::Open
        }
    }
}

impl History {
    pub(crate) fn new() -> History {
        History { phase: Phase::Open, partial: None, revision: 0, cause: None, shown: None }
    }

    /// The row as last put out.
    pub(crate) fn shown(&self) -> Option<&Arc<Candle>> {
        self.shown.as_ref()
    }

    /// Brings the bar to the values that it has after this commit (none if no trade shows), and puts out
    /// what changed. `cause` is the strongest record behind a change of values, if there is one.
    ///
    /// Values are compared and put out as they are shown: the places of the first and last trade in the order of trades
    /// are not among them. Called once in each commit in which values or phase may have changed.
    pub(crate) fn settle(
        &mut self,
        key: CandleKey,
        end: EventTime,
        values: Option<&Bar>,
        cause: Option<Cause>,
        now: Now<'_>,
        out: &mut Vec<LedgerOut>,
    ) {
        self.phase = self.phase.max(now.phase(end)); // a final bar stays final
        let values = values.map(Bar::shown);
        let values = values.as_ref();
        if values.is_some() {
            self.partial.get_or_insert_with(|| now.is_partial(key.open_time));
        }
        let values_before = self.shown.as_ref().map(|candle| &candle.bar);
        let cause = cause.filter(|_| values != values_before);
        // What was never published as complete is not restated.
        if self.phase == Phase::Final
            && self.partial != Some(true)
            && let Some(cause) = cause
        {
            self.revision += 1;
            self.cause = Some(cause);
            out.push(LedgerOut::from(AuditEvent::Revision(Revision {
                commit: now.commit,
                key,
                revision: self.revision,
                before: values_before.copied(),
                after: values.copied(),
                cause,
            })));
        }
        let (state, revision, cause_shown) = (self.state(), self.revision, self.cause);
        let after = values.map(|bar| Candle { bar: *bar, state, revision, cause: cause_shown });
        if after.as_ref() != self.shown.as_deref() {
            let after = after.map(Arc::new);
            let before = std::mem::replace(&mut self.shown, after.clone());
            out.push(LedgerOut::Bar(Arc::new(BarChange { key, before, after, cause })));
        }
    }

    fn state(&self) -> BarState {
        match self.phase {
            _ if self.partial == Some(true) => BarState::Partial,
            _ if self.revision > 0 => BarState::Revised,
            Phase::Open => BarState::Open,
            Phase::Provisional => BarState::Provisional,
            Phase::Final => BarState::Final,
        }
    }
}

/// Bars whose phase will still change, by their end: first for something newer to be seen, then for
/// the watermark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting<K: Ord> {
    open: BTreeSet<(EventTime, K)>,
    provisional: BTreeSet<(EventTime, K)>,
}

impl<K: Ord + Copy> Waiting<K> {
    pub(crate) fn new() -> Waiting<K> {
        Waiting { open: BTreeSet::new(), provisional: BTreeSet::new() }
    }

    /// Waits for a bar that was just made.
    pub(crate) fn add(&mut self, end: EventTime, bar: K) {
        self.open.insert((end, bar));
    }

    /// Takes every bar whose phase changes.
    pub(crate) fn advance(&mut self, now: Now<'_>, mut changed: impl FnMut(K)) {
        let passed = |bars: &mut BTreeSet<(EventTime, K)>, time: EventTime| {
            let first = bars.first().copied().filter(|(end, _)| *end <= time);
            if let Some(first) = first {
                bars.remove(&first);
            }
            first
        };
        while let Some((_, bar)) = passed(&mut self.provisional, now.watermark) {
            changed(bar);
        }
        while let Some((_, bar)) = passed(&mut self.open, now.watermark) {
            changed(bar);
        }
        while let Some((end, bar)) = passed(&mut self.open, now.seen) {
            self.provisional.insert((end, bar));
            changed(bar);
        }
    }

    /// The end of the first bar that waits for the watermark.
    pub(crate) fn next_end(&self) -> Option<EventTime> {
        let first = |bars: &BTreeSet<(EventTime, K)>| bars.first().map(|(end, _)| *end);
        first(&self.provisional).into_iter().chain(first(&self.open)).min()
    }
}
