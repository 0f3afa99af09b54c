//! Which names the server has, and pages of which other sites may use it.

use std::net::IpAddr;

/// The names of a server besides those of the loopback, and the origins whose pages may use it.
///
/// A browser lets any page send requests to this machine, so a server has to know whom it answers. `Host` says under
/// which name it was asked; a page whose own name resolves to this machine cannot make a browser send another. `Origin`
/// (RFC 6454) says of which site the page is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAccess {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// What is wrong with a name or an origin, and what is possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not a host name.
    #[error(
        "`{0}` is not a name or address of a host, without a port, such as `ticks.example.org`"
    )]
    Host(String),
    /// Not an origin.
    #[error(
        "`{0}` is not an origin: a scheme, a host and a port, such as `http://localhost:3000`; each is named by itself"
    )]
    Origin(String),
}

impl HttpAccess {
    /// Hosts without ports (`ticks.example.org`, `192.0.2.7`), and origins as browsers send them
    /// (`http://localhost:3000`, `https://charts.example.org`). Letters may be of either case.
    ///
    /// ```
    /// use node_api::HttpAccess;
    ///
    /// let access = HttpAccess::new(&["Ticks.example.org"], &["http://localhost:3000"]).unwrap();
    /// assert!(access.is_own_host("ticks.example.org:8080"));
    /// assert!(access.is_own_host("127.0.0.1:8080"));
    /// assert!(access.allows_origin("http://localhost:3000"));
    /// assert!(!access.allows_origin("http://localhost:3001"));
    /// assert!(HttpAccess::new(&[] as &[&str], &["*"]).is_err());
    /// ```
    pub fn new(
        hosts: &[impl AsRef<str>],
        origins: &[impl AsRef<str>],
    ) -> Result<HttpAccess, AccessError> {
        let lower = |text: &str| text.to_ascii_lowercase();
        let host = |text: &str| match is_host(text) {
            true => Ok(bare(&lower(text)).to_owned()),
            false => Err(AccessError::Host(text.to_owned())),
        };
        let origin = |text: &str| match is_origin(text) {
            true => Ok(lower(text)),
            false => Err(AccessError::Origin(text.to_owned())),
        };
        Ok(HttpAccess {
            hosts: hosts.iter().map(|text| host(text.as_ref())).collect::<Result<_, _>>()?,
            origins: origins.iter().map(|text| origin(text.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    /// Whether `Host` (with or without a port) is `localhost`, an address of the loopback, or one of the names.
    pub fn is_own_host(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let name = bare(&name);
        let is_loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        is_loopback || name == "localhost" || self.hosts.iter().any(|own| own == name)
    }

    /// Whether pages of this origin may use the server.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// Whether any origin is allowed.
    pub fn allows_any(&self) -> bool {
        !self.origins.is_empty()
    }
}

/// Whether `Host` (with or without a port) is an address and no name.
pub fn is_address(host: &str) -> bool {
    bare(without_port(host)).parse::<IpAddr>().is_ok()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// An address of IPv6 stands in brackets before a port.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_host(text: &str) -> bool {
    let is_name = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        text.bytes().all(plain) && text.bytes().any(|b| b.is_ascii_alphanumeric())
    };
    bare(text).parse::<IpAddr>().is_ok() || is_name(text)
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, site)) = text.split_once("://") else { return false };
    let (host, port) = match site.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (site, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme && is_host(host) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_hosts_are_those_of_the_loopback_and_those_that_are_named() {
        let access =
            HttpAccess::new(&["ticks.Example.org", "192.0.2.7", "[2001:db8::7]"], &[""; 0]);
        let access = access.unwrap();
        for (host, own) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("localhost.", true),
            ("a.localhost:1", false),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("192.168.1.2", false),
            ("192.0.2.7:80", true),
            ("[2001:db8::7]:80", true),
            ("ticks.example.org.:443", true),
            ("a.ticks.example.org", false),
            ("", false),
        ] {
            assert_eq!(access.is_own_host(host), own, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_or_origin_is_refused() {
        for host in ["", "a b", "http://a", "a:80", "*", "a/b", "."] {
            let refused = HttpAccess::new(&[host], &[""; 0]).unwrap_err();
            assert_eq!(refused, AccessError::Host(host.to_owned()));
        }
        for origin in
            ["", "*", "null", "localhost:3000", "http://a/", "http://a:x", "http://*", "http://u@a"]
        {
            let refused = HttpAccess::new(&[""; 0], &[origin]).unwrap_err();
            assert_eq!(refused, AccessError::Origin(origin.to_owned()));
        }
        let origins = ["https://charts.example.org", "http://[::1]:3000", "HTTP://LocalHost:3000"];
        let access = HttpAccess::new(&[""; 0], &origins).unwrap();
        assert!(access.allows_any() && access.allows_origin("http://localhost:3000"));
        assert!(!access.allows_origin("http://charts.example.org"), "of another scheme");
    }
}
