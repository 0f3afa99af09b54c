//! What a request asks for in a column: checked by the type of the column, and as cells of it are written. A value that
//! no row can ever have is refused: an empty answer would say that there is none now.

use market::{Currency, Timeframe, decimal};

use super::query::read_time;
use rows::suggestions::closest;
use rows::{Cell, Column, ColumnType};

/// Why a column can never have a value.
pub(super) struct NoSuchText {
    /// The kind of error.
    pub(super) code: &'static str,
    /// What is wrong, as it follows the value.
    pub(super) why: String,
    /// What is possible, if that is a list.
    pub(super) allowed: Vec<String>,
    /// What may be meant.
    pub(super) similar: Vec<String>,
}

/// The most decimals of a number.
const DECIMALS: u8 = decimal::SCALE_MAX;

/// A value as cells of this column are written; the empty text means no value.
pub(super) fn column_text(column: &Column, text: &str) -> Result<String, NoSuchText> {
    if text.is_empty() && column.is_nullable {
        return Ok(String::new());
    }
    let format = |what: &str| NoSuchText {
        code: "format",
        why: format!("is not {what}, as the column `{}` has it", column.name),
        allowed: Vec::new(),
        similar: Vec::new(),
    };
    match column.column_type {
        ColumnType::Word(words) => match words.contains(&text) {
            true => Ok(text.to_owned()),
            false => Err(no_word(words, text)),
        },
        ColumnType::Unsigned | ColumnType::Identifier => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits);
            number.map(|n| n.to_string()).ok_or_else(|| format("a whole number from 0 on"))
        }
        ColumnType::Decimal(_) => plain_decimal(text).ok_or_else(|| format("a decimal number")),
        ColumnType::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(|n| n.to_string()).ok_or_else(|| format("a number"))
        }
        ColumnType::Time => read_time(text)
            .map(|time| time.rfc3339())
            .map_err(|why| NoSuchText { why, ..format("a time") }),
        ColumnType::Timeframe => {
            let timeframe = text.parse::<Timeframe>().map(|timeframe| timeframe.to_string());
            timeframe.map_err(|why| NoSuchText { why, ..format("a timeframe") })
        }
        ColumnType::Currency => {
            let currency = Currency::of(text).map(|currency| currency.to_string());
            currency.ok_or_else(|| format("a currency (1 to 8 of A–Z and 0–9)"))
        }
        ColumnType::Instrument
        | ColumnType::IdScope
        | ColumnType::Portfolio
        | ColumnType::Model
        | ColumnType::Text => Ok(text.to_owned()),
    }
}

/// A bound of a column of numbers or times.
pub(super) fn column_bound(column: &Column, text: &str) -> Result<Cell, NoSuchText> {
    let format = |what: &str| NoSuchText {
        code: "format",
        why: format!("is not {what}, as the column `{}` has it", column.name),
        allowed: Vec::new(),
        similar: Vec::new(),
    };
    match column.column_type {
        ColumnType::Decimal(_) => {
            // Sums of money may be so large that they have no room for all decimals.
            let read = [DECIMALS, DECIMALS / 2, 0].into_iter().find_map(|scale| {
                let mantissa = decimal::parse_wide(text, scale)?;
                Some(Cell::Decimal { mantissa, scale })
            });
            read.ok_or_else(|| format("a decimal number of at most 38 digits, 18 of them decimals"))
        }
        ColumnType::Time => {
            read_time(text).map(Cell::Time).map_err(|why| NoSuchText { why, ..format("a time") })
        }
        ColumnType::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Cell::number).ok_or_else(|| format("a number"))
        }
        of => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits);
            let number = number.ok_or_else(|| format("a whole number from 0 on"))?;
            Ok(if of == ColumnType::Unsigned {
                Cell::Unsigned(number)
            } else {
                Cell::Identifier(number)
            })
        }
    }
}

fn no_word(words: &[&str], text: &str) -> NoSuchText {
    let similar = closest(words.iter().copied(), text);
    let hint = similar.first().map(|near| format!(" (did you mean `{near}`?)"));
    NoSuchText {
        code: "enum",
        why: format!("is not one of {}{}", words.join(", "), hint.unwrap_or_default()),
        allowed: words.iter().map(|&word| word.to_owned()).collect(),
        similar,
    }
}

/// A decimal number without an exponent and without zeros at its end.
fn plain_decimal(text: &str) -> Option<String> {
    let number = decimal::parse_wide(text, DECIMALS);
    number.map(|mantissa| decimal::format(mantissa, DECIMALS)).or_else(|| {
        // Larger than that, or with more decimals: what is written as cells are is one all the same.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        (is_plain(whole) && is_plain(fraction)).then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use rows::{Scale, value};

    use super::*;

    fn read(column_type: ColumnType, text: &str) -> Result<String, String> {
        column_text(&value("x", column_type, ""), text).map_err(|error| error.why)
    }

    #[test]
    fn values_are_read_as_cells_are_written() {
        let decimal = ColumnType::Decimal(Scale::Price);
        for (column_type, text, want) in [
            (decimal, "10.50", "10.5"),
            (decimal, "1e3", "1000"),
            (decimal, "-0.5", "-0.5"),
            (
                decimal,
                "340282366920938463463374607431768211455.25",
                "340282366920938463463374607431768211455.25",
            ),
            (ColumnType::Unsigned, "007", "7"),
            (ColumnType::Number, "1.50", "1.5"),
            (ColumnType::Time, "1700000000s", "2023-11-14T22:13:20Z"),
            (ColumnType::Timeframe, "60s", "1m"),
            (ColumnType::Currency, "USD", "USD"),
            (ColumnType::Word(&["final", "open"]), "final", "final"),
            (ColumnType::Text, "whatever", "whatever"),
        ] {
            assert_eq!(read(column_type, text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_no_row_can_have_is_refused() {
        let decimal = ColumnType::Decimal(Scale::Quantity);
        let word = ColumnType::Word(&["final", "open"]);
        for (column_type, text, why) in [
            (decimal, "abc", "is not a decimal number"),
            (decimal, "", "is not a decimal number"),
            (decimal, "1,5", "is not a decimal number"),
            (ColumnType::Unsigned, "-1", "is not a whole number"),
            (ColumnType::Unsigned, "+1", "is not a whole number"),
            (ColumnType::Number, "nan", "is not a number"),
            (ColumnType::Time, "noon", "RFC 3339"),
            (ColumnType::Timeframe, "often", "timeframe"),
            (ColumnType::Currency, "US-Dollars", "is not a currency"),
            (word, "finl", "is not one of final, open (did you mean `final`?)"),
            (word, "Final", "(did you mean `final`?)"),
            (word, "bogus", "is not one of final, open"),
        ] {
            let error = read(column_type, text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let nullable = value("x", word, "").nullable();
        assert_eq!(column_text(&nullable, "").ok().as_deref(), Some(""), "rows without a value");
    }
}
