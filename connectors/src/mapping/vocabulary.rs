//! The words that feeds use for sides, kinds and parts of a candle, in any case.

use market::{SessionPrint, Side, Updates};

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

/// What a trade may change in a candle, and what print of its session it is.
///
/// ```
/// use connectors::mapping::vocabulary::updates;
/// use market::{SessionPrint, Updates};
/// assert_eq!(updates("volume+high_low"), Ok(Updates::VOLUME.and(Updates::HIGH_LOW)));
/// assert_eq!(updates("none"), Ok(Updates::NONE));
/// assert_eq!(updates("closing"), Ok(Updates::ALL.of_print(SessionPrint::Closing)));
/// assert_eq!(updates("volume+ordinary"), Ok(Updates::VOLUME.of_print(SessionPrint::Ordinary)));
/// ```
pub fn updates(words: &str) -> Result<Updates, &'static str> {
    const WHY: &str = "is not a set of updates (all, none, or volume, high_low, open_close joined by +; \
                       with +opening, +closing or +ordinary, if it is known what print of its session it is)";
    if words.is_empty() {
        return Ok(Updates::ALL);
    }
    let (mut parts, mut print) = (Vec::new(), None);
    for word in words.split('+').map(str::trim) {
        match one_of(word, PRINTS) {
            Some(said) if print.replace(said).is_some() => return Err(WHY),
            Some(_) => {}
            None => parts.push(word),
        }
    }
    let updates = match parts[..] {
        [] => Updates::ALL,
        [word] => one_of(word, WHOLES).or_else(|| one_of(word, PARTS)).ok_or(WHY)?,
        _ => {
            let mut all = Updates::NONE;
            for part in parts {
                all = all.and(one_of(part, PARTS).ok_or(WHY)?);
            }
            all
        }
    };
    Ok(updates.of_print(print.unwrap_or_default()))
}

/// What a trade updates and what print it is, as [`updates`] reads it.
pub(crate) fn updates_text(updates: Updates) -> String {
    let has = PARTS.iter().filter(|(_, part)| updates.has(*part));
    let is = PRINTS.iter().filter(|(_, print)| updates.print() == *print);
    let is_said = updates.print() != SessionPrint::Unsaid;
    let parts: Vec<&str> = match updates.has(Updates::ALL) {
        true if is_said => Vec::new(), // a print alone updates all
        true => vec!["all"],
        false if updates.is_nothing() => vec!["none"],
        false => has.map(|(words, _)| words[0]).collect(),
    };
    parts.into_iter().chain(is.map(|(words, _)| words[0])).collect::<Vec<_>>().join("+")
}

const PARTS: &[(&[&str], Updates)] = &[
    (&["volume"], Updates::VOLUME),
    (&["high_low"], Updates::HIGH_LOW),
    (&["open_close"], Updates::OPEN_CLOSE),
];

const WHOLES: &[(&[&str], Updates)] = &[(&["all"], Updates::ALL), (&["none"], Updates::NONE)];

const PRINTS: &[(&[&str], SessionPrint)] = &[
    (&["ordinary"], SessionPrint::Ordinary),
    (&["opening"], SessionPrint::Opening),
    (&["closing"], SessionPrint::Closing),
];

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
        let closing = Updates::ALL.of_print(SessionPrint::Closing);
        assert_eq!(updates("Closing"), Ok(closing));
        assert_eq!(updates("all + closing"), Ok(closing));
        assert_eq!(updates("opening+none"), Ok(Updates::NONE.of_print(SessionPrint::Opening)));
        for wrong in ["closing+opening", "closing+", "+closing", "last+closing", "closing+closing"]
        {
            assert!(updates(wrong).is_err(), "{wrong}");
        }
        for bits in 0..32 {
            let written = updates_text(Updates::of_bits(bits));
            assert_eq!(updates(&written), Ok(Updates::of_bits(bits)), "{written}");
        }
    }
}
