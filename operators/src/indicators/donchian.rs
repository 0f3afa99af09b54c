//! Donchian channels.

use super::input::{Range, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use super::window;
use market::{Bar, Calendars, EventTime};

pub(super) struct Spec;

#[derive(Clone)]
struct Donchian {
    period: usize,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "donchian"
    }

    fn doc(&self) -> &'static str {
        "Donchian channels: upper is the highest high and lower the lowest low of the last \
         `period` bars, this one included; middle lies halfway. In units of price, from bar \
         `period` on. R. Donchian; as TA-Lib's MAX of highs, MIN of lows and MIDPRICE."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 20, 1)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["upper", "middle", "lower"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Donchian { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::high_low, |bars| {
            let highest = |window: &[textbook::Prices]| textbook::highest(window) / window[0].unit;
            let lowest = |window: &[textbook::Prices]| textbook::lowest(window) / window[0].unit;
            let upper = textbook::windows(bars, period, highest);
            let middle = |window: &[textbook::Prices]| (highest(window) + lowest(window)) / 2.0;
            let middle = textbook::windows(bars, period, middle);
            let lower = textbook::windows(bars, period, lowest);
            textbook::together([upper, middle, lower])
        })
    }
}

impl Step for Donchian {
    type Input = Range;
    type State = Option<Range>;
    type Outputs = [f64; 3];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period - 1, states: 0 }
    }

    fn step(&self, _units: Units, past: &[Row<Range, Option<Range>>], now: Range) -> Option<Range> {
        let bars = window::last(past, now, self.period)?;
        let high = bars.clone().fold(now.high, |highest, bar| highest.max(bar.high));
        let low = bars.fold(now.low, |lowest, bar| lowest.min(bar.low));
        Some(Range { high, low })
    }

    fn read(&self, units: Units, state: &Option<Range>) -> Option<[f64; 3]> {
        let Range { high, low } = (*state)?;
        let middle = units.price(i128::from(high) + i128::from(low)) / 2.0;
        Some([units.price(high), middle, units.price(low)])
    }
}
