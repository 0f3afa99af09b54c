//! The rows of all tables. An amount that does not fit 128 bits is none.

use std::collections::BTreeMap;

use market::{Contract, Currency, EventTime, InstrumentId, InstrumentSpec, Price};

/// A portfolio's holding of an instrument, open or flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// What is held.
    pub contract: Contract,
    /// How much, at the quantity scale: above zero long, below zero short.
    pub quantity: i128,
    /// How many fills survive.
    pub fills: u64,
    /// What the open quantity cost, at the native scale, as are the next five.
    pub basis: Option<i128>,
    /// Profit of what was closed, without fees.
    pub realised: Option<i128>,
    /// Market value.
    pub value: Option<i128>,
    /// Market value less basis.
    pub unrealised: Option<i128>,
    /// Sum of the fees in the quote currency, at [`market::MONEY_SCALE`].
    pub fees: Option<i128>,
    /// Average price of the open quantity, at the price scale.
    pub average: Option<i128>,
    /// The newest close of a base bar.
    pub mark: Option<Price>,
    /// The amounts in the portfolio's base currency, or why there are none.
    pub base: Result<BaseAmounts, Unpriced>,
}

/// Amounts of a position in its portfolio's base currency, at [`market::MONEY_SCALE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseAmounts {
    /// Market value.
    pub value: i128,
    /// What the open quantity cost.
    pub basis: i128,
    /// Profit of what was closed.
    pub realised: i128,
    /// Value less basis.
    pub unrealised: i128,
    /// Fees of all currencies; none if one of them has no rate.
    pub fees: Option<i128>,
}

/// What a portfolio has paid in a currency for fills of an instrument; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRow {
    /// The sum, at [`market::MONEY_SCALE`].
    pub fees: i128,
    /// The same in the portfolio's base currency, or why not.
    pub worth: Result<i128, Unpriced>,
}

/// Why a position has no amounts in the base currency; the first of these that is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unpriced {
    /// It is open, and no base bar of its instrument has a close.
    NoMark,
    /// No pair leads from its quote currency to the base currency, or the pair has no mark above 0.
    NoRate,
    /// An amount does not fit 128 bits.
    Overflow,
}

/// A portfolio that has positions, open or flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortfolioRow {
    /// Its base currency.
    pub currency: Currency,
    /// How many of its positions are not flat.
    pub open: u64,
    /// How many of its positions, open or flat, are left out of the amounts.
    pub unpriced: u64,
    /// How many of the others have fees in a currency without a rate.
    pub unpriced_fees: u64,
    /// Its amounts; none if one of them does not fit 128 bits, or if none of its positions is priced.
    pub amounts: Option<PortfolioAmounts>,
}

/// Sums over the priced positions of a portfolio, at [`market::MONEY_SCALE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortfolioAmounts {
    /// Sum of values.
    pub net: i128,
    /// Sum of the values above 0.
    pub long: i128,
    /// Sum of the values below 0.
    pub short: i128,
    /// Sum of values without their signs.
    pub gross: i128,
    /// Profit of what was closed.
    pub realised: i128,
    /// Profit of what is open.
    pub unrealised: i128,
    /// Fees; none if those of a position are not known.
    pub fees: Option<i128>,
    /// Realised and unrealised profit less fees, if these are known.
    pub pnl: Option<i128>,
    /// Capital and pnl.
    pub equity: Option<i128>,
}

/// A portfolio's share in an instrument, and the target for it. Weights are at
/// [`market::WEIGHT_SCALE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftRow {
    /// The share.
    pub weight: Option<i128>,
    /// The target; none if the portfolio has no target at all.
    pub target: Option<i64>,
    /// Share less target.
    pub drift: Option<i128>,
    /// What to buy (above 0) or sell, in the base currency at [`market::MONEY_SCALE`].
    pub trade_value: Option<i128>,
    /// The same in whole smallest units of quantity.
    pub trade_quantity: Option<i128>,
}

/// What a model thinks of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeRow {
    /// Scales of the prices.
    pub spec: InstrumentSpec,
    /// When it was reported; of a computed value, when its bar opens.
    pub time: EventTime,
    /// The fair value.
    pub fair: Price,
    /// The newest close of a base bar.
    pub mark: Option<Price>,
    /// Fair value less mark.
    pub edge: Option<i128>,
    /// The same in hundredths of basis points of the mark.
    pub basis_points: Option<i128>,
}

/// Risk of a portfolio that has an open position.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskRow {
    /// How many of its open positions could not be revalued.
    pub excluded: u64,
    /// How many changes there are on the grid.
    pub changes: usize,
    /// Of all positions held together.
    pub portfolio: Measures,
    /// Of each position held by itself.
    pub positions: BTreeMap<InstrumentId, Measures>,
}

/// Measures of a series of values. Amounts are in whole units of the base currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Standard deviation of the changes.
    pub volatility: Option<f64>,
    /// Value at risk if changes were normally distributed around 0.
    pub var_parametric: Option<f64>,
    /// Value at risk as the changes were.
    pub var_historical: Option<f64>,
    /// The largest fall from a value to a later one.
    pub drawdown: Option<f64>,
    /// How much it moves with the benchmark.
    pub beta: Option<f64>,
}

impl Unpriced {
    /// `no_mark`, `no_rate` or `overflow`.
    pub fn name(self) -> &'static str {
        match self {
            Unpriced::NoMark => "no_mark",
            Unpriced::NoRate => "no_rate",
            Unpriced::Overflow => "overflow",
        }
    }
}
