//! Candles: what a bar holds, how sure it is, and why it last changed.

use serde::{Deserialize, Serialize};

use crate::calendar::Timeframe;
use crate::contract::InstrumentSpec;
use crate::id::{InstrumentId, Origin, TradeId};
use crate::price::Price;
use crate::time::EventTime;
use crate::trade::{Side, Trade};
use crate::updates::Updates;

/// Names a bar: instrument, timeframe and when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CandleKey {
    /// What was traded.
    pub instrument: InstrumentId,
    /// How long the bar is.
    pub timeframe: Timeframe,
    /// Its first instant; the calendar gives it.
    pub open_time: EventTime,
}

/// The one order of trades: by event time, then sequence, then the integer of the id; and by price where these are equal.
/// Open and close follow it, never the order of arrival, and never a hash. Trades that are equal in all of it have one
/// price, so that it does not matter which of them is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Event time.
    pub time: EventTime,
    /// The venue's order within a time.
    pub sequence: u64,
    /// The integer of the id; ids without one come first.
    pub number: Option<u64>,
}

/// The value columns of a bar: a function of its surviving trades alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bar {
    /// Scales of all numbers below.
    pub spec: InstrumentSpec,
    /// The first instant after the bar.
    pub end_time: EventTime,
    /// Order and price of the first trade that may set it; of a published bar, its time and price.
    pub open: Option<(OrderKey, Price)>,
    /// Highest price.
    pub high: Option<Price>,
    /// Lowest price.
    pub low: Option<Price>,
    /// Order and price of the last trade that may set it; of a published bar, its time and price.
    pub close: Option<(OrderKey, Price)>,
    /// Sum of quantities, at the quantity scale.
    pub volume: i128,
    /// Sum of price × quantity, at the sum of both scales.
    pub notional: i128,
    /// How many trades have added to volume and notional.
    pub trades: u64,
    /// Part of the volume that aggressive buyers took; unknown sides add nothing.
    pub buy_volume: i128,
    /// Part of the notional that aggressive buyers took.
    pub buy_notional: i128,
}

/// How sure a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BarState {
    /// Nothing at or past its end was seen, and the watermark is before its end.
    Open,
    /// A trade at or past its end was seen; earlier ones may still come.
    Provisional,
    /// The watermark has reached its end.
    Final,
    /// A value changed after it was final.
    Revised,
    /// It opens before the time from which its sources were read, so it may lack trades: it is not published as
    /// complete, whatever the watermark.
    Partial,
}

/// What kind of record changed a bar; later variants outrank earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CauseKind {
    /// A trade that came late.
    Trade,
    /// A correction.
    Correction,
    /// A cancel.
    Cancel,
}

/// Why a bar last changed after it was final: the highest-ranked record of that commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// What kind of record it was.
    pub kind: CauseKind,
    /// The trade that the record names.
    pub id: TradeId,
    /// The sequence by which corrections outrank each other; 0 for other kinds, and of those without one.
    pub sequence: u64,
    /// Where the record came from.
    pub origin: Origin,
}

/// A bar as published: its values and its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Candle {
    /// The value columns.
    pub bar: Bar,
    /// How sure it is.
    pub state: BarState,
    /// In how many commits its values changed after it was final.
    pub revision: u32,
    /// Why they last did.
    pub cause: Option<Cause>,
}

impl OrderKey {
    /// The least place at a time.
    pub const fn at(time: EventTime) -> OrderKey {
        OrderKey { time, sequence: 0, number: None }
    }

    /// The place of a trade in the one order.
    pub fn of(trade: &Trade) -> OrderKey {
        OrderKey { time: trade.time, sequence: trade.sequence, number: trade.id.integer() }
    }
}

impl Bar {
    /// A bar without trades.
    pub fn empty(spec: InstrumentSpec, end_time: EventTime) -> Bar {
        Bar {
            spec,
            end_time,
            open: None,
            high: None,
            low: None,
            close: None,
            volume: 0,
            notional: 0,
            trades: 0,
            buy_volume: 0,
            buy_notional: 0,
        }
    }

    /// The bar as it is shown and compared: of the order of its first and last trade only their times are left.
    ///
    /// Trades of different bars never have the same time, so that larger bars need no more.
    #[must_use]
    pub fn shown(&self) -> Bar {
        let edge = |edge: Option<(OrderKey, Price)>| {
            edge.map(|(order, price)| (OrderKey::at(order.time), price))
        };
        Bar { open: edge(self.open), close: edge(self.close), ..*self }
    }

    /// Whether no trade shows in it.
    pub fn is_empty(&self) -> bool {
        self.trades == 0 && self.open.is_none() && self.high.is_none()
    }

    /// Adds one trade, in any order.
    pub fn add(&mut self, trade: &Trade) {
        let price = trade.price;
        if trade.updates.has(Updates::OPEN_CLOSE) {
            let edge = (OrderKey::of(trade), price);
            if self.open.is_none_or(|open| edge < open) {
                self.open = Some(edge);
            }
            if self.close.is_none_or(|close| edge > close) {
                self.close = Some(edge);
            }
        }
        if trade.updates.has(Updates::HIGH_LOW) {
            self.high = Some(self.high.map_or(price, |high| high.max(price)));
            self.low = Some(self.low.map_or(price, |low| low.min(price)));
        }
        if trade.updates.has(Updates::VOLUME) {
            let (size, notional) = (i128::from(trade.quantity.0), price.notional(trade.quantity));
            self.trades += 1;
            self.volume += size;
            self.notional += notional;
            if trade.side == Side::Buy {
                self.buy_volume += size;
                self.buy_notional += notional;
            }
        }
    }

    /// Takes one trade, which must be in it, out of its sums. Returns whether open, high, low and close hold
    /// without it too; if not, they must be folded anew from what is left.
    #[must_use]
    pub fn take_out(&mut self, trade: &Trade) -> bool {
        let mut holds = true;
        if trade.updates.has(Updates::OPEN_CLOSE) {
            let edge = Some((OrderKey::of(trade), trade.price));
            holds = edge != self.open && edge != self.close;
        }
        if trade.updates.has(Updates::HIGH_LOW) {
            let price = Some(trade.price);
            holds = holds && price != self.high && price != self.low;
        }
        if trade.updates.has(Updates::VOLUME) {
            let (size, notional) =
                (i128::from(trade.quantity.0), trade.price.notional(trade.quantity));
            self.trades -= 1;
            self.volume -= size;
            self.notional -= notional;
            if trade.side == Side::Buy {
                self.buy_volume -= size;
                self.buy_notional -= notional;
            }
        }
        holds
    }

    /// Adds another bar of the same instrument, whose trades are not in this one.
    ///
    /// This is the law by which larger timeframes are unions of smaller ones:
    /// folding the trades of both bars into one gives the same.
    pub fn merge(&mut self, other: &Bar) {
        fn either<T: Copy>(a: Option<T>, b: Option<T>, pick: impl Fn(T, T) -> T) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(pick(a, b)),
                (one, none) => one.or(none),
            }
        }
        self.open = either(self.open, other.open, Ord::min);
        self.high = either(self.high, other.high, Ord::max);
        self.low = either(self.low, other.low, Ord::min);
        self.close = either(self.close, other.close, Ord::max);
        self.volume += other.volume;
        self.notional += other.notional;
        self.trades += other.trades;
        self.buy_volume += other.buy_volume;
        self.buy_notional += other.buy_notional;
    }
}

impl BarState {
    /// All of them.
    pub const ALL: [BarState; 5] = [
        BarState::Open,
        BarState::Provisional,
        BarState::Final,
        BarState::Revised,
        BarState::Partial,
    ];

    /// The names of all.
    pub const NAMES: [&'static str; 5] = {
        let mut names = [""; 5];
        let mut at = 0;
        while at < names.len() {
            names[at] = BarState::ALL[at].name();
            at += 1;
        }
        names
    };

    /// `open`, `provisional`, `final`, `revised` or `partial`.
    pub const fn name(self) -> &'static str {
        match self {
            BarState::Open => "open",
            BarState::Provisional => "provisional",
            BarState::Final => "final",
            BarState::Revised => "revised",
            BarState::Partial => "partial",
        }
    }
}

impl CauseKind {
    /// The names of all.
    pub const NAMES: [&'static str; 3] =
        [CauseKind::Trade.name(), CauseKind::Correction.name(), CauseKind::Cancel.name()];

    /// `trade`, `correction` or `cancel`.
    pub const fn name(self) -> &'static str {
        match self {
            CauseKind::Trade => "trade",
            CauseKind::Correction => "correction",
            CauseKind::Cancel => "cancel",
        }
    }
}

impl Cause {
    /// The higher-ranked of two: cancel > correction > trade; corrections by higher sequence; then
    /// better provider, lower source, partition and position.
    pub fn stronger(self, other: Cause) -> Cause {
        let rank = |c: &Cause| (c.kind, c.sequence, std::cmp::Reverse(c.origin));
        if rank(&other) > rank(&self) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{IdScope, InstrumentId};
    use crate::price::Quantity;
    use proptest::prelude::*;

    fn trade() -> impl Strategy<Value = Trade> {
        let updates = prop_oneof![
            Just(Updates::ALL),
            Just(Updates::VOLUME),
            Just(Updates::HIGH_LOW.and(Updates::OPEN_CLOSE)),
            Just(Updates::NONE),
        ];
        (
            0..50_i64,
            0..4_u64,
            -(1_i64 << 40)..1 << 40,
            0..1_i64 << 50,
            0..3_u8,
            updates,
            any::<u64>(),
        )
            .prop_map(|(time, sequence, price, size, side, updates, id)| Trade {
                instrument: InstrumentId(1),
                spec: InstrumentSpec::DEFAULT,
                scope: IdScope(0),
                id: TradeId::Number(id),
                time: EventTime(time),
                sequence,
                is_positional: false,
                price: Price(price),
                quantity: Quantity(size),
                side: [Side::Unknown, Side::Buy, Side::Sell][usize::from(side)],
                updates,
            })
    }

    fn fold<'a>(trades: impl Iterator<Item = &'a Trade>) -> Bar {
        let mut bar = Bar::empty(InstrumentSpec::DEFAULT, EventTime(60));
        trades.for_each(|trade| bar.add(trade));
        bar
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_merge_is_union(
            trades in prop::collection::vec(trade(), 0..40),
            cut in 0..40_usize,
        ) {
            let cut = cut.min(trades.len());
            let whole = fold(trades.iter());
            prop_assert_eq!(fold(trades.iter().rev()), whole);
            let mut merged = fold(trades[cut..].iter());
            merged.merge(&fold(trades[..cut].iter()));
            prop_assert_eq!(merged, whole);
        }

        #[test]
        fn what_is_taken_out_leaves_the_rest_or_is_said_to_be_an_edge(
            trades in prop::collection::vec(trade(), 1..40),
            at in any::<prop::sample::Index>(),
        ) {
            let gone = at.index(trades.len());
            let rest = trades.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, t)| t);
            let (rest, mut bar) = (fold(rest), fold(trades.iter()));
            if bar.take_out(&trades[gone]) {
                prop_assert_eq!(bar, rest);
            } else {
                let edges = |bar: &Bar| Bar { open: None, high: None, low: None, close: None, ..*bar };
                prop_assert_eq!(edges(&bar), edges(&rest), "sums hold in any case");
            }
        }
    }
}
