//! Five indicators of one instrument and timeframe, in one pass, with a state per bar so that any bar can be restated.
//!
//! SMA 20, EMA 20, RSI 14, MACD 12/26/9 and Bollinger 20/2 of closes: TA-Lib's conventions, window sums in integers, so
//! that the numbers are bit for bit those of the engine.

use market::{Bar, CandleKey, InstrumentSpec};

use crate::Change;

/// SMA; EMA; RSI; MACD, signal, histogram; upper, middle, lower band. Not a number where there is none yet.
#[derive(Clone, Copy, Debug)]
pub struct IndicatorNumbers(pub [f64; 9]);

/// The indicators of one instrument and timeframe.
#[derive(Default)]
pub struct IndicatorLine {
    /// By bar that has a close, in order of time.
    rows: Vec<Row>,
}

struct Row {
    open: i64,
    close: i64,
    state: State,
    numbers: IndicatorNumbers,
}

const WINDOW: usize = 20;
const RSI: usize = 14;
const FAST: usize = 12;
const SLOW: usize = 26;
const SIGNAL: usize = 9;

#[derive(Clone, Copy, PartialEq)]
struct State {
    count: u32,
    skipped: u32,
    sum: i128,
    squares: i128,
    mean: Mean,
    gain: Mean,
    loss: Mean,
    fast: Mean,
    slow: Mean,
    signal: Mean,
}

/// A mean that is seeded with the plain mean of its first numbers: how many there were, and their sum or the mean.
#[derive(Clone, Copy, PartialEq)]
struct Mean(u32, f64);

impl PartialEq for IndicatorNumbers {
    fn eq(&self, other: &IndicatorNumbers) -> bool {
        self.0.map(f64::to_bits) == other.0.map(f64::to_bits)
    }
}

impl IndicatorNumbers {
    const NONE: IndicatorNumbers = IndicatorNumbers([f64::NAN; 9]);
}

impl IndicatorLine {
    /// Takes changed bars in order of time; emits the numbers that changed.
    pub(crate) fn apply<'a>(
        &mut self,
        spec: InstrumentSpec,
        changed: impl Iterator<Item = &'a Change<CandleKey, Bar>>,
        mut emit: impl FnMut(i64, Option<IndicatorNumbers>),
    ) {
        let (mut from, mut upto) = (usize::MAX, 0);
        for (key, _, after) in changed {
            let open = key.open_time.0;
            let close = after.as_ref().and_then(|bar| bar.close).map(|(_, price)| price.0);
            let at = match self.rows.last() {
                Some(last) if last.open == open => self.rows.len() - 1,
                Some(last) if last.open > open => self.rows.partition_point(|row| row.open < open),
                _ => self.rows.len(),
            };
            let is_known = self.rows.get(at).is_some_and(|row| row.open == open);
            match (close, is_known) {
                (Some(close), true) if self.rows[at].close == close => continue,
                (Some(close), true) => self.rows[at].close = close,
                (Some(close), false) => {
                    let row =
                        Row { open, close, state: State::NEW, numbers: IndicatorNumbers::NONE };
                    self.rows.insert(at, row);
                }
                (None, true) => {
                    let gone = self.rows.remove(at);
                    if gone.numbers != IndicatorNumbers::NONE {
                        emit(open, None);
                    }
                }
                (None, false) => continue,
            }
            from = from.min(at);
            upto = upto.max(at);
        }
        let one = 10_f64.powi(i32::from(spec.price_scale));
        for at in from..self.rows.len() {
            let state = self.step(at, one);
            // What a window still holds may differ though its sums are equal.
            if at > upto + WINDOW && state == self.rows[at].state {
                break;
            }
            let numbers = state.numbers(one);
            let row = &mut self.rows[at];
            row.state = state;
            if row.numbers != numbers {
                row.numbers = numbers;
                emit(row.open, Some(numbers).filter(|numbers| *numbers != IndicatorNumbers::NONE));
            }
        }
    }

    fn step(&self, at: usize, one: f64) -> State {
        let close = self.rows[at].close;
        let mut state = State::NEW;
        let price = close as f64 / one;
        if let Some(before) = at.checked_sub(1).map(|before| &self.rows[before]) {
            state = before.state;
            let change = (i128::from(close) - i128::from(before.close)) as f64 / one;
            let wilder = |mean: f64, x: f64| (mean * (RSI as f64 - 1.0) + x) / RSI as f64;
            state.gain.add(RSI, change.max(0.0), wilder);
            state.loss.add(RSI, (-change).max(0.0), wilder);
        }
        let square = |close: i64| i128::from(close) * i128::from(close);
        state.sum += i128::from(close);
        state.squares += square(close);
        match at.checked_sub(WINDOW) {
            None => state.count += 1,
            Some(left) => {
                let left = self.rows[left].close;
                state.sum -= i128::from(left);
                state.squares -= square(left);
            }
        }
        state.mean.exponential(WINDOW, price);
        state.slow.exponential(SLOW, price);
        if (state.skipped as usize) < SLOW - FAST {
            state.skipped += 1;
        } else {
            state.fast.exponential(FAST, price);
        }
        if let (Some(fast), Some(slow)) = (state.fast.of(FAST), state.slow.of(SLOW)) {
            state.signal.exponential(SIGNAL, fast - slow);
        }
        state
    }
}

impl State {
    const NEW: State = State {
        count: 0,
        skipped: 0,
        sum: 0,
        squares: 0,
        mean: Mean::NEW,
        gain: Mean::NEW,
        loss: Mean::NEW,
        fast: Mean::NEW,
        slow: Mean::NEW,
        signal: Mean::NEW,
    };

    fn numbers(&self, one: f64) -> IndicatorNumbers {
        let IndicatorNumbers(mut numbers) = IndicatorNumbers::NONE;
        if self.count as usize == WINDOW {
            let middle = self.sum as f64 / WINDOW as f64 / one;
            let away = 2.0 * (self.sigma() / one);
            numbers[0] = middle;
            [numbers[6], numbers[7], numbers[8]] = [middle + away, middle, middle - away];
        }
        numbers[1] = self.mean.of(WINDOW).unwrap_or(f64::NAN);
        if let (Some(gain), Some(loss)) = (self.gain.of(RSI), self.loss.of(RSI)) {
            let movement = gain + loss;
            numbers[2] = if movement == 0.0 { 0.0 } else { 100.0 * (gain / movement) };
        }
        if let (Some(fast), Some(slow), Some(signal)) =
            (self.fast.of(FAST), self.slow.of(SLOW), self.signal.of(SIGNAL))
        {
            let macd = fast - slow;
            [numbers[3], numbers[4], numbers[5]] = [macd, signal, macd - signal];
        }
        IndicatorNumbers(numbers)
    }

    /// The deviation of the window in mantissas: √(n·Σx² − (Σx)²) / n, around the whole part of the mean, so that
    /// products stay small.
    fn sigma(&self) -> f64 {
        let n = WINDOW as i128;
        let (mean, rest) = (self.sum.div_euclid(n), self.sum.rem_euclid(n));
        let squares = self.squares - 2 * mean * self.sum + mean * mean * n;
        ((squares * n - rest * rest) as f64).sqrt() / n as f64
    }
}

impl Mean {
    const NEW: Mean = Mean(0, 0.0);

    fn exponential(&mut self, period: usize, x: f64) {
        let k = 2.0 / (period as f64 + 1.0);
        self.add(period, x, |mean, x| (x - mean) * k + mean);
    }

    fn add(&mut self, period: usize, x: f64, next: impl Fn(f64, f64) -> f64) {
        let Mean(count, value) = *self;
        *self = match (count as usize + 1).cmp(&period) {
            std::cmp::Ordering::Less => Mean(count + 1, value + x),
            std::cmp::Ordering::Equal => Mean(count + 1, (value + x) / period as f64),
            std::cmp::Ordering::Greater => Mean(count, next(value, x)),
        };
    }

    fn of(&self, period: usize) -> Option<f64> {
        (self.0 as usize >= period).then_some(self.1)
    }
}
