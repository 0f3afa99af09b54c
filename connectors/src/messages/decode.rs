//! From a message to a row.

use std::str;
use std::sync::Arc;

use market::{Event, InputEvent, Rejection, RejectionReason};

use super::config::{Body, Columns, Mapped, Messages, Outside};
use crate::delimited::Fields;
use crate::entries::{self, Texts};
use crate::mapping::{DecodeError, Decoder, Field, JsonColumns};
use crate::source::{Decoded, Row};

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
        MessageDecoder { reader, payload_max: messages.payload_max }
    }

    /// The row of a message; none if `where` leaves it out. `position` must be unique in the partition.
    ///
    /// Allocates only for refusals, symbols that were not seen before, and texts that hold escapes.
    pub fn decode(&mut self, message: &Message<'_>, position: u64) -> Option<Row> {
        if let Some(payload) = message.payload
            && payload.len() > self.payload_max
        {
            let rejection = too_long(payload.len(), self.payload_max).of(&message.raw());
            return Some(Row::new(position, Err(rejection)));
        }
        Some(match &mut self.reader {
            Reader::Mapped(mapper) => match mapper.decode(message, position) {
                Ok(None) => return None,
                Ok(Some(record)) => Row::of(position, Ok(record)),
                Err(error) => Row::new(position, Err(error.of(&message.raw()))),
            },
            Reader::Entries(decoder) => Row::of(position, entry(decoder, message, position)),
        })
    }
}

impl Mapper {
    fn decode(
        &mut self,
        message: &Message<'_>,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        let Mapper { mapped, decoder, fields } = self;
        let symbol = mapped.outside.as_ref().map(|outside| outside.of(message)).transpose()?;
        let symbol = symbol.flatten();
        match &mapped.form {
            Columns::Json { columns, stamped } => {
                let line = payload(message)?;
                let object = if *stamped { JsonColumns::after_stamp(line) } else { line };
                columns.decode_with(object, decoder, position, symbol)
            }
            Columns::Csv { dialect, layout, least } => {
                let record = payload(message)?.trim_end_matches(['\n', '\r']);
                fields.split(record, dialect);
                if fields.len() < *least {
                    let detail = format!("{least} fields expected, {} found", fields.len());
                    return Err(DecodeError::new(RejectionReason::Malformed, detail));
                }
                let text = |field: Field| match (field, symbol) {
                    (Field::Symbol, Some(symbol)) => Some(symbol),
                    _ => fields.get(record, layout[field as usize]?),
                };
                decoder.decode(text, position)
            }
            Columns::Fields(names) => {
                let texts = named(names, message)?;
                let text = |field: Field| match (field, symbol) {
                    (Field::Symbol, Some(symbol)) => Some(symbol),
                    _ => texts[field as usize],
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

/// The texts of an entry's fields, by the fields of the mapping. Of a name that comes twice, the last counts.
fn named<'a>(
    names: &[Option<Arc<str>>; Field::COUNT],
    message: &Message<'a>,
) -> Result<[Option<&'a str>; Field::COUNT], DecodeError> {
    let mut texts = [None; Field::COUNT];
    for (name, value) in message.fields {
        for (slot, wanted) in texts.iter_mut().zip(names) {
            if wanted.as_deref().is_some_and(|wanted| wanted.as_bytes() == *name) {
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
