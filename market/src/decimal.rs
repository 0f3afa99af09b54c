//! Exact decimal text ↔ integer mantissas at a fixed scale.
//!
//! Feeds write numbers as `28155.10`, `3.844E-5`, `-0.5`, `1e-8`. A mantissa `m` at scale `s` means
//! `m · 10⁻ˢ`. Reading never rounds: digits that the scale cannot hold are an error, trailing zeros
//! are not.

/// The largest scale that an `i64` mantissa can usefully have.
pub const SCALE_MAX: u8 = 18;

/// Why a text is not a number at the asked scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Nothing but blanks.
    #[error("is empty")]
    Empty,
    /// Not a decimal number.
    #[error("is not a decimal number")]
    Malformed,
    /// Does not fit in 64 bits at this scale.
    #[error("does not fit in 64 bits at {scale} decimals")]
    Overflow {
        /// Decimals of the instrument.
        scale: u8,
    },
    /// Has more decimals than the scale holds; accepting it would round.
    #[error("has more than {scale} decimals")]
    ExcessPrecision {
        /// Decimals of the instrument.
        scale: u8,
    },
}

/// Reads `text` as an exact mantissa at `scale` decimals.
///
/// Accepts blanks around the number, a sign, a decimal point with digits on at least one side, and
/// an exponent.
///
/// ```
/// use market::decimal::{DecimalError, parse};
/// assert_eq!(parse("28155.10", 9), Ok(28_155_100_000_000));
/// assert_eq!(parse("3.844E-5", 8), Ok(3_844));
/// assert_eq!(parse("-2", 0), Ok(-2));
/// assert_eq!(parse("0.1", 0), Err(DecimalError::ExcessPrecision { scale: 0 }));
/// ```
pub fn parse(text: &str, scale: u8) -> Result<i64, DecimalError> {
    parse_scaled(text, 0, scale)
}

/// Like [`parse`], for feeds that write integers with implied decimals: the number read is
/// `text · 10⁻ⁱᵐᵖˡⁱᵉᵈ`.
///
/// ```
/// // "1815200" with four implied decimals is 181.52
/// assert_eq!(market::decimal::parse_scaled("1815200", 4, 9), Ok(181_520_000_000));
/// ```
pub fn parse_scaled(text: &str, implied: u8, scale: u8) -> Result<i64, DecimalError> {
    let mantissa = parse_128(text, implied, scale)?;
    i64::try_from(mantissa).map_err(|_| DecimalError::Overflow { scale })
}

/// Like [`parse`], of sums of money: none if it is no number, would be rounded, or does not fit 128 bits.
///
/// ```
/// assert_eq!(market::decimal::parse_wide("50e9", 9), Some(50_000_000_000_000_000_000));
/// assert_eq!(market::decimal::parse_wide("0.5", 0), None);
/// ```
pub fn parse_wide(text: &str, scale: u8) -> Option<i128> {
    parse_128(text, 0, scale).ok()
}

/// A number of whatever scale: how many decimals it has, and how large it is at [`SCALE_MAX`] decimals, rounded up, and
/// `u128::MAX` where that does not hold it.
///
/// ```
/// use market::decimal::magnitude;
/// assert_eq!(magnitude("7.1e-6", 0), Ok((7, 7_100_000_000_000)));
/// assert_eq!(magnitude("-1815200", 4), Ok((2, 181_520_000_000_000_000_000)));
/// ```
pub fn magnitude(text: &str, implied: u8) -> Result<(i64, u128), DecimalError> {
    let Digits { mantissa, exponent, .. } = read_digits(text.trim().as_bytes())?;
    if mantissa == 0 {
        return Ok((0, 0));
    }
    let exponent = exponent - i64::from(implied);
    let shift = exponent + i64::from(SCALE_MAX);
    let power = u32::try_from(shift.abs()).ok().and_then(|shift| 10_u128.checked_pow(shift));
    let mantissa = mantissa.unsigned_abs();
    let large = match (shift >= 0, power) {
        (true, Some(power)) => mantissa.saturating_mul(power),
        (true, None) => u128::MAX,
        (false, Some(power)) => mantissa.div_ceil(power),
        (false, None) => 1,
    };
    Ok(((-exponent).max(0), large))
}

fn parse_128(text: &str, implied: u8, scale: u8) -> Result<i128, DecimalError> {
    let Digits { negative, mantissa, exponent } = read_digits(text.trim().as_bytes())?;
    if mantissa == 0 {
        return Ok(0);
    }
    let shift = exponent - i64::from(implied) + i64::from(scale);
    let overflow = DecimalError::Overflow { scale };
    let magnitude = if shift >= 0 {
        let factor = u32::try_from(shift).ok().and_then(|s| 10_i128.checked_pow(s));
        mantissa.checked_mul(factor.ok_or(overflow)?).ok_or(overflow)?
    } else {
        // `read_digits` has moved trailing zeros into the exponent, so any division loses digits.
        return Err(DecimalError::ExcessPrecision { scale });
    };
    Ok(if negative { -magnitude } else { magnitude })
}

/// A number as `± mantissa · 10^exponent`, its mantissa without trailing zeros.
struct Digits {
    negative: bool,
    mantissa: i128,
    exponent: i64,
}

fn read_digits(text: &[u8]) -> Result<Digits, DecimalError> {
    if text.is_empty() {
        return Err(DecimalError::Empty);
    }
    let (negative, unsigned) = match text[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (number, exponent) = match unsigned.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], read_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };

    let mut mantissa = 0_i128;
    let mut zeros_held_back = 0_u32; // so that "1.000…0" of any length is just 1
    let mut decimals = 0_i64;
    let (mut digits, mut point) = (0_usize, false);
    for &byte in number {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                decimals += i64::from(point);
                if byte == b'0' {
                    zeros_held_back += u32::from(mantissa != 0);
                    continue;
                }
                let factor = 10_i128.checked_pow(zeros_held_back + 1);
                mantissa = factor
                    .and_then(|f| mantissa.checked_mul(f))
                    .and_then(|m| m.checked_add(i128::from(byte - b'0')))
                    .ok_or(DecimalError::Overflow { scale: 0 })?;
                zeros_held_back = 0;
            }
            b'.' if !point => point = true,
            _ => return Err(DecimalError::Malformed),
        }
    }
    if digits == 0 {
        return Err(DecimalError::Malformed);
    }
    Ok(Digits { negative, mantissa, exponent: exponent - decimals + i64::from(zeros_held_back) })
}

fn read_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::Malformed)?;
    // Six digits: beyond any mantissa, and far from overflowing the sums above.
    let exponent = text.parse::<i64>().map_err(|_| DecimalError::Malformed)?;
    if exponent.abs() > 999_999 {
        return Err(DecimalError::Malformed);
    }
    Ok(exponent)
}

/// Writes `mantissa · 10⁻ˢᶜᵃˡᵉ` exactly, without exponent and without trailing zeros.
///
/// ```
/// use market::decimal::format;
/// assert_eq!(format(28_155_100_000_000, 9), "28155.1");
/// assert_eq!(format(-5, 1), "-0.5");
/// assert_eq!(format(700, 2), "7");
/// ```
pub fn format(mantissa: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let fraction = fraction.trim_end_matches('0');
    let sign = if mantissa < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_feeds_write() {
        for (text, scale, want) in [
            ("61685.99000000", 9, Ok(61_685_990_000_000)),
            ("8.57e-06", 8, Ok(857)),
            ("1e-8", 8, Ok(1)),
            ("1E3", 2, Ok(100_000)),
            ("+7.", 1, Ok(70)),
            (".5", 1, Ok(5)),
            (" 12 ", 0, Ok(12)),
            ("-0", 3, Ok(0)),
            ("1.00000000000000000000000000000000000000000000", 0, Ok(1)),
            ("100000000000000000000e-20", 0, Ok(1)),
            ("9223372036.854775807", 9, Ok(i64::MAX)),
            ("-9223372036.854775808", 9, Ok(i64::MIN)),
            ("9223372036.854775808", 9, Err(DecimalError::Overflow { scale: 9 })),
            ("1e999999", 0, Err(DecimalError::Overflow { scale: 0 })),
            ("1e-9", 8, Err(DecimalError::ExcessPrecision { scale: 8 })),
            ("", 8, Err(DecimalError::Empty)),
            ("  ", 8, Err(DecimalError::Empty)),
            (".", 8, Err(DecimalError::Malformed)),
            ("1.2.3", 8, Err(DecimalError::Malformed)),
            ("1,5", 8, Err(DecimalError::Malformed)),
            ("NaN", 8, Err(DecimalError::Malformed)),
            ("1e", 8, Err(DecimalError::Malformed)),
            ("--1", 8, Err(DecimalError::Malformed)),
        ] {
            assert_eq!(parse(text, scale), want, "{text:?} at {scale}");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(mantissa: i64, scale in 0..=SCALE_MAX) {
            prop_assert_eq!(parse(&format(i128::from(mantissa), scale), scale), Ok(mantissa));
        }

        #[test]
        fn any_exponent_says_the_same(mantissa: i64, scale in 0..=SCALE_MAX, shift in 0..40_i64) {
            let text = format!("{mantissa}{}e{}", "0".repeat(shift as usize), -shift - i64::from(scale));
            prop_assert_eq!(parse(&text, scale), Ok(mantissa));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}", scale in 0..=SCALE_MAX) {
            let _ = parse(&text, scale);
        }
    }
}
