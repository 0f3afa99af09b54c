//! The money flow index.

use super::input::{RangeCloseVolume, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

pub(super) struct Spec;

#[derive(Clone)]
struct Mfi {
    period: usize,
}

/// What flowed in this bar, and the index.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Flow {
    inflow: Reading,
    outflow: Reading,
    index: Option<Reading>,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "mfi"
    }

    fn doc(&self) -> &'static str {
        "Money flow index: 100 · inflow / (inflow + outflow) over the last `period` bars, where \
         the flow of a bar is its typical price (high + low + close) / 3 times its volume, inflow \
         if the typical price rose and outflow if it fell; 0 where nothing flowed. From 0 to 100, \
         from bar `period` + 1 on. G. Quong and A. Soudack (1989); as TA-Lib's MFI."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 14, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["mfi"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Mfi { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let period = params.bars(0);
        textbook::over(bars, textbook::high_low_close, |bars| {
            let flows = bars.windows(2).map(|pair| {
                let [before, now] = [&pair[0], &pair[1]].map(textbook::three_typical);
                // In a unit of its own, which cancels out.
                let (rise, flow) = (now - before, now / 3.0 * pair[1].volume);
                if rise > 0.0 {
                    (flow, 0.0)
                } else if rise < 0.0 {
                    (0.0, flow)
                } else {
                    (0.0, 0.0)
                }
            });
            let flows: Vec<(f64, f64)> = flows.collect();
            let index = textbook::windows(&flows, period, |window| {
                let inflow: f64 = window.iter().map(|(inflow, _)| inflow).sum();
                let outflow: f64 = window.iter().map(|(_, outflow)| outflow).sum();
                if inflow + outflow == 0.0 { 0.0 } else { 100.0 * inflow / (inflow + outflow) }
            });
            let first = std::iter::once(None).take(bars.len());
            textbook::alone(first.chain(index).collect())
        })
    }
}

impl Step for Mfi {
    type Input = RangeCloseVolume;
    type State = Flow;
    type Outputs = [f64; 1];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: self.period, states: self.period - 1 }
    }

    fn step(
        &self,
        units: Units,
        past: &[Row<RangeCloseVolume, Flow>],
        now: RangeCloseVolume,
    ) -> Flow {
        let zero = Reading(0.0);
        let Some(before) = past.last() else {
            return Flow { inflow: zero, outflow: zero, index: None };
        };
        let typical = now.prices.three_typical();
        let flow = Reading(units.price(typical) / 3.0 * units.quantity(now.volume));
        let (inflow, outflow) = match typical.cmp(&before.input.prices.three_typical()) {
            Ordering::Greater => (flow, zero),
            Ordering::Equal => (zero, zero),
            Ordering::Less => (zero, flow),
        };
        // The first bar of all has no flow.
        let index = past.len().checked_sub(self.period).map(|before| {
            let flows = &past[before + 1..];
            let sum = |flow: fn(&Flow) -> Reading, last: Reading| {
                flows.iter().map(|row| flow(&row.state).0).sum::<f64>() + last.0
            };
            let inflow = sum(|flow| flow.inflow, inflow);
            let outflow = sum(|flow| flow.outflow, outflow);
            let flowed = inflow + outflow;
            Reading(if flowed == 0.0 { 0.0 } else { 100.0 * (inflow / flowed) })
        });
        Flow { inflow, outflow, index }
    }

    fn read(&self, _units: Units, state: &Flow) -> Option<[f64; 1]> {
        state.index.map(|Reading(index)| [index])
    }
}
