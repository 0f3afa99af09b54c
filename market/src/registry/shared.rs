//! The registries of a job as its threads share them.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Registries, RegistryError};
use crate::id::{CalendarId, PartitionId, RuleId, SourceId};

/// The registries of a job, which grow while it runs: servers gain partitions. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SharedRegistries(Arc<RwLock<Registries>>);

impl SharedRegistries {
    /// These registries.
    pub fn new(registries: Registries) -> SharedRegistries {
        SharedRegistries(Arc::new(RwLock::new(registries)))
    }

    /// As they are now.
    pub fn snapshot(&self) -> Registries {
        self.with(Registries::clone)
    }

    /// What `read` finds in them.
    pub fn with<T>(&self, read: impl FnOnce(&Registries) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers the sources of a configuration; see [`super::SourceRegistry::register`].
    pub fn register_sources(&self, names: &[&str]) -> Result<Vec<SourceId>, RegistryError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).sources.register(names)
    }

    /// Registers a partition of a source; see [`super::SourceRegistry::register_partition`].
    pub fn register_partition(
        &self,
        source: SourceId,
        name: &str,
    ) -> Result<PartitionId, RegistryError> {
        let mut registries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registries.sources.register_partition(source, name)
    }

    /// The id of a rule, which gets the next number if its name is new.
    pub fn register_rule(&self, name: &str) -> Result<RuleId, RegistryError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).rules.register(name)
    }

    /// The id of a calendar, which gets the next number if its name is new.
    pub fn register_calendar(&self, name: &str) -> Result<CalendarId, RegistryError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).calendars.register(name)
    }

    /// The name of a partition of a source; one that was never registered shows as its number.
    pub fn partition_name(&self, source: SourceId, partition: PartitionId) -> String {
        self.with(|registries| {
            let names = registries.sources.partitions(source);
            let name = names.get(usize::from(partition.0)).cloned();
            name.unwrap_or_else(|| format!("partition {}", partition.0))
        })
    }
}
