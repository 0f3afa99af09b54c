//! When trades are forgotten: once the base bar that holds their latest time has left the horizon.
//!
//! All bars of a minute leave it at the same moment. So that no commit is long, what was forgotten is taken away
//! by and by, and until then it is not found any more.

use market::EventTime;

use super::InstrumentState;
use super::application::Application;
use crate::ledger::LedgerConfig;
use crate::ledger::streams::Id;
use crate::ledger::trades::{Found, TradeNo};

/// How many amended trades go per commit, as a rule.
const AMENDED_FORGOTTEN_PER_COMMIT: usize = 32;

impl InstrumentState {
    /// Forgets the trades whose latest bar ends at or before `horizon`. What plain trades take goes by
    /// and by.
    pub(super) fn forget(&mut self, config: &LedgerConfig, horizon: EventTime) {
        self.bars.forget_plain(horizon, &mut self.trades.rows);
        self.last_chunk = self.last_chunk.filter(|last_chunk| last_chunk.bucket.end > horizon);
        self.trades.free_forgotten();
        self.forget_amended_trades(config, horizon);
    }

    fn forget_amended_trades(&mut self, config: &LedgerConfig, horizon: EventTime) {
        // More of them where there are many, so that they cannot pile up.
        let most = AMENDED_FORGOTTEN_PER_COMMIT.max(self.trades.ids() / 64);
        for _ in 0..most {
            let due = self.to_forget.first().copied().filter(|(end, _)| *end <= horizon);
            let Some((end, trade)) = due else { break };
            self.to_forget.pop_first();
            let Some(latest) = self.trades.latest(trade) else {
                continue;
            };
            if self.undated.iter().any(|id| self.trades.is_of(*id, trade)) {
                continue; // it has no latest time yet, and is scheduled when it has one
            }
            if self.bars.buckets(config).of(latest).end != end {
                continue; // outdated: a later event names it
            }
            self.forget_amended(config, trade);
        }
        let next = self.to_forget.first();
        self.is_forgetting = next.is_some_and(|(end, _)| *end <= horizon);
    }

    /// What it contributes to its bar stays there.
    fn forget_amended(&mut self, config: &LedgerConfig, trade: TradeNo) {
        if let Some(survivor) = self.trades.survivor(trade) {
            let mut buckets = self.bars.buckets(config);
            let counted = buckets.counted(&survivor);
            self.bars.seal(buckets.of(counted.time).open, &counted);
        }
        self.trades.forget(trade);
    }

    /// What is known of an id that an event names now.
    pub(super) fn find(&mut self, id: Id, application: &Application<'_>) -> Found {
        let found = self.trades.find(id);
        let Found::Amended(number) = found else { return found };
        if self.undated.contains(&id) {
            return found;
        }
        let trade = self.trades.trade_of(number);
        let latest = self.trades.latest(trade).filter(|latest| *latest > EventTime::NEVER);
        let config = application.config;
        let end = latest.map(|latest| self.bars.buckets(config).of(latest).end);
        if end.is_none_or(|end| end > application.horizon) {
            return found;
        }
        self.forget_amended(config, trade);
        Found::Nothing
    }

    /// Schedules when the amended trades named in this commit will be forgotten.
    pub(super) fn schedule_forgetting(&mut self, application: &mut Application<'_>) {
        if self.seen > EventTime::NEVER {
            for id in self.undated.clone() {
                let id = self.amended(id, application);
                application.timed_ids.push((id, None));
            }
            self.undated.clear();
        }
        let mut buckets = self.bars.buckets(application.config);
        for (id, time) in std::mem::take(&mut application.timed_ids) {
            // A cancel without a time is kept as long as a correction of a trade seen at the same moment.
            let time = time.unwrap_or(self.seen);
            if time == EventTime::NEVER {
                self.undated.extend(self.trades.id(id));
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
