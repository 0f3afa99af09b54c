//! `kind = "redis-streams"`: entries of streams, read from positions of our own.
//!
//! It reads by XREAD, not by a consumer group: to acknowledge each entry costs 4.5 times as much (measured). A reader
//! can go back to a position, and writes nothing on the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::{Connection, Value};
use serde::Deserialize;
use serde_json::Map;

use super::entry_id::{EntryId, MS_END, SEQUENCE_END};
use super::lives::{Life, Lives};
use super::loss_detector::{Loss, LossDetector, StreamInfo};
use super::reply::{self, Entry};
use super::server::{RedisFailure, Server, ServerConfig, is_interrupted};
use super::stream_connection::StreamConnection;
use crate::messages::{Message, MessageConfig, MessageDecoder, Messages, Original};
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    BATCH_ROWS, Incident, Link, PARTITIONS_MAX, PartitionReader, Place, Progress, Row, Source,
    SourceError, Start,
};

/// A server waits this long for entries before it answers that there are none.
const BLOCK_MS: u64 = 100;

/// The keys of a source of streams, besides those of all sources and those of [`ServerConfig`] and [`MessageConfig`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamsConfig {
    /// The keys of the streams, each a partition.
    streams: Vec<String>,
    /// Where a live run begins: `horizon`, `earliest`, `latest` or a time such as `2026-01-05T14:30:00Z`.
    /// Default: `earliest`.
    start: Option<String>,
    /// The field that holds the message; needed unless `format` is `fields`. Default: none.
    payload: Option<String>,
    /// The most entries that are asked for at once: 1 to 1,024. Default: 1024.
    batch: Option<usize>,
}

/// Streams; each is a partition that goes on for ever and can be read again from any entry that is there.
pub struct StreamsSource {
    name: String,
    server: Arc<Server>,
    messages: Arc<Messages>,
    streams: Vec<String>,
    start: Start,
    payload: Option<Arc<str>>,
    batch: usize,
}

impl TypedSource for StreamsSource {
    const KIND: &'static str = "redis-streams";
    type Config = Map<String, serde_json::Value>;

    fn build(written: Self::Config, context: BuildContext) -> Result<StreamsSource, SourceError> {
        let name = context.name.clone();
        check(written, context).map_err(|problem| SourceError::Config { name, problem })
    }
}

fn check(
    written: Map<String, serde_json::Value>,
    context: BuildContext,
) -> Result<StreamsSource, String> {
    let BuildContext { name, folder, catalog } = context;
    let (server, written) = ServerConfig::split(written)?;
    let (messages, written) = MessageConfig::split(written)?;
    let own = serde_json::Value::Object(written);
    let own: StreamsConfig = serde_json::from_value(own).map_err(|error| error.to_string())?;
    let StreamsConfig { streams, start, payload, batch } = own;

    each_once("streams", &streams)?;
    let messages = Messages::check(messages, catalog)?;
    match (messages.are_fields(), &payload) {
        (true, Some(_)) => {
            return Err(
                "`payload` names one field, and with format = \"fields\" columns are fields; keep one"
                    .to_owned(),
            );
        }
        (false, None) => {
            return Err(
                "an entry has fields: name the one that holds the message as `payload`, or write \
                 format = \"fields\" if its fields are columns"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let batch = batch.unwrap_or(BATCH_ROWS);
    if !(1..=BATCH_ROWS).contains(&batch) {
        return Err(format!("`batch` is {batch}; it must be from 1 to {BATCH_ROWS}"));
    }
    Ok(StreamsSource {
        name,
        server: Arc::new(Server::check(server, &folder)?),
        messages: Arc::new(messages),
        streams,
        start: start.as_deref().map_or(Ok(Start::Earliest), Start::named)?,
        payload: payload.map(Arc::from),
        batch,
    })
}

/// Names of partitions: some, not too many, none empty or twice.
pub(super) fn each_once(key: &str, names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        return Err(format!("`{key}` is empty; name at least one"));
    }
    if names.len() > PARTITIONS_MAX as usize {
        return Err(format!("`{key}` has {} names, more than {PARTITIONS_MAX}", names.len()));
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| name.is_empty() || !seen.insert(*name)) {
        Some(name) if name.is_empty() => Err(format!("`{key}` holds an empty name")),
        Some(name) => Err(format!("`{key}` names \"{name}\" twice")),
        None => Ok(()),
    }
}

impl Source for StreamsSource {
    fn partition_name(&self, partition: u32) -> String {
        let stream = usize::try_from(partition).ok().and_then(|at| self.streams.get(at));
        stream.cloned().unwrap_or_default()
    }

    fn partitions(&self) -> Vec<u32> {
        (0..).take(self.streams.len()).collect()
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn is_endless(&self) -> bool {
        true
    }

    fn start(&self) -> Start {
        self.start
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let found = usize::try_from(partition).ok().and_then(|at| self.streams.get(at));
        let stream = found.ok_or_else(|| SourceError::Config {
            name: self.name.clone(),
            problem: format!("there is no partition {partition}; it has {}", self.streams.len()),
        })?;
        let failed = |failure| server_error(&self.name, &self.server, stream, failure);
        let client = client_name(&self.name, partition);
        let mut link = StreamConnection::open(Arc::clone(&self.server), client).map_err(failed)?;
        let info = ask_info(&mut link, stream).map_err(failed)?;
        let losses = self.begin(stream, place, &info, &mut link)?;
        let mut lives = Lives::default();
        lives.look(EntryId::ZERO, &info);
        let from_beginning = info.has_nothing_up_to(losses.after());
        Ok(Box::new(StreamReader {
            source: self.name.clone(),
            server: Arc::clone(&self.server),
            stream: stream.clone(),
            payload: self.payload.clone(),
            batch: self.batch,
            decoder: MessageDecoder::new(&self.messages, &format!("{}/{stream}", self.name)),
            link,
            losses,
            lives,
            counted: None,
            last: 0,
            is_asked: false,
            from_beginning,
            at_end: false,
            failed: None,
        }))
    }
}

impl StreamsSource {
    /// Where reading begins. Of a time before the oldest entry, it is not known whether entries that were
    /// taken out came after it; then it is refused.
    fn begin(
        &self,
        stream: &str,
        place: Place,
        info: &StreamInfo,
        link: &mut StreamConnection,
    ) -> Result<LossDetector, SourceError> {
        let after = match place {
            Place::Earliest | Place::After(0) => {
                return Ok(LossDetector::begin(EntryId::ZERO, None));
            }
            Place::Latest => return Ok(LossDetector::begin(info.newest, Some(info.added))),
            Place::After(position) => EntryId::at(position),
            Place::Time(time) => {
                let ms = time.0.max(0).unsigned_abs().div_ceil(1_000_000);
                EntryId::before(ms)
            }
        };
        if info.may_lack(after) {
            let oldest = match info.ends {
                Some((oldest, _)) => format!("entry {oldest}"),
                None => "what will come next: it is empty".to_owned(),
            };
            if let Place::Time(time) = place {
                return Err(SourceError::Lost {
                    name: self.name.clone(),
                    partition: format!("stream \"{stream}\""),
                    asked: time.to_string(),
                    oldest,
                });
            }
            let last =
                info.ends.map_or(info.newest.next_position(), |(oldest, _)| position(oldest));
            link.gap(
                Some((after.next_position(), last - 1)),
                format!(
                    "entries after {after} may have been taken out; the stream begins with {oldest}"
                ),
            );
        }
        Ok(LossDetector::begin(after, None))
    }
}

/// A stream being read. While one batch is decoded, the server is at work on the next.
struct StreamReader {
    source: String,
    server: Arc<Server>,
    stream: String,
    payload: Option<Arc<str>>,
    batch: usize,
    decoder: MessageDecoder,
    link: StreamConnection,
    losses: LossDetector,
    lives: Lives,
    /// The position of the last entry that was read, if positions are no ids any more, since ids begin anew.
    counted: Option<u64>,
    /// The position of the last entry that was read.
    last: u64,
    /// Whether the server was asked for what follows the last entry that was read.
    is_asked: bool,
    /// Whether no entry had ever been added before the first that it was to read.
    from_beginning: bool,
    /// Whether the last answer held no entry.
    at_end: bool,
    failed: Option<RedisFailure>,
}

impl PartitionReader for StreamReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        if let Some(failure) = self.failed.take() {
            return Err(server_error(&self.source, &self.server, &self.stream, failure));
        }
        self.at_end = false; // unless it is answered so now
        match self.read_batch(rows) {
            Ok(()) => {}
            Err(RedisFailure::Transient(why)) => {
                self.is_asked = false;
                self.link.lost(&why);
            }
            // Rows that were read before it come first.
            Err(wrong) => self.failed = Some(wrong),
        }
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        self.link.incidents()
    }

    fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    fn link(&self) -> Option<Link> {
        let is_up = self.link.is_up();
        Some(Link { is_up, behind: self.losses.behind(), at_end: is_up && self.at_end, held: None })
    }
}

impl StreamReader {
    fn read_batch(&mut self, rows: &mut Vec<Row>) -> Result<(), RedisFailure> {
        let Some(connection) = self.link.connection() else { return Ok(()) };
        if !self.is_asked {
            ask(connection, &self.stream, self.losses.after(), self.batch)?;
            self.is_asked = true;
        }
        let answers = receive_both(connection);
        self.is_asked = false;
        let Some((answer, info)) = answers? else { return Ok(()) };

        let answer = reply::answered(answer)?;
        let mut entries = reply::entries(&answer)?;
        let info = reply::stream_info(info)?;
        match self.lives.look(self.losses.after(), &info) {
            Life::Same => {}
            life => {
                self.begin_anew(life, &info);
                return Ok(());
            }
        }
        self.at_end = entries.is_empty();
        let fits = |entry: &&Entry<'_>| self.counted.is_some() || entry.id.position().is_some();
        let good = entries.iter().take_while(fits).count();
        let beyond = entries.get(good).map(|entry| entry.id);
        entries.truncate(good);
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        if let Some(loss) = self.losses.take(&ids, &info) {
            report_loss(&mut self.link, loss, self.losses.after(), self.counted.is_none());
        }
        let positions = self.positions(&entries);
        let mut asked = Ok(());
        if beyond.is_none()
            && let Some(connection) = self.link.connection()
        {
            asked = ask(connection, &self.stream, self.losses.after(), self.batch);
            self.is_asked = asked.is_ok();
        }
        let payload = self.payload.as_deref();
        decode(&mut self.decoder, &self.stream, payload, entries.iter().zip(positions), rows);
        match beyond {
            None => asked,
            Some(id) => Err(RedisFailure::Permanent(format!(
                "entry {id} has an id beyond what positions hold: milliseconds below {MS_END} and a sequence \
                 below {SEQUENCE_END}"
            ))),
        }
    }
}

impl StreamReader {
    /// Goes on with a stream that is not what it was. What was asked for lies behind what had been read, so it is dropped
    /// and read again.
    fn begin_anew(&mut self, life: Life, info: &StreamInfo) {
        let read = self.losses.after();
        self.counted = Some(self.last);
        let detail = match life {
            Life::Earlier(newest) => {
                self.losses = LossDetector::begin(newest, Some(info.added));
                format!(
                    "the server has the stream as it was at entry {newest}, and what had been read goes up to {read}: \
                     entries after that may be lost; it is read from {newest} on"
                )
            }
            Life::Another | Life::Same => {
                self.losses = LossDetector::begin(EntryId::ZERO, Some(0));
                format!(
                    "the stream was deleted and made anew; entries of the old one after {read} may be lost; the new one \
                     is read from its beginning"
                )
            }
        };
        self.link.gap(None, format!("{detail}; positions count on from {}", self.last));
    }

    /// The positions of entries that were read, and what is remembered of them.
    fn positions(&mut self, entries: &[Entry<'_>]) -> Vec<u64> {
        let mut positions = Vec::with_capacity(entries.len());
        for entry in entries {
            self.lives.read(entry.id, || entry.print());
            self.last = match self.counted {
                Some(last) => last + 1,
                None => position(entry.id),
            };
            self.counted = self.counted.map(|_| self.last);
            positions.push(self.last);
        }
        positions
    }
}

/// Asks for the entries after `after`, and how the stream is then. The answers are two.
fn ask(
    connection: &mut Connection,
    stream: &str,
    after: EntryId,
    batch: usize,
) -> Result<(), RedisFailure> {
    let mut both = redis::pipe();
    both.cmd("XREAD").arg("COUNT").arg(batch).arg("BLOCK").arg(BLOCK_MS);
    both.arg("STREAMS").arg(stream).arg(after.to_string());
    both.cmd("XINFO").arg("STREAM").arg(stream);
    let sent = connection.send_packed_command(&both.get_packed_pipeline());
    sent.map_err(|error| RedisFailure::of(&error))
}

fn receive(connection: &mut Connection) -> Result<Value, RedisFailure> {
    connection.recv_response().map_err(|error| RedisFailure::of(&error))
}

/// The answers to both questions; none if the wait for one was interrupted. Then the client drops that answer when it
/// comes, and both are asked again.
fn receive_both(connection: &mut Connection) -> Result<Option<(Value, Value)>, RedisFailure> {
    let mut answered = || match connection.recv_response() {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_interrupted(&error) => Ok(None),
        Err(error) => Err(RedisFailure::of(&error)),
    };
    let (answer, info) = (answered()?, answered()?);
    Ok(answer.zip(info))
}

fn ask_info(link: &mut StreamConnection, stream: &str) -> Result<StreamInfo, RedisFailure> {
    let Some(connection) = link.connection() else {
        return Err(RedisFailure::Transient("not connected".to_owned()));
    };
    let command = redis::cmd("XINFO").arg("STREAM").arg(stream).get_packed_command();
    connection.send_packed_command(&command).map_err(|error| RedisFailure::of(&error))?;
    reply::stream_info(receive(connection)?)
}

fn decode<'a>(
    decoder: &mut MessageDecoder,
    stream: &str,
    payload: Option<&str>,
    entries: impl Iterator<Item = (&'a Entry<'a>, u64)>,
    rows: &mut Vec<Row>,
) {
    let mut fields = Vec::new();
    for (entry, position) in entries {
        fields.clear();
        fields.extend(entry.fields());
        let of = |name: &str| {
            let found = fields.iter().rev().find(|(own, _)| *own == name.as_bytes());
            found.map(|(_, value)| *value)
        };
        let message = Message {
            payload: payload.and_then(of),
            key: None,
            channel: stream,
            headers: &of,
            fields: &fields,
        };
        let mut row = decoder.decode(&message, position);
        if let Some(Row { event: Err(rejection), .. }) = &mut row {
            let pairs = fields.iter().map(|(name, value)| (*name, Some(*value)));
            let original = Original::new().text("id", entry.id).pairs("fields", pairs);
            rejection.original = Some(original.finish());
        }
        rows.extend(row);
    }
}

/// Reports a loss that was found when everything up to `after` was read.
fn report_loss(link: &mut StreamConnection, loss: Loss, after: EntryId, ids_are_positions: bool) {
    match loss {
        Loss::Entries { count, between } => {
            let lost = between.filter(|_| ids_are_positions);
            let lost = lost.map(|(from, until)| (from.next_position(), position(until) - 1));
            let place = match between {
                Some((from, until)) => format!("after {from} and before {until}"),
                None => format!("before {after}, which had been read"),
            };
            let were = if count == 1 { "entry was" } else { "entries were" };
            link.gap(
                lost.filter(|(first, last)| first <= last),
                format!("{count} {were} taken out {place}, and cannot be read"),
            );
        }
        Loss::WentBack(newest) => link.gap(
            None,
            format!(
                "the server has less than it had: the stream's newest id is {newest}, and what had been read goes up \
                 to {after}; entries after that may be lost"
            ),
        ),
    }
}

/// The position of an entry, as near as positions go; at least 1.
fn position(id: EntryId) -> u64 {
    id.position().unwrap_or(u64::MAX).max(1)
}

/// What the server calls a reader: without blanks.
pub(super) fn client_name(source: &str, partition: u32) -> String {
    let name: String = source.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    format!("tickweave:{name}:{partition}")
}

/// The error of a source for a failure of one partition.
pub(super) fn server_error(
    source: &str,
    server: &Server,
    partition: &str,
    failure: RedisFailure,
) -> SourceError {
    let retryable = matches!(failure, RedisFailure::Transient(_));
    let problem = format!("\"{partition}\" of {server}: {}", failure.into_message());
    SourceError::Server { name: source.to_owned(), problem, retryable }
}
