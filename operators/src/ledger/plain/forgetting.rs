//! When trades are forgotten: once the base bar that holds their latest time has left the horizon.

use market::EventTime;

use super::{PlainInstrumentState, TimedId};
use crate::ledger::LedgerConfig;

impl PlainInstrumentState {
    /// Forgets the trades whose latest bar ends at or before `horizon`.
    pub(super) fn forget(&mut self, config: &LedgerConfig, horizon: EventTime) {
        while let Some((end, trade)) = self.to_forget.first().copied() {
            if end > horizon {
                break;
            }
            self.to_forget.pop_first();
            if self.undated.iter().any(|(id, _)| self.trades.is_of(*id, trade)) {
                continue; // it has no latest time yet, and is scheduled when it has one
            }
            let Some(latest) = self.trades.latest(trade) else {
                continue;
            };
            let mut buckets = self.bars.buckets(config);
            if buckets.of(latest).end != end {
                continue; // outdated: a later event names it
            }
            if let Some(survivor) = self.trades.survivor(trade) {
                let counted = buckets.counted(&survivor);
                self.bars.seal(buckets.of(counted.time).open, &counted);
            }
            self.trades.forget(trade);
        }
    }

    /// Schedules when the trades named in this commit will be forgotten.
    pub(super) fn schedule_forgetting(&mut self, config: &LedgerConfig, timed_ids: Vec<TimedId>) {
        let mut buckets = self.bars.buckets(config);
        for (id, time) in timed_ids {
            let time = time.unwrap_or(self.seen);
            if time == EventTime::NEVER {
                self.undated.push((id, None));
                continue;
            }
            let trade = self.trades.trade_of(id);
            if let Some(latest) = self.trades.extend_latest(trade, time) {
                self.to_forget.insert((buckets.of(latest).end, trade));
            }
        }
    }

    /// The calendar has become known: what was scheduled by another is scheduled anew.
    pub(super) fn reschedule_forgetting(&mut self, config: &LedgerConfig) {
        let mut buckets = self.bars.buckets(config);
        for (_, trade) in std::mem::take(&mut self.to_forget) {
            if let Some(latest) = self.trades.latest(trade) {
                self.to_forget.insert((buckets.of(latest).end, trade));
            }
        }
    }
}
