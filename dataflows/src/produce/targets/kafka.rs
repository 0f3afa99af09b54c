//! Messages of a topic.

use std::io;

use connectors::kafka::Filling;

use super::{Target, TargetKind};
use crate::workload::HEADER;

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "kafka",
    doc: "kafka://HOST:PORT/TOPIC: messages with the symbol as key, as `jsonl` or as `ticks` without their header",
    open: |name| Ok(Box::new(Topic(Filling::open(name)?))),
};

struct Topic(Filling);

impl Target for Topic {
    /// Ticks are known by the order of their columns; entries are not.
    fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        match header == HEADER.as_bytes() {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a message has no header; use `--form jsonl` or `--form ticks`",
            )),
        }
    }

    fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        self.0.put(key, payload)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}
