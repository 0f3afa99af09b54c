//! What survives of the trades that a commit changed moves between bars.

use std::collections::BTreeMap;

use market::{Bar, Bucket, Cause, CauseKind, Commit, EventTime, Outlier, Trade, Updates};

use super::PlainInstrumentState;
use crate::ledger::LedgerConfig;
use crate::ledger::outliers::Far;
use crate::ledger::plain::trades::{Id, TradeNo};
use crate::output::{AuditEvent, LedgerOut};

/// What a commit does to one trade: its contribution when the commit first changed it, and why.
pub(super) struct TradeChange {
    pub(super) id: Id,
    pub(super) before: Option<Trade>,
    pub(super) cause: Cause,
}

/// A trade that contributes to the bar that opens at `open`, and did not before.
pub(super) struct Entered {
    open: EventTime,
    number: TradeNo,
    trade: Trade,
}

impl PlainInstrumentState {
    /// Compares what each dirty trade contributes with what it did, and moves it. Gives the bars to
    /// which a contribution differs, with the strongest cause of each, and what did not contribute before.
    pub(super) fn move_between_bars(
        &mut self,
        config: &LedgerConfig,
        trade_changes: &[TradeChange],
    ) -> (BTreeMap<EventTime, Option<Cause>>, Vec<Entered>) {
        // Trades that were joined in this commit are one: gather by what they are now.
        let mut by_trade: BTreeMap<TradeNo, (Vec<Trade>, Cause)> = BTreeMap::new();
        for TradeChange { id, before, cause } in trade_changes {
            let trade = self.trades.trade_of(*id);
            let (befores, strongest) =
                by_trade.entry(trade).or_insert_with(|| (Vec::new(), *cause));
            befores.extend(before);
            *strongest = strongest.stronger(*cause);
        }

        let mut changed: BTreeMap<EventTime, Option<Cause>> = BTreeMap::new();
        let mut entered = Vec::new();
        let mut buckets = self.bars.buckets(config);
        for (number, (befores, cause)) in by_trade {
            let survivor = self.trades.survivor(number);
            if befores.len() <= 1 && befores.first() == survivor.as_ref() {
                continue;
            }
            let is_new = |trade: &Trade| befores.iter().all(|b| b.content() != trade.content());
            let new = survivor.filter(is_new);
            let befores: Vec<Trade> = befores.iter().map(|trade| buckets.counted(trade)).collect();
            let after = survivor.map(|trade| buckets.counted(&trade));
            // Not sets: two trades that look alike and become one did contribute twice. After is one at most,
            // so their order does not matter.
            let mut contributions: BTreeMap<Bucket, [Vec<Bar>; 2]> = BTreeMap::new();
            for (when, trade) in befores.iter().map(|t| (0, t)).chain(after.iter().map(|t| (1, t)))
            {
                let bucket = buckets.of(trade.time);
                let mut alone = Bar::empty(trade.spec, bucket.end);
                alone.add(trade);
                if !alone.is_empty() {
                    contributions.entry(bucket).or_default()[when].push(alone);
                }
            }
            befores
                .iter()
                .for_each(|before| self.bars.remove(buckets.of(before.time).open, before));
            if let Some(after) = after {
                let bucket = buckets.of(after.time);
                if self.bars.add(bucket, &after) {
                    self.waiting.add(bucket.end, bucket.open);
                }
                if let Some(trade) = new {
                    entered.push(Entered { open: bucket.open, number, trade });
                }
            }
            for (bucket, [before, after]) in contributions {
                if before != after {
                    let strongest = changed.entry(bucket.open).or_default();
                    *strongest = Some(strongest.map_or(cause, |other| other.stronger(cause)));
                }
            }
        }
        (changed, entered)
    }

    /// Holds trades that entered their bars to recent prices, which are those at the end of the commit.
    pub(super) fn emit_outliers(
        &mut self,
        config: &LedgerConfig,
        commit: Commit,
        entered: &[Entered],
        out: &mut Vec<LedgerOut>,
    ) {
        for trade in entered {
            let outlier = self.outlier(config, commit, trade);
            out.extend(outlier.map(|row| LedgerOut::from(AuditEvent::Outlier(row))));
        }
    }

    /// The audit row of a trade, if its price is an outlier.
    fn outlier(
        &mut self,
        config: &LedgerConfig,
        commit: Commit,
        Entered { open, number, trade }: &Entered,
    ) -> Option<Outlier> {
        let prices = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);
        if trade.updates.common(prices) == Updates::NONE {
            return None;
        }
        let far = self.recent.judge(&config.outliers, *open, trade.price)?;
        let kind = match self.trades.is_corrected(*number) {
            true => CauseKind::Correction,
            false => CauseKind::Trade,
        };
        let Far { median, deviation, bars } = far;
        Some(Outlier { commit, trade: *trade, kind, median, deviation, bars })
    }
}
