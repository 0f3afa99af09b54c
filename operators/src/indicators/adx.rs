//! The average directional movement index.

use super::input::{RangeClose, Units};
use super::spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
use super::step::{LookBack, Row, Step};
use super::textbook;
use crate::numbers::Reading;
use market::{Bar, Calendars, EventTime};
use serde::{Deserialize, Serialize};

pub(super) struct Spec;

#[derive(Clone)]
struct Adx {
    period: usize,
}

/// Wilder's sums.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Movement {
    /// How many bars have moved, up to where `adx` begins.
    moves: u32,
    plus: Reading,
    minus: Reading,
    range: Reading,
    /// The sum of indices before it begins.
    adx: Reading,
}

impl IndicatorSpec for Spec {
    fn name(&self) -> &'static str {
        "adx"
    }

    fn doc(&self) -> &'static str {
        "Average directional movement index. A bar moves up by the rise of its high if that is \
         above 0 and above the fall of its low, down likewise. plusdi and minusdi are 100 · \
         Wilder sums (s − s / period + x, begun as the plain sum of the first `period` − 1) of \
         these moves over that of the true ranges; adx is Wilder's mean of 100 · |plusdi − \
         minusdi| / (plusdi + minusdi), begun with the mean of the first `period`; where a \
         divisor is 0, what would be added is left out. From 0 to 100; adx from bar 2·`period` on, \
         plusdi and minusdi from bar `period` + 1 on. J. \
         W. Wilder, New Concepts in Technical Trading Systems (1978); as TA-Lib's ADX, PLUS_DI \
         and MINUS_DI."
    }

    fn parameters(&self) -> &'static [Parameter] {
        const { &[Parameter::bars("period", 14, 2)] }
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["adx", "plusdi", "minusdi"]
    }

    fn build(&self, params: &Params) -> Result<Box<dyn Recipe>, IndicatorError> {
        Ok(Box::new(Adx { period: params.bars(0) }))
    }

    fn reference(
        &self,
        params: &Params,
        bars: &[(EventTime, Bar)],
        _calendars: &Calendars,
    ) -> Vec<Option<Vec<f64>>> {
        textbook::over(bars, textbook::high_low_close, |bars| definition(bars, params.bars(0)))
    }
}

/// Step by step as TA-Lib computes it, over all bars at once.
fn definition(bars: &[textbook::Prices], period: usize) -> Vec<Option<Vec<f64>>> {
    let n = period as f64;
    let mut outputs = vec![None; bars.len()];
    let (mut plus, mut minus, mut range, mut adx) = (0.0, 0.0, 0.0, 0.0);
    let ranges = textbook::true_ranges(bars);
    for index in 1..bars.len() {
        let (before, now) = (bars[index - 1], bars[index]);
        let up = now.high - before.high;
        let down = before.low - now.low;
        let unit = now.unit;
        let moved_up = if up > 0.0 && up > down { up / unit } else { 0.0 };
        let moved_down = if down > 0.0 && down > up { down / unit } else { 0.0 };
        let fade = if index < period { 0.0 } else { 1.0 / n };
        plus = plus - plus * fade + moved_up;
        minus = minus - minus * fade + moved_down;
        range = range - range * fade + ranges[index].unwrap_or(0.0);
        if index < period {
            continue;
        }
        let (plus_di, minus_di) = match range == 0.0 {
            true => (0.0, 0.0),
            false => (100.0 * plus / range, 100.0 * minus / range),
        };
        let sum = plus_di + minus_di;
        let dx = (sum != 0.0).then(|| 100.0 * (plus_di - minus_di).abs() / sum);
        if index < 2 * period {
            adx += dx.unwrap_or(0.0) / n;
        } else if let Some(dx) = dx {
            adx = (adx * (n - 1.0) + dx) / n;
        }
        let adx = if index >= 2 * period - 1 { adx } else { f64::NAN };
        outputs[index] = Some(vec![adx, plus_di, minus_di]);
    }
    outputs
}

impl Movement {
    /// Both directional indicators; none while nothing has moved.
    fn directions(&self) -> Option<(f64, f64)> {
        let Reading(range) = self.range;
        (range != 0.0).then(|| (100.0 * (self.plus.0 / range), 100.0 * (self.minus.0 / range)))
    }

    fn index(&self) -> Option<f64> {
        let (plus, minus) = self.directions()?;
        let sum = plus + minus;
        (sum != 0.0).then(|| 100.0 * ((minus - plus).abs() / sum))
    }
}

impl Step for Adx {
    type Input = RangeClose;
    type State = Movement;
    type Outputs = [f64; 3];

    fn looks_back(&self) -> LookBack {
        LookBack { bars: 1, states: 1 }
    }

    fn step(&self, units: Units, past: &[Row<RangeClose, Movement>], now: RangeClose) -> Movement {
        let zero = Reading(0.0);
        let Some(Row { input: before, state, .. }) = past.last() else {
            return Movement { moves: 0, plus: zero, minus: zero, range: zero, adx: zero };
        };
        let up = i128::from(now.high) - i128::from(before.high);
        let down = i128::from(before.low) - i128::from(now.low);
        let plus = if up > down { units.price(up.max(0)) } else { 0.0 };
        let minus = if down > up { units.price(down.max(0)) } else { 0.0 };
        let range = units.price(now.true_range(before.close));

        let n = self.period as f64;
        let begins = 2 * self.period as u32 - 1;
        let moves = state.moves + u32::from(state.moves <= begins);
        let fades = moves as usize >= self.period;
        let next = |Reading(sum): Reading, x: f64| {
            let sum = if fades { sum - sum / n } else { sum };
            Reading(sum + x)
        };
        let mut after = Movement {
            moves,
            plus: next(state.plus, plus),
            minus: next(state.minus, minus),
            range: next(state.range, range),
            adx: state.adx,
        };
        if !fades {
            return after;
        }
        let Reading(adx) = state.adx;
        after.adx = Reading(match after.index() {
            Some(index) if moves <= begins => adx + index,
            Some(index) => (adx * (n - 1.0) + index) / n,
            None => adx,
        });
        if moves == begins {
            after.adx = Reading(after.adx.0 / n);
        }
        after
    }

    fn read(&self, _units: Units, state: &Movement) -> Option<[f64; 3]> {
        let (plus, minus) = state.directions().unwrap_or((0.0, 0.0));
        let moves = state.moves as usize;
        let Reading(adx) = if moves >= 2 * self.period - 1 { state.adx } else { Reading::ABSENT };
        (moves >= self.period).then_some([adx, plus, minus])
    }
}
