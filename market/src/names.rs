//! Names that travel as their hashes: of portfolios, of models of fair values.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use crate::account::{ModelId, PortfolioId};

/// An id that is the hash of a name.
pub trait Named: Copy + Eq + Hash + Debug {
    /// What has such a name, in words.
    const WHAT: &'static str;
    /// What bounds how many there are: a key of the configuration.
    const BOUND: &'static str;

    /// The id of a name.
    fn of(name: &str) -> Self;
}

/// Why a name was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two names hash to one id.
    #[error("{what} `{name}` has the same id as `{other}`; rename one of them")]
    Collision {
        /// What has the name.
        what: &'static str,
        /// The new name.
        name: String,
        /// The name that has the id.
        other: Arc<str>,
    },
    /// There are as many as there may be.
    #[error("{what} `{name}` is one more than the {limit} that {bound} allows")]
    Full {
        /// What has the name.
        what: &'static str,
        /// The new name.
        name: String,
        /// How many there may be.
        limit: usize,
        /// What says so.
        bound: &'static str,
    },
    /// The name is kept for who computes what it stands for.
    #[error("{what} `{name}` is computed, and is not told from outside; use another name")]
    Kept {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Names are 1 to 128 visible ASCII characters.
    #[error("`{name}` is not a name of a {what} (1 to 128 visible ASCII characters)")]
    BadName {
        /// What would have the name.
        what: &'static str,
        /// The text.
        name: String,
    },
}

/// The names of one kind that the process has met, at most as many as it is made for. Shared by decoders
/// (which add) and readers (which look up).
pub struct Names<I> {
    limit: usize,
    known: RwLock<HashMap<I, Known>>,
}

#[derive(Clone)]
struct Known {
    name: Arc<str>,
    is_kept: bool,
}

impl<I: Named> Names<I> {
    /// No names, and room for so many.
    pub fn new(limit: usize) -> Names<I> {
        Names { limit, known: RwLock::default() }
    }

    /// The id of this name, which is registered if it is new.
    ///
    /// ```
    /// use market::{ModelId, Names};
    /// let models = Names::<ModelId>::new(1);
    /// let id = models.resolve("dcf").unwrap();
    /// assert_eq!((id, &*models.name(id)), (ModelId::of("dcf"), "dcf"));
    /// let full = models.resolve("peers").unwrap_err();
    /// assert_eq!(full.to_string(), "model `peers` is one more than the 1 that `limits.models` allows");
    /// ```
    pub fn resolve(&self, name: &str) -> Result<I, NameError> {
        let id = I::of(name);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let known = known.map_or_else(|| self.register(id, name, false), Ok)?;
        if *known.name != *name {
            let (name, other) = (name.to_owned(), known.name);
            return Err(NameError::Collision { what: I::WHAT, name, other });
        }
        match known.is_kept {
            true => Err(NameError::Kept { what: I::WHAT, name: name.to_owned() }),
            false => Ok(id),
        }
    }

    /// The id of a name that nobody else has, and that [`Names::resolve`] refuses from now on.
    pub fn keep(&self, name: &str) -> Result<I, NameError> {
        let id = I::of(name);
        if let Some(other) = self.get(id) {
            return Err(NameError::Collision { what: I::WHAT, name: name.to_owned(), other });
        }
        self.register(id, name, true).map(|_| id)
    }

    /// The name of this id, if it has been registered.
    pub fn get(&self, id: I) -> Option<Arc<str>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).map(|known| Arc::clone(&known.name))
    }

    /// The name of this id; ids that were never registered show as hexadecimal.
    pub fn name(&self, id: I) -> Arc<str> {
        self.get(id).unwrap_or_else(|| Arc::from(format!("{id:?}")))
    }

    /// All registered names, in their order.
    pub fn all(&self) -> Vec<Arc<str>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().map(|known| Arc::clone(&known.name)).collect();
        all.sort();
        all
    }

    /// What is known of an id, which has this name if it is new.
    fn register(&self, id: I, name: &str, is_kept: bool) -> Result<Known, NameError> {
        if !is_name(name) {
            let name = name.chars().take(160).collect();
            return Err(NameError::BadName { what: I::WHAT, name });
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&id) {
            return Ok(known.clone());
        }
        if known.len() >= self.limit {
            let (what, limit, bound) = (I::WHAT, self.limit, I::BOUND);
            return Err(NameError::Full { what, name: name.to_owned(), limit, bound });
        }
        let new = Known { name: Arc::from(name), is_kept };
        known.insert(id, new.clone());
        Ok(new)
    }
}

impl Named for PortfolioId {
    const WHAT: &'static str = "portfolio";
    const BOUND: &'static str = "`limits.portfolios`";

    fn of(name: &str) -> PortfolioId {
        PortfolioId::of(name)
    }
}

impl Named for ModelId {
    const WHAT: &'static str = "model";
    const BOUND: &'static str = "`limits.models`";

    fn of(name: &str) -> ModelId {
        ModelId::of(name)
    }
}

/// Whether a text may name something: 1 to 128 visible ASCII characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_visible_bounded_and_looked_up() {
        let portfolios = Names::<PortfolioId>::new(2);
        let long = "x".repeat(128);
        let id = portfolios.resolve(&long).unwrap();
        assert_eq!(portfolios.resolve(&long), Ok(id));
        for name in ["", "two words", "tab\t", "é", &"x".repeat(129)] {
            let error = portfolios.resolve(name).unwrap_err();
            assert!(matches!(error, NameError::BadName { .. }), "{name}: {error}");
        }
        portfolios.resolve("p1").unwrap();
        assert!(matches!(portfolios.resolve("p2"), Err(NameError::Full { limit: 2, .. })));
        assert_eq!(portfolios.all().len(), 2);
        let unknown = PortfolioId::of("p2");
        assert_eq!((portfolios.get(unknown), portfolios.name(unknown).len()), (None, 16));
    }

    #[test]
    fn what_is_kept_is_refused_to_others() {
        let models = Names::<ModelId>::new(9);
        assert_eq!(models.keep("mean"), Ok(ModelId::of("mean")));
        let error = models.resolve("mean").unwrap_err();
        assert!(error.to_string().starts_with("model `mean` is computed"), "{error}");
        assert!(models.keep("mean").is_err());
        assert_eq!(&*models.name(ModelId::of("mean")), "mean");
    }

    #[test]
    fn two_names_of_one_id_are_told() {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct Length(usize);
        impl Named for Length {
            const WHAT: &'static str = "length";
            const BOUND: &'static str = "nothing";
            fn of(name: &str) -> Length {
                Length(name.len())
            }
        }
        let names = Names::<Length>::new(9);
        names.resolve("ab").unwrap();
        let error = names.resolve("cd").unwrap_err();
        assert_eq!(error.to_string(), "length `cd` has the same id as `ab`; rename one of them");
    }
}
