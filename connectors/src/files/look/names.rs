//! Which columns of a header hold time, price, size and symbol, by the names that are common for them.

use market::printable;

use crate::files::similar::normal;

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    Price,
    Size,
    Symbol,
}

/// What was found of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameFound {
    /// Its name.
    One(String),
    /// Several may be meant.
    Several(Vec<String>),
    /// None has a name that is common.
    None,
}

impl Role {
    /// The flag that names the column, and the key.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Time => "time",
            Role::Price => "price",
            Role::Size => "size",
            Role::Symbol => "symbol",
        }
    }

    /// Names that are common, as [`normal`] has them.
    fn common(self) -> &'static [&'static str] {
        match self {
            Role::Time => &[
                "time",
                "timestamp",
                "datetime",
                "ts",
                "tradetime",
                "transacttime",
                "executiontime",
            ],
            Role::Price => &["price", "px", "last", "tradeprice", "lastprice"],
            Role::Size => &[
                "size",
                "qty",
                "quantity",
                "volume",
                "vol",
                "amount",
                "tradesize",
                "lastsize",
                "shares",
            ],
            Role::Symbol => &["symbol", "sym", "ticker", "instrument", "pair", "market", "product"],
        }
    }

    /// The column of a header for this; its very name goes before names that are common, in whatever case.
    pub(super) fn find(self, names: &[&str]) -> NameFound {
        let own = names.iter().filter(|name| **name == self.name());
        let found: Vec<&str> = match own.count() {
            0 => names.iter().copied().filter(|name| self.is_common(name)).collect(),
            count => vec![self.name(); count],
        };
        match &found[..] {
            [] => NameFound::None,
            // A name with a bar would be two, and the time's one with a comma as well.
            [one] if !one.contains(['|', ',']) => NameFound::One((*one).to_owned()),
            several => NameFound::Several(several.iter().map(|name| shown(name)).collect()),
        }
    }

    fn is_common(self, name: &str) -> bool {
        self.common().contains(&&*normal(name))
    }
}

/// The column of dates, if there is one.
pub(super) fn date_of<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut dates =
        names.iter().filter(|name| normal(name) == "date" && !name.contains(['|', ',']));
    dates.next().copied().filter(|_| dates.next().is_none())
}

/// Whether a header is that of bars.
pub(super) fn is_of_bars(names: &[&str]) -> bool {
    let normal: Vec<String> = names.iter().map(|name| normal(name)).collect();
    ["open", "high", "low", "close"].iter().all(|part| normal.iter().any(|name| name == part))
}

/// A text of a file as a message shows it.
pub(super) fn shown(text: &str) -> String {
    const CHARS: usize = 200;
    format!("\"{}\"", printable(text, CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_found_in_any_case() {
        let one = |name: &str| NameFound::One(name.to_owned());
        for (role, names, want) in [
            (Role::Time, &["Timestamp", "Price (USD)", "Qty"][..], one("Timestamp")),
            (Role::Price, &["Timestamp", "Price (USD)", "Qty"], one("Price (USD)")),
            (Role::Size, &["Timestamp", "Price (USD)", "Qty"], one("Qty")),
            (Role::Size, &["VOLUME", "quote_volume"], one("VOLUME")),
            (Role::Symbol, &["Ticker", "id"], one("Ticker")),
            (Role::Time, &["trade_time", "local_timestamp"], one("trade_time")),
            // The very name goes before all others.
            (Role::Size, &["amount", "size", "Volume"], one("size")),
            (Role::Price, &["bid", "ask"], NameFound::None),
            (
                Role::Size,
                &["Qty", "Volume"],
                NameFound::Several(vec!["\"Qty\"".to_owned(), "\"Volume\"".to_owned()]),
            ),
        ] {
            assert_eq!(role.find(names), want, "{role:?} {names:?}");
        }
        assert_eq!(date_of(&["<DATE>", "<TIME>"]), Some("<DATE>"));
        assert!(is_of_bars(&["Date", "Open", "High", "Low", "Close", "Volume"]));
    }
}
