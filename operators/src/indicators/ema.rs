//! The exponential moving average.

use market::{Bar, Calendars, EventTime};

use super::input::{Close, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;

pub(super) struct Spec;

#[derive(Clone)]
struct Ema {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn doc(&self) -> &'static str {
        "Exponential moving average of closes: e + (close − e) · 2 / (period + 1), begun with the mean \
         of the first `period` closes. In units of price, from bar `period` on. As TA-Lib's EMA."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["ema"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Ema { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::close, |closes| {
            textbook::alone(textbook::ema(closes, params.bars(0)))
        })
    }
}

impl Step for Ema {
    type Input = Close;
    type State = Smooth;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 0, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<Close, Smooth>], now: Close) -> Smooth {
        let before = past.last().map_or(Smooth::NEW, |row| row.state);
        before.exponential(self.period, units.price(now.0))
    }

    fn read(&self, _units: Units, state: &Smooth) -> Option<[f64; 1]> {
        state.mean().map(|mean| [mean])
    }
}
