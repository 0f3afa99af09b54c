//! Links to other answers of the same path.

use std::fmt::Write as _;

/// A path with these parameters instead of those of the same name, percent-encoded (RFC 3986).
pub(super) fn link(path: &str, query: &[(String, String)], replaced: &[(&str, &str)]) -> String {
    let kept = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let kept = kept.filter(|(name, _)| !replaced.iter().any(|(other, _)| other == name));
    let mut link = path.to_owned();
    for (number, (name, value)) in kept.chain(replaced.iter().copied()).enumerate() {
        link.push(if number == 0 { '?' } else { '&' });
        encode(name, &mut link);
        link.push('=');
        encode(value, &mut link);
    }
    link
}

/// Unreserved characters stay, and those that a query may have and that no parser takes for more: `*`, `,` and `:`.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => into.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'*' | b',' | b':' => into.push(char::from(byte)),
            // Writing into a text cannot fail.
            other => drop(write!(into, "%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_replaced_and_encoded() {
        let query = [("symbol", "a:B,ü"), ("cursor", "*"), ("x y", "1&2=3+4")];
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            link("/v1/views/trades", &query, &[("cursor", "AB-_")]),
            "/v1/views/trades?symbol=a:B,%C3%BC&x%20y=1%262%3D3%2B4&cursor=AB-_"
        );
        assert_eq!(link("/", &[], &[]), "/");
    }
}
