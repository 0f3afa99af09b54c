//! From a message to a row.

use std::str;
use std::sync::Arc;

use market::{Event, InputEvent, Rejection, RejectionReason};

use super::config::{Body, Columns, Mapped, Messages, Outside};
use crate::delimited::Fields;
use crate::entries::{self, Texts};
use crate::mapping::json::PATHS_MAX;
use crate::mapping::{DecodeError, Decoder, Field, JsonColumns, Packing};
use crate::source::{Decoded, Incident, Row};

/// A message as a server hands it over.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// What it holds; none: it is a tombstone, which is refused.
    pub payload: Option<&'a [u8]>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// The topic, stream or channel.
    pub channel: &'a str,
    /// Its headers by name.
    pub headers: Headers<'a>,
    /// The fields of a stream's entry.
    pub fields: &'a [(&'a [u8], &'a [u8])],
}

/// Headers by name; of a name that comes twice, which one is the source's choice.
pub type Headers<'a> = &'a (dyn Fn(&str) -> Option<&'a [u8]> + 'a);

/// Decodes the messages of one partition.
pub struct MessageDecoder {
    reader: Reader,
    /// The longest payload that is decoded, in bytes.
    payload_max: usize,
    packing: Packing,
}

enum Reader {
    Mapped(Box<Mapper>),
    Entries(entries::Decoder),
}

struct Mapper {
    mapped: Arc<Mapped>,
    decoder: Decoder,
    fields: Fields,
}

impl<'a> Message<'a> {
    /// Only a payload.
    pub fn of(payload: &'a [u8]) -> Message<'a> {
        Message { payload: Some(payload), key: None, channel: "", headers: &|_| None, fields: &[] }
    }

    /// What a dead letter shows of it.
    fn raw(&self) -> Vec<u8> {
        match self.payload {
            Some(payload) => payload[..payload.len().min(Rejection::RAW_MAX)].to_vec(),
            None => {
                let mut raw = Vec::new();
                for (name, value) in self.fields {
                    raw.extend_from_slice(name);
                    raw.push(b'=');
                    raw.extend_from_slice(value);
                    raw.push(b' ');
                    if raw.len() >= Rejection::RAW_MAX {
                        break;
                    }
                }
                raw
            }
        }
    }
}

impl MessageDecoder {
    /// A decoder for the partition of this name (with its source, so that it is unique).
    pub fn new(messages: &Arc<Messages>, partition: &str) -> MessageDecoder {
        let reader = match &messages.body {
            Body::Mapped(mapped) => Reader::Mapped(Box::new(Mapper {
                mapped: Arc::clone(mapped),
                decoder: Decoder::new(Arc::clone(&mapped.mapping), partition),
                fields: Fields::default(),
            })),
            Body::Entries(default) => Reader::Entries(entries::Decoder::new(
                Arc::clone(&messages.catalog),
                *default,
                partition,
            )),
        };
        MessageDecoder { reader, payload_max: messages.payload_max, packing: messages.packing() }
    }

    /// What was seen since this was last asked and somebody should know.
    pub fn warnings(&mut self) -> Vec<Incident> {
        let Reader::Mapped(mapper) = &mut self.reader else { return Vec::new() };
        mapper.decoder.take_warnings().into_iter().map(Incident::warning).collect()
    }

    /// Hands each row of the message of this number to `take`; none if `where` leaves it out. The number must be unique
    /// in the partition, and positions come from it as [`Messages::packing`] says.
    ///
    /// Allocates only for refusals, symbols that were not seen before, texts that hold escapes, and rows of arrays.
    pub fn decode_each(&mut self, message: &Message<'_>, number: u64, take: &mut dyn FnMut(Row)) {
        if let Some(payload) = message.payload
            && payload.len() > self.payload_max
        {
            let rejection = too_long(payload.len(), self.payload_max).of(&message.raw());
            return take(Row::new(self.packing.row(number, 0), Err(rejection)));
        }
        match &mut self.reader {
            Reader::Mapped(mapper) => {
                mapper.decode(message, number, &mut |position, decoded| match decoded {
                    Ok(None) => {}
                    Ok(Some(record)) => take(Row::of(position, Ok(record))),
                    Err(error) => take(Row::new(position, Err(error.of(&message.raw())))),
                })
            }
            Reader::Entries(decoder) => take(Row::of(number, entry(decoder, message, number))),
        }
    }

    /// The row of a message that holds one; none if `where` leaves it out.
    pub fn decode(&mut self, message: &Message<'_>, number: u64) -> Option<Row> {
        let mut last = None;
        self.decode_each(message, number, &mut |row| last = Some(row));
        last
    }
}

/// Takes what a row comes to, and its position.
type Take<'t> = &'t mut dyn FnMut(u64, Result<Option<Decoded<Event>>, DecodeError>);

impl Mapper {
    fn decode(&mut self, message: &Message<'_>, number: u64, take: Take<'_>) {
        let first = self.mapped.packing().row(number, 0);
        let symbol = self.mapped.outside.as_ref().map(|outside| outside.of(message)).transpose();
        let symbol = match symbol {
            Ok(symbol) => symbol.flatten(),
            Err(error) => return take(first, Err(error)),
        };
        if let Columns::Json { columns, stamped } = &self.mapped.form {
            return match payload(message) {
                Ok(line) => {
                    let json = if *stamped { JsonColumns::after_stamp(line) } else { line };
                    columns.decode_each(json, &mut self.decoder, number, symbol, take)
                }
                Err(error) => take(first, Err(error)),
            };
        }
        take(number, self.decode_one(message, number, symbol));
    }

    /// What a message says that holds one record.
    fn decode_one(
        &mut self,
        message: &Message<'_>,
        position: u64,
        symbol: Option<&str>,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        let Mapper { mapped, decoder, fields } = self;
        match &mapped.form {
            Columns::Json { .. } => Ok(None),
            Columns::Csv { dialect, layout, least } => {
                let record = payload(message)?.trim_end_matches(['\n', '\r']);
                fields.split(record, dialect);
                if fields.len() < *least {
                    let detail = format!("{least} fields expected, {} found", fields.len());
                    return Err(DecodeError::new(RejectionReason::Malformed, detail));
                }
                let text = |field: Field| match (field, symbol) {
                    (Field::Symbol, Some(symbol)) => Some(symbol),
                    _ => layout.text(field, |at| fields.get(record, at)),
                };
                decoder.decode(text, position)
            }
            Columns::Fields { names, layout } => {
                let texts = named(names, message)?;
                let text = |field: Field| match (field, symbol) {
                    (Field::Symbol, Some(symbol)) => Some(symbol),
                    _ => layout.text(field, |at| texts[at]),
                };
                decoder.decode(text, position)
            }
        }
    }
}

impl Outside {
    /// What it needs of a message.
    fn of<'a>(&self, message: &Message<'a>) -> Result<Option<&'a str>, DecodeError> {
        let (bytes, what) = match self {
            Outside::Key => (message.key, "key"),
            Outside::Channel => return Ok(Some(message.channel)),
            Outside::Header(name) => ((message.headers)(name), "header"),
        };
        bytes.map(|bytes| text(bytes, what)).transpose()
    }
}

fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, DecodeError> {
    str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        DecodeError::new(
            RejectionReason::Malformed,
            format!("byte {at} of the {what} is not UTF-8"),
        )
    })
}

fn too_long(bytes: usize, most: usize) -> DecodeError {
    let detail = format!("the payload has {bytes} bytes, more than {most} (`max_payload_bytes`)");
    DecodeError::new(RejectionReason::Malformed, detail)
}

fn payload<'a>(message: &Message<'a>) -> Result<&'a str, DecodeError> {
    let malformed = |detail: String| DecodeError::new(RejectionReason::Malformed, detail);
    match message.payload {
        None => Err(malformed("the message has no payload".to_owned())),
        Some(payload) => text(payload, "payload"),
    }
}

/// The texts of an entry's fields, by the names that the mapping has. Of a name that comes twice, the last counts.
fn named<'a>(
    names: &[Arc<str>],
    message: &Message<'a>,
) -> Result<[Option<&'a str>; PATHS_MAX], DecodeError> {
    let mut texts = [None; PATHS_MAX];
    for (name, value) in message.fields {
        for (slot, wanted) in texts.iter_mut().zip(names) {
            if wanted.as_bytes() == *name {
                *slot = Some(text(value, "field")?);
            }
        }
    }
    Ok(texts)
}

fn entry(
    decoder: &entries::Decoder,
    message: &Message<'_>,
    position: u64,
) -> Result<Decoded<InputEvent>, Box<Rejection>> {
    let object = payload(message).map_err(|error| error.of(&message.raw()))?;
    let texts = Texts::of_object(object);
    let decoded = texts.and_then(|texts| decoder.decode(&texts, position));
    decoded.map_err(|error| error.rejection(&message.raw()))
}
