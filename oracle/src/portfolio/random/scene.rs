//! Who holds what in which currencies.

use std::collections::BTreeMap;

use market::{
    CalendarId, Contract, Currency, InstrumentId, InstrumentSpec, ModelId, Multiplier, PortfolioId,
    Price, Timeframe,
};

use super::Shape;
use crate::portfolio::{Config, Pair, PairSource, PortfolioConfig, RiskConfig};
use crate::prng::Prng;

/// Where a script plays.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) config: Config,
    pub(super) portfolios: Vec<PortfolioId>,
    /// What portfolios hold.
    pub(super) instruments: Vec<Traded>,
    /// What only rates are read from.
    pub(super) pairs: Vec<Traded>,
    /// Models whose fair values are input.
    pub(super) models: Vec<ModelId>,
    pub(super) extremes: bool,
}

/// An instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traded {
    pub(super) id: InstrumentId,
    pub(super) contract: Contract,
}

impl Scene {
    pub(super) fn choose(prng: &mut Prng, shape: &Shape) -> Scene {
        let instruments: Vec<Traded> = (0..shape.instruments.max(1))
            .map(|number| instrument(prng, number, shape.extremes))
            .collect();
        let portfolios: Vec<PortfolioId> = (0..shape.portfolios.max(1))
            .map(|number| PortfolioId::of(&format!("portfolio {number}")))
            .collect();
        let mut pairs = pairs(prng);
        prng.shuffle(&mut pairs);

        // The first portfolio lives by the defaults.
        let mut configured = BTreeMap::new();
        for id in portfolios.iter().skip(1) {
            configured.insert(*id, portfolio(prng, shape, &instruments, &pairs));
        }
        let base = Timeframe::MINUTE;
        let larger = Timeframe::from_secs(300).unwrap_or(base);
        let config = Config {
            base,
            default_currency: currency("USD"),
            portfolios: configured,
            pairs: pairs.iter().map(|(pair, _)| *pair).collect(),
            computed: BTreeMap::from([
                (ModelId::of("rule a"), base),
                (ModelId::of("rule b"), larger),
            ]),
            ids_by_side: prng.percent(75),
            risk: RiskConfig {
                timeframe: prng.pick(&[base, larger, larger]),
                bars: prng.pick(&[1, 2, 5, 20]),
                confidence: prng.pick(&[0.9, 0.95, 0.99]),
            },
        };
        Scene {
            config,
            portfolios,
            instruments,
            pairs: pairs.into_iter().filter_map(|(_, traded)| traded).collect(),
            models: (0..3).map(|number| ModelId::of(&format!("model {number}"))).collect(),
            extremes: shape.extremes,
        }
    }
}

fn instrument(prng: &mut Prng, number: usize, extremes: bool) -> Traded {
    let wild = extremes && number.is_multiple_of(3);
    let scales = [0, 2, 3, 8, 18];
    Traded {
        id: InstrumentId::of(&format!("venue:I{number}")),
        contract: Contract {
            spec: InstrumentSpec {
                price_scale: prng.pick(&scales),
                quantity_scale: prng.pick(&scales),
                calendar: CalendarId(0),
            },
            // No pair leads from NOK, and the one from CHF never trades. GBX is some steps away from all.
            quote: currency(prng.pick(&[
                "USD", "USD", "USD", "USD", "EUR", "EUR", "EUR", "JPY", "JPY", "NOK", "CHF", "GBX",
                "GBP",
            ])),
            multiplier: match wild {
                true => prng.pick(&[Multiplier::from(1), u32::MAX.into()]),
                false => multiplier(prng.pick(&["1", "1", "50", "100", "0.01", "0.125"])),
            },
        },
    }
}

/// Pairs in both directions, some of them twice; one or two are often missing.
fn pairs(prng: &mut Prng) -> Vec<(Pair, Option<Traded>)> {
    let names = [
        ("EUR", "USD", ""),
        ("EUR", "USD", "-other"),
        ("USD", "JPY", ""),
        ("JPY", "EUR", ""),
        ("EUR", "JPY", ""),
        ("CHF", "USD", "-never"),
        ("GBP", "USD", ""),
        // Only fees are paid in it.
        ("BNB", "USD", ""),
    ];
    let mut pairs = Vec::new();
    for (first, second, rest) in names {
        let id = InstrumentId::of(&format!("fx:{first}{second}{rest}"));
        let spec = InstrumentSpec {
            price_scale: prng.pick(&[2, 5, 9, 18]),
            quantity_scale: 2,
            calendar: CalendarId(0),
        };
        let contract = Contract { spec, quote: currency(second), multiplier: Multiplier::ONE };
        if prng.percent(80) {
            let source = PairSource::Mark(id);
            let pair = Pair { source, first: currency(first), second: currency(second) };
            pairs.push((pair, Some(Traded { id, contract })));
        }
    }
    for (first, second, price, scale) in
        [("GBP", "GBX", 100, 0), ("DKK", "EUR", 134_041, 6), ("JPY", "NOK", 7, 2)]
    {
        if prng.percent(80) {
            let source = PairSource::Fixed(Price(price), scale);
            let pair = Pair { source, first: currency(first), second: currency(second) };
            pairs.push((pair, None));
        }
    }
    pairs
}

fn portfolio(
    prng: &mut Prng,
    shape: &Shape,
    instruments: &[Traded],
    pairs: &[(Pair, Option<Traded>)],
) -> PortfolioConfig {
    let capital = match shape.extremes && prng.percent(30) {
        true => prng.pick(&[i128::MAX, i128::MIN, 1, -1]),
        false => prng.pick(&[0, 0, 1_000_000_000, 1_000_000_000_000_000, -5_000_000_000]),
    };
    let some_instrument = prng.pick(instruments).id;
    let some_pair = pairs.iter().find_map(|(_, traded)| Some((*traded)?.id));
    PortfolioConfig {
        currency: currency(prng.pick(&["USD", "USD", "EUR", "JPY", "DKK"])),
        capital,
        benchmark: prng.pick(&[None, Some(some_instrument), Some(some_instrument), some_pair]),
    }
}

/// The multiplier of a text that is one.
fn multiplier(text: &str) -> Multiplier {
    match Multiplier::parse(text) {
        Ok(multiplier) => multiplier,
        Err(_) => unreachable!("{text} is a multiplier"),
    }
}

/// The currency of a name that is one.
pub(super) fn currency(name: &str) -> Currency {
    match Currency::of(name) {
        Some(currency) => currency,
        None => unreachable!("{name} is a currency"),
    }
}

impl Traded {
    /// Whether it has no bar in any script.
    pub(super) fn never_trades(&self) -> bool {
        self.id == InstrumentId::of("fx:CHFUSD-never")
    }
}
