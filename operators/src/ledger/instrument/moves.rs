//! What survives of the trades that a commit changed moves between bars.

use std::collections::BTreeMap;

use market::{
    Bar, Bucket, Cause, CauseKind, Commit, Event, EventTime, Outlier, Record, Trade, Updates,
};

use super::InstrumentState;
use super::application::{Application, TradeChange};
use crate::ledger::LedgerConfig;
use crate::ledger::outliers::Far;
use crate::ledger::rows::RowNo;
use crate::ledger::trades::TradeNo;
use crate::output::{AuditEvent, LedgerOut};

/// The bars that differ after a commit, with the strongest cause of each; none if only time passed.
pub(super) type Changed = BTreeMap<EventTime, Option<Cause>>;

impl InstrumentState {
    /// Takes the plain trades that came into their bars, notes these bars with the strongest cause of each, and
    /// holds the trades to recent prices.
    pub(super) fn add_plain_trades(
        &mut self,
        application: &Application<'_>,
        records: &[Record],
        changed: &mut Changed,
        out: &mut Vec<LedgerOut>,
    ) {
        let config = application.config;
        let mut buckets = self.bars.buckets(config);
        let mut fresh = application.fresh.iter().peekable();
        while let Some(next) = fresh.peek() {
            let Some(first) = new_trade(records, next) else {
                return;
            };
            let bucket = buckets.of(first.time);
            let Some(bar) = self.bars.get_mut(bucket.open) else {
                return; // it was made when the row was added
            };
            let (mut cause, mut plain) = (None, 0);
            let of_bar = |trade: &Trade| bucket.open <= trade.time && trade.time < bucket.end;
            while let Some((row, place)) =
                fresh.next_if(|next| new_trade(records, next).is_some_and(of_bar))
            {
                self.trades.rows.settle(*row);
                if application.some_are_amended && self.trades.rows.is_gone(*row) {
                    continue;
                }
                let record = &records[*place as usize];
                let Event::New(trade) = &record.event else {
                    continue;
                };
                bar.add_plain(trade);
                plain += 1;
                if trade.updates != Updates::NONE && cause.is_none() {
                    // Records are in the order of their origins: of trades the first is strongest.
                    let (kind, origin) = (CauseKind::Trade, record.origin);
                    cause = Some(Cause { kind, id: trade.id, sequence: 0, origin });
                }
                if trade.updates.common(PRICES) != Updates::NONE
                    && let Some(far) = self.recent.judge(&config.outliers, bucket.open, trade.price)
                {
                    let (commit, kind) = (application.context.commit, CauseKind::Trade);
                    let row = outlier(commit, trade, kind, far);
                    out.push(LedgerOut::from(AuditEvent::Outlier(row)));
                }
            }
            self.bars.count_plain(plain);
            if let Some(cause) = cause {
                strengthen(changed, bucket.open, cause);
            }
        }
    }

    /// Compares what each dirty amended trade contributes with what it did, and moves it. Notes the bars to
    /// which a contribution differs, with the strongest cause of each. What did not contribute before is
    /// held to recent prices.
    pub(super) fn move_between_bars(
        &mut self,
        application: &Application<'_>,
        changed: &mut Changed,
        out: &mut Vec<LedgerOut>,
    ) {
        let (config, commit) = (application.config, application.context.commit);
        // Trades that were joined in this commit are one: gather by what they are now.
        let mut by_trade: BTreeMap<TradeNo, (Vec<Trade>, Cause)> = BTreeMap::new();
        for TradeChange { id, before, cause } in &application.trade_changes {
            let trade = self.trades.trade_of(*id);
            let (befores, strongest) =
                by_trade.entry(trade).or_insert_with(|| (Vec::new(), *cause));
            befores.extend(before);
            *strongest = strongest.stronger(*cause);
        }

        let mut buckets = self.bars.buckets(config);
        for (trade, (befores, cause)) in by_trade {
            let after = self.trades.survivor(trade);
            if befores.len() <= 1 && befores.first() == after.as_ref() {
                continue;
            }
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
                if befores.iter().all(|before| before.content() != after.content()) {
                    let outlier = self.outlier(config, commit, trade, &after, bucket);
                    out.extend(outlier.map(|row| LedgerOut::from(AuditEvent::Outlier(row))));
                }
            }
            for (bucket, [before, after]) in contributions {
                if before != after {
                    strengthen(changed, bucket.open, cause);
                }
            }
        }
    }

    /// The audit row of a survivor in the bar of `bucket`, if its price is an outlier.
    fn outlier(
        &mut self,
        config: &LedgerConfig,
        commit: Commit,
        number: TradeNo,
        trade: &Trade,
        bucket: Bucket,
    ) -> Option<Outlier> {
        if trade.updates.common(PRICES) == Updates::NONE {
            return None;
        }
        let far = self.recent.judge(&config.outliers, bucket.open, trade.price)?;
        let kind = match self.trades.is_corrected(number) {
            true => CauseKind::Correction,
            false => CauseKind::Trade,
        };
        Some(outlier(commit, trade, kind, far))
    }
}

/// What may be an outlier.
const PRICES: Updates = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);

/// The trade of a fresh row.
fn new_trade<'a>(records: &'a [Record], (_, place): &(RowNo, u32)) -> Option<&'a Trade> {
    match &records[*place as usize].event {
        Event::New(trade) => Some(trade),
        Event::Correct { .. } | Event::Cancel { .. } => None,
    }
}

/// There is one more cause of a change of the bar that opens at `open`.
fn strengthen(changed: &mut Changed, open: EventTime, cause: Cause) {
    let strongest = changed.entry(open).or_default();
    *strongest = Some(strongest.map_or(cause, |other| other.stronger(cause)));
}

fn outlier(commit: Commit, trade: &Trade, kind: CauseKind, far: Far) -> Outlier {
    let Far { median, deviation, bars } = far;
    Outlier { commit, trade: *trade, kind, median, deviation, bars }
}
