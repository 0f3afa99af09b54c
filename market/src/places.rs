//! The places of a catalog: what is registered, and what is held for rows that are not bound yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

/// Something with a name.
pub(crate) trait HasName {
    /// Its name.
    fn name(&self) -> &Arc<str>;
}

/// Registered values by id, and places that are held for values which may be registered yet. Both count towards the
/// limit; what is only held is not seen by [`Places::get`].
pub(crate) struct Places<I, T> {
    limit: usize,
    known: HashMap<I, T>,
    held: HashMap<I, Held<T>>,
}

struct Held<T> {
    value: T,
    /// How often it is held.
    times: usize,
}

/// Why there is no place for a value.
pub(crate) enum NoPlace {
    /// A value of this other name has the id.
    Taken(Arc<str>),
    /// There are as many as there may be.
    Full(usize),
}

impl<I: Copy + Eq + Hash, T: HasName> Places<I, T> {
    /// None taken of so many.
    pub(crate) fn new(limit: usize) -> Places<I, T> {
        Places { limit, known: HashMap::new(), held: HashMap::new() }
    }

    /// What is registered under this id.
    pub(crate) fn get(&self, id: I) -> Option<&T> {
        self.known.get(&id)
    }

    /// How many places are taken, and how many there are.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.known.len() + self.held.len(), self.limit)
    }

    /// All that is registered.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.known.values()
    }

    /// Registers a value, also one that is held, unless it is registered already.
    pub(crate) fn register(&mut self, id: I, value: T) -> Result<(), NoPlace> {
        self.check(id, value.name())?;
        self.held.remove(&id);
        self.known.entry(id).or_insert(value);
        Ok(())
    }

    /// Holds a place for a value until it is registered, or released as often as it was held.
    pub(crate) fn hold(&mut self, id: I, value: T) -> Result<(), NoPlace> {
        self.check(id, value.name())?;
        if !self.known.contains_key(&id) {
            self.held.entry(id).or_insert(Held { value, times: 0 }).times += 1;
        }
        Ok(())
    }

    /// Takes one hold back; what has been registered since stays.
    pub(crate) fn release(&mut self, id: I) {
        if let Entry::Occupied(mut held) = self.held.entry(id) {
            held.get_mut().times -= 1;
            if held.get().times == 0 {
                held.remove();
            }
        }
    }

    /// Whether a value of this id and name has a place or may have one.
    fn check(&self, id: I, name: &Arc<str>) -> Result<(), NoPlace> {
        let there = self.known.get(&id).or_else(|| self.held.get(&id).map(|held| &held.value));
        match there {
            Some(there) if there.name() == name => Ok(()),
            Some(there) => Err(NoPlace::Taken(Arc::clone(there.name()))),
            None if self.known.len() + self.held.len() >= self.limit => {
                Err(NoPlace::Full(self.limit))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasName for Arc<str> {
        fn name(&self) -> &Arc<str> {
            self
        }
    }

    #[test]
    fn a_hold_takes_a_place_that_nobody_sees_until_it_is_registered() {
        let [a, b]: [Arc<str>; 2] = ["a", "b"].map(Arc::from);
        let mut places = Places::new(1);
        assert!(places.hold(1, Arc::clone(&a)).is_ok() && places.hold(1, Arc::clone(&a)).is_ok());
        assert!(places.get(1).is_none() && places.all().next().is_none());
        assert!(matches!(places.register(2, Arc::clone(&b)), Err(NoPlace::Full(1))));
        assert!(
            matches!(places.register(1, Arc::clone(&b)), Err(NoPlace::Taken(other)) if other == a)
        );
        places.release(1);
        assert!(places.hold(2, Arc::clone(&b)).is_err(), "it is held once more");
        places.release(1);
        assert!(places.register(2, Arc::clone(&b)).is_ok());
        assert_eq!(places.get(2), Some(&b));
        places.release(2);
        assert!(places.hold(2, Arc::clone(&b)).is_ok());
        places.release(2);
        assert_eq!(places.get(2), Some(&b), "what is registered stays");
    }
}
