//! Looking back over the last bars.

use super::step::Row;

/// The inputs of the last `period` bars, the one at hand last; none while there are fewer.
pub(super) fn last<I: Copy, S>(
    past: &[Row<I, S>],
    now: I,
    period: usize,
) -> Option<impl Iterator<Item = I> + Clone> {
    let first = (past.len() + 1).checked_sub(period)?;
    Some(past[first..].iter().map(|row| row.input).chain([now]))
}

/// The mean of a number of the last `period` states, the one at hand last, oldest first; none unless all of
/// them have it.
pub(super) fn mean_of_states<I, S>(
    past: &[Row<I, S>],
    now: Option<f64>,
    period: usize,
    number: impl Fn(&S) -> Option<f64>,
) -> Option<f64> {
    let first = (past.len() + 1).checked_sub(period)?;
    let mut sum = 0.0;
    for row in &past[first..] {
        sum += number(&row.state)?;
    }
    Some((sum + now?) / period as f64)
}
