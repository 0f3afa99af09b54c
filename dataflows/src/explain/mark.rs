//! Marks: which close of which bar values a position.
//!
//! A mark is the close of the newest base bar that has one, at the end of the last round. Base bars have moved on where
//! commits came since, and a history has no open bars; then the bar is folded from the log of trades as of that round.

use std::collections::BTreeSet;

use market::{BarState, CandleKey, Commit, EventTime, InstrumentId, InstrumentSpec, Price};
use operators::ledger::explain::CountedTrade;

use super::bar::{self, CANDLES};
use super::{JobTerms, Stop};
use crate::publish::{LogReach, TypedCut};
use crate::views::{CandlesView, TradeLog};
use rows::readers::Allowance;
use rows::{RowFilter, Scan};

/// The close that is a mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) price: Price,
    /// Its scales.
    pub(super) spec: InstrumentSpec,
    pub(super) key: CandleKey,
    /// How sure the bar is, if it is a row.
    pub(super) state: Option<BarState>,
    /// The trade that set it, if the log has it.
    pub(super) trade: Option<CountedTrade>,
}

/// So many of the newest bars are looked at: nearly always the first has a close.
const LOOK_BACK: usize = 16;

/// The mark of an instrument as of `through`, the last round of a cut. `shown` is what a row says that it was, if one
/// does: where bars have moved on since, and the log cannot tell what they were, that is it.
pub(super) fn mark(
    terms: &JobTerms,
    (instrument, shown): (InstrumentId, Option<Price>),
    (cut, through): (&TypedCut, Commit),
    allowance: &mut Allowance<'_>,
) -> Result<Option<Mark>, Stop> {
    let timeframe = terms.ledger.base;
    let filter = RowFilter::of_instrument(instrument).of_timeframe(timeframe);
    let scan = Scan { filter, latest_first: true, limit: LOOK_BACK, ..Scan::all(CANDLES) };
    let (rows, _) = cut.entries::<CandlesView>(&scan, allowance)?;
    let mut opens: BTreeSet<EventTime> = rows.iter().map(|(key, _)| key.open_time).collect();
    if cut.reach::<TradeLog>() != LogReach::Off {
        opens.extend(traded(terms, instrument, (cut, through), allowance)?);
    }
    for open_time in opens.into_iter().rev().take(LOOK_BACK) {
        let key = CandleKey { instrument, timeframe, open_time };
        let Some(question) = bar::question(terms, &key) else { continue };
        let row = rows.iter().find(|(known, _)| *known == key).map(|(_, candle)| **candle);
        let read = bar::read(cut, &question, allowance)?;
        let at = |commit| read.records.explain(&question, commit);
        let trades = at(through);
        let fold = bar::folded(terms, &key, &question, &trades);
        // The log has all of the bar if it makes the row as it is now.
        let now = cut.frontier.commit.map(at);
        let now = now.and_then(|now| bar::folded(terms, &key, &question, &now));
        let is_whole = match row {
            Some(row) => now == Some(row.bar),
            None => read.reach == LogReach::Whole,
        };
        let bar = match (is_whole, row) {
            (true, _) => fold,
            (false, row) => row.map(|row| row.bar),
        };
        let has_moved = !is_whole && cut.frontier.commit != Some(through);
        if let Some((bar, (_, price))) = bar.and_then(|bar| Some((bar, bar.close?))) {
            let trade = trades.trades.into_iter().find(|one| is_whole && one.roles.close);
            let price = shown.filter(|_| has_moved).unwrap_or(price);
            let state = row.map(|row| row.state);
            return Ok(Some(Mark { price, spec: bar.spec, key, state, trade }));
        }
    }
    Ok(None)
}

/// When the newest base bars open of which the log has trades through a commit.
fn traded(
    terms: &JobTerms,
    instrument: InstrumentId,
    (cut, through): (&TypedCut, Commit),
    allowance: &mut Allowance<'_>,
) -> Result<BTreeSet<EventTime>, Stop> {
    let mut opens = BTreeSet::new();
    cut.each::<TradeLog, Stop>(allowance, |commit, event| {
        let own = event.trade().filter(|trade| trade.instrument == instrument && commit <= through);
        let Some(trade) = own else { return Ok(()) };
        let calendar = terms.ledger.calendars.get(trade.spec.calendar);
        let at = calendar.counts_at(trade.time, trade.updates.print());
        if opens.len() < LOOK_BACK || opens.first().is_some_and(|first| *first < at) {
            opens.insert(calendar.bucket(terms.ledger.base, at).open);
        }
        if opens.len() > LOOK_BACK {
            opens.pop_first();
        }
        Ok(())
    })?;
    Ok(opens)
}
