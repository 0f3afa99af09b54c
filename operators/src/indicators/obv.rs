//! On-balance volume.

use super::input::{CloseVolume, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use market::{Bar, Calendars, EventTime};
use std::cmp::Ordering;

pub(super) struct Spec;

#[derive(Clone)]
struct OnBalance;

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "obv"
    }

    fn doc(&self) -> &'static str {
        "On-balance volume: the volume of the first bar, and from then on plus the volume of each \
         bar whose close rose and minus that of each whose close fell. In units of quantity, from \
         the first bar on. J. Granville (1963); as TA-Lib's OBV, from exact sums."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["obv"]
    }

    fn build(&self, _params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(OnBalance))
    }

    fn reference(
        &self,
        _params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::close_volume, |bars| {
            let mut balance = 0.0;
            let balances = bars.iter().enumerate().map(|(index, (close, volume))| {
                let before =
                    index.checked_sub(1).map_or(f64::NEG_INFINITY, |before| bars[before].0);
                if *close > before {
                    balance += volume;
                } else if *close < before {
                    balance -= volume;
                }
                Some(balance)
            });
            textbook::alone(balances.collect())
        })
    }
}

impl Step for OnBalance {
    type Input = CloseVolume;
    type State = i128;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, _units: Units, past: &[Row<CloseVolume, i128>], now: CloseVolume) -> i128 {
        let Some(before) = past.last() else {
            return now.volume;
        };
        match now.close.cmp(&before.input.close) {
            Ordering::Greater => before.state + now.volume,
            Ordering::Equal => before.state,
            Ordering::Less => before.state - now.volume,
        }
    }

    fn read(&self, units: Units, state: &i128) -> Option<[f64; 1]> {
        Some([units.quantity(*state)])
    }
}
