//! What is held now, revalued over closed bars: section *Risk*.

use std::collections::{BTreeMap, BTreeSet};

use market::{EventTime, InstrumentId, PortfolioId};

use super::config::{PairSource, RiskConfig};
use super::normal::quantile;
use super::of_portfolio;
use super::prices::{Prices, Rate, RateStep, Scaled};
use super::rows::{Measures, PositionRow, RiskRow};

/// A row for every portfolio with an open position.
pub(super) fn risk(
    prices: &Prices<'_>,
    positions: &BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
) -> BTreeMap<PortfolioId, RiskRow> {
    let open = positions.iter().filter(|(_, row)| row.quantity != 0);
    let ids: BTreeSet<PortfolioId> = open.map(|((portfolio, _), _)| *portfolio).collect();
    let row = |id| row(prices, id, &of_portfolio(positions, id));
    ids.into_iter().map(|id| (id, row(id))).collect()
}

fn row(
    prices: &Prices<'_>,
    portfolio: PortfolioId,
    positions: &BTreeMap<InstrumentId, &PositionRow>,
) -> RiskRow {
    let config = prices.config.portfolio(portfolio);
    let mut held: BTreeMap<InstrumentId, Held> = BTreeMap::new();
    let mut excluded = 0;
    for (instrument, row) in positions.iter().filter(|(_, row)| row.quantity != 0) {
        let rate = prices.rate(row.contract.quote, config.currency);
        let priced = rate.filter(|_| row.base.is_ok());
        match priced.and_then(|rate| Held::of(prices, *instrument, row, rate)) {
            Some(one) => drop(held.insert(*instrument, one)),
            None => excluded += 1,
        }
    }

    let grid = grid(prices, held.keys().copied());
    let benchmark = config.benchmark.and_then(|it| Closes::known(prices, it));
    let benchmark: Option<Vec<f64>> =
        benchmark.map(|closes| grid.iter().map(|time| closes.at(*time)).collect());
    let measure = |values: &[f64]| measures(&prices.config.risk, values, benchmark.as_deref());

    let together = |time: &EventTime| {
        let mut sum = 0.0;
        for position in held.values() {
            sum += position.value(*time);
        }
        sum
    };
    let alone = |position: &Held| {
        let values: Vec<f64> = grid.iter().map(|time| position.value(*time)).collect();
        measure(&values)
    };
    RiskRow {
        excluded,
        changes: grid.len().saturating_sub(1),
        portfolio: measure(&grid.iter().map(together).collect::<Vec<f64>>()),
        positions: held.iter().map(|(instrument, it)| (*instrument, alone(it))).collect(),
    }
}

/// The last *n* + 1 times at which a closed bar of one of these instruments opens.
fn grid(prices: &Prices<'_>, held: impl Iterator<Item = InstrumentId>) -> Vec<EventTime> {
    let times: BTreeSet<EventTime> =
        held.flat_map(|instrument| prices.closed(instrument).into_keys()).collect();
    let before = times.len().saturating_sub(prices.config.risk.bars + 1);
    times.into_iter().skip(before).collect()
}

/// The last *n* + 1 closes of an instrument; never empty.
struct Closes {
    first: f64,
    by_time: BTreeMap<EventTime, f64>,
}

impl Closes {
    fn known(prices: &Prices<'_>, instrument: InstrumentId) -> Option<Closes> {
        Closes::last(prices, prices.closed(instrument))
    }

    /// Those of a pair, which have to be above 0.
    fn known_of_pair(prices: &Prices<'_>, pair: InstrumentId) -> Option<Closes> {
        let mut closes = prices.closed(pair);
        closes.retain(|_, close| close.price.0 > 0);
        Closes::last(prices, closes)
    }

    fn last(prices: &Prices<'_>, all: BTreeMap<EventTime, Scaled>) -> Option<Closes> {
        let before = all.len().saturating_sub(prices.config.risk.bars + 1);
        let by_time: BTreeMap<EventTime, f64> =
            all.into_iter().skip(before).map(|(time, close)| (time, close.number())).collect();
        let first = *by_time.first_key_value()?.1;
        Some(Closes { first, by_time })
    }

    /// The latest that opens at or before this time, or the first.
    fn at(&self, time: EventTime) -> f64 {
        self.by_time.range(..=time).next_back().map_or(self.first, |(_, close)| *close)
    }
}

/// An open position that can be revalued.
struct Held {
    quantity: f64,
    closes: Closes,
    multiplier: f64,
    /// What each step of the rate multiplies by, or divides by.
    rates: Vec<(bool, StepRate)>,
}

/// The rate of a step.
enum StepRate {
    Pair(Closes),
    Fixed(f64),
}

impl Held {
    fn of(
        prices: &Prices<'_>,
        instrument: InstrumentId,
        row: &PositionRow,
        rate: Rate,
    ) -> Option<Held> {
        let multiplier = row.contract.multiplier;
        let units = 10_f64.powi(i32::from(row.contract.spec.quantity_scale));
        let step = |step: &RateStep| {
            let rate = match step.source {
                PairSource::Mark(pair) => StepRate::Pair(Closes::known_of_pair(prices, pair)?),
                PairSource::Fixed(..) => StepRate::Fixed(step.price.number()),
            };
            Some((step.multiplies, rate))
        };
        let rates = rate.0.iter().map(step).collect::<Option<_>>()?;
        Some(Held {
            quantity: row.quantity as f64 / units,
            closes: Closes::known(prices, instrument)?,
            multiplier: f64::from(multiplier.mantissa())
                / 10_f64.powi(i32::from(multiplier.scale())),
            rates,
        })
    }

    fn value(&self, time: EventTime) -> f64 {
        let mut value = self.quantity * self.closes.at(time) * self.multiplier;
        for (multiplies, rate) in &self.rates {
            let rate = match rate {
                StepRate::Pair(closes) => closes.at(time),
                StepRate::Fixed(rate) => *rate,
            };
            value = if *multiplies { value * rate } else { value / rate };
        }
        value
    }
}

/// The measures of a series of values and of a benchmark's closes at the same times.
fn measures(config: &RiskConfig, values: &[f64], benchmark: Option<&[f64]>) -> Measures {
    let changes: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let volatility = (changes.len() >= 2).then(|| covariance(&changes, &changes).sqrt());
    Measures {
        volatility,
        var_parametric: volatility.map(|volatility| quantile(config.confidence) * volatility),
        var_historical: var_historical(config.confidence, &changes),
        drawdown: drawdown(values),
        beta: benchmark.and_then(|closes| beta(values, &changes, closes)),
    }
}

/// What is lost in the change that is the worst of the better ones, if it is a loss.
fn var_historical(confidence: f64, changes: &[f64]) -> Option<f64> {
    const MILLION: usize = 1_000_000;
    let mut sorted = changes.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Exactly: in floating point (1 − 0.95) · 20 is above 1.
    let tail = MILLION - (confidence * MILLION as f64).round() as usize;
    let rank = (tail * sorted.len()).div_ceil(MILLION).max(1);
    let change = *sorted.get(rank - 1)?;
    (changes.len() >= 2).then(|| if change < 0.0 { -change } else { 0.0 })
}

fn drawdown(values: &[f64]) -> Option<f64> {
    let mut deepest = values.first().map(|_| 0.0)?;
    for (at, earlier) in values.iter().enumerate() {
        for later in &values[at..] {
            if earlier - later > deepest {
                deepest = earlier - later;
            }
        }
    }
    Some(deepest)
}

fn beta(values: &[f64], changes: &[f64], benchmark: &[f64]) -> Option<f64> {
    let value = values.last()?.abs();
    if changes.len() < 2 || value == 0.0 || benchmark.contains(&0.0) {
        return None;
    }
    let relative: Vec<f64> =
        benchmark.windows(2).map(|pair| (pair[1] - pair[0]) / pair[0]).collect();
    let variance = covariance(&relative, &relative);
    (variance != 0.0).then(|| covariance(changes, &relative) / variance / value)
}

/// Of a sample: divided by one less than its size, which is at least 2.
fn covariance(left: &[f64], right: &[f64]) -> f64 {
    let (left_mean, right_mean) = (mean(left), mean(right));
    let mut sum = 0.0;
    for (x, y) in left.iter().zip(right) {
        sum += (x - left_mean) * (y - right_mean);
    }
    sum / (left.len() - 1) as f64
}

fn mean(numbers: &[f64]) -> f64 {
    let mut sum = 0.0;
    for number in numbers {
        sum += number;
    }
    sum / numbers.len() as f64
}
