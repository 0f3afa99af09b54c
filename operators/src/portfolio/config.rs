//! The configuration of portfolios, fixed before the first commit.

use std::collections::BTreeMap;

use market::{Currency, InstrumentId, InstrumentSpec, ModelId, PortfolioId, Price, Timeframe};

use super::money::Rate;

/// All of it, as plain data; whoever reads it from text checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortfolioConfig {
    /// The timeframe of base bars, whose closes are marks.
    pub base: Timeframe,
    /// The base currency of portfolios that are not configured.
    pub default_currency: Currency,
    /// The portfolios that are.
    pub accounts: BTreeMap<PortfolioId, Account>,
    /// The pairs that give exchange rates. The first pair of two currencies decides.
    pub pairs: Vec<Pair>,
    /// What risk is measured over.
    pub risk: RiskConfig,
    /// The models whose fair values are numbers of an indicator.
    pub computed: Vec<ComputedFair>,
}

/// One configured portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its base currency.
    pub currency: Currency,
    /// What it began with, at [`market::MONEY_SCALE`]; 0 if it is unknown.
    pub capital: i128,
    /// What its changes are compared with.
    pub benchmark: Option<InstrumentId>,
}

/// An instrument whose price is the quote currency per unit of the base currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `EUR` of `EUR/USD`.
    pub base: Currency,
    /// `USD` of `EUR/USD`.
    pub quote: Currency,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its scales.
    pub spec: InstrumentSpec,
}

/// What risk is measured over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskConfig {
    /// Of which bars.
    pub timeframe: Timeframe,
    /// Over how many changes at most; at least 1.
    pub bars: usize,
    /// How sure a value at risk is.
    pub confidence: Confidence,
}

/// How likely it is that a loss stays within the value at risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// 0.90
    P90,
    /// 0.95
    #[default]
    P95,
    /// 0.975
    P975,
    /// 0.99
    P99,
    /// 0.995
    P995,
}

/// A model whose fair value is a number of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputedFair {
    /// The model.
    pub model: ModelId,
    /// Index into [`crate::IndicatorsConfig::indicators`].
    pub indicator: u16,
    /// Index into the indicator's outputs.
    pub output: u8,
    /// Of the bars of which timeframe.
    pub timeframe: Timeframe,
}

/// Where the rate between two currencies comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// They are the same.
    Same,
    /// From a pair.
    Through { instrument: InstrumentId, direction: Direction, scale: u8 },
    /// From nowhere.
    Missing,
}

/// Whether a pair is read as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Amounts are multiplied by its price.
    Over,
    /// Amounts are divided by its price.
    Under,
}

impl PortfolioConfig {
    /// With marks from bars of `base` and nothing else configured: portfolios in `USD`, risk over 250 changes
    /// of these bars.
    pub fn unconfigured(base: Timeframe) -> PortfolioConfig {
        PortfolioConfig {
            base,
            default_currency: Currency::USD,
            accounts: BTreeMap::new(),
            pairs: Vec::new(),
            risk: RiskConfig { timeframe: base, bars: 250, confidence: Confidence::default() },
            computed: Vec::new(),
        }
    }

    /// What is configured for a portfolio, or holds for one that is not.
    pub fn account(&self, portfolio: PortfolioId) -> Account {
        let unknown = Account { currency: self.default_currency, capital: 0, benchmark: None };
        self.accounts.get(&portfolio).copied().unwrap_or(unknown)
    }

    /// How amounts of `quote` become amounts of the portfolio's base currency.
    pub(super) fn route(&self, portfolio: PortfolioId, quote: Currency) -> Route {
        let base = self.account(portfolio).currency;
        if quote == base {
            return Route::Same;
        }
        let mut pairs = self.pairs.iter();
        let found = pairs.find_map(|pair| match (pair.base, pair.quote) {
            (from, to) if (from, to) == (quote, base) => Some((pair, Direction::Over)),
            (from, to) if (from, to) == (base, quote) => Some((pair, Direction::Under)),
            _ => None,
        });
        found.map_or(Route::Missing, |(pair, direction)| Route::Through {
            instrument: pair.instrument,
            direction,
            scale: pair.spec.price_scale,
        })
    }
}

impl Direction {
    /// The rate of a pair with this mark; none if it is not above zero.
    pub(super) fn rate(self, mark: Option<Price>, scale: u8) -> Option<Rate> {
        let price = mark.filter(|mark| mark.0 > 0)?;
        Some(match self {
            Direction::Over => Rate::Over { price, scale },
            Direction::Under => Rate::Under { price, scale },
        })
    }
}

impl Confidence {
    /// All of them.
    pub const ALL: [Confidence; 5] =
        [Confidence::P90, Confidence::P95, Confidence::P975, Confidence::P99, Confidence::P995];

    /// As written in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::P90 => "0.90",
            Confidence::P95 => "0.95",
            Confidence::P975 => "0.975",
            Confidence::P99 => "0.99",
            Confidence::P995 => "0.995",
        }
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        match self {
            Confidence::P90 => 900_000,
            Confidence::P95 => 950_000,
            Confidence::P975 => 975_000,
            Confidence::P99 => 990_000,
            Confidence::P995 => 995_000,
        }
    }

    /// The quantile of the standard normal distribution: √2 · erf⁻¹(2*p* − 1), computed to 40 digits and
    /// rounded to the nearest `f64`.
    pub fn quantile(self) -> f64 {
        match self {
            Confidence::P90 => 1.281_551_565_544_600_4,
            Confidence::P95 => 1.644_853_626_951_472_6,
            Confidence::P975 => 1.959_963_984_540_054_3,
            Confidence::P99 => 2.326_347_874_040_841,
            Confidence::P995 => 2.575_829_303_548_901,
        }
    }
}
