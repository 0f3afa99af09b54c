//! Keltner channels.

use super::input::{RangeClose, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Keltner {
    period: usize,
    atr: usize,
    ranges: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Means {
    middle: Smooth,
    range: Smooth,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "keltner"
    }

    fn doc(&self) -> &'static str {
        "Keltner channels: middle is the EMA of the last `period` closes, upper and lower lie \
         `ranges` average true ranges (Wilder's, of `atr` bars) above and below. The EMA is begun \
         as `ema`, the range as `atr`, both over bars that have high, low and close. In units of \
         price, from bar `period` or `atr` + 1 on, whichever is later. C. Keltner (1960), in the \
         form of L. Bradford Raschke."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::bars("period", 20, 2),
                Parameter::bars("atr", 10, 1),
                Parameter::factor("ranges", 2.0),
            ]
        }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["upper", "middle", "lower"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        let (period, atr, ranges) = (params.bars(0), params.bars(1), params.number(2));
        Ok(Box::new(Keltner { period, atr, ranges }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let (period, atr, ranges) = (params.bars(0), params.bars(1), params.number(2));
        textbook::over(bars, textbook::high_low_close, |bars| {
            let closes: Vec<f64> = bars.iter().map(|bar| bar.close / bar.unit).collect();
            let middle = textbook::ema(&closes, period);
            let range = textbook::true_ranges(bars);
            let range = textbook::of_late(&range, |range| textbook::wilder(range, atr));
            let bands = middle.iter().zip(range).map(|(middle, range)| {
                let (middle, away) = ((*middle)?, range? * ranges);
                Some(vec![middle + away, middle, middle - away])
            });
            bands.collect()
        })
    }
}

impl Step for Keltner {
    type Input = RangeClose;
    type State = Means;
    type Outputs = [f64; 3];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<RangeClose, Means>], now: RangeClose) -> Means {
        let new = Means { middle: Smooth::NEW, range: Smooth::NEW };
        let Means { middle, mut range } = past.last().map_or(new, |row| row.state);
        if let Some(before) = past.last() {
            range = range.wilder(self.atr, units.price(now.true_range(before.input.close)));
        }
        Means { middle: middle.exponential(self.period, units.price(now.close)), range }
    }

    fn read(&self, _units: Units, state: &Means) -> Option<[f64; 3]> {
        let middle = state.middle.mean()?;
        let away = self.ranges * state.range.mean()?;
        Some([middle + away, middle, middle - away])
    }
}
