//! The average true range.

use super::input::{RangeClose, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Atr {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "atr"
    }

    fn doc(&self) -> &'static str {
        "Average true range: Wilder's mean of the true ranges, begun with the mean of the first \
         `period`. The true range of a bar is the largest of high − low, |high − c| and |low − \
         c|, where c is the close before; the first bar has none. In units of price, from bar \
         `period` + 1 on. J. W. Wilder, New Concepts in Technical Trading Systems (1978); as \
         TA-Lib's ATR."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 14, 1)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["atr"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Atr { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::high_low_close, |bars| {
            let ranges = textbook::true_ranges(bars);
            textbook::alone(textbook::of_late(&ranges, |ranges| {
                textbook::wilder(ranges, params.bars(0))
            }))
        })
    }
}

impl Step for Atr {
    type Input = RangeClose;
    type State = Smooth;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<RangeClose, Smooth>], now: RangeClose) -> Smooth {
        past.last().map_or(Smooth::NEW, |before| {
            before.state.wilder(self.period, units.price(now.true_range(before.input.close)))
        })
    }

    fn read(&self, _units: Units, state: &Smooth) -> Option<[f64; 1]> {
        state.mean().map(|mean| [mean])
    }
}
