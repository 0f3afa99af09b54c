//! Symbols and days in the names of files.

use std::path::{Component, Path};

/// `BTCUSDT` of `…/BTCUSDT-trades-2024-01.zip`, where `mark` is `-trades-`.
pub(super) fn symbol_before(path: &str, mark: &str) -> Result<Box<str>, String> {
    match file_name(path).split_once(mark) {
        Some((symbol, _)) if is_symbol(symbol) => Ok(Box::from(symbol)),
        _ => Err(format!(
            "the name of \"{path}\" does not begin with a symbol, as BTCUSDT{mark}2024-01.zip does; write instrument = \"binance:BTCUSDT\""
        )),
    }
}

/// `SPY` of `…/spy_20131010_trade.zip`, and of `…/spy/20131010_trade.zip`.
pub(super) fn ticker(path: &str) -> Result<Box<str>, String> {
    let of_file = file_name(path).split_once('_').map(|(symbol, _)| symbol);
    let of_file = of_file.filter(|symbol| !is_date(symbol));
    let symbol = of_file.or_else(|| folder(path)).filter(|symbol| is_symbol(symbol));
    symbol.map(|symbol| symbol.to_ascii_uppercase().into()).ok_or_else(|| {
        format!(
            "the name of \"{path}\" does not contain a symbol, as spy_20131010_trade.zip and spy/20131010_trade.zip do; write instrument = \"us:SPY\""
        )
    })
}

/// `20131010` of `…/spy_20131010_trade.zip`.
pub(super) fn date(path: &str) -> Result<Box<str>, String> {
    let mut parts = file_name(path).split(['_', '.']);
    parts.find(|part| is_date(part)).map(Box::from).ok_or_else(|| {
        format!("the name of \"{path}\" does not contain a day, as spy_20131010_trade.zip does")
    })
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The name of the folder that the file is in, if the path has one.
fn folder(path: &str) -> Option<&str> {
    match Path::new(path).parent()?.components().next_back()? {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

fn is_symbol(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && text.bytes().all(is_part)
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let symbol = |path| symbol_before(path, "-trades-").ok();
        assert_eq!(symbol("a/BTCUSD_PERP-trades-2024-01-02.csv").as_deref(), Some("BTCUSD_PERP"));
        assert_eq!(symbol("a/-trades-2024.csv"), None);
        assert_eq!(symbol("trades.csv"), None);
        for (path, want) in [
            ("tick/spy_20131010_trade.zip", Some("SPY")),
            ("tick/brk.b/20131010_trade.zip", Some("BRK.B")),
            ("20131010_trade.zip", None),
            ("../20131010_trade.zip", None),
            ("s y_20131010_trade.zip", None),
        ] {
            assert_eq!(ticker(path).ok().as_deref(), want, "{path}");
        }
        assert_eq!(date("20131009/spy_20131010.csv").as_deref(), Ok("20131010"));
        assert!(date("spy_2013_trade.zip").is_err());
    }
}
