//! Sources and codecs: bytes from outside ↔ records of the [`market`] vocabulary.
//!
//! Nothing here knows timely. A source is a set of partitions, each read in ascending position by a
//! thread of its own; see [`source`] for the contract. To add a source: a module, and a line in
//! [`sources`].

pub mod registry;
pub mod source;

pub use registry::{Setting, SourceFactory, Sources, TypedSource};
pub use source::{PartitionReader, Progress, Row, Source, SourceError};
