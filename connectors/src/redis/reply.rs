//! What answers of a server hold, without copying what they carry.

use redis::{RedisError, Value};

use super::entry_id::EntryId;
use super::lives::print;
use super::loss_detector::StreamInfo;
use super::server::RedisFailure;

/// An entry of a stream.
pub(super) struct Entry<'a> {
    pub(super) id: EntryId,
    /// Names and values in turn.
    fields: &'a [Value],
}

impl<'a> Entry<'a> {
    /// A hash of its names and values.
    pub(super) fn print(&self) -> u64 {
        print(&self.fields().collect::<Vec<_>>())
    }

    /// Names and values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.chunks_exact(2).filter_map(|pair| Some((bytes(&pair[0])?, bytes(&pair[1])?)))
    }
}

/// Turns an error reply of the server into a failure.
pub(super) fn answered(value: Value) -> Result<Value, RedisFailure> {
    match value {
        Value::ServerError(error) => Err(RedisFailure::of(&RedisError::from(error))),
        value => Ok(value),
    }
}

/// The entries of one stream in the answer to XREAD; none if there were none in time.
pub(super) fn entries(answer: &Value) -> Result<Vec<Entry<'_>>, RedisFailure> {
    let entries = match answer {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => match streams.as_slice() {
            [Value::Array(stream)] => match stream.as_slice() {
                [_, Value::Array(entries)] => entries,
                _ => return Err(strange("XREAD")),
            },
            _ => return Err(strange("XREAD")),
        },
        _ => return Err(strange("XREAD")),
    };
    entries.iter().map(|value| entry(value).ok_or_else(|| strange("XREAD"))).collect()
}

fn entry(value: &Value) -> Option<Entry<'_>> {
    let Value::Array(parts) = value else { return None };
    let [id, Value::Array(fields)] = parts.as_slice() else { return None };
    Some(Entry { id: EntryId::parse(bytes(id)?)?, fields })
}

/// What XINFO STREAM answers; of a stream that is not there, that it is empty.
pub(super) fn stream_info(answer: Value) -> Result<StreamInfo, RedisFailure> {
    let answer = match answer {
        Value::ServerError(error)
            if error.details().is_some_and(|detail| detail.contains("no such key")) =>
        {
            return Ok(StreamInfo::default());
        }
        other => answered(other)?,
    };
    let Value::Array(fields) = &answer else { return Err(strange("XINFO STREAM")) };
    let of = |name: &str| {
        let pair = fields.chunks_exact(2).find(|pair| bytes(&pair[0]) == Some(name.as_bytes()));
        pair.map(|pair| &pair[1])
    };
    let count = |name| match of(name) {
        Some(Value::Int(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    let end = |name| of(name).and_then(entry).map(|entry| (entry.id, entry.print()));
    let added = count("entries-added").ok_or_else(|| {
        RedisFailure::Permanent(
            "the server does not count what a stream was given (`entries-added`), so lost entries cannot be detected; \
             it must be Redis 7.0 or later"
                .to_owned(),
        )
    })?;
    let id = |name| of(name).and_then(bytes).and_then(EntryId::parse);
    let newest = id("last-generated-id");
    let deleted = id("max-deleted-entry-id").unwrap_or_default();
    let found = count("length").zip(newest);
    let (length, newest) = found.ok_or_else(|| strange("XINFO STREAM"))?;
    let ends = end("first-entry").zip(end("last-entry"));
    let prints = ends.map(|((_, first), (_, last))| (first, last)).unwrap_or_default();
    let ends = ends.map(|((first, _), (last, _))| (first, last));
    Ok(StreamInfo { length, added, newest, deleted, ends, prints })
}

fn strange(command: &str) -> RedisFailure {
    RedisFailure::Permanent(format!("the answer to {command} is not of a form that is known"))
}

/// The bytes of a text.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}
