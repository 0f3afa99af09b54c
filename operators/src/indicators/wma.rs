//! The weighted moving average.

use super::input::{Close, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Wma {
    period: usize,
}

/// The last closes, exactly: how many, their sum, and their sum weighted 1 (oldest), 2, 3, ….
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    count: u32,
    sum: i128,
    weighted: i128,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "wma"
    }

    fn doc(&self) -> &'static str {
        "Weighted moving average: the mean of the last `period` closes, the newest weighted \
         `period`, the one before one less, down to 1. In units of price, from bar `period` on. \
         As TA-Lib's WMA, from exact sums."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["wma"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Wma { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        let weights = (period * (period + 1) / 2) as f64;
        textbook::over(bars, textbook::close, |closes| {
            textbook::alone(textbook::windows(closes, period, |window| {
                let weighted =
                    window.iter().zip(1..).map(|(close, weight)| close * f64::from(weight));
                weighted.sum::<f64>() / weights
            }))
        })
    }
}

impl Step for Wma {
    type Input = Close;
    type State = Window;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: 1 }
    }

    fn step(&self, _units: Units, past: &[Row<Close, Window>], now: Close) -> Window {
        let empty = Window { count: 0, sum: 0, weighted: 0 };
        let mut window = past.last().map_or(empty, |row| row.state);
        match past.len().checked_sub(self.period) {
            None => window.count += 1,
            Some(left) => {
                // Every weight falls by one, and that of the oldest to nothing.
                window.weighted -= window.sum;
                window.sum -= i128::from(past[left].input.0);
            }
        }
        window.sum += i128::from(now.0);
        window.weighted += i128::from(window.count) * i128::from(now.0);
        window
    }

    fn read(&self, units: Units, state: &Window) -> Option<[f64; 1]> {
        let weights = (self.period * (self.period + 1) / 2) as f64;
        (state.count as usize == self.period)
            .then(|| [units.price_of(state.weighted as f64 / weights)])
    }
}
