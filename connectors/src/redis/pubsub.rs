//! `kind = "redis-pubsub"`: messages of channels, which are not stored anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, Msg, RedisError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::server::{
    ANSWER_TIMEOUT, RedisFailure, Server, ServerConfig, client_name, is_interrupted, server_error,
};
use super::stream_connection::StreamConnection;
use super::streams::each_once;
use crate::mapping::Packing;
use crate::messages::{Message, MessageConfig, MessageDecoder, Messages};
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    BATCH_ROWS, Incident, IncidentKind, Link, PartitionReader, Place, Progress, Row, Source,
    SourceError, Start,
};
use crate::typed_config::typed;

/// Messages that were received and not read yet; beyond that they wait in the socket and then at the server,
/// which cuts subscribers off that are too far behind (its `client-output-buffer-limit pubsub`).
const WAITING_MAX: usize = 4_096;
/// The timeout of a read; a stop is noticed within this time.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// A server that sends nothing for this long is pinged.
const PING_AFTER: Duration = Duration::from_secs(1);

/// The keys of a source of channels, besides those of all sources and those of [`ServerConfig`] and
/// [`MessageConfig`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PubSubConfig {
    /// Names of channels, each a partition; at least one channel or pattern is given.
    #[serde(default)]
    channels: Vec<String>,
    /// Patterns of such names, as in PSUBSCRIBE; each is a partition, after the channels.
    #[serde(default)]
    patterns: Vec<String>,
}

/// Channels; each is a partition that goes on for ever, and what was published while nobody listened is lost.
pub struct PubSubSource {
    name: String,
    server: Arc<Server>,
    messages: Arc<Messages>,
    subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug)]
enum Subscription {
    Channel(String),
    Pattern(String),
}

impl TypedSource for PubSubSource {
    const KIND: &'static str = "redis-pubsub";
    type Config = Map<String, Value>;

    fn build(written: Self::Config, context: BuildContext) -> Result<PubSubSource, SourceError> {
        let name = context.name.clone();
        check(written, context).map_err(|problem| SourceError::Config { name, problem })
    }
}

fn check(written: Map<String, Value>, context: BuildContext) -> Result<PubSubSource, String> {
    let BuildContext { name, folder, catalog } = context;
    let (server, written) = ServerConfig::split(written)?;
    let (messages, written) = MessageConfig::split(written)?;
    let own = typed(Value::Object(written))?;
    let PubSubConfig { channels, patterns } = own;
    if channels.is_empty() && patterns.is_empty() {
        return Err("there is nothing to listen to: name `channels` or `patterns`".to_owned());
    }
    let channels = channels.into_iter().map(Subscription::Channel);
    let patterns = patterns.into_iter().map(Subscription::Pattern);
    let subscriptions: Vec<Subscription> = channels.chain(patterns).collect();
    let names: Vec<String> = subscriptions.iter().map(Subscription::name).collect();
    each_once("channels` and `patterns", &names)?;
    let messages = Messages::check(messages, catalog)?;
    if messages.are_fields() {
        return Err("format = \"fields\" is of entries of streams; a message has none".to_owned());
    }
    let server = Arc::new(Server::check(server, &folder)?);
    Ok(PubSubSource { name, server, messages: Arc::new(messages), subscriptions })
}

impl Subscription {
    fn name(&self) -> String {
        match self {
            Subscription::Channel(name) => name.clone(),
            Subscription::Pattern(pattern) => format!("pattern:{pattern}"),
        }
    }
}

impl Source for PubSubSource {
    fn partition_name(&self, partition: u32) -> String {
        let own = usize::try_from(partition).ok().and_then(|at| self.subscriptions.get(at));
        own.map(Subscription::name).unwrap_or_default()
    }

    fn partitions(&self) -> Vec<u32> {
        (0..).take(self.subscriptions.len()).collect()
    }

    fn is_replayable(&self) -> bool {
        false
    }

    fn is_endless(&self) -> bool {
        true
    }

    fn start(&self) -> Start {
        Start::Latest
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let own = usize::try_from(partition).ok().and_then(|at| self.subscriptions.get(at));
        let subscription = own.ok_or_else(|| SourceError::Config {
            name: self.name.clone(),
            problem: format!(
                "there is no partition {partition}; it has {}",
                self.subscriptions.len()
            ),
        })?;
        let name = subscription.name();
        let failed = |failure| server_error(&self.name, &self.server, &name, failure);
        let client = client_name(&self.name, partition);
        let link = StreamConnection::open(Arc::clone(&self.server), client).map_err(failed)?;
        let (sender, events) = sync_channel(WAITING_MAX);
        let is_up = Arc::new(AtomicBool::new(true));
        let listener = Listener {
            subscription: subscription.clone(),
            sender,
            is_up: Arc::clone(&is_up),
            has_listened: false,
        };
        let thread = thread::Builder::new().name(format!("channel-{partition}"));
        thread
            .spawn(move || listener.run(link))
            .map_err(|source| SourceError::Open { partition: name.clone(), source })?;
        Ok(Box::new(ChannelReader {
            source: self.name.clone(),
            server: Arc::clone(&self.server),
            decoder: MessageDecoder::new(&self.messages, &format!("{}/{name}", self.name)),
            name,
            packing: self.messages.packing(),
            position: self.messages.packing().message(place.after()),
            events,
            is_up,
            incidents: Vec::new(),
        }))
    }
}

/// A subscription being read. A message's position is its number since reading began, from 1.
struct ChannelReader {
    source: String,
    server: Arc<Server>,
    name: String,
    decoder: MessageDecoder,
    /// How positions of rows come from those of messages.
    packing: Packing,
    position: u64,
    events: Receiver<ListenerEvent>,
    is_up: Arc<AtomicBool>,
    incidents: Vec<Incident>,
}

/// A message of the listener to the reader.
enum ListenerEvent {
    Message(Msg),
    Incident(Incident),
    Failed(RedisFailure),
}

impl PartitionReader for ChannelReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        let mut wait = READ_TIMEOUT;
        let begun = rows.len();
        while rows.len() - begun < BATCH_ROWS {
            match self.events.recv_timeout(wait) {
                Ok(ListenerEvent::Message(message)) => {
                    self.position += 1;
                    let channel = message.get_channel_name();
                    let message = Message { channel, ..Message::of(message.get_payload_bytes()) };
                    self.decoder.decode_each(&message, self.position, &mut |row| rows.push(row));
                }
                // Rows that follow it belong to the next batch.
                Ok(ListenerEvent::Incident(incident)) => {
                    self.incidents.push(incident);
                    break;
                }
                Ok(ListenerEvent::Failed(failure)) => {
                    return Err(server_error(&self.source, &self.server, &self.name, failure));
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    let failure = RedisFailure::Permanent("its listener has ended".to_owned());
                    return Err(server_error(&self.source, &self.server, &self.name, failure));
                }
            }
            wait = Duration::ZERO;
        }
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        self.incidents.extend(self.decoder.warnings());
        std::mem::take(&mut self.incidents)
    }

    fn position(&self) -> Option<u64> {
        Some(self.packing.last(self.position))
    }

    fn link(&self) -> Option<Link> {
        let is_up = self.is_up.load(Ordering::Relaxed);
        // A channel keeps nothing: all that was published while the reader listened has been read.
        Some(Link { is_up, behind: None, at_end: is_up, held: None })
    }
}

/// Listens on a thread of its own, since a subscribed connection does nothing else. It ends when its reader is
/// gone: at the next message, or when the server has been silent for a moment.
struct Listener {
    subscription: Subscription,
    sender: SyncSender<ListenerEvent>,
    /// Shared with the reader alone.
    is_up: Arc<AtomicBool>,
    /// Whether it has listened before: then somebody misses what was published since.
    has_listened: bool,
}

/// The reader is gone.
struct ReaderGone;

impl Listener {
    fn run(mut self, mut link: StreamConnection) {
        while self.send_incidents(&mut link).is_ok() {
            if link.connection().is_none() || self.send_incidents(&mut link).is_err() {
                continue;
            }
            let Some(connection) = link.connection() else { continue };
            let Err(end) = self.listen(connection) else { return };
            self.is_up.store(false, Ordering::Relaxed);
            match end {
                RedisFailure::Transient(why) => link.lost(&why),
                wrong => {
                    let _ = self.send(ListenerEvent::Failed(wrong)); // the end either way
                    return;
                }
            }
        }
    }

    /// Subscribes and passes messages on until the connection is of no use any more, which is the error, or the
    /// reader is gone.
    fn listen(&mut self, connection: &mut Connection) -> Result<ReaderGone, RedisFailure> {
        let failure = |error: RedisError| RedisFailure::of(&error);
        let mut channel = connection.as_pubsub();
        match &self.subscription {
            Subscription::Channel(name) => channel.subscribe(name),
            Subscription::Pattern(pattern) => channel.psubscribe(pattern),
        }
        .map_err(failure)?;
        channel.set_read_timeout(Some(READ_TIMEOUT)).map_err(failure)?;
        self.is_up.store(true, Ordering::Relaxed);
        if std::mem::replace(&mut self.has_listened, true) {
            let detail = "what was published while the server was lost cannot be had".to_owned();
            let gap = Incident { kind: IncidentKind::Gap, lost: None, detail };
            if self.send(ListenerEvent::Incident(gap)).is_err() {
                return Ok(ReaderGone);
            }
        }
        let mut last_received = Instant::now();
        loop {
            match channel.get_message() {
                Ok(message) => {
                    last_received = Instant::now();
                    if self.send(ListenerEvent::Message(message)).is_err() {
                        return Ok(ReaderGone);
                    }
                }
                Err(error) if error.is_timeout() => {
                    if self.is_alone() {
                        return Ok(ReaderGone);
                    }
                    if last_received.elapsed() >= PING_AFTER {
                        channel.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failure)?;
                        let answered = channel.ping::<redis::Value>();
                        channel.set_read_timeout(Some(READ_TIMEOUT)).map_err(failure)?;
                        answered.map_err(failure)?;
                        last_received = Instant::now();
                    }
                }
                Err(error) if is_interrupted(&error) => {}
                Err(error) => return Err(failure(error)),
            }
        }
    }

    /// Sends the incidents of the connection to the reader.
    fn send_incidents(&self, link: &mut StreamConnection) -> Result<(), ReaderGone> {
        for incident in link.incidents() {
            self.send(ListenerEvent::Incident(incident))?;
        }
        if self.is_alone() { Err(ReaderGone) } else { Ok(()) }
    }

    /// Waits while too much is waiting.
    fn send(&self, event: ListenerEvent) -> Result<(), ReaderGone> {
        self.sender.send(event).map_err(|_| ReaderGone)
    }

    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.is_up) == 1
    }
}

#[cfg(test)]
mod tests {
    use market::Catalog;
    use redis::Value;
    use serde_json::json;

    use super::*;
    use crate::messages::{MessageConfig, Messages};

    /// One more than fits into a batch is read with the next one.
    #[test]
    fn no_message_is_lost_between_batches() {
        let written =
            json!({"instrument": "x:A", "columns": {"time": "t", "price": "p", "size": "q"}});
        let (config, _) = MessageConfig::split(written.as_object().unwrap().clone()).unwrap();
        let messages = Messages::check(config, Arc::new(Catalog::new(Vec::new(), 10))).unwrap();
        let server = ServerConfig::open("redis://127.0.0.1:6379".to_owned());
        let (sender, events) = sync_channel(3 * BATCH_ROWS);
        let mut reader = ChannelReader {
            source: "s".into(),
            server: Arc::new(Server::check(server, ".".as_ref()).unwrap()),
            decoder: MessageDecoder::new(&Arc::new(messages), "s/c"),
            name: "c".into(),
            packing: Packing::ONE,
            position: 0,
            events,
            is_up: Arc::new(AtomicBool::new(true)),
            incidents: Vec::new(),
        };
        let count = 2 * BATCH_ROWS + 7;
        for _ in 0..count {
            let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            let reply = vec![text("message"), text("c"), text("no JSON")];
            let message = Msg::from_owned_value(Value::Array(reply)).unwrap();
            assert!(sender.send(ListenerEvent::Message(message)).is_ok());
        }
        let mut rows = Vec::new();
        while rows.len() < count {
            let before = rows.len();
            reader.read(&mut rows).unwrap();
            assert!(rows.len() > before, "{before} of {count}");
        }
        assert!(rows.iter().map(|row| row.position).eq(1..=count as u64));
    }
}
