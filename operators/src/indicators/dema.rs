//! The double exponential moving average.

use super::input::{Close, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Dema {
    period: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Means {
    first: Smooth,
    second: Smooth,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "dema"
    }

    fn doc(&self) -> &'static str {
        "Double exponential moving average: 2·e₁ − e₂, where e₁ is the EMA of closes and e₂ the \
         EMA of e₁, each begun with the mean of its first `period` numbers. In units of price, \
         from bar 2·`period` − 1 on. P. Mulloy (1994); as TA-Lib's DEMA."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["dema"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Dema { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::close, |closes| {
            let first = textbook::ema(closes, period);
            let second = textbook::of_late(&first, |first| textbook::ema(first, period));
            let outputs = first.iter().zip(&second).map(|(e1, e2)| Some(2.0 * (*e1)? - (*e2)?));
            textbook::alone(outputs.collect())
        })
    }
}

impl Step for Dema {
    type Input = Close;
    type State = Means;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 0, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<Close, Means>], now: Close) -> Means {
        let new = Means { first: Smooth::NEW, second: Smooth::NEW };
        let before = past.last().map_or(new, |row| row.state);
        let first = before.first.exponential(self.period, units.price(now.0));
        let mut second = before.second;
        if let Some(first) = first.mean() {
            second = second.exponential(self.period, first);
        }
        Means { first, second }
    }

    fn read(&self, _units: Units, state: &Means) -> Option<[f64; 1]> {
        Some([2.0 * state.first.mean()? - state.second.mean()?])
    }
}
