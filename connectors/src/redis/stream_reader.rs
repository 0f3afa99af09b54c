//! One stream being read.

use std::sync::Arc;

use redis::{Connection, Value};
use serde::{Deserialize, Serialize};

use super::entry_id::{EntryId, MS_END, SEQUENCE_END};
use super::lives::{Life, Lives};
use super::loss_detector::{Loss, LossDetector, StreamInfo};
use super::reply::{self, Entry};
use super::server::{RedisFailure, Server, is_interrupted, server_error};
use super::stream_connection::StreamConnection;
use crate::mapping::Packing;
use crate::messages::{Message, MessageDecoder, Original};
use crate::source::{
    Incident, Link, LostRows, PartitionReader, PartitionState, Progress, Row, SourceError,
};

/// A server waits this long for entries before it answers that there are none.
const BLOCK_MS: u64 = 100;

/// What the reader of a stream needs to read on in another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The entry behind which it began.
    pub(super) after: EntryId,
    /// The number of the last entry before, if entries are counted, since their ids began anew.
    pub(super) counted: Option<u64>,
}

/// A stream being read. While one batch is decoded, the server is at work on the next.
pub(super) struct StreamReader {
    pub(super) source: String,
    pub(super) server: Arc<Server>,
    pub(super) stream: String,
    pub(super) payload: Option<Arc<str>>,
    pub(super) batch: usize,
    pub(super) decoder: MessageDecoder,
    /// How positions of rows come from those of messages.
    pub(super) packing: Packing,
    /// Rows up to this position were read before.
    pub(super) after: u64,
    pub(super) link: StreamConnection,
    pub(super) losses: LossDetector,
    pub(super) lives: Lives,
    /// The number of the last entry that was read, if numbers are no ids any more, since ids begin anew.
    pub(super) counted: Option<u64>,
    /// The number of the last entry that was read.
    pub(super) last: u64,
    /// What another process needs to know, until it was asked for.
    pub(super) state: Option<PartitionState>,
    /// Whether the server was asked for what follows the last entry that was read.
    pub(super) is_asked: bool,
    /// Whether no entry had ever been added before the first that it was to read.
    pub(super) from_beginning: bool,
    /// Whether the last answer held no entry.
    pub(super) at_end: bool,
    pub(super) failed: Option<RedisFailure>,
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
        let mut incidents = self.link.incidents();
        incidents.extend(self.decoder.warnings());
        incidents
    }

    fn state(&mut self) -> Option<PartitionState> {
        self.state.take()
    }

    fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    fn position(&self) -> Option<u64> {
        self.losses.after().number(self.packing).map(|number| self.packing.last(number))
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
        let packing = self.packing;
        let fits =
            |entry: &&Entry<'_>| self.counted.is_some() || entry.id.number(packing).is_some();
        let good = entries.iter().take_while(fits).count();
        let beyond = entries.get(good).map(|entry| entry.id);
        entries.truncate(good);
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        if let Some(loss) = self.losses.take(&ids, &info) {
            let packing = self.counted.is_none().then_some(packing);
            report_loss(&mut self.link, loss, self.losses.after(), packing);
        }
        let numbers = self.numbers(&entries);
        let mut asked = Ok(());
        if beyond.is_none()
            && let Some(connection) = self.link.connection()
        {
            asked = ask(connection, &self.stream, self.losses.after(), self.batch);
            self.is_asked = asked.is_ok();
        }
        let payload = self.payload.as_deref();
        let (after, begun) = (self.after, rows.len());
        decode(&mut self.decoder, &self.stream, payload, entries.iter().zip(numbers), rows);
        // The first rows of the entry that it was opened within, or of entries that are counted again.
        if self.last_read_before(packing) {
            let read = rows[begun..].iter().take_while(|row| row.position <= after).count();
            rows.drain(begun..begun + read);
        }
        match beyond {
            None => asked,
            Some(id) => Err(RedisFailure::Permanent(format!(
                "entry {id} has an id beyond what positions hold: milliseconds below {MS_END} and a sequence \
                 below {}",
                SEQUENCE_END >> packing.bits()
            ))),
        }
    }

    /// Whether rows may come that were read before.
    fn last_read_before(&self, packing: Packing) -> bool {
        self.counted.is_some() || packing != Packing::ONE
    }

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
        let begun = Begun { after: self.losses.after(), counted: self.counted };
        self.state = Some(PartitionState::of(&begun));
        let last = self.packing.last(self.last);
        self.link.gap(None, format!("{detail}; positions count on from {last}"));
    }

    /// The numbers of entries that were read, and what is remembered of them.
    fn numbers(&mut self, entries: &[Entry<'_>]) -> Vec<u64> {
        let mut numbers = Vec::with_capacity(entries.len());
        for entry in entries {
            self.lives.read(entry.id, || entry.print());
            self.last = match self.counted {
                Some(last) => last + 1,
                None => number(entry.id, self.packing),
            };
            self.counted = self.counted.map(|_| self.last);
            numbers.push(self.last);
        }
        numbers
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

pub(super) fn ask_info(
    link: &mut StreamConnection,
    stream: &str,
) -> Result<StreamInfo, RedisFailure> {
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
    for (entry, number) in entries {
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
        decoder.decode_each(&message, number, &mut |mut row| {
            if let Err(rejection) = &mut row.event {
                let pairs = fields.iter().map(|(name, value)| (*name, Some(*value)));
                let original = Original::new().text("id", entry.id).pairs("fields", pairs);
                rejection.original = Some(original.finish());
            }
            rows.push(row);
        });
    }
}

/// Reports a loss that was found when everything up to `after` was read; `packing` is there if ids are positions.
fn report_loss(link: &mut StreamConnection, loss: Loss, after: EntryId, packing: Option<Packing>) {
    match loss {
        Loss::Entries { count, between } => {
            let positions = between.zip(packing).map(|((from, until), packing)| {
                lost_between(from, number(until, packing), packing)
            });
            let positions = positions.filter(|(first, last)| first <= last);
            let place = match between {
                Some((from, until)) => format!("after {from} and before {until}"),
                None => format!("before {after}, which had been read"),
            };
            let were = if count == 1 { "entry was" } else { "entries were" };
            link.gap(
                Some(LostRows { positions, rows: Some(count) }),
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

/// The number of an entry, as near as numbers go; at least 1.
pub(super) fn number(id: EntryId, packing: Packing) -> u64 {
    id.number(packing).unwrap_or(u64::MAX >> packing.bits()).max(1)
}

/// The first and the last position between an entry and another of this number.
pub(super) fn lost_between(from: EntryId, until: u64, packing: Packing) -> (u64, u64) {
    (packing.row(from.next_number(packing), 0), packing.row(until, 0) - 1)
}
