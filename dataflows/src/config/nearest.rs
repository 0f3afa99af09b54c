//! What a misspelled key may have meant.

/// The known key that is nearest to the one that `problem` calls unknown.
pub(super) fn nearest(problem: &str) -> Option<&str> {
    let (_, rest) = problem.split_once("unknown field ")?;
    let mut words = quoted(rest);
    let unknown = words.next()?;
    words.min_by_key(|known| distance(unknown, known))
}

/// What stands between backticks.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// How many characters must be put in, left out or changed to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (at, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key() {
        for (from, to, want) in [("", "ab", 2), ("workers", "wokers", 1), ("abc", "bca", 2)] {
            assert_eq!(distance(from, to), want, "{from} {to}");
        }
        assert_eq!(nearest("unknown field `htp`, expected one of `job`, `http`"), Some("http"));
        assert_eq!(nearest("unknown field `htp`, there are no fields"), None);
        assert_eq!(nearest("`7m` is not a timeframe"), None);
    }
}
