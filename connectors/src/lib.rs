//! Sources and codecs: bytes from outside ↔ records of the [`market`] vocabulary.
//!
//! Nothing here knows timely. A source is a set of partitions, each read in ascending position by a
//! thread of its own; see [`source`] for the contract. What a text record means is said once, in
//! [`mapping`], whatever carries it; what well-known feeds mean, in [`codecs`]; rows that say by themselves
//! what they are, in [`entries`]; how messages of servers hold either, in [`messages`]. To add a source: a module, and a line in [`sources`].

pub mod codecs;
pub mod entries;
pub mod files;
pub mod mapping;
pub mod messages;
pub mod registry;
pub mod simulated;
pub mod source;

pub use registry::{Setting, SourceFactory, Sources, TypedSource};
pub use source::{
    Incident, IncidentKind, Link, PartitionReader, Place, Progress, Row, Source, SourceError, Start,
};

/// Every kind of source.
///
/// ```
/// assert_eq!(connectors::sources().kinds(), ["entries", "file", "simulated", "simulated-desk"]);
/// ```
pub fn sources() -> Sources {
    Sources::default()
        .with(entries::EntriesSource::KIND, entries::EntriesSource::factory())
        .with(files::FileSource::KIND, files::FileSource::factory())
        .with(simulated::desk::DeskSource::KIND, simulated::desk::DeskSource::factory())
        .with(simulated::SimulatedSource::KIND, simulated::SimulatedSource::factory())
}
