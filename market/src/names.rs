//! Names that travel as their hashes: of portfolios, of models of fair values.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use crate::id::{ModelId, PortfolioId};
use crate::places::{HasName, NoPlace, Places};

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
        /// What bounds it: a configuration key.
        bound: &'static str,
    },
    /// The name is reserved for a computed value.
    #[error("{what} `{name}` is computed, so input cannot set it; use another name")]
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

/// How many names of a kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameCount {
    /// What has the names.
    pub what: &'static str,
    /// What bounds them: a key of the configuration, and the flag that sets it.
    pub bound: &'static str,
    /// How many there are, also of rows that are not bound yet.
    pub used: usize,
    /// How many there may be.
    pub limit: usize,
}

impl NameCount {
    /// Whether at least nine of ten are used.
    ///
    /// ```
    /// use market::{Catalog, NameCount};
    /// let [instruments, ..] = Catalog::new(Vec::new(), 10).name_counts();
    /// assert!(!NameCount { used: 8, ..instruments }.is_nearly_full());
    /// assert!(NameCount { used: 9, ..instruments }.is_nearly_full());
    /// ```
    pub fn is_nearly_full(&self) -> bool {
        self.used > 0 && self.used.saturating_mul(10) >= self.limit.saturating_mul(9)
    }
}

/// A name as it was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<I> {
    /// Its id.
    pub id: I,
    /// The name, if it is not registered.
    pub unknown: Option<Arc<str>>,
}

/// The names of one kind that the configuration or a bound row has, at most as many as it is made for. Shared by
/// decoders and readers, which look up, and by the thread that binds rows, which registers.
pub struct Names<I> {
    places: RwLock<Places<I, Known>>,
}

#[derive(Clone)]
struct Known {
    name: Arc<str>,
    is_kept: bool,
}

impl<I: Named> Names<I> {
    /// No names, and room for so many.
    pub fn new(limit: usize) -> Names<I> {
        Names { places: RwLock::new(Places::new(limit)) }
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
        let Name { id, unknown } = self.find(name)?;
        unknown.map_or(Ok(id), |name| self.insert(&name).map(|()| id))
    }

    /// The id of this name, which is not registered if it is new.
    ///
    /// ```
    /// use market::{ModelId, Names};
    /// let models = Names::<ModelId>::new(1);
    /// let found = models.find("dcf").unwrap();
    /// assert_eq!((found.id, found.unknown.as_deref()), (ModelId::of("dcf"), Some("dcf")));
    /// assert!(models.all().is_empty());
    /// ```
    pub fn find(&self, name: &str) -> Result<Name<I>, NameError> {
        let id = I::of(name);
        let known = self.places.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        match known {
            None if !is_name(name) => {
                let name = name.chars().take(160).collect();
                Err(NameError::BadName { what: I::WHAT, name })
            }
            None => Ok(Name { id, unknown: Some(Arc::from(name)) }),
            Some(Known { name: other, .. }) if *other != *name => {
                Err(NameError::Collision { what: I::WHAT, name: name.to_owned(), other })
            }
            Some(Known { is_kept: true, .. }) => {
                Err(NameError::Kept { what: I::WHAT, name: name.to_owned() })
            }
            Some(_) => Ok(Name { id, unknown: None }),
        }
    }

    /// The id of a name that nobody else has, and that [`Names::resolve`] refuses from now on.
    pub fn keep(&self, name: &str) -> Result<I, NameError> {
        let id = I::of(name);
        if let Some(other) = self.get(id) {
            return Err(NameError::Collision { what: I::WHAT, name: name.to_owned(), other });
        }
        if !is_name(name) {
            let name = name.chars().take(160).collect();
            return Err(NameError::BadName { what: I::WHAT, name });
        }
        let known = Known { name: Arc::from(name), is_kept: true };
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.register(id, known).map_err(|why| no_place::<I>(name, why)).map(|()| id)
    }

    /// The name of this id, if it has been registered.
    pub fn get(&self, id: I) -> Option<Arc<str>> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get(id).map(|known| Arc::clone(&known.name))
    }

    /// The name of this id; ids that were never registered show as hexadecimal.
    pub fn name(&self, id: I) -> Arc<str> {
        self.get(id).unwrap_or_else(|| Arc::from(format!("{id:?}")))
    }

    /// All registered names, in their order.
    pub fn all(&self) -> Vec<Arc<str>> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = places.all().map(|known| Arc::clone(&known.name)).collect();
        all.sort();
        all
    }

    /// How many there are, and how many there may be.
    pub fn count(&self) -> NameCount {
        let (used, limit) = self.places.read().unwrap_or_else(PoisonError::into_inner).taken();
        NameCount { what: I::WHAT, bound: I::BOUND, used, limit }
    }

    /// Registers a name that was found.
    pub(crate) fn insert(&self, name: &Arc<str>) -> Result<(), NameError> {
        let known = Known { name: Arc::clone(name), is_kept: false };
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.register(I::of(name), known).map_err(|why| no_place::<I>(name, why))
    }

    /// Holds a place for a name that was found.
    pub(crate) fn hold(&self, name: &Arc<str>) -> Result<(), NameError> {
        let known = Known { name: Arc::clone(name), is_kept: false };
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.hold(I::of(name), known).map_err(|why| no_place::<I>(name, why))
    }

    /// Gives a place back that was held.
    pub(crate) fn release(&self, name: &str) {
        self.places.write().unwrap_or_else(PoisonError::into_inner).release(I::of(name));
    }
}

fn no_place<I: Named>(name: &str, why: NoPlace) -> NameError {
    let (what, name) = (I::WHAT, name.to_owned());
    match why {
        NoPlace::Taken(other) => NameError::Collision { what, name, other },
        NoPlace::Full(limit) => NameError::Full { what, name, limit, bound: I::BOUND },
    }
}

impl HasName for Known {
    fn name(&self) -> &Arc<str> {
        &self.name
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
    fn two_names_of_one_id_are_reported() {
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
