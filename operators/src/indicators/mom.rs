//! Momentum.

use super::input::{Close, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Momentum {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "mom"
    }

    fn doc(&self) -> &'static str {
        "Momentum: close less the close `period` bars before. In units of price, from bar \
         `period` + 1 on. As TA-Lib's MOM."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 10, 1)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["mom"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Momentum { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::close, |closes| {
            textbook::alone(textbook::windows(closes, period + 1, |window| {
                let (then, now) = (window[0], window[period]);
                now - then
            }))
        })
    }
}

impl Step for Momentum {
    type Input = Close;
    type State = Option<Reading>;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: 0 }
    }

    fn step(
        &self,
        units: Units,
        past: &[Row<Close, Option<Reading>>],
        now: Close,
    ) -> Option<Reading> {
        let before = past[past.len().checked_sub(self.period)?].input;
        Some(Reading(units.price(i128::from(now.0) - i128::from(before.0))))
    }

    fn read(&self, _units: Units, state: &Option<Reading>) -> Option<[f64; 1]> {
        state.map(|Reading(mom)| [mom])
    }
}
