//! The definitions that references are written in: plain, slow, over whole series of `f64`.

use market::Bar;

/// A number per bar, none before the first.
pub(super) type Series = Vec<Option<f64>>;

/// The prices and the volume of a bar, as the whole numbers that their mantissas are: differences of
/// decimals are not exact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
    pub(super) volume: f64,
    /// What one is, in mantissas of prices.
    pub(super) unit: f64,
}

/// Runs `definition` over the bars of which `pick` gives something, and puts its outputs back beside them.
pub(super) fn over<B, T>(
    bars: &[B],
    pick: impl Fn(&B) -> Option<T>,
    definition: impl Fn(&[T]) -> Vec<Option<Vec<f64>>>,
) -> Vec<Option<Vec<f64>>> {
    let picked: Vec<Option<T>> = bars.iter().map(pick).collect();
    let takes_part: Vec<bool> = picked.iter().map(Option::is_some).collect();
    let taking_part: Vec<T> = picked.into_iter().flatten().collect();
    let mut outputs = definition(&taking_part).into_iter();
    let beside = |takes_part| if takes_part { outputs.next().flatten() } else { None };
    takes_part.into_iter().map(beside).collect()
}

fn whole(mantissa: i128, scale: u8) -> f64 {
    mantissa as f64 / 10_f64.powi(i32::from(scale))
}

/// The close.
pub(super) fn close<T>((_, bar): &(T, Bar)) -> Option<f64> {
    bar.close.map(|(_, price)| whole(price.0.into(), bar.spec.price_scale))
}

/// The close as the whole number that its mantissa is, where the unit cancels out.
pub(super) fn close_mantissa<T>((_, bar): &(T, Bar)) -> Option<f64> {
    bar.close.map(|(_, price)| price.0 as f64)
}

/// High and low; close is not a number where there is none.
pub(super) fn high_low<T>((_, bar): &(T, Bar)) -> Option<Prices> {
    Some(Prices {
        high: bar.high?.0 as f64,
        low: bar.low?.0 as f64,
        close: bar.close.map_or(f64::NAN, |(_, close)| close.0 as f64),
        volume: bar.volume as f64,
        unit: 10_f64.powi(bar.spec.price_scale.into()),
    })
}

/// High, low, close and volume.
pub(super) fn high_low_close<T>(row: &(T, Bar)) -> Option<Prices> {
    high_low(row).filter(|prices| !prices.close.is_nan())
}

/// High + low + close: three typical prices.
pub(super) fn three_typical(bar: &Prices) -> f64 {
    bar.high + bar.low + bar.close
}

/// Close and volume.
pub(super) fn close_volume<T>(row: &(T, Bar)) -> Option<(f64, f64)> {
    Some((close(row)?, whole(row.1.volume, row.1.spec.quantity_scale)))
}

/// What `f` makes of each window of `period`.
pub(super) fn windows<T>(xs: &[T], period: usize, f: impl Fn(&[T]) -> f64) -> Series {
    let window = |end: usize| end.checked_sub(period).map(|start| f(&xs[start..end]));
    (1..=xs.len()).map(window).collect()
}

pub(super) fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

/// The simple moving average.
pub(super) fn sma(xs: &[f64], period: usize) -> Series {
    windows(xs, period, mean)
}

/// The exponential moving average, seeded with the mean of the first `period`.
pub(super) fn ema(xs: &[f64], period: usize) -> Series {
    let k = 2.0 / (period as f64 + 1.0);
    seeded(xs, period, |mean, x| (x - mean) * k + mean)
}

/// Wilder's moving average, seeded with the mean of the first `period`.
pub(super) fn wilder(xs: &[f64], period: usize) -> Series {
    let n = period as f64;
    seeded(xs, period, |mean, x| (mean * (n - 1.0) + x) / n)
}

fn seeded(xs: &[f64], period: usize, recur: impl Fn(f64, f64) -> f64) -> Series {
    let mut all = vec![None; xs.len()];
    if xs.len() < period {
        return all;
    }
    let mut running = mean(&xs[..period]);
    all[period - 1] = Some(running);
    for index in period..xs.len() {
        running = recur(running, xs[index]);
        all[index] = Some(running);
    }
    all
}

/// `average` of a series that begins late.
pub(super) fn of_late(xs: &Series, average: impl Fn(&[f64]) -> Series) -> Series {
    let values: Vec<f64> = xs.iter().flatten().copied().collect();
    let mut all = vec![None; xs.len() - values.len()];
    all.extend(average(&values));
    all
}

/// The true range of each bar but the first, in units of price, and none for the first.
pub(super) fn true_ranges(bars: &[Prices]) -> Series {
    let with_close_before = bars.windows(2).map(|pair| {
        let (before, now) = (pair[0].close, pair[1]);
        let reach = (now.high - before).abs().max((now.low - before).abs());
        Some(reach.max(now.high - now.low) / now.unit)
    });
    std::iter::once(None).take(bars.len()).chain(with_close_before).collect()
}

pub(super) fn highest(bars: &[Prices]) -> f64 {
    bars.iter().fold(f64::NEG_INFINITY, |highest, bar| highest.max(bar.high))
}

pub(super) fn lowest(bars: &[Prices]) -> f64 {
    bars.iter().fold(f64::INFINITY, |lowest, bar| lowest.min(bar.low))
}

/// A series as the only output.
pub(super) fn alone(xs: Series) -> Vec<Option<Vec<f64>>> {
    xs.into_iter().map(|x| x.map(|x| vec![x])).collect()
}

/// Several series as outputs, from where all have begun.
pub(super) fn together<const N: usize>(series: [Series; N]) -> Vec<Option<Vec<f64>>> {
    let len = series.first().map_or(0, Vec::len);
    (0..len).map(|index| series.iter().map(|series| series[index]).collect()).collect()
}
