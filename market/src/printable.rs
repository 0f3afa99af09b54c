//! Texts of input, harmless wherever they are shown.

/// A text of others as people, terminals, logs and tables may show it, up to so many characters; `…` stands for the rest.
///
/// What moves a cursor, colours a terminal, ends a line or reorders what stands beside it (control and format
/// characters) is shown as U+FFFD.
///
/// ```
/// use market::printable;
///
/// assert_eq!(printable("\u{1b}[31mRED\nINFO", 100), "\u{fffd}[31mRED\u{fffd}INFO");
/// assert_eq!(printable("abcdef", 3), "abc…");
/// ```
pub fn printable(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let shown = chars.by_ref().take(chars_max);
    let mut shown: String =
        shown.map(|c| if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character shows itself, and changes nothing else that is shown.
fn is_harmless(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}') && !is_format(char)
}

/// Whether a character changes how others show, and shows nothing itself.
pub(crate) fn is_format(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_is_harmless_and_bounded(text in "\\PC{0,40}|.{0,40}", most in 0_usize..50) {
            let shown = printable(&text, most);
            prop_assert!(shown.chars().all(is_harmless));
            prop_assert!(shown.chars().count() <= most + 1);
            if text.chars().all(is_harmless) && text.chars().count() <= most {
                prop_assert_eq!(shown, text);
            }
        }
    }
}
