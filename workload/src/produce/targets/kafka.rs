//! Messages of a topic.

use std::io;

use connectors::kafka::KafkaProducer;

use super::{RowTarget, TargetKind, without_header};

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "kafka",
    doc: "kafka://HOST:PORT/TOPIC: messages with the symbol as key, as `jsonl` or as `ticks` without their header",
    open: |name| Ok(Box::new(Topic(KafkaProducer::open(name)?))),
};

struct Topic(KafkaProducer);

impl RowTarget for Topic {
    fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        without_header(header, "a message")
    }

    fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        self.0.put(key, payload)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}
