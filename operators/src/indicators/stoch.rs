//! The stochastic oscillator.

use super::input::{RangeClose, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use super::window;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Stochastic {
    window: usize,
    slowing: usize,
    smoothing: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Oscillator {
    raw: Option<Reading>,
    k: Option<Reading>,
    d: Option<Reading>,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "stoch"
    }

    fn doc(&self) -> &'static str {
        "Slow stochastic oscillator: raw is 100 · (close − lowest) / (highest − lowest) over the \
         last `window` bars, 0 where highest and lowest are one; k is the mean of the last \
         `slowing` raw, d the mean of the last `smoothing` k. From 0 to 100, from bar `window` + \
         `slowing` + `smoothing` − 2 on. G. Lane; as TA-Lib's STOCH with simple averages."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::bars("window", 5, 1),
                Parameter::bars("slowing", 3, 1),
                Parameter::bars("smoothing", 3, 1),
            ]
        }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["k", "d"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        let (window, slowing, smoothing) = (params.bars(0), params.bars(1), params.bars(2));
        Ok(Box::new(Stochastic { window, slowing, smoothing }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let (window, slowing, smoothing) = (params.bars(0), params.bars(1), params.bars(2));
        textbook::over(bars, textbook::high_low_close, |bars| {
            let raw = textbook::windows(bars, window, |window| {
                let (highest, lowest) = (textbook::highest(window), textbook::lowest(window));
                let close = window[window.len() - 1].close;
                match highest == lowest {
                    true => 0.0,
                    false => 100.0 * (close - lowest) / (highest - lowest),
                }
            });
            let k = textbook::of_late(&raw, |raw| textbook::sma(raw, slowing));
            let d = textbook::of_late(&k, |k| textbook::sma(k, smoothing));
            textbook::together([k, d])
        })
    }
}

impl Step for Stochastic {
    type Input = RangeClose;
    type State = Oscillator;
    type Outputs = [f64; 2];

    fn looks_back(&self) -> LookBack {
        let states = self.slowing.max(self.smoothing) - 1;
        LookBack { bars: self.window - 1, states }
    }

    fn step(
        &self,
        _units: Units,
        past: &[Row<RangeClose, Oscillator>],
        now: RangeClose,
    ) -> Oscillator {
        let raw = window::last(past, now, self.window).map(|bars| {
            let highest = bars.clone().fold(now.high, |highest, bar| highest.max(bar.high));
            let lowest = bars.fold(now.low, |lowest, bar| lowest.min(bar.low));
            let [highest, lowest, close] = [highest, lowest, now.close].map(i128::from);
            match highest - lowest {
                0 => 0.0,
                range => 100.0 * ((close - lowest) as f64 / range as f64),
            }
        });
        let number = |reading: Option<Reading>| reading.map(|reading| reading.0);
        let k = window::mean_of_states(past, raw, self.slowing, |state| number(state.raw));
        let d = window::mean_of_states(past, k, self.smoothing, |state| number(state.k));
        Oscillator { raw: raw.map(Reading), k: k.map(Reading), d: d.map(Reading) }
    }

    fn read(&self, _units: Units, state: &Oscillator) -> Option<[f64; 2]> {
        Some([state.k?.0, state.d?.0])
    }
}
