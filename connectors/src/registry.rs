//! The registries of sources and of sinks: plain lists of kinds and how to make each from its configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use market::Catalog;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::sink::{Encoding, Sink, SinkError};
use crate::source::{Source, SourceError};
use crate::typed_config::typed;

/// The context that a source is built in.
#[derive(Clone)]
pub struct BuildContext {
    /// The source's name in the configuration.
    pub name: String,
    /// Where relative paths start.
    pub folder: PathBuf,
    /// Resolves names of instruments.
    pub catalog: Arc<Catalog>,
}

/// What the author of a source writes: a typed configuration and how to build from it.
pub trait TypedSource: Source + Sized + 'static {
    /// The name of the kind, as written in `kind = "…"`.
    const KIND: &'static str;
    /// The configuration as written; unknown keys must be refused.
    type Config: DeserializeOwned;

    /// Checks the configuration once and makes the source.
    fn build(config: Self::Config, context: BuildContext) -> Result<Self, SourceError>;

    /// What the registry stores.
    fn factory() -> SourceFactory {
        |raw, context| {
            let name = context.name.clone();
            let config = typed(raw).map_err(|problem| SourceError::Config { name, problem })?;
            Ok(Box::new(Self::build(config, context)?))
        }
    }
}

/// Untyped configuration in, source out.
pub type SourceFactory = fn(Value, BuildContext) -> Result<Box<dyn Source>, SourceError>;

/// Every kind of source that this build knows.
pub type Sources = Kinds<SourceFactory>;

impl Sources {
    /// Makes a source of `kind`.
    pub fn build(
        &self,
        kind: &str,
        config: Value,
        context: BuildContext,
    ) -> Result<Box<dyn Source>, SourceError> {
        let unknown = |(kind, known)| SourceError::UnknownKind { kind, known };
        self.factory(kind).map_err(unknown)?(config, context)
    }
}

/// The context that a sink is built in.
#[derive(Clone, Debug)]
pub struct SinkBuildContext {
    /// The sink's name in the configuration.
    pub name: String,
    /// Where relative paths start.
    pub folder: PathBuf,
    /// The names of the views that it is given; at least one.
    pub views: Vec<String>,
    /// The names of the columns that all of these have.
    pub columns: Vec<String>,
    /// What a record holds of a change.
    pub encoding: Encoding,
}

/// What the author of a sink writes: a typed configuration and how to build from it.
pub trait TypedSink: Sink + Sized + 'static {
    /// The name of the kind, as written in `kind = "…"`.
    const KIND: &'static str;
    /// The configuration as written; unknown keys must be refused.
    type Config: DeserializeOwned;

    /// Checks the configuration once, without touching anything outside, and makes the sink.
    fn build(config: Self::Config, context: SinkBuildContext) -> Result<Self, SinkError>;

    /// What the registry stores.
    fn factory() -> SinkFactory {
        |raw, context| {
            let name = context.name.clone();
            let config = typed(raw).map_err(|problem| SinkError::Config { name, problem })?;
            Ok(Box::new(Self::build(config, context)?))
        }
    }
}

/// Untyped configuration in, sink out.
pub type SinkFactory = fn(Value, SinkBuildContext) -> Result<Box<dyn Sink>, SinkError>;

/// Every kind of sink that this build knows.
pub type Sinks = Kinds<SinkFactory>;

impl Sinks {
    /// Makes a sink of `kind`.
    pub fn build(
        &self,
        kind: &str,
        config: Value,
        context: SinkBuildContext,
    ) -> Result<Box<dyn Sink>, SinkError> {
        let unknown = |(kind, known)| SinkError::UnknownKind { kind, known };
        self.factory(kind).map_err(unknown)?(config, context)
    }
}

/// Kinds by name, each with how to make it.
pub struct Kinds<F>(BTreeMap<&'static str, F>);

impl<F> Default for Kinds<F> {
    fn default() -> Kinds<F> {
        Kinds(BTreeMap::new())
    }
}

impl<F> Kinds<F> {
    /// With one more kind; the last of two of the same name counts.
    #[must_use]
    pub fn with(mut self, kind: &'static str, factory: F) -> Self {
        self.0.insert(kind, factory);
        self
    }

    /// The names of the kinds.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// How to make a `kind`; an error is its name, and the names of all that are known.
    fn factory(&self, kind: &str) -> Result<&F, (String, String)> {
        self.0.get(kind).ok_or_else(|| (kind.to_owned(), self.kinds().join(", ")))
    }
}
