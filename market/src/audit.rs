//! What happens beside the candles and must not be lost: each event becomes a row of a log.

use serde::{Deserialize, Serialize};

use crate::candle::{Bar, CandleKey, Cause, CauseKind};
use crate::contract::InstrumentSpec;
use crate::id::{CalendarId, IdScope, InstrumentId, Origin, TradeId};
use crate::price::{Price, Quantity};
use crate::time::{Commit, EventTime};
use crate::trade::{Event, Record, Side, Trade, TradeRef};
use crate::updates::Updates;

/// A copy of a trade that disagrees with the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// When it was found.
    pub commit: Commit,
    /// The copy that counts.
    pub kept: Trade,
    /// The copy that does not.
    pub dropped: Trade,
    /// Where that came from; of several alike the lowest.
    pub origin: Origin,
}

/// A trade that came too late to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TooLate {
    /// The commit that it is bound to.
    pub commit: Commit,
    /// The trade.
    pub trade: Trade,
    /// The instrument's watermark that judged it.
    pub watermark: EventTime,
    /// Where it came from.
    pub origin: Origin,
}

/// Why a correction or cancel found no trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnmatchedReason {
    /// No trade of that id is known; applied if it appears within the horizon.
    Unknown,
    /// The trade would be older than single trades are kept.
    BeyondHorizon,
}

/// A correction or cancel whose trade was unknown when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unmatched {
    /// The commit that it is bound to.
    pub commit: Commit,
    /// What it is: a correction or a cancel.
    pub kind: CauseKind,
    /// The trade that it names.
    pub of: TradeRef,
    /// The event time that it carries.
    pub time: Option<EventTime>,
    /// Why.
    pub reason: UnmatchedReason,
    /// Where it came from.
    pub origin: Origin,
}

/// A trade whose price is far away from recent prices. It counts all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Outlier {
    /// The commit from which on the trade counts.
    pub commit: Commit,
    /// The trade.
    pub trade: Trade,
    /// Whether a new trade or a correction is the outlier; never a cancel.
    pub kind: CauseKind,
    /// Median of the closes that it is held to.
    pub median: Price,
    /// Median distance of these closes from it, at the price scale.
    pub deviation: u64,
    /// How many closes these are.
    pub bars: u32,
}

/// An accepted record, cut down to what a log of trades shows of it, and what it takes to fold bars from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AcceptedEvent {
    /// Where the record came from.
    pub origin: Origin,
    /// The instrument.
    pub instrument: InstrumentId,
    /// What it is.
    pub kind: CauseKind,
    /// The id of the trade as reported; a cancel has none.
    pub id: Option<TradeId>,
    /// The id that a correction or cancel names.
    pub of: Option<TradeId>,
    /// The event time that it carries; before all time if none.
    pub time: EventTime,
    /// Price; 0 of a cancel.
    pub price: Price,
    /// Size; 0 of a cancel.
    pub quantity: Quantity,
    /// Decimals of the price.
    pub price_scale: u8,
    /// Decimals of the size.
    pub quantity_scale: u8,
    /// Aggressor.
    pub side: Side,
    /// What bars are folded by; none of events that an earlier version has logged.
    pub terms: Option<EventTerms>,
}

/// What an accepted record says besides: by which trade it counts, where in the order, and how the ledger judged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventTerms {
    /// The order within one time, see [`Trade::sequence`]; 0 of a cancel.
    pub sequence: u64,
    /// The watermark of the instrument in the commit: what it decides is forgotten, and what is too late.
    pub watermark: EventTime,
    /// The space of the id of the trade as reported; of a cancel that of the id that it names.
    pub scope: IdScope,
    /// The space of the id that a correction or cancel names; else that of the trade.
    pub of_scope: IdScope,
    /// See [`Trade::is_positional`].
    pub is_positional: bool,
    /// What the trade may change in a candle; nothing of a cancel.
    pub updates: Updates,
    /// The calendar of the instrument; the first of a cancel.
    pub calendar: CalendarId,
}

impl AcceptedEvent {
    /// The event of a record of an instrument, which had this watermark when the record was accepted.
    pub fn of(record: &Record, watermark: EventTime) -> AcceptedEvent {
        let origin = record.origin;
        let named = |trade: &Trade, of_scope| EventTerms {
            sequence: trade.sequence,
            watermark,
            scope: trade.scope,
            of_scope,
            is_positional: trade.is_positional,
            updates: trade.updates,
            calendar: trade.spec.calendar,
        };
        match record.event {
            Event::New(trade) => {
                let terms = named(&trade, trade.scope);
                AcceptedEvent::from_trade(origin, CauseKind::Trade, (None, terms), &trade)
            }
            Event::Correct { of, with } => {
                let terms = named(&with, of.scope);
                AcceptedEvent::from_trade(
                    origin,
                    CauseKind::Correction,
                    (Some(of.id), terms),
                    &with,
                )
            }
            Event::Cancel { of, time } => AcceptedEvent {
                origin,
                instrument: of.instrument,
                kind: CauseKind::Cancel,
                id: None,
                of: Some(of.id),
                time: time.unwrap_or(EventTime::NEVER),
                price: Price(0),
                quantity: Quantity(0),
                price_scale: 0,
                quantity_scale: 0,
                side: Side::Unknown,
                terms: Some(EventTerms {
                    sequence: 0,
                    watermark,
                    scope: of.scope,
                    of_scope: of.scope,
                    is_positional: false,
                    updates: Updates::NONE,
                    calendar: CalendarId(0),
                }),
            },
        }
    }

    /// The trade that it reports, or corrects to; none of a cancel, and of events of an earlier version.
    pub fn trade(&self) -> Option<Trade> {
        let (id, terms) = (self.id?, self.terms?);
        Some(Trade {
            instrument: self.instrument,
            spec: InstrumentSpec {
                price_scale: self.price_scale,
                quantity_scale: self.quantity_scale,
                calendar: terms.calendar,
            },
            scope: terms.scope,
            id,
            time: self.time,
            sequence: terms.sequence,
            is_positional: terms.is_positional,
            price: self.price,
            quantity: self.quantity,
            side: self.side,
            updates: terms.updates,
        })
    }

    /// The trade that a correction or cancel names; none of a trade, and of events of an earlier version.
    pub fn named(&self) -> Option<TradeRef> {
        let (id, terms) = (self.of?, self.terms?);
        Some(TradeRef { instrument: self.instrument, scope: terms.of_scope, id })
    }

    fn from_trade(
        origin: Origin,
        kind: CauseKind,
        (of, terms): (Option<TradeId>, EventTerms),
        trade: &Trade,
    ) -> AcceptedEvent {
        AcceptedEvent {
            origin,
            instrument: trade.instrument,
            kind,
            id: Some(trade.id),
            of,
            time: trade.time,
            price: trade.price,
            quantity: trade.quantity,
            price_scale: trade.spec.price_scale,
            quantity_scale: trade.spec.quantity_scale,
            side: trade.side,
            terms: Some(terms),
        }
    }
}

/// A change of a bar that was final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// The commit of the change.
    pub commit: Commit,
    /// The bar.
    pub key: CandleKey,
    /// The bar's revision after the change.
    pub revision: u32,
    /// Its values before; none if no trade showed in it.
    pub before: Option<Bar>,
    /// Its values after; none if no trade shows in it any more.
    pub after: Option<Bar>,
    /// The highest-ranked record behind the change.
    pub cause: Cause,
}

impl UnmatchedReason {
    /// The names of all.
    pub const NAMES: [&'static str; 2] =
        [UnmatchedReason::Unknown.name(), UnmatchedReason::BeyondHorizon.name()];

    /// `unknown` or `beyond_horizon`.
    pub const fn name(self) -> &'static str {
        match self {
            UnmatchedReason::Unknown => "unknown",
            UnmatchedReason::BeyondHorizon => "beyond_horizon",
        }
    }
}
