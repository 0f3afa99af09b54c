//! When trades are forgotten: once the base bar that holds their latest time has left the horizon.

use market::EventTime;

use super::{Application, Book};
use crate::ledger::LedgerConfig;

impl Book {
    /// Forgets the trades whose latest bar ends at or before `horizon`. What quiet trades take goes by
    /// and by.
    pub(super) fn forget(&mut self, config: &LedgerConfig, horizon: EventTime) {
        self.bars.forget_quiet(horizon, &mut self.trades.rows);
        self.home = self.home.filter(|home| home.bucket.end > horizon);
        self.trades.sweep();
        self.forget_affairs(config, horizon);
    }

    fn forget_affairs(&mut self, config: &LedgerConfig, horizon: EventTime) {
        while let Some((end, trade)) = self.to_forget.first().copied() {
            if end > horizon {
                break;
            }
            self.to_forget.pop_first();
            let Some(latest) = self.trades.latest(trade) else {
                continue;
            };
            let mut buckets = self.bars.buckets(config);
            if buckets.of(latest).end != end {
                continue; // outdated: something later was said of it
            }
            if let Some(survivor) = self.trades.survivor(trade) {
                let open = buckets.of(survivor.time).open;
                self.bars.seal(open, &survivor);
            }
            self.trades.forget(trade);
        }
    }

    /// Notes what was said of ids of affairs, for when their trades will be forgotten.
    pub(super) fn schedule_forgetting(&mut self, application: &mut Application<'_>) {
        if self.seen > EventTime::NEVER {
            for id in std::mem::take(&mut self.undated) {
                let id = self.affair(id, application);
                application.said.push((id, None));
            }
        }
        let mut buckets = self.bars.buckets(application.config);
        for (id, time) in std::mem::take(&mut application.said) {
            let time = time.unwrap_or(self.seen);
            if time == EventTime::NEVER {
                self.undated.extend(self.trades.id(id));
                continue;
            }
            let trade = self.trades.trade_of(id);
            if let Some(latest) = self.trades.touch(trade, time) {
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
