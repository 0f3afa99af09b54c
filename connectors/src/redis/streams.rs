//! `kind = "redis-streams"`: entries of streams, read from positions of our own.
//!
//! It reads by XREAD, not by a consumer group: to acknowledge each entry costs 4.5 times as much (measured). A reader
//! can go back to a position, and writes nothing on the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Map;

use super::entry_id::EntryId;
use super::lives::Lives;
use super::loss_detector::{LossDetector, StreamInfo};
use super::server::{Server, ServerConfig, client_name, server_error};
use super::stream_connection::StreamConnection;
use super::stream_reader::{Begun, StreamReader, ask_info, lost_between, number};
use crate::messages::{MessageConfig, MessageDecoder, Messages};
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    BATCH_ROWS, LostRows, PARTITIONS_MAX, PartitionReader, PartitionState, Place, ResumePoint,
    Source, SourceError, Start,
};
use crate::typed_config::typed;

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
    let own: StreamsConfig = typed(own)?;
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
        let (stream, mut link, info) = self.connect(partition)?;
        let losses = self.begin(stream, place, &info, &mut link)?;
        let begun = Begun { after: losses.after(), counted: None };
        Ok(Box::new(self.reader(stream, (link, info), (losses, begun), place.after())))
    }

    fn resume(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let (stream, mut link, info) = self.connect(partition)?;
        let known = at.state.as_ref().and_then(PartitionState::read).unwrap_or_default();
        let (losses, begun) = self.read_on(at.after, known, &info, &mut link);
        Ok(Box::new(self.reader(stream, (link, info), (losses, begun), at.after)))
    }
}

impl StreamsSource {
    fn connect(&self, partition: u32) -> Result<(&str, StreamConnection, StreamInfo), SourceError> {
        let found = usize::try_from(partition).ok().and_then(|at| self.streams.get(at));
        let stream = found.ok_or_else(|| SourceError::Config {
            name: self.name.clone(),
            problem: format!("there is no partition {partition}; it has {}", self.streams.len()),
        })?;
        let failed = |failure| server_error(&self.name, &self.server, stream, failure);
        let client = client_name(&self.name, partition);
        let mut link = StreamConnection::open(Arc::clone(&self.server), client).map_err(failed)?;
        let info = ask_info(&mut link, stream).map_err(failed)?;
        Ok((stream, link, info))
    }

    /// Reads on behind `losses`; rows up to position `after` were read before.
    fn reader(
        &self,
        stream: &str,
        (link, info): (StreamConnection, StreamInfo),
        (losses, begun): (LossDetector, Begun),
        after: u64,
    ) -> StreamReader {
        let mut lives = Lives::default();
        lives.look(EntryId::ZERO, &info);
        let from_beginning = begun.counted.is_none() && info.has_nothing_up_to(losses.after());
        StreamReader {
            source: self.name.clone(),
            server: Arc::clone(&self.server),
            stream: stream.to_owned(),
            payload: self.payload.clone(),
            batch: self.batch,
            decoder: MessageDecoder::new(&self.messages, &format!("{}/{stream}", self.name)),
            packing: self.messages.packing(),
            after,
            link,
            losses,
            lives,
            counted: begun.counted,
            last: begun.counted.unwrap_or(0),
            state: Some(PartitionState::of(&begun)),
            is_asked: false,
            from_beginning,
            at_end: false,
            failed: None,
        }
    }

    /// Where a stream is read on that an earlier process has read up to position `after`.
    fn read_on(
        &self,
        after: u64,
        known: Begun,
        info: &StreamInfo,
        link: &mut StreamConnection,
    ) -> (LossDetector, Begun) {
        let packing = self.messages.packing();
        let last = packing.message(after);
        if let Some(first) = known.counted {
            // Entries have been counted since this one; they are counted again, and those that were read are left out.
            if !info.may_lack(known.after) {
                return (
                    LossDetector::begin(known.after, None),
                    Begun { counted: Some(first), ..known },
                );
            }
            let detail = "entries are counted, since their ids began anew while it was read, and some may have been \
                          taken out: it is read from its beginning";
            link.gap(None, format!("{detail}; positions count on from {after}"));
            let begun = Begun { after: EntryId::ZERO, counted: Some(last) };
            return (LossDetector::begin(EntryId::ZERO, None), begun);
        }
        // Before its first row is kept, where it began.
        let read = EntryId::numbered(packing.whole(after), packing).max(known.after);
        if info.newest < read {
            let newest = info.newest;
            link.gap(
                None,
                format!(
                    "the server has the stream as it was at entry {newest}, and what had been read goes up to {read}: \
                     entries after that may be lost; it is read from {newest} on, and positions count on from {after}"
                ),
            );
            let begun = Begun { after: newest, counted: Some(last) };
            return (LossDetector::begin(newest, Some(info.added)), begun);
        }
        if read > EntryId::ZERO && info.may_lack(read) {
            self.told_lost(read, info, link);
        }
        (LossDetector::begin(read, None), Begun { after: read, counted: None })
    }

    /// Entries after this one may have been taken out.
    fn told_lost(&self, after: EntryId, info: &StreamInfo, link: &mut StreamConnection) {
        let packing = self.messages.packing();
        let next = info.newest.next_number(packing);
        let until = info.ends.map_or(next, |(oldest, _)| number(oldest, packing));
        let begins = oldest(info);
        link.gap(
            Some(LostRows { positions: Some(lost_between(after, until, packing)), rows: None }),
            format!(
                "entries after {after} may have been taken out; the stream begins with {begins}"
            ),
        );
    }

    /// Where reading begins. Of a time before the oldest entry, it is not known whether entries that were
    /// taken out came after it; then it is refused.
    fn begin(
        &self,
        stream: &str,
        place: Place,
        info: &StreamInfo,
        link: &mut StreamConnection,
    ) -> Result<LossDetector, SourceError> {
        let packing = self.messages.packing();
        let after = match place {
            Place::Earliest | Place::After(0) => {
                return Ok(LossDetector::begin(EntryId::ZERO, None));
            }
            Place::Latest => return Ok(LossDetector::begin(info.newest, Some(info.added))),
            Place::After(position) => EntryId::numbered(packing.whole(position), packing),
            Place::Time(time) => {
                let ms = time.0.max(0).unsigned_abs().div_ceil(1_000_000);
                EntryId::before(ms)
            }
        };
        if info.may_lack(after) {
            if let Place::Time(time) = place {
                return Err(SourceError::Lost {
                    name: self.name.clone(),
                    partition: format!("stream \"{stream}\""),
                    asked: time.to_string(),
                    oldest: oldest(info),
                });
            }
            self.told_lost(after, info, link);
        }
        Ok(LossDetector::begin(after, None))
    }
}

/// What a stream begins with.
fn oldest(info: &StreamInfo) -> String {
    match info.ends {
        Some((oldest, _)) => format!("entry {oldest}"),
        None => "what will come next: it is empty".to_owned(),
    }
}
