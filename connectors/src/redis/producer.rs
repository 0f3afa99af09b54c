//! Produces to a stream, for `tickweave produce`.

use std::io;

use redis::{Connection, Pipeline};

use super::server::{Server, ServerConfig};

/// A producer for one stream: an entry per row, of which field `data` holds the row and `key` its key. At most 500
/// entries are in flight.
pub struct RedisProducer {
    server: Server,
    connection: Connection,
    stream: String,
    waiting: Pipeline,
}

/// Entries that go to the server together.
const ENTRIES: usize = 500;

impl RedisProducer {
    /// Of a name such as `127.0.0.1:6379/ticks`.
    pub fn open(name: &str) -> io::Result<RedisProducer> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let split = name.split_once('/').filter(|(_, stream)| !stream.is_empty());
        let (server, stream) =
            split.ok_or_else(|| wrong(format!("`{name}` is not HOST:PORT/STREAM")))?;
        let config = ServerConfig::open(format!("redis://{server}"));
        let server = Server::check(config, ".".as_ref()).map_err(wrong)?;
        let connection = server.connect("tickweave-produce");
        let connection = connection.map_err(|failure| io::Error::other(failure.into_message()))?;
        Ok(RedisProducer { server, connection, stream: stream.to_owned(), waiting: redis::pipe() })
    }

    /// Takes a row; entries stay in their order.
    pub fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        let entry = self.waiting.cmd("XADD").arg(&self.stream).arg("*");
        entry.arg("key").arg(key).arg("data").arg(payload).ignore();
        if self.waiting.len() >= ENTRIES { self.finish() } else { Ok(()) }
    }

    /// Waits until the server has everything.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.waiting.exec(&mut self.connection);
        self.waiting.clear();
        written.map_err(|error| io::Error::other(format!("{}: {error}", self.server)))
    }
}
