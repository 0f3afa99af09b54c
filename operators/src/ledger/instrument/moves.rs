//! What survives of the trades that a commit changed moves between bars.

use std::collections::BTreeMap;
use std::ops::Range;

use market::{
    Bar, Bucket, Cause, CauseKind, Commit, Event, EventTime, Outlier, Price, Record, Trade, Updates,
};

use super::InstrumentState;
use super::application::{Application, TradeChange};
use crate::ledger::outliers::Far;
use crate::ledger::rows::RowNo;
use crate::ledger::trades::TradeNo;
use crate::output::{AuditEvent, LedgerOut};

/// The bars that differ after a commit, with the strongest cause of each; none if only time passed.
pub(super) type Changed = BTreeMap<EventTime, Option<Cause>>;

impl InstrumentState {
    /// Takes the plain trades that came into their bars, and notes these bars with the strongest cause of each. Gives
    /// the prices that entered each bar.
    pub(super) fn add_plain_trades(
        &mut self,
        application: &Application<'_>,
        records: &[Record],
        changed: &mut Changed,
    ) -> Vec<BarPrices> {
        let mut buckets = self.bars.buckets(application.config);
        let mut fresh = application.fresh.iter().enumerate().peekable();
        let mut entered = Vec::new();
        while let Some((first, next)) = fresh.peek() {
            let Some(trade) = new_trade(records, next) else { break };
            let bucket = buckets.of(trade.time);
            let Some(bar) = self.bars.get_mut(bucket.open) else {
                break; // it was made when the row was added
            };
            let mut prices = BarPrices { open: bucket.open, fresh: *first..*first, range: None };
            let (mut cause, mut plain) = (None, 0);
            let of_bar = |trade: &Trade| bucket.open <= trade.time && trade.time < bucket.end;
            while let Some((index, (row, place))) =
                fresh.next_if(|(_, next)| new_trade(records, next).is_some_and(of_bar))
            {
                prices.fresh.end = index + 1;
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
                if !trade.updates.is_nothing() && cause.is_none() {
                    // Records are in the order of their origins: of trades the first is strongest.
                    let (kind, origin) = (CauseKind::Trade, record.origin);
                    cause = Some(Cause { kind, id: trade.id, sequence: 0, origin });
                }
                if has_price(trade) {
                    prices.note(trade.price);
                }
            }
            self.bars.count_plain(plain);
            if let Some(cause) = cause {
                strengthen(changed, bucket.open, cause);
            }
            entered.push(prices);
        }
        entered
    }

    /// Compares what each dirty amended trade contributes with what it did, and moves it. Notes the bars to
    /// which a contribution differs, with the strongest cause of each. Gives what did not contribute before.
    pub(super) fn move_between_bars(
        &mut self,
        application: &Application<'_>,
        changed: &mut Changed,
    ) -> Vec<AmendedPrice> {
        // Trades that were joined in this commit are one: gather by what they are now.
        let mut by_trade: BTreeMap<TradeNo, (Vec<Trade>, Cause)> = BTreeMap::new();
        for TradeChange { id, before, cause } in &application.trade_changes {
            let trade = self.trades.trade_of(*id);
            let (befores, strongest) =
                by_trade.entry(trade).or_insert_with(|| (Vec::new(), *cause));
            befores.extend(before);
            *strongest = strongest.stronger(*cause);
        }

        let mut buckets = self.bars.buckets(application.config);
        let mut entered = Vec::new();
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
                    entered.push(AmendedPrice { open: bucket.open, number, trade });
                }
            }
            for (bucket, [before, after]) in contributions {
                if before != after {
                    strengthen(changed, bucket.open, cause);
                }
            }
        }
        entered
    }

    /// Holds what entered bars to recent prices, which are those at the end of the commit.
    pub(super) fn emit_outliers(
        &mut self,
        application: &Application<'_>,
        records: &[Record],
        entered: &Entered,
        out: &mut Vec<LedgerOut>,
    ) {
        let (rule, commit) = (&application.config.outliers, application.context.commit);
        let emit = |trade: &Trade, kind, far| {
            LedgerOut::from(AuditEvent::Outlier(outlier(commit, trade, kind, far)))
        };
        for BarPrices { open, fresh, range } in &entered.plain {
            // All trades of a bar are held to the same prices: if neither the least nor the highest is far away, none is.
            let Some(ends) = range else { continue };
            if ends.iter().all(|price| self.recent.judge(rule, *open, *price).is_none()) {
                continue;
            }
            for next in &application.fresh[fresh.clone()] {
                let Some(trade) = new_trade(records, next).filter(|trade| has_price(trade)) else {
                    continue;
                };
                let is_gone = application.some_are_amended && self.trades.rows.is_gone(next.0);
                if let (false, Some(far)) = (is_gone, self.recent.judge(rule, *open, trade.price)) {
                    out.push(emit(trade, CauseKind::Trade, far));
                }
            }
        }
        for AmendedPrice { open, number, trade } in &entered.amended {
            if !has_price(trade) {
                continue;
            }
            if let Some(far) = self.recent.judge(rule, *open, trade.price) {
                let kind = match self.trades.is_corrected(*number) {
                    true => CauseKind::Correction,
                    false => CauseKind::Trade,
                };
                out.push(emit(trade, kind, far));
            }
        }
    }
}

/// What entered bars in a commit, and did not contribute to them before.
pub(super) struct Entered {
    pub(super) plain: Vec<BarPrices>,
    pub(super) amended: Vec<AmendedPrice>,
}

/// The plain trades that entered the bar that opens at `open`.
pub(super) struct BarPrices {
    open: EventTime,
    /// Which of the fresh rows of the commit.
    fresh: Range<usize>,
    /// Least and highest of their prices; none if none of them may be an outlier.
    range: Option<[Price; 2]>,
}

/// An amended trade that entered the bar that opens at `open`.
pub(super) struct AmendedPrice {
    open: EventTime,
    number: TradeNo,
    trade: Trade,
}

impl BarPrices {
    fn note(&mut self, price: Price) {
        let [least, highest] = self.range.unwrap_or([price, price]);
        self.range = Some([least.min(price), highest.max(price)]);
    }
}

/// Whether the price of a trade may be an outlier.
fn has_price(trade: &Trade) -> bool {
    trade.updates.common(PRICES) != Updates::NONE
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
