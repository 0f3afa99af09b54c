//! Known names that are similar to an unknown one, for messages and problems.

/// The most names that [`closest`] suggests.
pub const SUGGESTIONS: usize = 5;
/// The most names that are compared letter by letter; further ones are compared by substrings only.
const COMPARED: usize = 10_000;
/// The largest edit distance of a suggestion.
const DISTANCE_MAX: usize = 3;
/// The longest name, in bytes; longer text is not compared.
const NAME_MAX: usize = 128;

/// The name with the smallest edit distance to `given`, however large that is; the first of equals. `None` if there are
/// no names.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, given: &str) -> Option<&'a str> {
    names.min_by_key(|name| strsim::levenshtein(given, name))
}

/// At most [`SUGGESTIONS`] names similar to `given`, best first: names that contain it or whose symbol is contained in
/// it, and names within a small edit distance. Case does not matter.
pub fn closest<'a>(names: impl Iterator<Item = &'a str>, given: &str) -> Vec<String> {
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
            let short = symbol(&lower);
            if lower.contains(&given) || (short.len() > 1 && given.contains(short)) {
                return Some((lower.len().abs_diff(given.len()).min(1), name));
            }
            if at >= COMPARED {
                return None;
            }
            let whole = distance(&lower, &given, most);
            let distance = whole.into_iter().chain(distance(short, symbol(&given), most)).min();
            distance.map(|distance| (distance, name))
        })
        .collect();
    found.sort_unstable();
    found.truncate(SUGGESTIONS);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The symbol of a name `venue:SYMBOL`: what is after the first `:`; the whole name if it has none.
pub fn symbol(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, symbol)| symbol)
}

/// The edit distance of `a` and `b` in bytes; `None` if it is more than `most`.
///
/// Of many names only few are similar. The others are recognised by their lengths and by how often each letter occurs,
/// which takes linear time; the computation of the distance takes quadratic time.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    while let ([first, a_rest @ ..], [second, b_rest @ ..]) = (a, b)
        && first == second
    {
        (a, b) = (a_rest, b_rest);
    }
    // Each edit changes the counts of two letters at most, by 1. Letters that share a count only hide differences.
    let mut counts = [0_i32; 64];
    a.iter().for_each(|letter| counts[usize::from(letter % 64)] += 1);
    b.iter().for_each(|letter| counts[usize::from(letter % 64)] -= 1);
    let differences: u32 = counts.iter().map(|count| count.unsigned_abs()).sum();
    if differences as usize > 2 * most {
        return None;
    }
    let distance = strsim::generic_levenshtein(&a.to_vec(), &b.to_vec());
    Some(distance).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("workers", "wokers", 1),
            ("abc", "bca", 2),
            ("abc", "xyz", 3),
            ("aaab", "aab", 1),
        ] {
            assert_eq!(distance(a, b, 9), Some(want), "{a} {b}");
            assert_eq!(distance(b, a, want), Some(want), "{b} {a}");
            assert_eq!(distance(a, b, 1), Some(want).filter(|want| *want <= 1), "{a} {b}");
        }
    }

    proptest::proptest! {
        /// Shortcuts do not change what is found.
        #[test]
        fn a_distance_with_a_bound_is_the_edit_distance(
            a in "[a-d:1é]{0,12}", b in "[a-d:1é]{0,12}", most in 1_usize..6,
        ) {
            let full = strsim::generic_levenshtein(&a.as_bytes().to_vec(), &b.as_bytes().to_vec());
            let want = Some(full).filter(|full| *full <= most);
            proptest::prop_assert_eq!(distance(&a, &b, most), want);
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

    #[test]
    fn the_nearest_is_the_first_of_equals() {
        assert_eq!(nearest(["job", "http", "hxtp"].into_iter(), "htp"), Some("http"));
        assert_eq!(nearest([].into_iter(), "htp"), None);
    }
}
