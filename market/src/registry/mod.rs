//! Registries: numbers for the names that a configuration gives to sources, their partitions, rules and calendars.
//!
//! Saved states, recordings and rows hold such numbers, never a place in a configuration. A name gets its number once, in
//! the order of first registration, and keeps it: a configuration in another order, or without the name, changes
//! nothing, and the number of a name that is gone is never given to another. So the registries of a job are a part of
//! what it saves, and a restored job goes on with them.

mod order;
mod shared;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::id::{CalendarId, NameOrder, PartitionId, RuleId, SeriesId, SourceId};

pub use shared::SharedRegistries;

/// An id that is a number which a registry gave to a name.
pub trait Numbered: Copy + Eq + Debug {
    /// What has such a number, in words.
    const WHAT: &'static str;
    /// How many numbers there are.
    const MAX: usize;

    /// The id of this number, which is below [`Self::MAX`].
    fn of_number(number: usize) -> Self;

    /// Its number.
    fn number(self) -> usize;
}

/// Why a name got no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// All numbers are given.
    #[error(
        "{what} `{name}` is one more than the {max} names that a job may ever have of this kind; numbers of names that \
         are gone are not given again, so only a job without the saved states can take it"
    )]
    Full {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// How many numbers there are.
        max: usize,
    },
    /// The order of names that a job has had leaves no room between two of them.
    #[error(
        "source `{name}` finds no place between `{before}` and `{after}` in the order of names that the saved states \
         hold; another name, which does not stand between these two, solves it"
    )]
    NoRoom {
        /// The name.
        name: String,
        /// The name before it.
        before: String,
        /// The name after it.
        after: String,
    },
    /// Two registries give a number to different names.
    #[error(
        "number {number} is {what} `{here}` in this job and `{there}` in what is read; both must come from one job"
    )]
    Disagreement {
        /// What has the number.
        what: &'static str,
        /// The number.
        number: usize,
        /// Its name in this registry.
        here: String,
        /// Its name in the other one.
        there: String,
    },
}

/// The names of one kind, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRegistry<I> {
    names: Vec<String>,
    ids: PhantomData<I>,
}

/// The names of sources and of their partitions, and the order of the names.
///
/// Ties between copies of a trade are decided by the order of the names of their sources, and are decided the same
/// after a restore that brings a name in between. So each name gets a place in that order that it keeps, with room
/// between it and its neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRegistry {
    sources: NameRegistry<SourceId>,
    orders: Vec<NameOrder>,
    partitions: Vec<NameRegistry<PartitionId>>,
}

/// The registries of a job: an empty one for a fresh start, or that which was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registries {
    /// Of sources and their partitions.
    pub sources: SourceRegistry,
    /// Of rules.
    pub rules: NameRegistry<RuleId>,
    /// Of the numbers of indicators to which rules of earlier versions refer: recordings have their names. No new one
    /// is registered.
    pub series: NameRegistry<SeriesId>,
    /// Of calendars.
    pub calendars: NameRegistry<CalendarId>,
}

impl<I> Default for NameRegistry<I> {
    fn default() -> NameRegistry<I> {
        NameRegistry { names: Vec::new(), ids: PhantomData }
    }
}

impl<I: Numbered> NameRegistry<I> {
    /// The id of a name, which gets the next number if it is new.
    ///
    /// ```
    /// use market::{NameRegistry, RuleId};
    /// let mut rules = NameRegistry::<RuleId>::default();
    /// let (a, b) = (rules.register("a").unwrap(), rules.register("b").unwrap());
    /// assert_eq!((a, b, rules.register("a").unwrap()), (RuleId(0), RuleId(1), a));
    /// assert_eq!(rules.name(b), Some("b"));
    /// ```
    pub fn register(&mut self, name: &str) -> Result<I, RegistryError> {
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        if self.names.len() >= I::MAX {
            let name = name.to_owned();
            return Err(RegistryError::Full { what: I::WHAT, name, max: I::MAX });
        }
        self.names.push(name.to_owned());
        Ok(I::of_number(self.names.len() - 1))
    }

    /// The id of a name, if it has one.
    pub fn find(&self, name: &str) -> Option<I> {
        self.names.iter().position(|known| known == name).map(I::of_number)
    }

    /// The name of an id, if a name has it.
    pub fn name(&self, id: I) -> Option<&str> {
        self.names.get(id.number()).map(String::as_str)
    }

    /// All names, by number; also those that are gone from the configuration.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether no number has different names here and in `other`.
    fn agree(&self, other: &NameRegistry<I>) -> Result<(), RegistryError> {
        let mut pairs = self.names.iter().zip(&other.names).enumerate();
        match pairs.find(|(_, (here, there))| here != there) {
            None => Ok(()),
            Some((number, (here, there))) => Err(RegistryError::Disagreement {
                what: I::WHAT,
                number,
                here: here.clone(),
                there: there.clone(),
            }),
        }
    }
}

impl SourceRegistry {
    /// Registers the sources of a configuration, all at once so that new names share the room in the order of names;
    /// returns their ids.
    ///
    /// ```
    /// use market::{SourceId, SourceRegistry};
    /// let mut sources = SourceRegistry::default();
    /// assert_eq!(sources.register(&["b", "d"]).unwrap(), [SourceId(0), SourceId(1)]);
    /// let ids = sources.register(&["c", "b", "a"]).unwrap();
    /// assert_eq!(ids, [SourceId(2), SourceId(0), SourceId(3)]);
    /// assert!(sources.order(ids[2]) < sources.order(ids[1]) && sources.order(ids[1]) < sources.order(ids[0]));
    /// ```
    pub fn register(&mut self, names: &[&str]) -> Result<Vec<SourceId>, RegistryError> {
        let mut next = self.clone();
        let ids = names.iter().map(|name| next.sources.register(name)).collect::<Result<_, _>>()?;
        let number = next.sources.names.len();
        next.partitions.resize_with(number, NameRegistry::default);
        next.orders = order::extended(&next.sources.names, &next.orders)?;
        *self = next;
        Ok(ids)
    }

    /// The id of a name, if it has one.
    pub fn find(&self, name: &str) -> Option<SourceId> {
        self.sources.find(name)
    }

    /// All names, by number; also those that are gone from the configuration.
    pub fn names(&self) -> &[String] {
        self.sources.names()
    }

    /// Where the name of a source stands in the order of names.
    pub fn order(&self, source: SourceId) -> NameOrder {
        self.orders.get(source.number()).copied().unwrap_or_default()
    }

    /// The id of a partition of a registered source, which gets the next number if it is new.
    pub fn register_partition(
        &mut self,
        source: SourceId,
        name: &str,
    ) -> Result<PartitionId, RegistryError> {
        match self.partitions.get_mut(source.number()) {
            Some(partitions) => partitions.register(name),
            None => {
                let (what, name) = ("partition of an unregistered source", name.to_owned());
                Err(RegistryError::Full { what, name, max: 0 })
            }
        }
    }

    /// The names of the partitions of a source, by number.
    pub fn partitions(&self, source: SourceId) -> &[String] {
        self.partitions.get(source.number()).map_or(&[], |partitions| partitions.names())
    }
}

impl Registries {
    /// Whether no number has different names here and in `other`: then both come from one job, and what was saved or
    /// recorded with one of them can be read with the other.
    pub fn agree(&self, other: &Registries) -> Result<(), RegistryError> {
        self.sources.sources.agree(&other.sources.sources)?;
        let mut partitions = self.sources.partitions.iter().zip(&other.sources.partitions);
        partitions.try_for_each(|(here, there)| here.agree(there))?;
        self.rules.agree(&other.rules)?;
        self.series.agree(&other.series)?;
        self.calendars.agree(&other.calendars)
    }
}

macro_rules! numbered {
    ($id:ident, $inner:ty, $what:literal, $max:expr) => {
        impl Numbered for $id {
            const WHAT: &'static str = $what;
            const MAX: usize = $max;

            fn of_number(number: usize) -> $id {
                $id(<$inner>::try_from(number).unwrap_or(<$inner>::MAX))
            }

            fn number(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}

numbered!(SourceId, u8, "source", 64);
numbered!(PartitionId, u16, "partition", 1 << 16);
numbered!(RuleId, u16, "rule", 1 << 16);
numbered!(SeriesId, u16, "series", 1 << 16);
numbered!(CalendarId, u8, "calendar", 1 << 8);
