//! The instrument of a path, and suggestions for unknown names.

use std::sync::Arc;

use market::{Catalog, Instrument, InstrumentId};

use super::problem::{AMBIGUOUS, Problem, UNKNOWN_SYMBOL};
use super::query::shown;

/// The most suggestions.
const SUGGESTIONS: usize = 5;
/// The most names that are compared letter by letter; further ones are compared by substrings only.
const COMPARED: usize = 10_000;
/// The largest edit distance of a suggestion.
const DISTANCE_MAX: usize = 3;
/// The longest name; longer text is not compared.
const NAME_MAX: usize = 128;

/// The instrument of a percent-encoded path segment: its whole name `venue:SYMBOL`, or the bare symbol if exactly one
/// venue has it.
pub(super) fn resolve(catalog: &Catalog, segment: &str) -> Result<Arc<Instrument>, Problem> {
    let Some(symbol) = percent_decoded(segment) else {
        let detail = format!("`{}` is not percent-encoded UTF-8", shown(segment));
        return Err(Problem::new(UNKNOWN_SYMBOL, detail));
    };
    let exact = catalog.get(InstrumentId::of(&symbol));
    if let Some(instrument) = exact.filter(|instrument| *instrument.name == *symbol) {
        return Ok(instrument);
    }
    let all = catalog.all();
    let mut bare = all.iter().filter(|instrument| bare(&instrument.name) == symbol);
    match (bare.next(), bare.next()) {
        (Some(only), None) => Ok(Arc::clone(only)),
        (Some(first), Some(second)) => {
            let mut names = vec![first.name.to_string(), second.name.to_string()];
            names.extend(bare.map(|instrument| instrument.name.to_string()));
            let detail = format!(
                "{} instruments have the symbol `{symbol}`; write the venue too",
                names.len()
            );
            names.truncate(SUGGESTIONS * 4);
            Err(Problem::new(AMBIGUOUS, detail).suggestions(names))
        }
        (None, _) => {
            let names = all.iter().map(|instrument| &*instrument.name);
            let detail = format!("no instrument is named `{}`", shown(&symbol));
            let problem = Problem::new(UNKNOWN_SYMBOL, detail);
            Err(problem.suggestions(closest(names, &symbol)))
        }
    }
}

/// The symbol of a name: what is after the first `:`.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, symbol)| symbol)
}

/// Names similar to `given`, best first: names that contain it or are contained in it, and names within a small edit
/// distance. Case does not matter.
pub(super) fn closest<'a>(names: impl Iterator<Item = &'a str>, given: &str) -> Vec<String> {
    if given.is_empty() || given.len() > NAME_MAX {
        return Vec::new();
    }
    let given = given.to_ascii_lowercase();
    let mut lower = String::new(); // reused for all names
    let most = (given.len() / 3).clamp(1, DISTANCE_MAX);
    let mut found: Vec<(usize, &str)> = names
        .enumerate()
        .filter_map(|(at, name)| {
            lower.clear();
            lower.push_str(name);
            lower.make_ascii_lowercase();
            let short = bare(&lower);
            if lower.contains(&given) || (short.len() > 1 && given.contains(short)) {
                return Some((lower.len().abs_diff(given.len()).min(1), name));
            }
            if at >= COMPARED {
                return None;
            }
            let whole = distance(&lower, &given, most);
            let distance = whole.into_iter().chain(distance(short, bare(&given), most)).min();
            distance.map(|distance| (distance, name))
        })
        .collect();
    found.sort_unstable();
    found.truncate(SUGGESTIONS);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The edit distance of `a` and `b`; none if it is more than `most`.
///
/// Most names differ early, and the comparison stops there.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
        if row.iter().all(|distance| *distance > most) {
            return None;
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= most)
}

/// The text of a path segment; `None` if `%` is not followed by two hexadecimal digits or the bytes
/// are not UTF-8.
fn percent_decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        for (segment, want) in [
            ("a%3ABTC", Some("a:BTC")),
            ("a%3abtc%2F", Some("a:btc/")),
            ("%e2%82%ac", Some("€")),
            ("100%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+4", None),
        ] {
            assert_eq!(percent_decoded(segment).as_deref(), want, "{segment}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, want) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b, 9), Some(want), "{a} {b}");
            assert_eq!(distance(b, a, want), Some(want), "{b} {a}");
            assert_eq!(distance(a, b, 1), Some(want).filter(|want| *want <= 1), "{a} {b}");
        }
    }

    #[test]
    fn what_was_meant() {
        let names = ["binance:BTCUSDT", "binance:ETHUSDT", "us:AAPL", "us:X"];
        let meant = |given| closest(names.into_iter(), given);
        assert_eq!(meant("BTCUSD"), ["binance:BTCUSDT"]);
        assert_eq!(meant("btcusdt"), ["binance:BTCUSDT", "binance:ETHUSDT"]);
        assert_eq!(meant("coinbase:AAPL"), ["us:AAPL"]);
        assert_eq!(meant("us:APPL"), ["us:AAPL"]);
        assert_eq!(meant("zzzzzz"), [] as [&str; 0]);
        assert_eq!(meant(&"a".repeat(100_000)), [] as [&str; 0]);
    }
}
