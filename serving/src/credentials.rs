//! What a request presents: a key in its header, or a ticket in its URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, Uri};

/// The parameter of a ticket, of every path.
pub(super) const TICKET: &str = "ticket";

/// What a request presents.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nothing.
    Nothing,
    /// A key.
    Key(String),
    /// A ticket.
    Ticket(String),
    /// Something else, or several.
    Unclear,
}

impl Credentials {
    /// What a request presents. The ticket is taken out of the URL, so that nobody sees it later.
    ///
    /// A key is a bearer token (RFC 6750 §2.1), or the password of basic authentication (RFC 7617), with any user: a
    /// browser asks its user for that.
    pub(super) fn take(headers: &HeaderMap, uri: &mut Uri) -> Credentials {
        let ticket = take_ticket(uri);
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (first, second) = (given.next(), given.next());
        match (first, second, ticket) {
            (None, None, None) => Credentials::Nothing,
            (None, None, Some(ticket)) => Credentials::Ticket(ticket),
            (Some(header), None, None) => {
                let key = header.to_str().ok().and_then(key);
                key.map_or(Credentials::Unclear, Credentials::Key)
            }
            _ => Credentials::Unclear,
        }
    }
}

/// The key of a header.
fn key(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// Takes the ticket out of the query of a URL.
fn take_ticket(uri: &mut Uri) -> Option<String> {
    let query = uri.query()?;
    let is_ticket = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| name == TICKET);
    let ticket = query.split('&').find(is_ticket)?.split_once('=')?.1.to_owned();
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_ticket(pair)).collect();
    let (path, rest) = (uri.path(), rest.join("&"));
    let path_and_query = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    *uri = Uri::from_parts(parts).ok()?;
    Some(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_headers_and_tickets_in_urls() {
        let take = |headers: &[&str], uri: &str| {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(AUTHORIZATION, header.parse().unwrap());
            }
            let mut uri: Uri = uri.parse().unwrap();
            let taken = match Credentials::take(&map, &mut uri) {
                Credentials::Nothing => "nothing".to_owned(),
                Credentials::Key(key) => format!("key {key}"),
                Credentials::Ticket(ticket) => format!("ticket {ticket}"),
                Credentials::Unclear => "unclear".to_owned(),
            };
            (taken, uri.to_string())
        };
        for (headers, uri, taken, left) in [
            (&[][..], "/a?b=c", "nothing", "/a?b=c"),
            (&["Bearer K"], "/a", "key K", "/a"),
            (&["bearer  K "], "/a", "key K", "/a"),
            (&["Basic dTpL"], "/a", "key K", "/a"), // u:K
            (&["Basic S"], "/a", "unclear", "/a"),
            (&["Digest K"], "/a", "unclear", "/a"),
            (&["K"], "/a", "unclear", "/a"),
            (&["Bearer K", "Bearer L"], "/a", "unclear", "/a"),
            (&[], "/a?ticket=T", "ticket T", "/a"),
            (&[], "/a?b=c&ticket=T&d=", "ticket T", "/a?b=c&d="),
            (&[], "http://h:1/a?ticket=T", "ticket T", "http://h:1/a"),
            (&["Bearer K"], "/a?ticket=T", "unclear", "/a"),
            (&[], "/a?ticket=T&ticket=U", "ticket T", "/a"),
        ] {
            assert_eq!(
                take(headers, uri),
                (taken.to_owned(), left.to_owned()),
                "{headers:?} {uri}"
            );
        }
    }
}
