//! The words that feeds use for sides, kinds and parts of a candle, in any case.

use market::{Side, Updates};

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A trade.
    Trade,
    /// A correction.
    Correct,
    /// A cancel.
    Cancel,
    /// What is left out.
    Skip,
}

/// The aggressor. Bare digits are no words for it: 1 is a buyer in FIX and a seller at Bitstamp.
///
/// ```
/// use connectors::mapping::vocabulary::side;
/// use market::Side;
/// assert_eq!(side("Sell"), Ok(Side::Sell));
/// assert_eq!(side("ANY"), Ok(Side::Unknown)); // some archives write it
/// assert!(side("1").is_err());
/// ```
pub fn side(word: &str) -> Result<Side, &'static str> {
    match one_of(
        word,
        &[
            (&["buy", "b", "bid", "buyer"], Side::Buy),
            (&["sell", "s", "ask", "a", "seller"], Side::Sell),
            (&["unknown", "", "n", "none", "any"], Side::Unknown),
        ],
    ) {
        Some(side) => Ok(side),
        None => Err(
            "is not a side (buy, b, bid, buyer; sell, s, ask, a, seller; unknown, n, none, any)",
        ),
    }
}

/// Whether the buyer was the maker; the aggressor follows from it.
pub fn maker(word: &str) -> Result<Side, &'static str> {
    match one_of(
        word,
        &[
            (&["true", "1", "t"], Side::Sell),
            (&["false", "0", "f"], Side::Buy),
            (&[""], Side::Unknown),
        ],
    ) {
        Some(side) => Ok(side),
        None => Err("does not say whether the buyer was the maker (true, t, 1; false, f, 0)"),
    }
}

/// Trade, correction or cancel.
pub fn kind(word: &str) -> Result<Kind, &'static str> {
    match one_of(
        word,
        &[
            (&["trade", "new", ""], Kind::Trade),
            (&["correct", "correction"], Kind::Correct),
            (&["cancel", "bust", "break"], Kind::Cancel),
        ],
    ) {
        Some(kind) => Ok(kind),
        None => Err("is not a kind (trade, new; correct, correction; cancel, bust, break)"),
    }
}

/// What a feed's own word for a kind stands for.
pub fn meaning(word: &str) -> Result<Kind, &'static str> {
    match word {
        "" => Err("is no kind (trade, correct, cancel, skip)"),
        "skip" => Ok(Kind::Skip),
        _ => kind(word).map_err(|_| "is no kind (trade, correct, cancel, skip)"),
    }
}

/// What a trade may change in a candle.
///
/// ```
/// use connectors::mapping::vocabulary::updates;
/// use market::Updates;
/// assert_eq!(updates("volume+high_low"), Ok(Updates::VOLUME.and(Updates::HIGH_LOW)));
/// assert_eq!(updates("none"), Ok(Updates::NONE));
/// ```
pub fn updates(words: &str) -> Result<Updates, &'static str> {
    let whole = one_of(words, &[(&["all", ""], Updates::ALL), (&["none"], Updates::NONE)]);
    if let Some(updates) = whole {
        return Ok(updates);
    }
    let mut updates = Updates::NONE;
    for word in words.split('+') {
        let part = one_of(
            word.trim(),
            &[
                (&["volume"], Updates::VOLUME),
                (&["high_low"], Updates::HIGH_LOW),
                (&["open_close"], Updates::OPEN_CLOSE),
            ],
        );
        let part = part.ok_or(
            "is not a set of updates (all, none, or volume, high_low, open_close joined by +)",
        )?;
        updates = updates.and(part);
    }
    Ok(updates)
}

fn one_of<T: Copy>(word: &str, meanings: &[(&[&str], T)]) -> Option<T> {
    meanings
        .iter()
        .find(|(words, _)| words.iter().any(|w| w.eq_ignore_ascii_case(word)))
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_feeds_write() {
        for (word, want) in
            [("Bid", Side::Buy), ("B", Side::Buy), ("ASK", Side::Sell), ("N", Side::Unknown)]
        {
            assert_eq!(side(word), Ok(want), "{word}");
        }
        for (word, want) in [("True", Side::Sell), ("1", Side::Sell), ("false", Side::Buy)] {
            assert_eq!(maker(word), Ok(want), "{word}");
        }
        for (word, want) in
            [("New", Kind::Trade), ("Bust", Kind::Cancel), ("correction", Kind::Correct)]
        {
            assert_eq!(kind(word), Ok(want), "{word}");
        }
        let official_close = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);
        assert_eq!(updates("High_Low + open_close"), Ok(official_close));
        assert!(side("wrong").is_err() && maker("2").is_err() && kind("replace").is_err());
        assert!(updates("volume+all").is_err() && updates("+").is_err());
    }
}
