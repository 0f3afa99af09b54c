//! What a key may do.

use std::fmt;
use std::str::FromStr;

/// A kind of requests that a key may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Reads and follows views.
    Read,
    /// Sends rows.
    Ingest,
    /// Ends the process, and whatever else changes how it runs.
    Control,
    /// All of these.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Ingest, Scope::Control, Scope::Admin];

    /// Its name in keys, routes and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Ingest => "ingest",
            Scope::Control => "control",
            Scope::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes. As text they are separated by commas.
///
/// ```
/// use node_api::{Scope, Scopes};
///
/// let scopes: Scopes = "read, ingest".parse().unwrap();
/// assert!(scopes.allow(Scope::Read) && !scopes.allow(Scope::Control));
/// assert_eq!(scopes.to_string(), "read,ingest");
/// let admin: Scopes = "admin".parse().unwrap();
/// assert!(admin.allow(Scope::Control), "an administrator may do all");
/// assert!("write".parse::<Scopes>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// A text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope (possible: read, ingest, control, admin)")]
pub struct UnknownScope(pub String);

impl Scopes {
    /// These scopes.
    pub fn of(scopes: &[Scope]) -> Scopes {
        Scopes(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether they allow what asks for `scope`.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Whether they allow all that `others` do.
    pub fn include(self, others: Scopes) -> bool {
        Scope::ALL.into_iter().all(|scope| !others.has(scope) || self.allow(scope))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names.
    pub fn names(self) -> Vec<&'static str> {
        let own = Scope::ALL.into_iter().filter(|scope| self.has(*scope));
        own.map(Scope::name).collect()
    }

    fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Scopes, UnknownScope> {
        let scopes = text.split(',').map(|name| {
            let name = name.trim();
            let known = Scope::ALL.into_iter().find(|scope| scope.name() == name);
            known.ok_or_else(|| UnknownScope(name.to_owned()))
        });
        Ok(Scopes::of(&scopes.collect::<Result<Vec<_>, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_includes_what_it_allows() {
        let of = |text: &str| text.parse::<Scopes>().unwrap();
        for (own, others, includes) in [
            ("read", "read", true),
            ("read", "ingest", false),
            ("read,ingest", "ingest", true),
            ("read,ingest", "read,control", false),
            ("admin", "read,ingest,control", true),
            ("read,ingest,control", "admin", false),
        ] {
            assert_eq!(of(own).include(of(others)), includes, "{own} {others}");
        }
        assert!(Scopes::default().is_empty() && of("read").include(Scopes::default()));
    }
}
