//! Moving average convergence divergence.

use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

use super::input::{Close, Units};
use super::smooth::Smooth;
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;

pub(super) struct Spec;

#[derive(Clone)]
struct Macd {
    fast: usize,
    slow: usize,
    signal: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Averages {
    /// How many of the closes that the fast one skips have gone by.
    skipped: u32,
    fast: Smooth,
    slow: Smooth,
    signal: Smooth,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "macd"
    }

    fn doc(&self) -> &'static str {
        "Moving average convergence divergence: macd is the fast EMA of closes less the slow one, \
         signal the EMA of macd, histogram macd less signal. The fast EMA begins late, with the mean of \
         the `fast` closes that end at bar `slow`, so that both begin together. In units of price, all \
         from bar `slow` + `signal` − 1 on. G. Appel (1979); as TA-Lib's MACD."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::bars("fast", 12, 2),
                Parameter::bars("slow", 26, 2),
                Parameter::bars("signal", 9, 1),
            ]
        }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["macd", "signal", "histogram"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        let (fast, slow, signal) = (params.bars(0), params.bars(1), params.bars(2));
        if fast >= slow {
            return Err(IndicatorError::OutOfBounds {
                indicator: "macd",
                parameter: "fast",
                value: params.number(0),
                bounds: format!("below slow, which is {slow}"),
            });
        }
        Ok(Box::new(Macd { fast, slow, signal }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        let (fast, slow, signal) = (params.bars(0), params.bars(1), params.bars(2));
        textbook::over(bars, textbook::close, |closes| {
            let slows = textbook::ema(closes, slow);
            let skipped = (slow - fast).min(closes.len());
            let mut fasts = vec![None; skipped];
            fasts.extend(textbook::ema(&closes[skipped..], fast));
            let macd: textbook::Series =
                fasts.iter().zip(&slows).map(|(fast, slow)| Some((*fast)? - (*slow)?)).collect();
            let signals = textbook::of_late(&macd, |macd| textbook::ema(macd, signal));
            let histogram =
                macd.iter().zip(&signals).map(|(macd, signal)| Some((*macd)? - (*signal)?));
            let histogram = histogram.collect();
            textbook::together([macd, signals, histogram])
        })
    }
}

impl Step for Macd {
    type Input = Close;
    type State = Averages;
    type Outputs = [f64; 3];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 0, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<Close, Averages>], now: Close) -> Averages {
        let new =
            || Averages { skipped: 0, fast: Smooth::NEW, slow: Smooth::NEW, signal: Smooth::NEW };
        let Averages { mut skipped, mut fast, slow, mut signal } =
            past.last().map_or_else(new, |row| row.state);
        let close = units.price(now.0);
        let slow = slow.exponential(self.slow, close);
        if (skipped as usize) < self.slow - self.fast {
            skipped += 1;
        } else {
            fast = fast.exponential(self.fast, close);
        }
        if let (Some(fast), Some(slow)) = (fast.mean(), slow.mean()) {
            signal = signal.exponential(self.signal, fast - slow);
        }
        Averages { skipped, fast, slow, signal }
    }

    fn read(&self, _units: Units, state: &Averages) -> Option<[f64; 3]> {
        let macd = state.fast.mean()? - state.slow.mean()?;
        let signal = state.signal.mean()?;
        Some([macd, signal, macd - signal])
    }
}
