//! Names of columns that are like another.

/// The name of these that may be meant by one that is none of them: in another case, without what stands in
/// parentheses, longer or shorter, or with another letter.
pub(super) fn similar<'a>(names: &[&'a str], given: &str) -> Option<&'a str> {
    let wanted = normal(given);
    if wanted.is_empty() {
        return None;
    }
    let most = (wanted.len() / 3).clamp(1, 3);
    let likeness = |name: &str| match normal(name) {
        own if own == wanted => Some(0),
        own if own.is_empty() => None,
        own => {
            let distance = strsim::levenshtein(&own, &wanted);
            let holds = own.contains(&wanted) || wanted.contains(&own);
            (distance <= most || (holds && own.len() > 1 && wanted.len() > 1)).then_some(distance)
        }
    };
    let found = names.iter().filter_map(|name| Some((likeness(name)?, *name)));
    found.min_by_key(|(likeness, _)| *likeness).map(|(_, name)| name)
}

/// The same as a question, for a message.
pub(super) fn did_you_mean(names: &[&str], given: &str) -> String {
    similar(names, given).map_or_else(String::new, |near| {
        format!("did you mean {}? ", market::printable(&format!("\"{near}\""), 80))
    })
}

/// Letters and digits in lower case, without what stands in parentheses: `Price (USD)` is `price`.
pub(super) fn normal(name: &str) -> String {
    let before = name.split(['(', '[']).next().unwrap_or_default();
    before.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_meant() {
        let names = ["Timestamp", "Price (USD)", "Qty", "trade_id"];
        for (given, want) in [
            ("Price", Some("Price (USD)")),
            ("prise", Some("Price (USD)")),
            ("timestmp", Some("Timestamp")),
            ("time", Some("Timestamp")),
            ("id", Some("trade_id")),
            ("venue", None),
            ("", None),
        ] {
            assert_eq!(similar(&names, given), want, "{given}");
        }
    }
}
