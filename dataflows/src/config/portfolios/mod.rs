//! `[[portfolio]]`, `[portfolios]`, `[[rate]]`, `[risk]` and `[[fair]]`: what positions are valued in, compared
//! with and measured over. [docs/portfolios.md](../../../../docs/portfolios.md) says what each means.

mod raw;
#[cfg(test)]
mod tests;

use market::{
    Catalog, Currency, InstrumentId, MONEY_SCALE, ModelId, PortfolioId, Price, Timeframe, decimal,
};
use operators::indicators::IndicatorsConfig;
use operators::portfolio::{
    Account, ComputedFair, Confidence, Pair, PortfolioConfig, RateSource, RiskConfig,
};

use super::ConfigError;
use super::values::in_range;
use crate::rules::find_number;

pub use raw::{RawAmount, RawFair, RawPortfolio, RawPortfolios, RawRate, RawRisk};

/// What is configured of accounts, checked. What is not configured has its default here.
#[derive(Clone, Debug, PartialEq)]
pub struct Portfolios {
    /// The base currency of portfolios that are not configured.
    pub currency: Currency,
    /// The portfolios that are, in the order of the configuration.
    pub known: Vec<Portfolio>,
    /// Whether what was bought and what was sold of one id are two fills.
    pub ids_by_side: bool,
    /// What says how much one currency is worth in another; at most one of two currencies. Those of hundredths come
    /// last.
    pub rates: Vec<Pair>,
    /// What risk is measured over.
    pub risk: Risk,
    /// The models whose fair values are numbers of an indicator.
    pub computed: Vec<Computed>,
}

/// A configured portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portfolio {
    /// Its id, from the name.
    pub id: PortfolioId,
    /// Its base currency.
    pub currency: Currency,
    /// What it began with, at [`MONEY_SCALE`]; 0 if not configured.
    pub capital: i128,
    /// What its changes are compared with.
    pub benchmark: Option<InstrumentId>,
}

/// What risk is measured over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    /// Of which bars; one of the job's timeframes.
    pub timeframe: Timeframe,
    /// Over how many changes at most.
    pub bars: usize,
    /// From 0.5 up to, but not, 1; 0.95 means that a loss beyond the value at risk is one of twenty.
    pub confidence: Confidence,
}

/// A model whose fair values are numbers of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The model; no source may send its values.
    pub model: ModelId,
    /// The number of the indicator among the job's.
    pub indicator: u16,
    /// The number of its output.
    pub output: u8,
    /// Of which bars; one of the job's timeframes.
    pub timeframe: Timeframe,
}

/// At most so many rates: each is looked for among all.
const RATES_MAX: usize = 256;

/// Currencies in which prices are told in hundredths, unless a rate of theirs is configured: pence of London, cents of
/// Johannesburg, agorot of Tel Aviv.
const HUNDREDTHS: [(&str, &str); 3] = [("GBP", "GBX"), ("ZAR", "ZAC"), ("ILS", "ILA")];

/// What a configuration says of accounts, as written.
pub(super) struct Written {
    pub(super) defaults: RawPortfolios,
    pub(super) portfolios: Vec<RawPortfolio>,
    pub(super) rates: Vec<RawRate>,
    pub(super) risk: RawRisk,
    pub(super) fair: Vec<RawFair>,
}

impl Written {
    /// A key that is written and not the default, if there is one.
    pub(super) fn written(&self) -> Option<&'static str> {
        let keys = [
            ("portfolio", !self.portfolios.is_empty()),
            ("rate", !self.rates.is_empty()),
            ("fair", !self.fair.is_empty()),
            ("portfolios", self.defaults != RawPortfolios::default()),
            ("risk", self.risk != RawRisk::default()),
        ];
        keys.into_iter().find(|(_, is_written)| *is_written).map(|(key, _)| key)
    }

    /// Checks all of it, against the job's `timeframes` and `indicators`; registers its names.
    pub(super) fn check(
        self,
        timeframes: &[Timeframe],
        indicators: &IndicatorsConfig,
        catalog: &Catalog,
    ) -> Result<Portfolios, ConfigError> {
        let place = "portfolios.currency";
        let default = currency(&self.defaults.currency).map_err(ConfigError::at(place))?;
        let mut known: Vec<Portfolio> = Vec::with_capacity(self.portfolios.len());
        for (index, raw) in self.portfolios.into_iter().enumerate() {
            let place = format!("portfolio[{index}] (name `{}`)", raw.name);
            let portfolio = portfolio(raw, default, catalog);
            let portfolio = portfolio.map_err(ConfigError::at(place.clone()))?;
            if known.iter().any(|other| other.id == portfolio.id) {
                let problem = "another portfolio has this name".to_owned();
                return Err(ConfigError::at(place)(problem));
            }
            known.push(portfolio);
        }
        in_range("rate (number of rates)", self.rates.len(), 0, RATES_MAX)?;
        let mut rates = Vec::with_capacity(self.rates.len());
        for (index, raw) in self.rates.into_iter().enumerate() {
            let place = format!("rate[{index}] (pair `{}`)", raw.pair);
            let rate = rate(&raw, &rates, catalog).map_err(ConfigError::at(place))?;
            rates.push(rate);
        }
        let hundredths = HUNDREDTHS.iter().filter_map(|(whole, part)| {
            let (base, quote) = (Currency::of(whole)?, Currency::of(part)?);
            let source = RateSource::Fixed { price: Price(100), scale: 0 };
            (!rates.iter().any(|rate| rate.is_of(base, quote))).then_some(Pair {
                base,
                quote,
                source,
            })
        });
        let hundredths: Vec<_> = hundredths.collect();
        rates.extend(hundredths);
        let risk = risk(self.risk, timeframes)?;
        let mut computed = Vec::with_capacity(self.fair.len());
        for (index, raw) in self.fair.into_iter().enumerate() {
            let place = format!("fair[{index}] (model `{}`)", raw.model);
            let known =
                computed.iter().any(|other: &Computed| other.model == ModelId::of(&raw.model));
            if known {
                return Err(ConfigError::at(place)("another [[fair]] has this model".to_owned()));
            }
            let one = fair(&raw, timeframes, indicators, catalog);
            computed.push(one.map_err(ConfigError::at(place))?);
        }
        let ids_by_side = self.defaults.ids_by_side;
        Ok(Portfolios { currency: default, known, ids_by_side, rates, risk, computed })
    }
}

impl Portfolios {
    /// As the job takes it, with marks from bars of `base`.
    pub(super) fn for_job(&self, base: Timeframe) -> PortfolioConfig {
        let account = |one: &Portfolio| {
            let Portfolio { id, currency, capital, benchmark } = *one;
            (id, Account { currency, capital, benchmark })
        };
        let computed = |fair: &Computed| ComputedFair {
            model: fair.model,
            indicator: fair.indicator,
            output: fair.output,
            timeframe: fair.timeframe,
        };
        let Risk { timeframe, bars, confidence } = self.risk;
        PortfolioConfig {
            base,
            default_currency: self.currency,
            accounts: self.known.iter().map(account).collect(),
            pairs: self.rates.clone(),
            ids_by_side: self.ids_by_side,
            risk: RiskConfig { timeframe, bars, confidence },
            computed: self.computed.iter().map(computed).collect(),
        }
    }
}

fn portfolio(raw: RawPortfolio, default: Currency, catalog: &Catalog) -> Result<Portfolio, String> {
    let id = catalog.portfolios.resolve(&raw.name).map_err(|error| error.to_string())?;
    let benchmark = raw.benchmark.map(|name| catalog.resolve(&name)).transpose();
    let benchmark = benchmark.map_err(|error| format!("benchmark: {error}"))?;
    Ok(Portfolio {
        id,
        currency: raw.currency.map_or(Ok(default), |name| currency(&name))?,
        capital: raw.capital.map_or(Ok(0), |amount| capital(&amount))?,
        benchmark: benchmark.map(|instrument| instrument.id),
    })
}

fn currency(name: &str) -> Result<Currency, String> {
    Currency::of(name).ok_or_else(|| {
        format!("`{name}` is not a currency (1 to 8 of A–Z and 0–9, such as USD or USDT)")
    })
}

/// So that a sum of it and of all that positions may be worth stays far within 128 bits.
const CAPITAL_LIMIT: i128 = 1 << 96;

fn capital(amount: &RawAmount) -> Result<i128, String> {
    let text = amount.to_string();
    match decimal::parse_wide(&text, MONEY_SCALE) {
        Some(capital) if (0..CAPITAL_LIMIT).contains(&capital) => Ok(capital),
        Some(capital) if capital < 0 => Err(format!("capital = {text} is below 0")),
        Some(_) => Err(format!("capital = {text} is more than sums of money can hold")),
        None => Err(format!("capital = {text} is not an amount of at most {MONEY_SCALE} decimals")),
    }
}

fn rate(raw: &RawRate, others: &[Pair], catalog: &Catalog) -> Result<Pair, String> {
    let pair = raw.pair.split_once('/').and_then(|(first, second)| {
        Some((Currency::of(first)?, Currency::of(second)?))
            .filter(|(first, second)| first != second)
    });
    let (base, quote) = pair.ok_or("is not a pair of two currencies such as EUR/USD".to_owned())?;
    if let Some(other) = others.iter().find(|other| other.is_of(base, quote)) {
        let (a, b) = (other.base, other.quote);
        return Err(format!("{a}/{b} says already what these currencies are worth in each other"));
    }
    let source = match (&raw.instrument, &raw.fixed) {
        (Some(name), None) => of_instrument(name, quote, catalog)?,
        (None, Some(amount)) => fixed(amount)?,
        _ => return Err("needs either `instrument`, whose price it is, or `fixed`".to_owned()),
    };
    Ok(Pair { base, quote, source })
}

fn of_instrument(name: &str, quote: Currency, catalog: &Catalog) -> Result<RateSource, String> {
    let instrument = catalog.resolve(name).map_err(|error| error.to_string())?;
    if !instrument.quote.is_empty() && *instrument.quote != *quote.to_string() {
        let (name, own) = (&instrument.name, &instrument.quote);
        return Err(format!(
            "prices of {name} are in {own} by its [[instrument]], and those of the pair in {quote}"
        ));
    }
    Ok(RateSource::Mark { instrument: instrument.id, spec: instrument.spec })
}

fn fixed(amount: &RawAmount) -> Result<RateSource, String> {
    const SCALE: u8 = 9;
    let text = amount.to_string();
    let price = decimal::parse(&text, SCALE)
        .map_err(|why| format!("fixed = {text} {why}; it has at most {SCALE} decimals"))?;
    if price <= 0 {
        return Err(format!("fixed = {text} is not above 0"));
    }
    let (mut price, mut scale) = (price, SCALE);
    while scale > 0 && price % 10 == 0 {
        (price, scale) = (price / 10, scale - 1);
    }
    Ok(RateSource::Fixed { price: Price(price), scale })
}

fn risk(raw: RawRisk, timeframes: &[Timeframe]) -> Result<Risk, ConfigError> {
    let timeframe = match raw.timeframe {
        Some(text) => computed_timeframe(&text, timeframes),
        // A job without any is refused where it is made.
        None => Ok(timeframes.iter().max().copied().unwrap_or(Timeframe::MINUTE)),
    };
    let written = (raw.confidence * 1e6).round();
    let offered = |one: &Confidence| f64::from(one.millionths()) == written;
    let confidence = Confidence::ALL.into_iter().find(offered).ok_or_else(|| {
        let offered = Confidence::ALL.map(Confidence::name).join(", ");
        format!("{} is not one of {offered}", raw.confidence)
    });
    let confidence = confidence.map_err(ConfigError::at("risk.confidence"))?;
    Ok(Risk {
        timeframe: timeframe.map_err(ConfigError::at("risk.timeframe"))?,
        bars: in_range("risk.bars", raw.bars, 1, 5_000)?,
        confidence,
    })
}

fn fair(
    raw: &RawFair,
    timeframes: &[Timeframe],
    indicators: &IndicatorsConfig,
    catalog: &Catalog,
) -> Result<Computed, String> {
    let number = match &raw.output {
        Some(output) => format!("{}.{output}", raw.indicator),
        None => raw.indicator.clone(),
    };
    let (indicator, output) = find_number(&number, indicators)?;
    let timeframe = computed_timeframe(&raw.timeframe, timeframes)?;
    let model = catalog.models.keep(&raw.model).map_err(|error| error.to_string())?;
    Ok(Computed { model, indicator, output, timeframe })
}

fn computed_timeframe(text: &str, computed: &[Timeframe]) -> Result<Timeframe, String> {
    let timeframe: Timeframe = text.parse()?;
    if computed.contains(&timeframe) {
        return Ok(timeframe);
    }
    let known: Vec<_> = computed.iter().map(Timeframe::to_string).collect();
    Err(format!("timeframe {timeframe} is not among job.timeframes ({})", known.join(", ")))
}
