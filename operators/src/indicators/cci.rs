//! The commodity channel index.

use super::input::{RangeClose, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use super::window;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Cci {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "cci"
    }

    fn doc(&self) -> &'static str {
        "Commodity channel index: (t − mean) / (0.015 · mean deviation) over the typical prices t \
         = (high + low + close) / 3 of the last `period` bars, where the mean deviation is the \
         mean of |t − mean|; 0 where it is 0. Without unit, from bar `period` on. D. Lambert \
         (1980); as TA-Lib's CCI, from exact sums."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["cci"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Cci { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::high_low_close, |bars| {
            // In thirds of mantissas, which are whole numbers: the unit cancels out.
            let typical: Vec<f64> = bars.iter().map(textbook::three_typical).collect();
            textbook::alone(textbook::windows(&typical, period, |window| {
                // Times n, so that no mean is rounded before it is subtracted.
                let away = |t: &f64| t * period as f64 - window.iter().sum::<f64>();
                let deviations: Vec<f64> = window.iter().map(|t| away(t).abs()).collect();
                let deviation = textbook::mean(&deviations);
                match deviation == 0.0 {
                    true => 0.0,
                    false => away(&window[period - 1]) / (0.015 * deviation),
                }
            }))
        })
    }
}

impl Step for Cci {
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
        let typical = window::last(past, now, self.period)?.map(RangeClose::three_typical);
        let n = self.period as i128;
        let sum: i128 = typical.clone().sum();
        // n times everything: whole numbers.
        let away: i128 = typical.map(|typical| (typical * n - sum).abs()).sum();
        if away == 0 {
            return Some(Reading(0.0));
        }
        let mean_deviation = away as f64 / self.period as f64;
        Some(Reading((now.three_typical() * n - sum) as f64 / (0.015 * mean_deviation)))
    }

    fn read(&self, _units: Units, state: &Option<Reading>) -> Option<[f64; 1]> {
        state.map(|Reading(cci)| [cci])
    }
}
