//! Sources, codecs and sinks: bytes from outside ↔ records of the [`market`] vocabulary.
//!
//! Nothing here knows timely. A source is a set of partitions, each read in ascending position by a
//! thread of its own; see [`source`] for the contract. What a text record means is defined once, in
//! [`mapping`], whatever carries it; what well-known feeds mean, in [`codecs`]; rows that say by themselves
//! what they are, in [`entries`]; how messages of servers hold either, in [`messages`]. To add a source: a module,
//! and a line in [`sources`]. A sink takes changes of views, encoded; see [`sink`] for the contract. To add one: a
//! module in [`mod@sinks`], and a line in [`sinks()`].

pub mod codecs;
pub mod delimited;
pub mod entries;
mod file_identity;
pub mod file_key;
pub mod files;
mod follow;
mod incident;
pub mod kafka;
pub mod lines;
pub mod mapping;
pub mod messages;
pub mod notify;
pub mod paths;
pub mod redis;
pub mod registry;
pub mod secret;
pub mod simulated;
pub mod sink;
pub mod sinks;
pub mod source;
mod source_error;
mod typed_config;

pub use file_key::FileKey;
pub use registry::{
    BuildContext, SinkBuildContext, SinkFactory, Sinks, SourceFactory, Sources, TypedSink,
    TypedSource,
};
pub use sink::{
    BatchKind, EarlierStart, EarlierStarts, Encoding, RejectedRecord, Sink, SinkBatch, SinkError,
    SinkOutcomes, SinkRecord, SinkWriter,
};
pub use source::{
    Decoded, HeldBy, HeldRows, Incident, IncidentKind, Link, LostRows, PartitionReader,
    PartitionState, Place, Progress, ResumePoint, Row, Source, SourceError, Start,
};

/// Every kind of source.
///
/// ```
/// let kinds = [
///     "entries", "file", "kafka", "redis-pubsub", "redis-streams", "simulated", "simulated-fills",
/// ];
/// assert_eq!(connectors::sources().kinds(), kinds);
/// ```
pub fn sources() -> Sources {
    Sources::default()
        .with(entries::EntriesSource::KIND, entries::EntriesSource::factory())
        .with(files::FileSource::KIND, files::FileSource::factory())
        .with(kafka::KafkaSource::KIND, kafka::KafkaSource::factory())
        .with(redis::PubSubSource::KIND, redis::PubSubSource::factory())
        .with(redis::StreamsSource::KIND, redis::StreamsSource::factory())
        .with(simulated::fills::FillsSource::KIND, simulated::fills::FillsSource::factory())
        .with(simulated::SimulatedSource::KIND, simulated::SimulatedSource::factory())
}

/// Every kind of sink.
///
/// ```
/// let kinds = [
///     "alertmanager", "email", "file", "kafka", "redis-hash", "redis-pubsub", "redis-streams", "slack", "webhook",
/// ];
/// assert_eq!(connectors::sinks().kinds(), kinds);
/// ```
pub fn sinks() -> Sinks {
    Sinks::default()
        .with(sinks::file::FileSink::KIND, sinks::file::FileSink::factory())
        .with(kafka::sink::KafkaSink::KIND, kafka::sink::KafkaSink::factory())
        .with(redis::sinks::HashSink::KIND, redis::sinks::HashSink::factory())
        .with(redis::sinks::PubSubSink::KIND, redis::sinks::PubSubSink::factory())
        .with(redis::sinks::StreamsSink::KIND, redis::sinks::StreamsSink::factory())
        .with(
            notify::alertmanager::AlertmanagerSink::KIND,
            notify::alertmanager::AlertmanagerSink::factory(),
        )
        .with(notify::email::EmailSink::KIND, notify::email::EmailSink::factory())
        .with(notify::slack::SlackSink::KIND, notify::slack::SlackSink::factory())
        .with(notify::webhook::WebhookSink::KIND, notify::webhook::WebhookSink::factory())
}
