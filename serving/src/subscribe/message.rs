//! Messages to clients, and the trait of their sinks.

use std::pin::Pin;
use std::sync::Arc;

/// A message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageKind,
    /// The client's name of the subscription, as JSON.
    pub(super) sub: &'a str,
    /// Counts the messages of one subscription from 0, without holes.
    pub(crate) seq: u64,
    /// Of an update: the commit that the client was told of last, if it was told of one.
    pub(crate) after: Option<u64>,
    /// With this message the client has everything up to this commit.
    pub(crate) commit: Option<u64>,
    /// The fields as JSON, without braces; shared by all subscribers with the same key.
    pub(crate) body: &'a Arc<str>,
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
            MessageKind::Resync => "resync",
        }
    }
}

impl Message<'_> {
    /// Appends the message as one JSON object.
    pub(crate) fn json(self, out: &mut Vec<u8>) {
        out.reserve(self.body.len() + self.sub.len() + 64);
        self.before(out);
        out.extend_from_slice(self.body.as_bytes());
        out.extend_from_slice(Self::AFTER);
    }

    /// Appends the JSON before the body.
    pub(crate) fn before(self, out: &mut Vec<u8>) {
        let Message { kind, sub, seq, after, body: _, commit: _ } = self;
        let mut digits = [0; 20]; // of the largest number
        let number = decimal(seq, &mut digits);
        for piece in ["{\"type\":\"", kind.name(), "\",\"sub\":", sub, ",\"seq\":", number, ","] {
            out.extend_from_slice(piece.as_bytes());
        }
        if kind == MessageKind::Update {
            let after = after.map_or("null", |after| decimal(after, &mut digits));
            for piece in ["\"after\":", after, ","] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
    }

    /// The JSON after the body.
    pub(crate) const AFTER: &'static [u8] = b"}";
}

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
    fn a_message_is_one_object() {
        for seq in [0, 9, 10, 12_345, u64::MAX] {
            let sub = &serde_json::Value::from("a\"b").to_string();
            let body = &"\"frontier\":{\"commit\":7}".into();
            let (kind, after) = (MessageKind::Update, Some(seq / 3));
            let message = Message { kind, sub, seq, after, commit: Some(7), body };
            let mut json = Vec::new();
            message.json(&mut json);
            let message: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let want = serde_json::json!({
                "type": "update", "sub": "a\"b", "seq": seq, "after": seq / 3, "frontier": { "commit": 7 }
            });
            assert_eq!(message, want);
        }
    }
}
