//! The configuration of portfolios, fixed before the first commit.

use std::collections::BTreeMap;

use market::{Currency, InstrumentId, ModelId, PortfolioId, Price, Timeframe};

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The timeframe of base bars, whose closes are marks.
    pub base: Timeframe,
    /// The base currency of portfolios that are not configured.
    pub default_currency: Currency,
    /// The portfolios that are.
    pub portfolios: BTreeMap<PortfolioId, PortfolioConfig>,
    /// The pairs that give exchange rates. Of the shortest chains of them the first decides.
    pub pairs: Vec<Pair>,
    /// Models whose fair values are numbers of an indicator, and the timeframe of its bars.
    pub computed: BTreeMap<ModelId, Timeframe>,
    /// Whether what was bought and what was sold of one id are two fills.
    pub ids_by_side: bool,
    /// What risk is measured over.
    pub risk: RiskConfig,
}

/// One portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortfolioConfig {
    /// Its base currency.
    pub currency: Currency,
    /// What it began with, at [`market::MONEY_SCALE`]; 0 if it is unknown.
    pub capital: i128,
    /// What its changes are compared with.
    pub benchmark: Option<InstrumentId>,
}

/// What says how much of the second currency a unit of the first costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What says it.
    pub source: PairSource,
    /// `EUR` of `EUR/USD`.
    pub first: Currency,
    /// `USD` of `EUR/USD`.
    pub second: Currency,
}

/// Where the rate of a pair comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairSource {
    /// The price of an instrument.
    Mark(InstrumentId),
    /// It is always this, at so many decimals.
    Fixed(Price, u8),
}

/// What risk is measured over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskConfig {
    /// Of which bars.
    pub timeframe: Timeframe,
    /// Over how many changes at most; at least 1.
    pub bars: usize,
    /// Between 0 and 1; 0.95 means that a loss beyond the value at risk is one of twenty.
    pub confidence: f64,
}

impl Config {
    /// What is configured for a portfolio, or holds for one that is not.
    pub fn portfolio(&self, id: PortfolioId) -> PortfolioConfig {
        let unknown =
            PortfolioConfig { currency: self.default_currency, capital: 0, benchmark: None };
        self.portfolios.get(&id).copied().unwrap_or(unknown)
    }
}
