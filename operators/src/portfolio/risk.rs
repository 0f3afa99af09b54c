//! Risk of a portfolio: what it holds now, revalued over bars that are closed.
//!
//! Everything is computed anew from the closes in one fixed order: positions by instrument, sums along the
//! grid. So equal bars give equal bits, on any number of workers. Floating-point sums that are patched would depend on
//! the order of changes.

use market::{Contract, EventTime, InstrumentId, Price};
use serde::{Deserialize, Serialize};

use super::config::{Confidence, Direction, RiskConfig};
use super::row::{Measures, Risk};
use super::series::{CloseSeries, unit};
use crate::indicators::Reading;

/// What risk sees of a portfolio. Ordered by instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Exposure {
    /// A position is open.
    Open(InstrumentId),
    /// And it can be revalued.
    Held {
        instrument: InstrumentId,
        quantity: i128,
        contract: Contract,
        closes: CloseSeries,
        rates: Vec<RateStep>,
    },
    /// What changes are compared with.
    Benchmark(CloseSeries),
}

/// A step of what turns values into the base currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct RateStep {
    pub(super) direction: Direction,
    pub(super) rate: RateCloses,
}

/// The rate of a step at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum RateCloses {
    Pair(CloseSeries),
    Fixed { price: Price, scale: u8 },
}

/// The rows of a portfolio with an open position, of the whole (none) and of each position held.
pub(super) fn risk<'a>(
    config: &RiskConfig,
    exposures: impl Iterator<Item = &'a Exposure> + Clone,
    mut put: impl FnMut(Option<InstrumentId>, Risk),
) {
    let grid = grid(exposures.clone(), config.bars.saturating_add(1));
    let benchmark = exposures.clone().find_map(|exposure| match exposure {
        Exposure::Benchmark(closes) => relative_changes(closes, &grid),
        _ => None,
    });
    let changes = grid.len().saturating_sub(1) as u64;
    let measured = |values: &[f64]| measures(values, benchmark.as_deref(), config.confidence);

    let mut total: Option<Vec<f64>> = None;
    let (mut open, mut held) = (0_u64, 0_u64);
    for exposure in exposures {
        match exposure {
            Exposure::Open(_) => open += 1,
            Exposure::Held { instrument, quantity, contract, closes, rates } => {
                held += 1;
                let values = revalued(*quantity, contract, closes, rates, &grid);
                let measures = measured(&values);
                put(Some(*instrument), Risk { excluded: 0, changes, measures });
                match &mut total {
                    Some(total) => total.iter_mut().zip(&values).for_each(|(sum, v)| *sum += v),
                    None => total = Some(values),
                }
            }
            Exposure::Benchmark(_) => {}
        }
    }
    if open > 0 {
        let measures = total.map_or_else(Measures::default, |total| measured(&total));
        put(None, Risk { excluded: open.saturating_sub(held), changes, measures });
    }
}

/// The last `points` of the distinct times at which a bar opens of what is held.
fn grid<'a>(exposures: impl Iterator<Item = &'a Exposure>, points: usize) -> Vec<EventTime> {
    let mut grid: Vec<EventTime> = Vec::new();
    for exposure in exposures {
        let Exposure::Held { closes, .. } = exposure else { continue };
        let times = || closes.closes().iter().map(|(time, _)| *time);
        // Most have the same bars.
        if !times().eq(grid.iter().copied()) {
            grid.extend(times());
            grid.sort();
            grid.dedup();
            grid.drain(..grid.len().saturating_sub(points));
        }
    }
    grid
}

/// The values of a position on the grid.
fn revalued<'a>(
    quantity: i128,
    contract: &Contract,
    closes: &'a CloseSeries,
    rates: &'a [RateStep],
    grid: &'a [EventTime],
) -> Vec<f64> {
    let quantity = quantity as f64 / unit(contract.spec.quantity_scale);
    let multiplier = contract.multiplier;
    let multiplier = f64::from(multiplier.mantissa()) / unit(multiplier.scale());
    let mut values: Vec<f64> = closes.on(grid).map(|close| quantity * close * multiplier).collect();
    for step in rates {
        let convert = |(value, rate): (&mut f64, f64)| match step.direction {
            Direction::Over => *value *= rate,
            Direction::Under => *value /= rate,
        };
        match &step.rate {
            RateCloses::Pair(closes) => values.iter_mut().zip(closes.on(grid)).for_each(convert),
            RateCloses::Fixed { price, scale } => {
                let rate = price.0 as f64 / unit(*scale);
                values.iter_mut().zip(std::iter::repeat(rate)).for_each(convert);
            }
        }
    }
    values
}

/// The relative changes of the benchmark's close; none if a close is 0.
fn relative_changes(closes: &CloseSeries, grid: &[EventTime]) -> Option<Vec<f64>> {
    let closes: Vec<f64> = closes.on(grid).collect();
    let changes = || closes.windows(2).map(|pair| (pair[1] - pair[0]) / pair[0]).collect();
    (!closes.contains(&0.0)).then(changes)
}

/// The measures of values on the grid.
fn measures(values: &[f64], benchmark: Option<&[f64]>, confidence: Confidence) -> Measures {
    let mut changes: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let volatility = covariance(&changes, &changes).map(f64::sqrt);
    let last = values.last().copied().unwrap_or_default().abs();
    let beta = benchmark.and_then(|benchmark| {
        let variance = covariance(benchmark, benchmark)?;
        let beta = || Some(covariance(&changes, benchmark)? / variance / last);
        if variance == 0.0 || last == 0.0 { None } else { beta() }
    });
    Measures {
        volatility: volatility.map(Reading),
        var_parametric: volatility.map(|it| Reading(confidence.quantile() * it)),
        beta: beta.map(Reading),
        drawdown: drawdown(values).map(Reading),
        // Last: it reorders the changes.
        var_historical: tail(&mut changes, confidence).map(Reading),
    }
}

/// Of two samples of *k* numbers, by *k* − 1; none if *k* < 2.
fn covariance(left: &[f64], right: &[f64]) -> Option<f64> {
    if left.len() < 2 {
        return None;
    }
    let count = left.len() as f64;
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / count;
    let (mean_left, mean_right) = (mean(left), mean(right));
    let products = left.iter().zip(right).map(|(l, r)| (l - mean_left) * (r - mean_right));
    Some(products.sum::<f64>() / (count - 1.0))
}

/// The loss that only so many changes exceed; none of fewer than two changes.
fn tail(changes: &mut [f64], confidence: Confidence) -> Option<f64> {
    const MILLION: usize = 1_000_000;
    if changes.len() < 2 {
        return None;
    }
    let beyond = MILLION.saturating_sub(confidence.millionths() as usize);
    let rank = changes.len().saturating_mul(beyond).div_ceil(MILLION).clamp(1, changes.len());
    let (_, change, _) = changes.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Some(if *change < 0.0 { -*change } else { 0.0 })
}

/// The most that a value lies below an earlier one; none without values.
fn drawdown(values: &[f64]) -> Option<f64> {
    let mut peak = *values.first()?;
    let mut most = 0.0;
    for value in values {
        peak = peak.max(*value);
        most = f64::max(most, peak - value);
    }
    Some(most)
}
