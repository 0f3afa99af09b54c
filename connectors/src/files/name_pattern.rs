//! The symbol in the name of a file.

use std::collections::BTreeSet;

use glob::{MatchOptions, Pattern};

/// How names of files hold their symbol: `{symbol}.csv`, `*-{symbol}.csv.gz`, `{symbol}/*.csv`.
#[derive(Clone, Debug)]
pub(super) struct NamePattern {
    text: String,
    before: Pattern,
    after: Pattern,
}

const SYMBOL: &str = "{symbol}";
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".zip"];

impl NamePattern {
    /// Reads `{symbol}` once among text, `*`, `?` and `[a-z]`.
    pub(super) fn new(text: &str) -> Result<NamePattern, String> {
        let wrong = |why: &str| {
            format!(
                "\"{text}\" {why}; write how names of files hold the symbol, such as {SYMBOL}.csv, {SYMBOL}_trades.csv or \
                 *-{SYMBOL}.csv.gz"
            )
        };
        let (before, after) =
            text.split_once(SYMBOL).ok_or_else(|| wrong("does not hold {symbol}"))?;
        if after.contains(SYMBOL) {
            return Err(wrong("holds {symbol} twice"));
        }
        let part =
            |part| Pattern::new(part).map_err(|error| wrong(&format!("is no pattern: {error}")));
        Ok(NamePattern { text: text.to_owned(), before: part(before)?, after: part(after)? })
    }

    /// The symbol in the name of the file at `path`; what compresses it need not be in the pattern.
    pub(super) fn symbol_of(&self, path: &str) -> Result<Box<str>, String> {
        let folders = self.text.matches('/').count();
        let from = path.rmatch_indices('/').nth(folders).map_or(0, |(at, _)| at + 1);
        let name = &path[from..];
        let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending));
        let mut found = self.symbols(name);
        if let Some(plain) = plain.filter(|_| found.is_empty()) {
            found = self.symbols(plain);
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(symbol), None) => Ok(Box::from(symbol)),
            (None, _) => {
                Err(format!("the name of \"{path}\" is not like \"{}\" (symbol_from)", self.text))
            }
            (Some(one), Some(other)) => Err(format!(
                "the symbol of \"{path}\" may be {one} or {other} by \"{}\" (symbol_from); write a pattern that fits in one \
                 way",
                self.text
            )),
        }
    }

    /// All texts in `name` that may be the symbol.
    fn symbols<'a>(&self, name: &'a str) -> BTreeSet<&'a str> {
        let ends = || name.char_indices().map(|(at, _)| at).chain([name.len()]);
        let fits = |pattern: &Pattern, text| pattern.matches_with(text, OPTIONS);
        let begins = ends().filter(|at| fits(&self.before, &name[..*at]));
        let stops: Vec<usize> = ends().filter(|at| fits(&self.after, &name[*at..])).collect();
        let all = begins.flat_map(|begin| {
            let behind = stops.iter().filter(move |stop| **stop > begin);
            behind.map(move |stop| &name[begin..*stop])
        });
        all.filter(|symbol| !symbol.contains('/')).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_symbols() {
        for (pattern, path, want) in [
            ("{symbol}.csv", "data/BTC-USD.csv", "BTC-USD"),
            ("{symbol}.csv", "BTC.USD.csv", "BTC.USD"),
            ("{symbol}.csv", "BTC.csv.gz", "BTC"),
            ("{symbol}_trades.csv", "/a/b/BTC_USD_trades.csv", "BTC_USD"),
            ("*-{symbol}.csv.gz", "x/2026-AAPL.csv.gz", "AAPL"),
            ("????-??-??-{symbol}.csv", "2026-01-05-BRK-B.csv", "BRK-B"),
            ("{symbol}-[0-9]*.csv", "BTC-2026.csv", "BTC"),
            ("{symbol}/*.csv", "data/ETH/2026-01.csv", "ETH"),
            ("trades_{symbol}.jsonl", "trades_Ü.jsonl", "Ü"),
        ] {
            let found = NamePattern::new(pattern).unwrap().symbol_of(path);
            assert_eq!(found.as_deref(), Ok(want), "{pattern} {path}");
        }
    }

    #[test]
    fn what_fits_not_or_in_several_ways_is_refused() {
        for (pattern, path, want) in [
            ("{symbol}_trades.csv", "BTC.csv", "the name of \"BTC.csv\" is not like"),
            ("{symbol}.csv", "a/.csv", "is not like"),
            ("*-{symbol}.csv", "binance-BTC-USD.csv", "may be BTC-USD or USD by"),
            ("{symbol}/*.csv", "BTC.csv", "is not like"),
        ] {
            let problem = NamePattern::new(pattern).unwrap().symbol_of(path).unwrap_err();
            assert!(problem.contains(want), "{pattern} {path}: {problem}");
        }
        for (pattern, want) in [
            ("*.csv", "does not hold {symbol}"),
            ("{symbol}{symbol}.csv", "twice"),
            ("[a{symbol}.csv", "is no pattern"),
        ] {
            let problem = NamePattern::new(pattern).unwrap_err();
            assert!(problem.contains(want), "{pattern}: {problem}");
        }
    }
}
