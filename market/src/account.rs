//! Events of accounts: fills with their corrections and busts, target weights, fair values.
//!
//! A *portfolio* holds positions; its *fills* are named by (portfolio, id), so a correction may move one
//! to another instrument. What these records mean together is defined in `docs/portfolios.md`.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::instrument::{InstrumentId, InstrumentSpec, Shard};
use crate::price::Price;
use crate::time::EventTime;
use crate::trade::{Origin, TradeId};

/// Decimals of amounts of money in a portfolio's own currency, and of fees.
pub const MONEY_SCALE: u8 = 9;
/// Decimals of weights: 1 is the whole portfolio.
pub const WEIGHT_SCALE: u8 = 9;

/// XXH3-64 of a portfolio's name. Its top byte is its shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortfolioId(pub u64);

/// XXH3-64 of the name of a way to find fair values: a client's, or a rule's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(pub u64);

/// A currency: 1 to 8 of `A–Z` and `0–9`, such as `USD` or `USDT`; unused bytes are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency([u8; 8]);

/// What has to be known of an instrument to value a holding of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Contract {
    /// Scales and calendar.
    pub spec: InstrumentSpec,
    /// What its prices are in.
    pub quote: Currency,
    /// How many units of the underlying one unit of quantity represents; at least 1.
    pub multiplier: u32,
}

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
    /// By which corrections of one fill outrank each other: the highest counts. Of a fill itself it is only what the
    /// source reported, 0 if it reported none.
    pub sequence: u64,
    /// At which price.
    pub price: Price,
    /// How much, at the quantity scale: above zero bought, below zero sold; never zero.
    pub quantity: i64,
    /// What it cost besides, in the quote currency at [`MONEY_SCALE`]; below zero for a rebate.
    pub fee: i64,
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

impl PortfolioId {
    /// The id of a name.
    pub fn of(name: &str) -> PortfolioId {
        PortfolioId(xxh3_64(name.as_bytes()))
    }

    /// The shard that owns this portfolio.
    pub fn shard(self) -> Shard {
        Shard((self.0 >> 56) as u8)
    }
}

impl ModelId {
    /// The id of a name.
    pub fn of(name: &str) -> ModelId {
        ModelId(xxh3_64(name.as_bytes()))
    }
}

impl fmt::Debug for PortfolioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Currency {
    /// The dollar of the United States.
    pub const USD: Currency = Currency(*b"USD\0\0\0\0\0");

    /// The currency of this name; none if it is not 1 to 8 of `A–Z` and `0–9`.
    ///
    /// ```
    /// use market::Currency;
    /// assert_eq!(Currency::of("USDT").unwrap().to_string(), "USDT");
    /// assert_eq!(Currency::of("usd"), None);
    /// ```
    pub fn of(name: &str) -> Option<Currency> {
        let allowed = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let mut bytes = [0; 8];
        bytes.get_mut(..name.len()).filter(|to| allowed && !to.is_empty())?;
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Currency(bytes))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take_while(|b| **b != 0).try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Contract {
    /// What `quantity` at `price` costs, signed like the quantity, at [`InstrumentSpec::notional_scale`]; none if
    /// that is more than 128 bits hold.
    pub fn amount(&self, quantity: i128, price: Price) -> Option<i128> {
        quantity.checked_mul(i128::from(price.0))?.checked_mul(i128::from(self.multiplier))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_short_and_upper_case() {
        for name in ["USD", "X", "ABCDEFGH", "1INCH"] {
            assert_eq!(Currency::of(name).unwrap().to_string(), name);
        }
        for name in ["", "ABCDEFGHI", "usd", "U D", "€"] {
            assert_eq!(Currency::of(name), None, "{name:?}");
        }
    }

    #[test]
    fn amounts_are_exact_or_none() {
        let contract = Contract {
            spec: InstrumentSpec::DEFAULT,
            quote: Currency([b'X'; 8]),
            multiplier: u32::MAX,
        };
        assert_eq!(contract.amount(-2, Price(3)), Some(-6 * i128::from(u32::MAX)));
        assert_eq!(contract.amount(i128::MAX, Price(2)), None);
    }
}
