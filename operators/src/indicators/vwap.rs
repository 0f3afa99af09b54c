//! The volume-weighted average price of a day.

use super::input::{Turnover, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use market::{Bar, Calendars, EventTime, Timeframe};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Vwap;

/// The sums of the day so far.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Today {
    volume: i128,
    notional: i128,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "vwap"
    }

    fn doc(&self) -> &'static str {
        "Volume-weighted average price since the trading day began: the notional of its bars up \
         to this one over their volume. A day is that of the instrument's calendar; a bar belongs \
         to the one that it opens in. In units of price, from the first bar of a day that has \
         volume on. From exact sums of price × quantity per trade, not from typical prices."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["vwap"]
    }

    fn build(&self, _params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Vwap))
    }

    fn reference(
        &self,
        _params: &Params,
        bars: &[(EventTime, Bar)],
        calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let mut outputs = Vec::new();
        for (open_time, bar) in bars {
            let calendar = calendars.get(bar.spec.calendar);
            let day = calendar.bucket(Timeframe::DAY, *open_time).open;
            let today = bars.iter().filter(|(time, _)| (day..=*open_time).contains(time));
            let volume: f64 = today.clone().map(|(_, bar)| bar.volume as f64).sum();
            let notional: f64 = today.map(|(_, bar)| bar.notional as f64).sum();
            let unit = 10_f64.powi(bar.spec.price_scale.into());
            outputs.push((volume != 0.0).then(|| vec![notional / volume / unit]));
        }
        outputs
    }
}

impl Step for Vwap {
    type Input = Turnover;
    type State = Today;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, _units: Units, past: &[Row<Turnover, Today>], now: Turnover) -> Today {
        let today = past.last().filter(|before| before.input.day == now.day);
        let Today { volume, notional } =
            today.map_or(Today { volume: 0, notional: 0 }, |before| before.state);
        Today { volume: volume + now.volume, notional: notional + now.notional }
    }

    fn read(&self, units: Units, state: &Today) -> Option<[f64; 1]> {
        (state.volume != 0).then(|| [units.price_of(state.notional as f64 / state.volume as f64)])
    }
}
