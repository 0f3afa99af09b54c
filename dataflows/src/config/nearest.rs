//! What a misspelled key may have meant.

use rows::suggestions;

/// The known key that is nearest to the one that `problem` calls unknown.
pub(super) fn nearest(problem: &str) -> Option<&str> {
    let unknown = ["unknown field ", "unknown variant "];
    let (_, rest) = unknown.iter().find_map(|unknown| problem.split_once(unknown))?;
    let mut words = quoted(rest);
    let unknown = words.next()?;
    suggestions::nearest(words, unknown)
}

/// What stands between backticks.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key() {
        assert_eq!(nearest("unknown field `htp`, expected one of `job`, `http`"), Some("http"));
        assert_eq!(nearest("unknown field `htp`, there are no fields"), None);
        assert_eq!(nearest("`7m` is not a timeframe"), None);
    }
}
