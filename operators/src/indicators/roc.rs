//! The rate of change.

use super::input::{Close, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Roc {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "roc"
    }

    fn doc(&self) -> &'static str {
        "Rate of change: 100 · (close / c − 1), where c is the close `period` bars before; 0 \
         where c is 0. In percent, from bar `period` + 1 on. As TA-Lib's ROC."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 10, 1)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["roc"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Roc { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::close_mantissa, |closes| {
            textbook::alone(textbook::windows(closes, period + 1, |window| {
                let (then, now) = (window[0], window[period]);
                if then == 0.0 { 0.0 } else { 100.0 * (now - then) / then }
            }))
        })
    }
}

impl Step for Roc {
    type Input = Close;
    type State = Option<Reading>;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: 0 }
    }

    fn step(
        &self,
        _units: Units,
        past: &[Row<Close, Option<Reading>>],
        now: Close,
    ) -> Option<Reading> {
        let before = past[past.len().checked_sub(self.period)?].input;
        Some(Reading(match before.0 {
            0 => 0.0,
            // From whole numbers, since the unit cancels out and small changes do not.
            before => 100.0 * ((i128::from(now.0) - i128::from(before)) as f64 / before as f64),
        }))
    }

    fn read(&self, _units: Units, state: &Option<Reading>) -> Option<[f64; 1]> {
        state.map(|Reading(roc)| [roc])
    }
}
