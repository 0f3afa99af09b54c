//! The three kinds, and what is configured of them.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::writer::{Form, ViewWriter};
use crate::redis::server::{Server, ServerConfig};
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{Sink, SinkError, SinkWriter};
use crate::typed_config::typed;

/// Entries of a stream of changes, about, unless configured.
const MAX_LENGTH: u64 = 100_000;

/// Rows now, in a hash per view.
pub struct HashSink(Place);

/// Changes, in a stream per view.
pub struct StreamsSink {
    place: Place,
    max_length: u64,
}

/// Changes, published.
pub struct PubSubSink {
    place: Place,
    key_parts: usize,
}

/// Where a sink writes.
struct Place {
    name: String,
    server: Arc<Server>,
    prefix: String,
}

/// The keys of a sink of hashes, besides those of all sinks and those of [`ServerConfig`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashConfig {
    /// What the names of its keys begin with; not empty. Default: `tickweave`.
    prefix: Option<String>,
}

/// The keys of a sink of streams, besides those of all sinks and those of [`ServerConfig`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamsConfig {
    /// What the names of its keys begin with; not empty. Default: `tickweave`.
    prefix: Option<String>,
    /// About how many entries each stream keeps; at least 1. Default: 100000.
    max_length: Option<u64>,
}

/// The keys of a sink of channels, besides those of all sinks and those of [`ServerConfig`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PubSubConfig {
    /// What the names of its channels begin with; not empty. Default: `tickweave`.
    prefix: Option<String>,
    /// How many columns of a row's key are in the name of its channel; at least 1. Default: all.
    key_parts: Option<usize>,
}

/// Takes apart what is written: where, and what is a kind's own.
fn split<C: DeserializeOwned>(
    written: Map<String, Value>,
    context: &SinkBuildContext,
    prefix: impl Fn(&C) -> &Option<String>,
) -> Result<(Place, C), String> {
    let (server, written) = ServerConfig::split(written)?;
    let own: C = typed(Value::Object(written))?;
    let server = Arc::new(Server::check(server, &context.folder)?);
    let prefix = prefix(&own).clone().unwrap_or_else(|| "tickweave".to_owned());
    if prefix.is_empty() {
        return Err("`prefix` is empty; keys begin with it".to_owned());
    }
    Ok((Place { name: context.name.clone(), server, prefix }, own))
}

impl Place {
    fn open(&self, view: &str, form: Form) -> Result<Box<dyn SinkWriter>, SinkError> {
        let Place { name, server, prefix } = self;
        Ok(Box::new(ViewWriter::open(server, name, prefix, view, form)?))
    }
}

impl TypedSink for HashSink {
    const KIND: &'static str = "redis-hash";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<HashSink, SinkError> {
        let (place, _) = split(written, &context, |own: &HashConfig| &own.prefix)
            .map_err(|problem| SinkError::Config { name: context.name.clone(), problem })?;
        Ok(HashSink(place))
    }
}

impl Sink for HashSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        self.0.open(view, Form::Hash)
    }
}

impl TypedSink for StreamsSink {
    const KIND: &'static str = "redis-streams";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<StreamsSink, SinkError> {
        let wrong = |problem| SinkError::Config { name: context.name.clone(), problem };
        let (place, own) =
            split(written, &context, |own: &StreamsConfig| &own.prefix).map_err(wrong)?;
        match own.max_length.unwrap_or(MAX_LENGTH) {
            0 => Err(wrong("`max_length` is 0; a stream keeps at least one entry".to_owned())),
            max_length => Ok(StreamsSink { place, max_length }),
        }
    }
}

impl Sink for StreamsSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        self.place.open(view, Form::Stream { max_length: self.max_length })
    }
}

impl TypedSink for PubSubSink {
    const KIND: &'static str = "redis-pubsub";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: SinkBuildContext) -> Result<PubSubSink, SinkError> {
        let wrong = |problem| SinkError::Config { name: context.name.clone(), problem };
        let (place, own) =
            split(written, &context, |own: &PubSubConfig| &own.prefix).map_err(wrong)?;
        match own.key_parts {
            Some(0) => Err(wrong("`key_parts` is 0; leave it out for whole keys".to_owned())),
            parts => Ok(PubSubSink { place, key_parts: parts.unwrap_or(usize::MAX) }),
        }
    }
}

impl Sink for PubSubSink {
    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        self.place.open(view, Form::Channels { key_parts: self.key_parts })
    }
}
