//! The instrument of a path.

use std::sync::Arc;

use market::{Instrument, InstrumentId};

use super::Context;
use super::problem::{AMBIGUOUS, Problem, UNKNOWN_SYMBOL};
use super::query::shown;
use rows::suggestions::{self, SUGGESTIONS, closest};

/// The instrument of a percent-encoded path segment: its whole name `venue:SYMBOL`, or the bare symbol if exactly one
/// venue has it.
pub(super) fn resolve(context: &Context, segment: &str) -> Result<Arc<Instrument>, Problem> {
    let Some(symbol) = percent_decoded(segment) else {
        let detail = format!("`{}` is not percent-encoded UTF-8", shown(segment));
        return Err(Problem::new(UNKNOWN_SYMBOL, detail));
    };
    named(context, &symbol)
}

/// The instrument of this name: its whole name, or the bare symbol if exactly one venue has it.
pub(super) fn named(context: &Context, symbol: &str) -> Result<Arc<Instrument>, Problem> {
    let exact = context.catalog.get(InstrumentId::of(symbol));
    let exact = exact.filter(|instrument| context.client.has_instrument(instrument.id));
    if let Some(instrument) = exact.filter(|instrument| *instrument.name == *symbol) {
        return Ok(instrument);
    }
    let all = context.instruments();
    let mut bare = all.iter().filter(|instrument| suggestions::symbol(&instrument.name) == symbol);
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
            let detail = format!("no instrument is named `{}`", shown(symbol));
            let problem = Problem::new(UNKNOWN_SYMBOL, detail);
            Err(problem.suggestions(closest(names, symbol)))
        }
    }
}

/// The text of a path segment; `None` if `%` is not followed by two hexadecimal digits or the bytes
/// are not UTF-8.
pub(super) fn percent_decoded(segment: &str) -> Option<String> {
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
}
