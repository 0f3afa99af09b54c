//! How numbers are written, where that is not plain.

use std::borrow::Cow;

use market::DecimalError;

use super::units::UnitsConfig;

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberForm {
    mark: char,
    group: Option<char>,
    accounting: bool,
}

/// Signs of currencies that may stand before or behind a number.
const CURRENCIES: &[char] = &['$', '€', '£', '¥', '₿', '₹', '₩', '₽', '₺', '฿'];
/// So many characters of a number are read, which is more than one can have.
const NUMBER_MAX: usize = 256;

impl NumberForm {
    /// Checks what was written.
    pub(super) fn check(units: &UnitsConfig) -> Result<NumberForm, String> {
        let one = |text: &str, key: &str| {
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(c), None) if !c.is_alphanumeric() && !"+-()".contains(c) => Ok(c),
                _ => Err(format!(
                    "`units.{key}` is {text:?}; write one character, such as \".\" or \",\""
                )),
            }
        };
        let mark = one(&units.decimal_mark, "decimal_mark")?;
        let group = match units.grouping.as_str() {
            "" => None,
            text => Some(one(text, "grouping")?),
        };
        if group == Some(mark) {
            return Err(
                "`units.decimal_mark` and `units.grouping` are the same character".to_owned()
            );
        }
        Ok(NumberForm { mark, group, accounting: units.accounting })
    }

    /// Whether numbers are written plainly.
    pub(super) fn is_plain(self) -> bool {
        self == NumberForm { mark: '.', group: None, accounting: false }
    }

    /// The number as it is written plainly; an error if it does not have this form.
    pub(super) fn plain(self, text: &str) -> Result<Cow<'_, str>, &'static str> {
        if self.is_plain() {
            return Ok(Cow::Borrowed(text));
        }
        let (is_negative, number) = if self.accounting { unwrapped(text) } else { (false, text) };
        if number.len() > NUMBER_MAX {
            return Err("is too long for a number");
        }
        let (whole, decimals) = number.split_once(self.mark).unwrap_or((number, ""));
        if decimals.contains(self.mark)
            || (self.mark != '.' && number.contains('.') && self.group != Some('.'))
        {
            return Err(
                "is not a decimal number of this form (`units.decimal_mark`, `units.grouping`)",
            );
        }
        let mut plain = String::with_capacity(number.len() + 1);
        if is_negative {
            plain.push('-');
        }
        match self.group {
            Some(group) => {
                if !is_grouped(whole, group) || decimals.contains(group) {
                    return Err("has other groups than of three digits (`units.grouping`)");
                }
                plain.extend(whole.chars().filter(|c| *c != group));
            }
            None => plain.push_str(whole),
        }
        if number.len() > whole.len() {
            plain.push('.');
            plain.push_str(decimals);
        }
        Ok(Cow::Owned(plain))
    }
}

/// A number without the sign of a currency around it, and whether parentheses or a minus sign say that it is below
/// zero.
fn unwrapped(text: &str) -> (bool, &str) {
    let bare = |text| str::trim_matches(text, |c: char| CURRENCIES.contains(&c) || c == ' ');
    let has_sign = |number: &str| number.starts_with(['-', '+']);
    let number = bare(text);
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, bare(number)),
        None => (false, number),
    };
    let inner = number.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).map(bare);
    match (is_negative, inner) {
        // Two signs make no number.
        (true, Some(_)) => (false, text),
        (true, None) if has_sign(number) => (false, text),
        (false, Some(inner)) if has_sign(inner) => (false, text),
        (false, Some(inner)) => (true, inner),
        (_, None) => (is_negative, number),
    }
}

/// Whether digits are grouped by three, or not at all.
fn is_grouped(whole: &str, group: char) -> bool {
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let mut groups = digits.split(group);
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    rest.peek().is_none() || ((1..=3).contains(&first.len()) && rest.all(|three| three.len() == 3))
}

/// What helps against a number that cannot be read; empty if nothing is known to.
pub(super) fn hint(text: &str, why: DecimalError) -> &'static str {
    match why {
        DecimalError::Malformed if text.contains(CURRENCIES) || text.contains('(') => {
            "; `units.accounting` (--accounting) allows signs of currencies and parentheses"
        }
        DecimalError::Malformed
            if text.contains([',', '\'', '_', ' ', '\u{a0}', '\u{202f}', '’']) =>
        {
            "; `units.grouping` (--grouping) says what groups digits, `units.decimal_mark` (--decimal-mark) what comes \
             before decimals"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::decimal;

    fn read(mark: &str, grouping: &str, accounting: bool, text: &str) -> Result<i64, String> {
        let (decimal_mark, grouping) = (mark.to_owned(), grouping.to_owned());
        let units = UnitsConfig { decimal_mark, grouping, accounting, ..UnitsConfig::default() };
        let plain = NumberForm::check(&units)?.plain(text).map_err(str::to_owned)?;
        decimal::parse(&plain, 2).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_as_people_write_them() {
        for (mark, grouping, accounting, text, want) in [
            (".", ",", false, "1,234.5", Some(123_450)),
            (".", ",", false, "1234.5", Some(123_450)),
            (".", ",", false, "-1,234,567", Some(-123_456_700)),
            (".", ",", false, "1,23", None),
            (".", ",", false, "1,2345", None),
            (".", ",", false, "1,,234", None),
            (".", ",", false, ",234", None),
            (".", ",", false, "1.234,5", None),
            (",", ".", false, "1.234,5", Some(123_450)),
            (",", ".", false, "1.5", None),
            (",", "", false, "1,5", Some(150)),
            (",", "", false, "1.5", None),
            (",", "", false, "1,5e1", Some(1_500)),
            (",", " ", false, "1 234,5", Some(123_450)),
            (".", "'", false, "1'234.5", Some(123_450)),
            (".", "\u{202f}", false, "1\u{202f}234.5", Some(123_450)),
            (".", "", true, "$1235", Some(123_500)),
            (".", "", true, "-$12", Some(-1_200)),
            (".", "", true, "-(12)", None),
            (".", "", true, "--12", None),
            (".", "", true, "$-12", Some(-1_200)),
            (".", "", true, "12.5 €", Some(1_250)),
            (".", "", true, "(12.5)", Some(-1_250)),
            (".", "", true, "($12.5)", Some(-1_250)),
            (".", "", true, "$(12.5)", Some(-1_250)),
            (".", "", true, "(-12.5)", None),
            (".", "", true, "(12.5", None),
            (".", ",", true, "($1,234.5)", Some(-123_450)),
            (".", ",", true, "", None),
            (".", "", false, "1,234.5", None),
            (".", "", false, "$12", None),
        ] {
            let read = read(mark, grouping, accounting, text);
            assert_eq!(
                read.as_ref().ok().copied(),
                want,
                "{text:?} with {mark:?} {grouping:?}: {read:?}"
            );
        }
    }

    #[test]
    fn forms_that_cannot_be() {
        assert!(read(".", ".", false, "1").unwrap_err().contains("are the same character"));
        for (mark, grouping) in [("", ","), ("..", ""), ("x", ""), (".", "("), (".", "5")] {
            assert!(read(mark, grouping, false, "1").unwrap_err().contains("write one character"));
        }
    }

    #[test]
    fn hints_name_the_key_that_helps() {
        let hint = |text| hint(text, decimal::parse(text, 2).unwrap_err());
        assert!(hint("1,234.5").contains("--grouping") && hint("$12").contains("--accounting"));
        assert_eq!((hint("12x"), hint("1.555")), ("", ""));
    }
}
