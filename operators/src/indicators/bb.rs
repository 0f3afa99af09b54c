//! Bollinger bands.

use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

use super::input::{Close, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use crate::numbers::Reading;

pub(super) struct Spec;

#[derive(Clone)]
struct Bollinger {
    period: usize,
    deviations: f64,
}

/// The last closes: how many, their sum and the sum of their squares.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    count: u32,
    /// How many of them are [`wide`].
    wide: u32,
    sum: i128,
    /// Modulo 2¹²⁸; exact while none is wide.
    squares: i128,
    /// The population's standard deviation, in mantissas.
    sigma: Reading,
}

/// Mantissas so large that squares of a whole window may not fit 128 bits.
fn wide(close: i64) -> bool {
    close.unsigned_abs() >= 1 << 55
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "bb"
    }

    fn doc(&self) -> &'static str {
        "Bollinger bands: middle is the mean of the last `period` closes, upper and lower lie \
         `deviations` standard deviations of these closes (of the population: divided by `period`) above \
         and below. In units of price, from bar `period` on. J. Bollinger; as TA-Lib's BBANDS with a \
         simple average, from exact sums."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2), Parameter::factor("deviations", 2.0)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["upper", "middle", "lower"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Bollinger { period: params.bars(0), deviations: params.number(1) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let (period, deviations) = (params.bars(0), params.number(1));
        textbook::over(bars, textbook::close, |closes| {
            let middle = textbook::sma(closes, period);
            let sigma = textbook::windows(closes, period, |window| {
                let mean = textbook::mean(window);
                let squares: Vec<f64> = window.iter().map(|x| (x - mean).powi(2)).collect();
                textbook::mean(&squares).sqrt()
            });
            let bands = middle.iter().zip(sigma).map(|(middle, sigma)| {
                let (middle, away) = ((*middle)?, sigma? * deviations);
                Some(vec![middle + away, middle, middle - away])
            });
            bands.collect()
        })
    }
}

impl Bollinger {
    /// √(n·Σx² − (Σx)²) / n over the last closes, in mantissas.
    fn sigma(&self, window: &Window, past: &[Row<Close, Window>], now: Close) -> f64 {
        let n = self.period as i128;
        let n_sigma = if window.wide == 0 {
            // Shifted by the whole part q of the mean, everything stays small:
            // with r = Σ(x − q), n·Σx² − (Σx)² = n·Σ(x − q)² − r².
            let (q, r) = (window.sum.div_euclid(n), window.sum.rem_euclid(n));
            let squares = window
                .squares
                .wrapping_sub(q.wrapping_mul(2).wrapping_mul(window.sum))
                .wrapping_add(q.wrapping_mul(q).wrapping_mul(n));
            match squares.checked_mul(n) {
                Some(product) => ((product - r * r) as f64).sqrt(),
                None => (squares as f64 * n as f64 - (r * r) as f64).sqrt(),
            }
        } else {
            let before = &past[past.len() - (self.period - 1)..];
            let closes = before.iter().map(|row| row.input).chain([now]);
            let away = closes.map(|close| (i128::from(close.0) * n - window.sum) as f64);
            (away.map(|away| away * away).sum::<f64>() / n as f64).sqrt()
        };
        n_sigma / n as f64
    }
}

impl Step for Bollinger {
    type Input = Close;
    type State = Window;
    type Outputs = [f64; 3];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: 1 }
    }

    fn step(&self, _units: Units, past: &[Row<Close, Window>], now: Close) -> Window {
        let empty = Window { count: 0, wide: 0, sum: 0, squares: 0, sigma: Reading(0.0) };
        let mut window = past.last().map_or(empty, |row| row.state);
        let square = |close: i64| i128::from(close) * i128::from(close);
        window.sum += i128::from(now.0);
        window.squares = window.squares.wrapping_add(square(now.0));
        window.wide += u32::from(wide(now.0));
        match past.len().checked_sub(self.period) {
            None => window.count += 1,
            Some(left) => {
                let Close(left) = past[left].input;
                window.sum -= i128::from(left);
                window.squares = window.squares.wrapping_sub(square(left));
                window.wide -= u32::from(wide(left));
            }
        }
        if window.count as usize == self.period {
            window.sigma = Reading(self.sigma(&window, past, now));
        }
        window
    }

    fn read(&self, units: Units, state: &Window) -> Option<[f64; 3]> {
        if (state.count as usize) < self.period {
            return None;
        }
        let middle = units.price_of(state.sum as f64 / self.period as f64);
        let away = self.deviations * units.price_of(state.sigma.0);
        Some([middle + away, middle, middle - away])
    }
}
