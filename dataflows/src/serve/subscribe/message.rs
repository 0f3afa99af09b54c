//! What a client is told, and what takes it there.

use std::pin::Pin;
use std::sync::Arc;

/// What a client is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageKind,
    /// What the client calls what it follows, as JSON.
    pub(super) sub: &'a str,
    /// Counts the messages of one follower from 0, without holes.
    pub(crate) seq: u64,
    /// The commit up to which all has been told with this message.
    pub(crate) commit: Option<u64>,
    /// Its fields as JSON, without braces; shared by all who are told the same.
    pub(crate) body: &'a Arc<str>,
}

/// What kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// Rows as of a frontier; the first part of a snapshot replaces all that was told before.
    Snapshot,
    /// The net change up to a frontier.
    Update,
    /// Nothing has changed up to a frontier.
    Progress,
    /// What was told so far cannot be gone on from; a snapshot follows.
    Resync,
}

/// The way to a client. It holds a message at most; what comes next must wait until that has been taken.
pub(crate) trait ClientSink: Send + Sync {
    /// Takes a message, if there is room for one now.
    fn try_send(&self, message: Message<'_>) -> SendOutcome;

    /// Waits until there may be room.
    fn writable(&self) -> WaitFuture<'_>;

    /// Waits until the client is gone.
    fn closed(&self) -> WaitFuture<'_>;
}

/// Something that is waited for. What waits may be dropped at any time.
pub(crate) type WaitFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What became of a message that was outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// It is on its way.
    Taken,
    /// There is no room; nothing of it was taken.
    Full,
    /// The client is gone.
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
    /// Appends it as one JSON object.
    pub(crate) fn json(self, out: &mut Vec<u8>) {
        out.reserve(self.body.len() + self.sub.len() + 64);
        self.before(out);
        out.extend_from_slice(self.body.as_bytes());
        out.extend_from_slice(Self::AFTER);
    }

    /// Appends what its JSON has before the body.
    pub(crate) fn before(self, out: &mut Vec<u8>) {
        let Message { kind, sub, seq, body: _, commit: _ } = self;
        let mut digits = [0; 20]; // of the largest number
        let number = decimal(seq, &mut digits);
        for piece in ["{\"type\":\"", kind.name(), "\",\"sub\":", sub, ",\"seq\":", number, ","] {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// What its JSON has behind the body.
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
            let message = Message { kind: MessageKind::Update, sub, seq, commit: Some(7), body };
            let mut json = Vec::new();
            message.json(&mut json);
            let message: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let want = serde_json::json!({
                "type": "update", "sub": "a\"b", "seq": seq, "frontier": { "commit": 7 }
            });
            assert_eq!(message, want);
        }
    }
}
