//! The normal distribution.

use std::f64::consts::PI;

/// The number that a normally distributed one stays below with this probability, which is neither 0
/// nor 1: found by halving, right to about ten digits for probabilities up to a millionth from
/// either.
pub(super) fn quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if below(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The probability to stay below `z`: a half, and the density's Taylor series integrated,
/// φ(z) · (z + z³/3 + z⁵/(3·5) + …).
fn below(z: f64) -> f64 {
    let (mut term, mut sum) = (z, 0.0);
    for odd in (3..400).step_by(2) {
        sum += term;
        term *= z * z / f64::from(odd);
    }
    0.5 + (-z * z / 2.0).exp() / (2.0 * PI).sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_as_printed_in_tables() {
        for (probability, z) in [
            (0.5, 0.0),
            (0.9, 1.281_551_565_545),
            (0.95, 1.644_853_626_951),
            (0.975, 1.959_963_984_540),
            (0.99, 2.326_347_874_041),
            (0.999, 3.090_232_306_168),
            (0.01, -2.326_347_874_041),
        ] {
            assert!((quantile(probability) - z).abs() < 1e-11, "{probability}");
        }
    }
}
