//! Williams' %R.

use super::input::{RangeClose, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use super::window;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Williams {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "willr"
    }

    fn doc(&self) -> &'static str {
        "Williams' %R: −100 · (highest − close) / (highest − lowest) over the last `period` bars; \
         0 where highest and lowest are one. From −100 to 0, from bar `period` on. L. Williams; \
         as TA-Lib's WILLR."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 14, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["willr"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Williams { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::high_low_close, |bars| {
            textbook::alone(textbook::windows(bars, params.bars(0), |window| {
                let (highest, lowest) = (textbook::highest(window), textbook::lowest(window));
                let close = window[window.len() - 1].close;
                match highest == lowest {
                    true => 0.0,
                    false => -100.0 * (highest - close) / (highest - lowest),
                }
            }))
        })
    }
}

impl Step for Williams {
    type Input = RangeClose;
    type State = Option<Reading>;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period - 1, states: 0 }
    }

    fn step(
        &self,
        _units: Units,
        past: &[Row<RangeClose, Option<Reading>>],
        now: RangeClose,
    ) -> Option<Reading> {
        let bars = window::last(past, now, self.period)?;
        let highest = bars.clone().fold(now.high, |highest, bar| highest.max(bar.high));
        let lowest = bars.fold(now.low, |lowest, bar| lowest.min(bar.low));
        let [highest, lowest, close] = [highest, lowest, now.close].map(i128::from);
        Some(Reading(match highest - lowest {
            0 => 0.0,
            range => 100.0 * ((close - highest) as f64 / range as f64),
        }))
    }

    fn read(&self, _units: Units, state: &Option<Reading>) -> Option<[f64; 1]> {
        state.map(|Reading(willr)| [willr])
    }
}
