//! The configuration of portfolios, fixed before the first commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use market::{Currency, InstrumentId, InstrumentSpec, ModelId, PortfolioId, Price, Timeframe};
use serde::{Deserialize, Serialize};

/// All of it, as plain data; whoever reads it from text checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortfolioConfig {
    /// The timeframe of base bars, whose closes are marks.
    pub base: Timeframe,
    /// The base currency of portfolios that are not configured.
    pub default_currency: Currency,
    /// The portfolios that are.
    pub accounts: BTreeMap<PortfolioId, Account>,
    /// The pairs that give exchange rates. Of the shortest chains of them the first decides.
    pub pairs: Vec<Pair>,
    /// Whether what was bought and what was sold of one id are two fills.
    pub ids_by_side: bool,
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

/// What says how much of the quote currency a unit of the base currency costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `EUR` of `EUR/USD`.
    pub base: Currency,
    /// `USD` of `EUR/USD`.
    pub quote: Currency,
    /// What says it.
    pub source: RateSource,
}

/// Where the rate of a pair comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSource {
    /// The mark of an instrument.
    Mark {
        /// Which.
        instrument: InstrumentId,
        /// Its scales.
        spec: InstrumentSpec,
    },
    /// It is always the same.
    Fixed {
        /// The rate, above zero.
        price: Price,
        /// Its decimals.
        scale: u8,
    },
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

/// A chain of pairs has at most so many.
pub(super) const STEPS_MAX: usize = 3;

/// How amounts of one currency become amounts of another: over these pairs, one after the other. Without a step they
/// are the same.
pub(super) type Route = Arc<[RouteStep]>;

/// A step of a route: over a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteStep {
    pub(super) source: RateSource,
    pub(super) direction: Direction,
}

/// The routes that were looked for, so that each is looked for once.
pub(super) struct Routes {
    config: Arc<PortfolioConfig>,
    known: HashMap<(Currency, Currency), Option<Route>>,
}

/// Whether a pair is read as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
            ids_by_side: true,
            risk: RiskConfig { timeframe: base, bars: 250, confidence: Confidence::default() },
            computed: Vec::new(),
        }
    }

    /// What is configured for a portfolio, or holds for one that is not.
    pub fn account(&self, portfolio: PortfolioId) -> Account {
        let unknown = Account { currency: self.default_currency, capital: 0, benchmark: None };
        self.accounts.get(&portfolio).copied().unwrap_or(unknown)
    }

    /// How amounts of one currency become amounts of another; none if no chain of pairs leads there. Of the shortest
    /// chains it is the one whose pairs come first.
    pub(super) fn route(&self, from: Currency, to: Currency) -> Option<Route> {
        let mut steps = Vec::with_capacity(STEPS_MAX);
        let found = (0..=STEPS_MAX).any(|length| {
            steps.clear();
            self.extend(from, to, length, &mut steps)
        });
        found.then(|| steps.into())
    }

    /// Whether so many steps lead from one currency to another; those of the first such chain are pushed.
    fn extend(
        &self,
        from: Currency,
        to: Currency,
        length: usize,
        steps: &mut Vec<RouteStep>,
    ) -> bool {
        let Some(left) = length.checked_sub(1) else { return from == to };
        self.pairs.iter().any(|pair| {
            let (direction, next) = match (pair.base, pair.quote) {
                (base, quote) if base == from => (Direction::Over, quote),
                (base, quote) if quote == from => (Direction::Under, base),
                _ => return false,
            };
            steps.push(RouteStep { source: pair.source, direction });
            let leads = self.extend(next, to, left, steps);
            if !leads {
                steps.pop();
            }
            leads
        })
    }
}

impl Pair {
    /// Whether it is of these two currencies, in either order.
    pub fn is_of(&self, one: Currency, other: Currency) -> bool {
        [(one, other), (other, one)].contains(&(self.base, self.quote))
    }
}

impl Routes {
    pub(super) fn new(config: Arc<PortfolioConfig>) -> Routes {
        Routes { config, known: HashMap::new() }
    }

    /// How amounts of a currency become amounts of the portfolio's base currency, if they do.
    pub(super) fn of(&mut self, portfolio: PortfolioId, quote: Currency) -> Option<&Route> {
        let base = self.config.account(portfolio).currency;
        let config = &self.config;
        self.known.entry((quote, base)).or_insert_with(|| config.route(quote, base)).as_ref()
    }
}

impl RouteStep {
    /// The instrument whose mark it needs.
    pub(super) fn pair(&self) -> Option<InstrumentId> {
        match self.source {
            RateSource::Mark { instrument, .. } => Some(instrument),
            RateSource::Fixed { .. } => None,
        }
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
