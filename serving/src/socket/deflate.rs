//! The extension `permessage-deflate` of WebSockets (RFC 7692): what is agreed on.
//!
//! Both sides begin each message without what was sent before. So the server compresses a message once for all its
//! clients, and keeps nothing of a connection.

use warp::http::HeaderMap;
use warp::http::header::SEC_WEBSOCKET_EXTENSIONS;

/// The answer to an offer that is accepted.
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The window of a compressor cannot be smaller than this here, so an offer that asks for it is declined.
const WINDOW_BITS: &str = "15";
const SERVER_WINDOW: &str = "server_max_window_bits";

/// What a client is answered that offers the extension in a way that can be accepted.
pub(crate) fn agreed_deflate(headers: &HeaderMap) -> Option<String> {
    let given = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let given = given.filter_map(|value| value.to_str().ok());
    let offer = given.flat_map(|value| value.split(',')).find(|offer| is_acceptable(offer))?;
    // A window that was asked for is part of the answer (section 7.1.2.1).
    Some(match offer.contains(SERVER_WINDOW) {
        true => format!("{AGREED}; {SERVER_WINDOW}={WINDOW_BITS}"),
        false => AGREED.to_owned(),
    })
}

/// Whether an offer is one of this extension, with parameters that this side can keep to.
fn is_acceptable(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return false;
    }
    let mut names = Vec::new();
    parts.all(|part| {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        let is_new = !names.contains(&name);
        names.push(name);
        let is_known = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            SERVER_WINDOW => value == Some(WINDOW_BITS),
            // What the client may be asked to do is not asked.
            "client_max_window_bits" => value.is_none_or(|bits| {
                matches!(bits.parse::<u8>(), Ok(8..=15)) && !bits.starts_with(['0', '+'])
            }),
            _ => false,
        };
        is_new && is_known
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn offers_are_accepted_as_far_as_they_can_be_kept() {
        for (offer, want) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", true),
            ("permessage-deflate;server_max_window_bits=\"15\"", true),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits=7", false),
            ("permessage-deflate; client_max_window_bits=09", false),
            ("permessage-deflate; server_no_context_takeover=1", false),
            ("permessage-deflate; mystery", false),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits", false),
            ("x-webkit-deflate-frame", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer));
            let agreed = agreed_deflate(&headers);
            assert_eq!(agreed.is_some(), want, "{offer}");
            let has_window = agreed.is_some_and(|agreed| agreed.contains(SERVER_WINDOW));
            assert_eq!(has_window, offer.contains("=\"15\""), "{offer}");
        }
        assert_eq!(agreed_deflate(&HeaderMap::new()), None);
    }
}
