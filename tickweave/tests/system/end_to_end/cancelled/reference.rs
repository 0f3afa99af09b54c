//! What the views must hold of the touched instrument, computed from its trades alone: plain folds, with no
//! state that could be restated wrongly. Prices are whole numbers, so sums and squares are exact.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{SIZE, Trade};

pub(super) const TIMEFRAMES: [(&str, i64); 3] = [("1s", 1), ("5s", 5), ("1m", 60)];

/// A bar; there is one in each interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) open_ms: i64,
    pub(super) open: i64,
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
    pub(super) volume: i64,
    pub(super) notional: i64,
    pub(super) trades: i64,
    pub(super) last_ms: i64,
}

/// The bars of a timeframe.
pub(super) fn bars(trades: &[Trade], secs: i64) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for &Trade { ms, price } in trades {
        let open_ms = ms / (1_000 * secs) * (1_000 * secs);
        if bars.last().is_none_or(|bar| bar.open_ms != open_ms) {
            bars.push(Bar {
                open_ms,
                open: price,
                high: price,
                low: price,
                close: price,
                volume: 0,
                notional: 0,
                trades: 0,
                last_ms: ms,
            });
        }
        let Some(bar) = bars.last_mut() else { continue };
        (bar.high, bar.low) = (bar.high.max(price), bar.low.min(price));
        (bar.close, bar.last_ms) = (price, ms);
        bar.volume += SIZE;
        bar.notional += SIZE * price;
        bar.trades += 1;
    }
    bars
}

/// A number per bar; none before the first.
pub(super) type Series = Vec<Option<f64>>;

/// Every output of every indicator of the job.
pub(super) fn numbers(bars: &[Bar]) -> BTreeMap<(&'static str, &'static str), Series> {
    let closes: Vec<i64> = bars.iter().map(|bar| bar.close).collect();
    let prices: Series = closes.iter().map(|close| Some(*close as f64)).collect();
    let mean = windows(&closes, |sum, _| sum as f64 / 5.0);
    let sigma = windows(&closes, |sum, squares| ((5 * squares - sum * sum) as f64).sqrt() / 5.0);
    let band = |side: f64| two(&mean, &sigma, |mean, sigma| mean + side * (2.0 * sigma));

    let changes = |sign: f64| {
        let change =
            closes.windows(2).map(|pair| Some((sign * (pair[1] - pair[0]) as f64).max(0.0)));
        smooth(&std::iter::once(None).chain(change).collect(), 5, |mean, x| (mean * 4.0 + x) / 5.0)
    };
    let (gain, loss) = (changes(1.0), changes(-1.0));
    let rsi =
        two(
            &gain,
            &loss,
            |gain, loss| {
                if gain + loss == 0.0 { 0.0 } else { 100.0 * (gain / (gain + loss)) }
            },
        );

    // The fast average begins together with the slow one.
    let fast: Series = (0..).zip(&prices).map(|(at, price)| price.filter(|_| at >= 3)).collect();
    let whole = two(&ema(&fast, 3), &ema(&prices, 6), |fast, slow| fast - slow);
    let signal = ema(&whole, 4);
    let histogram = two(&whole, &signal, |macd, signal| macd - signal);
    let macd = two(&whole, &signal, |macd, _| macd);

    BTreeMap::from([
        (("sma5", "sma"), mean.clone()),
        (("ema5", "ema"), ema(&prices, 5)),
        (("rsi5", "rsi"), rsi),
        (("macd3_6_4", "macd"), macd),
        (("macd3_6_4", "signal"), signal),
        (("macd3_6_4", "histogram"), histogram),
        (("bb5_2", "upper"), band(1.0)),
        (("bb5_2", "middle"), mean.clone()),
        (("bb5_2", "lower"), band(-1.0)),
    ])
}

/// A number of sum and sum of squares of the last five.
fn windows(closes: &[i64], of: impl Fn(i64, i64) -> f64) -> Series {
    let first = std::iter::repeat_n(None, 4);
    let rest = closes
        .windows(5)
        .map(|last| Some(of(last.iter().sum(), last.iter().map(|close| close * close).sum())));
    first.chain(rest).collect()
}

fn ema(series: &Series, period: usize) -> Series {
    let k = 2.0 / (period as f64 + 1.0);
    smooth(series, period, |mean, x| (x - mean) * k + mean)
}

/// A recurrence that begins with the plain mean of the first `period` numbers.
fn smooth(series: &Series, period: usize, next: impl Fn(f64, f64) -> f64) -> Series {
    let (mut count, mut sum, mut mean) = (0, 0.0, None);
    let step = series.iter().map(|x| {
        let x = (*x)?;
        mean = match mean {
            Some(mean) => Some(next(mean, x)),
            None => {
                (count, sum) = (count + 1, sum + x);
                (count == period).then(|| sum / period as f64)
            }
        };
        mean
    });
    step.collect()
}

fn two(one: &Series, other: &Series, of: impl Fn(f64, f64) -> f64) -> Series {
    one.iter().zip(other).map(|(one, other)| Some(of((*one)?, (*other)?))).collect()
}

/// The rules that hold, each with the bar: its place among the bars.
pub(super) fn holding(bars: &[Bar]) -> BTreeSet<(usize, &'static str)> {
    let numbers = numbers(bars);
    let number = |indicator, output, at: usize| numbers[&(indicator, output)][at];
    let mut holding = BTreeSet::new();
    for (at, bar) in bars.iter().enumerate() {
        let mut judge = |rule, holds: Option<bool>| {
            if holds == Some(true) {
                holding.insert((at, rule));
            }
        };
        let before = at.checked_sub(1);
        let highest =
            at.checked_sub(3).and_then(|from| bars[from..at].iter().map(|b| b.high).max());
        judge("high", highest.map(|highest| bar.close > highest));
        judge("low", Some(bar.close < 950));
        judge("strong", number("rsi5", "rsi", at).map(|rsi| rsi > 70.0));
        let above = |at: usize| Some(bars[at].close as f64 - number("ema5", "ema", at)?);
        judge("falls", before.and_then(|before| Some(above(before)? >= 0.0 && above(at)? < 0.0)));
        let macd =
            |at| Some((number("macd3_6_4", "macd", at)?, number("macd3_6_4", "signal", at)?));
        judge(
            "turns",
            before.and_then(|before| {
                let ((from, from_signal), (to, to_signal)) = (macd(before)?, macd(at)?);
                Some(from <= from_signal && to > to_signal)
            }),
        );
        let (body, range) = ((bar.open - bar.close).abs(), bar.high - bar.low);
        judge("doji", Some(range > 0 && 10 * body <= range));
    }
    holding
}
