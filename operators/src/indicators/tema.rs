//! The triple exponential moving average.

use super::input::{Close, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Tema {
    period: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Means {
    first: Smooth,
    second: Smooth,
    third: Smooth,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "tema"
    }

    fn doc(&self) -> &'static str {
        "Triple exponential moving average: 3·e₁ − 3·e₂ + e₃, where e₁ is the EMA of closes, e₂ \
         the EMA of e₁ and e₃ the EMA of e₂, each begun with the mean of its first `period` \
         numbers. In units of price, from bar 3·`period` − 2 on. P. Mulloy (1994); as TA-Lib's \
         TEMA."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["tema"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Tema { period: params.bars(0) }))
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
            let third = textbook::of_late(&second, |second| textbook::ema(second, period));
            let two = first.iter().zip(&second).map(|(e1, e2)| Some(3.0 * (*e1)? - 3.0 * (*e2)?));
            let outputs = two.zip(&third).map(|(two, e3)| Some(two? + (*e3)?));
            textbook::alone(outputs.collect())
        })
    }
}

impl Step for Tema {
    type Input = Close;
    type State = Means;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 0, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<Close, Means>], now: Close) -> Means {
        let new = Means { first: Smooth::NEW, second: Smooth::NEW, third: Smooth::NEW };
        let before = past.last().map_or(new, |row| row.state);
        let first = before.first.exponential(self.period, units.price(now.0));
        let (mut second, mut third) = (before.second, before.third);
        if let Some(first) = first.mean() {
            second = second.exponential(self.period, first);
        }
        if let Some(second) = second.mean() {
            third = third.exponential(self.period, second);
        }
        Means { first, second, third }
    }

    fn read(&self, _units: Units, state: &Means) -> Option<[f64; 1]> {
        let (first, second, third) =
            (state.first.mean()?, state.second.mean()?, state.third.mean()?);
        Some([3.0 * first - 3.0 * second + third])
    }
}
