//! Messages to clients, and the trait of their sinks.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// A message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageKind,
    /// The client's name of the subscription, as JSON.
    pub(super) sub: &'a str,
    /// The client's name of the group that it belongs to, as JSON.
    pub(super) group: Option<&'a str>,
    /// Counts the messages of one subscription or group from 0, without holes.
    pub(crate) seq: u64,
    /// Of an update: the commit that the client was told of last, if it was told of one.
    pub(crate) after: Option<u64>,
    /// Shared by all subscribers with the same key.
    pub(crate) body: &'a Body,
}

/// The fields of a message as JSON, without braces.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    json: Arc<str>,
    /// Where the resume token is: only a message with which the client has everything up to a commit has one.
    token: Option<(usize, usize)>,
    /// The JSON compressed, once somebody has asked for it.
    deflated: Arc<OnceLock<Box<[u8]>>>,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// Rows at a frontier; the first part of a snapshot replaces everything before.
    Snapshot,
    /// The net change up to a frontier.
    Update,
    /// Nothing has changed up to a frontier.
    Progress,
    /// The client has everything up to the commit of its token; what it missed follows.
    Resumed,
    /// The client has what all views of a group were at this commit.
    Cut,
    /// Updates cannot continue from the previous messages; a snapshot follows.
    Resync,
}

/// Takes messages to a client. It buffers at most one message; further ones must wait until that was taken.
pub(crate) trait ClientSink: Send + Sync {
    /// Takes a message if there is room now.
    fn try_send(&self, message: Message<'_>) -> SendOutcome;

    /// Waits until there may be room.
    fn writable(&self) -> WaitFuture<'_>;

    /// Waits until the client has disconnected.
    fn closed(&self) -> WaitFuture<'_>;
}

/// A future that may be dropped at any time.
pub(crate) type WaitFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The result of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// The sink has taken the message.
    Taken,
    /// There is no room; nothing was taken.
    Full,
    /// The client has disconnected.
    Gone,
}

impl MessageKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            MessageKind::Snapshot => "snapshot",
            MessageKind::Update => "update",
            MessageKind::Progress => "progress",
            MessageKind::Resumed => "resumed",
            MessageKind::Cut => "cut",
            MessageKind::Resync => "resync",
        }
    }
}

impl Body {
    /// Fields without a token.
    pub(crate) fn plain(json: impl Into<Arc<str>>) -> Body {
        Body { json: json.into(), token: None, deflated: Arc::default() }
    }

    /// Fields with a token, of which `json` has the text that begins at `begin`.
    pub(crate) fn with_token(json: impl Into<Arc<str>>, begin: usize, token: &str) -> Body {
        let token = Some((begin, begin + token.len()));
        Body { json: json.into(), token, deflated: Arc::default() }
    }

    pub(crate) fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// Whether it is so long that a client which takes it compressed gets it so.
    pub(crate) fn is_worth_deflating(&self) -> bool {
        self.json.len() >= DEFLATED_MIN
    }

    /// The JSON compressed without anything before it, up to a whole byte (RFC 1951, as `Z_SYNC_FLUSH` ends it).
    fn deflated(&self) -> &[u8] {
        self.deflated.get_or_init(|| {
            let room = Vec::with_capacity(self.json.len() / 3);
            let mut encoder = DeflateEncoder::new(room, Compression::fast());
            // Writing to a vector does not fail.
            let _ = encoder.write_all(self.json.as_bytes()).and_then(|()| encoder.flush());
            std::mem::take(encoder.get_mut()).into()
        })
    }

    /// The resume token, if it has one.
    pub(crate) fn token(&self) -> Option<&str> {
        let (begin, end) = self.token?;
        self.json.get(begin..end)
    }
}

impl Message<'_> {
    /// Appends the message as one JSON object.
    pub(crate) fn json(self, out: &mut Vec<u8>) {
        let json = &self.body.json;
        out.reserve(json.len() + self.sub.len() + 64);
        self.before(out);
        out.extend_from_slice(json.as_bytes());
        out.extend_from_slice(Self::AFTER);
    }

    /// Appends the JSON before the body.
    pub(crate) fn before(self, out: &mut Vec<u8>) {
        let Message { kind, sub, group, seq, after, body: _ } = self;
        let mut digits = [0; 20]; // of the largest number
        let number = decimal(seq, &mut digits);
        for piece in ["{\"type\":\"", kind.name(), "\",\"sub\":", sub, ",\"seq\":", number, ","] {
            out.extend_from_slice(piece.as_bytes());
        }
        if let Some(group) = group {
            for piece in ["\"group\":", group, ","] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
        if kind == MessageKind::Update {
            let after = after.map_or("null", |after| decimal(after, &mut digits));
            for piece in ["\"after\":", after, ","] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
    }

    /// Appends the message as one JSON object, compressed as RFC 7692 asks for. The body is compressed once for all
    /// clients; what stands before it and after it is in blocks that are not compressed.
    pub(crate) fn deflated(self, out: &mut Vec<u8>) {
        let mut before = Vec::with_capacity(self.sub.len() + 128);
        self.before(&mut before);
        store(&before, out);
        out.extend_from_slice(self.body.deflated());
        store(Self::AFTER, out);
        out.push(0); // an empty block, the rest of which is left out
    }

    /// The JSON after the body.
    pub(crate) const AFTER: &'static [u8] = b"}";
}

/// Appends bytes in blocks that are not compressed, of which none is the last (RFC 1951).
fn store(bytes: &[u8], out: &mut Vec<u8>) {
    for block in bytes.chunks(u16::MAX.into()) {
        let len = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// Shorter bodies are sent as they are: a packet holds them anyway.
const DEFLATED_MIN: usize = 512;

/// A number in decimal.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[from..]).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_message_is_the_same_object() {
        use std::io::Read as _;
        for len in [0_u64, 1, 700, 100_000] {
            let long: String = (0..len).map(|at| char::from(b'a' + (at * at % 23) as u8)).collect();
            let body = &Body::plain(format!("\"x\":\"{long}\""));
            assert_eq!(body.is_worth_deflating(), len >= 700);
            let (kind, after) = (MessageKind::Update, Some(7));
            let subs = ["\"s\"".to_owned(), format!("\"{}\"", "s".repeat(70_000))];
            for (seq, sub) in (1..).zip(&subs) {
                let message = Message { kind, sub, group: None, seq, after, body };
                let (mut plain, mut deflated) = (Vec::new(), Vec::new());
                message.json(&mut plain);
                message.deflated(&mut deflated);
                deflated.extend_from_slice(&[0, 0, 0xff, 0xff]); // what the receiver appends
                deflated.extend_from_slice(&[1, 0, 0, 0xff, 0xff]); // and the end of the stream
                let mut inflated = Vec::new();
                flate2::read::DeflateDecoder::new(&*deflated).read_to_end(&mut inflated).unwrap();
                assert_eq!(inflated, plain);
            }
        }
    }

    #[test]
    fn a_message_is_one_object() {
        for seq in [0, 9, 10, 12_345, u64::MAX] {
            let sub = &serde_json::Value::from("a\"b").to_string();
            let body = &Body::with_token("\"resume\":\"abc\"", 10, "abc");
            assert_eq!(body.token(), Some("abc"));
            let (kind, after) = (MessageKind::Update, Some(seq / 3));
            let message = Message { kind, sub, group: Some("\"g\""), seq, after, body };
            let mut json = Vec::new();
            message.json(&mut json);
            let message: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let want = serde_json::json!({
                "type": "update", "sub": "a\"b", "group": "g", "seq": seq, "after": seq / 3, "resume": "abc"
            });
            assert_eq!(message, want);
        }
    }
}
