//! The names of id scopes, and whether their ids are contiguous.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::id::IdScope;

/// Every id scope that the configuration or a bound row names, so that sources which share one mean the same by it.
///
/// Bounded by the names of instruments and sources.
#[derive(Default)]
pub struct IdScopes {
    /// By the scope of that name without properties.
    known: RwLock<HashMap<IdScope, Known>>,
}

#[derive(Clone)]
struct Known {
    name: Arc<str>,
    scope: IdScope,
}

/// Why a scope differs from what a source configures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdScopeError {
    /// Two names have one hash.
    #[error("id scope `{name}` has the same hash as `{other}`; rename one of them")]
    Collision {
        /// The new name.
        name: String,
        /// The name that has the hash.
        other: Arc<str>,
    },
    /// Ids of one scope cannot both have holes and have none: the sources would miss each other's copies.
    #[error(
        "the ids of scope `{name}` are contiguous by one source and not by another; set \
         `contiguous_ids` alike in both, or give one of them an `id_scope` of its own"
    )]
    Disagreement {
        /// The scope.
        name: String,
    },
}

impl Known {
    /// The scope, if it is registered by this name with the same properties.
    fn agree(&self, name: &str, scope: IdScope) -> Result<IdScope, IdScopeError> {
        if *self.name != *name {
            let other = Arc::clone(&self.name);
            return Err(IdScopeError::Collision { name: name.to_owned(), other });
        }
        match self.scope == scope {
            true => Ok(scope),
            false => Err(IdScopeError::Disagreement { name: name.to_owned() }),
        }
    }
}

impl IdScopes {
    /// The scope of this name, which is registered if it is new.
    ///
    /// ```
    /// let scopes = market::IdScopes::default();
    /// assert!(scopes.resolve("binance", true).unwrap().is_contiguous());
    /// assert!(scopes.resolve("binance", false).is_err(), "copies of a trade would not meet");
    /// ```
    pub fn resolve(&self, name: &str, contiguous: bool) -> Result<IdScope, IdScopeError> {
        let plain = IdScope::of(name);
        let scope = plain.contiguous(contiguous);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(plain).or_insert_with(|| Known { name: Arc::from(name), scope });
        known.agree(name, scope)
    }

    /// The scope of this name and whether it is registered; it is not if it is new.
    pub fn check(&self, name: &str, contiguous: bool) -> Result<(IdScope, bool), IdScopeError> {
        let plain = IdScope::of(name);
        let scope = plain.contiguous(contiguous);
        match self.known.read().unwrap_or_else(PoisonError::into_inner).get(&plain) {
            Some(known) => Ok((known.agree(name, scope)?, true)),
            None => Ok((scope, false)),
        }
    }

    /// The scope of this name as a source configured it; one without properties, if none did.
    ///
    /// ```
    /// let scopes = market::IdScopes::default();
    /// assert!(!scopes.find("binance").is_contiguous());
    /// scopes.resolve("binance", true).unwrap();
    /// assert!(scopes.find("binance").is_contiguous());
    /// ```
    pub fn find(&self, name: &str) -> IdScope {
        let plain = IdScope::of(name);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&plain).filter(|known| *known.name == *name).map_or(plain, |known| known.scope)
    }

    /// The name of a scope; those that were never registered show as hexadecimal.
    pub fn name(&self, scope: IdScope) -> Arc<str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&scope.contiguous(false)).map(|known| Arc::clone(&known.name));
        found.unwrap_or_else(|| Arc::from(format!("{:08x}", scope.0)))
    }
}
