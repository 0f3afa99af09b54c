//! The simple moving average.

use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

use super::input::{Close, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;

pub(super) struct Spec;

#[derive(Clone)]
struct Sma {
    period: usize,
}

/// The sum of the last closes, exactly, and how many they are.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    count: u32,
    sum: i128,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "sma"
    }

    fn doc(&self) -> &'static str {
        "Simple moving average: the mean of the last `period` closes. In units of price, from bar \
         `period` on. As TA-Lib's SMA, from exact sums."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["sma"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Sma { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::close, |closes| {
            textbook::alone(textbook::sma(closes, params.bars(0)))
        })
    }
}

impl Step for Sma {
    type Input = Close;
    type State = Window;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: 1 }
    }

    fn step(&self, _units: Units, past: &[Row<Close, Window>], now: Close) -> Window {
        let Window { count, sum } =
            past.last().map_or(Window { count: 0, sum: 0 }, |row| row.state);
        let sum = sum + i128::from(now.0);
        match past.len().checked_sub(self.period) {
            None => Window { count: count + 1, sum },
            Some(left) => Window { count, sum: sum - i128::from(past[left].input.0) },
        }
    }

    fn read(&self, units: Units, state: &Window) -> Option<[f64; 1]> {
        (state.count as usize == self.period)
            .then(|| [units.price_of(state.sum as f64 / self.period as f64)])
    }
}
