//! Entries of a stream.

use std::io;

use connectors::redis::RedisProducer;

use super::{RowTarget, TargetKind, without_header};

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "redis",
    doc: "redis://HOST:PORT/STREAM: entries with the symbol in field `key` and the row in field `data`, as `jsonl` or as \
          `ticks` without their header",
    open: |name| Ok(Box::new(Stream(RedisProducer::open(name)?))),
};

struct Stream(RedisProducer);

impl RowTarget for Stream {
    fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        without_header(header, "an entry")
    }

    fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        self.0.put(key, payload)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}
