//! Events of accounts: fills with their corrections and busts, target weights, fair values.
//!
//! A *portfolio* holds positions; its *fills* are named by (portfolio, id), so a correction may move one
//! to another instrument. What these records mean together is defined in `docs/portfolios.md`.

use serde::{Deserialize, Serialize};

use crate::contract::{Contract, Currency, InstrumentSpec};
use crate::id::{InstrumentId, ModelId, Origin, PortfolioId, Shard, TradeId};
use crate::price::Price;
use crate::time::EventTime;
use crate::trade::Side;

/// Decimals of amounts of money in a portfolio's own currency, and of fees.
pub const MONEY_SCALE: u8 = 9;
/// Decimals of weights: 1 is the whole portfolio.
pub const WEIGHT_SCALE: u8 = 9;

/// Names a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FillRef {
    /// Whose.
    pub portfolio: PortfolioId,
    /// Its id within the portfolio.
    pub id: TradeId,
}

/// So much was bought or sold for a portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fill {
    /// Its name.
    pub name: FillRef,
    /// What was traded.
    pub instrument: InstrumentId,
    /// What that is.
    pub contract: Contract,
    /// When.
    pub time: EventTime,
    /// By which corrections of one fill outrank each other: the highest counts. Of a fill itself it is its order within
    /// one time, 0 if its source reported none.
    pub sequence: u64,
    /// At which price.
    pub price: Price,
    /// How much, at the quantity scale: above zero bought, below zero sold; never zero.
    pub quantity: i64,
    /// What it cost besides, at [`MONEY_SCALE`]; below zero for a rebate.
    pub fee: i64,
    /// What that was paid in; the quote currency of the contract, if nobody said.
    pub fee_currency: Currency,
}

/// A portfolio's target weight for an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Whose.
    pub portfolio: PortfolioId,
    /// Of what.
    pub instrument: InstrumentId,
    /// What that is.
    pub contract: Contract,
    /// When it was reported; the latest counts.
    pub time: EventTime,
    /// The target share of the portfolio at [`WEIGHT_SCALE`], below zero for a short position; none takes
    /// the target back.
    pub weight: Option<i64>,
}

/// What somebody thinks an instrument is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FairValue {
    /// Of what.
    pub instrument: InstrumentId,
    /// Scales of the price.
    pub spec: InstrumentSpec,
    /// The model that gives the value.
    pub model: ModelId,
    /// When it was reported; the latest counts.
    pub time: EventTime,
    /// The value per unit; none takes it back.
    pub value: Option<Price>,
}

/// What a record of accounts reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccountEvent {
    /// A fill happened.
    Fill(Fill),
    /// A fill was really this one, which has the same name.
    Correct(Fill),
    /// A fill did not happen.
    Bust {
        /// Which.
        of: FillRef,
        /// Whether what was bought did not happen, or what was sold; unknown: whichever there is.
        side: Side,
        /// When that was reported, if it is known.
        time: Option<EventTime>,
    },
    /// A target weight.
    Target(Target),
    /// A fair value.
    Fair(FairValue),
}

/// One accepted event of accounts and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Where it came from.
    pub origin: Origin,
    /// The event.
    pub event: AccountEvent,
}

impl Fill {
    /// Whether it was bought or sold.
    pub fn side(&self) -> Side {
        if self.quantity < 0 { Side::Sell } else { Side::Buy }
    }
}

impl AccountEvent {
    /// The shard that owns it: of the portfolio; of fair values, of the instrument.
    pub fn shard(&self) -> Shard {
        match self {
            AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => fill.name.portfolio.shard(),
            AccountEvent::Bust { of, .. } => of.portfolio.shard(),
            AccountEvent::Target(target) => target.portfolio.shard(),
            AccountEvent::Fair(fair) => fair.instrument.shard(),
        }
    }

    /// The time that it carries, if any.
    pub fn time(&self) -> Option<EventTime> {
        match self {
            AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => Some(fill.time),
            AccountEvent::Bust { time, .. } => *time,
            AccountEvent::Target(target) => Some(target.time),
            AccountEvent::Fair(fair) => Some(fair.time),
        }
    }
}
