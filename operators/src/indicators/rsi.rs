//! The relative strength index.

use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

use super::input::{Close, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;

pub(super) struct Spec;

#[derive(Clone)]
struct Rsi {
    period: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Strength {
    gain: Smooth,
    loss: Smooth,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "rsi"
    }

    fn doc(&self) -> &'static str {
        "Relative strength index: 100 · gain / (gain + loss), where gain and loss are Wilder's means of \
         the rises and falls of the close, begun with the means of the first `period` changes. 100 \
         without losses, 0 without any movement. From 0 to 100, from bar `period` + 1 on. J. W. \
         Wilder, New Concepts in Technical Trading Systems (1978); as TA-Lib's RSI."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 14, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["rsi"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Rsi { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::close_mantissa, |closes| {
            let changes: Vec<f64> = closes.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let gains: Vec<f64> = changes.iter().map(|change| change.max(0.0)).collect();
            let losses: Vec<f64> = changes.iter().map(|change| (-change).max(0.0)).collect();
            let gains = textbook::wilder(&gains, params.bars(0));
            let losses = textbook::wilder(&losses, params.bars(0));
            let index = gains.into_iter().zip(losses).map(|(gain, loss)| {
                let (gain, loss) = (gain?, loss?);
                Some(if gain + loss == 0.0 { 0.0 } else { 100.0 * gain / (gain + loss) })
            });
            // The first bar has no change.
            let first = std::iter::once(None).take(closes.len());
            textbook::alone(first.chain(index).collect())
        })
    }
}

impl Step for Rsi {
    type Input = Close;
    type State = Strength;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<Close, Strength>], now: Close) -> Strength {
        let Some(before) = past.last() else {
            return Strength { gain: Smooth::NEW, loss: Smooth::NEW };
        };
        let change = units.price(i128::from(now.0) - i128::from(before.input.0));
        Strength {
            gain: before.state.gain.wilder(self.period, change.max(0.0)),
            loss: before.state.loss.wilder(self.period, (-change).max(0.0)),
        }
    }

    fn read(&self, _units: Units, state: &Strength) -> Option<[f64; 1]> {
        let (gain, loss) = (state.gain.mean()?, state.loss.mean()?);
        let movement = gain + loss;
        Some([if movement == 0.0 { 0.0 } else { 100.0 * (gain / movement) }])
    }
}
