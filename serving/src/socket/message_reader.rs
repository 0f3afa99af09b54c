//! Reads the messages of a client.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::coop::consume_budget;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

use super::MESSAGE_BYTES_MAX;
use super::connection::SocketConnection;
use super::inflate::Inflater;
use crate::subscribe::SendOutcome;

/// The size of reads, and of a buffer of each connection: clients send little.
const READ_BYTES: usize = 1_024;
/// The most bytes of pongs that wait to be written.
const PONG_BYTES: usize = 4 * 1024;

/// Why no message of the client can be read any more.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It has disconnected.
    Gone,
    /// What it has sent is longer than a message may be.
    TooLarge,
    /// What it has sent is not what RFC 6455 describes.
    Malformed,
}

/// Reads a client's messages, and answers pings and closes.
pub(super) struct MessageReader(WebSocket<FrameStream>);

/// The connection as the frame parser sees it.
struct FrameStream {
    connection: Arc<SocketConnection>,
    /// Where messages may be compressed.
    inflater: Option<Box<Inflater>>,
    /// An answer of the parser did not fit.
    refused: bool,
}

impl MessageReader {
    /// Reads what follows `read`, the bytes that were read already.
    pub(super) fn new(connection: Arc<SocketConnection>, read: &Bytes) -> MessageReader {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(PONG_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (inflater, read) = match connection.deflates() {
            true => (Some(Box::new(Inflater::new(read))), Vec::new()),
            false => (None, read.to_vec()),
        };
        let stream = FrameStream { connection, inflater, refused: false };
        MessageReader(WebSocket::from_partially_read(stream, read, Role::Server, Some(config)))
    }

    /// The next message. The future may be dropped at any time.
    pub(super) async fn next(&mut self) -> Result<tungstenite::Message, Unreadable> {
        consume_budget().await; // yield: a client that sends without pause must not hold the thread
        loop {
            match self.0.read() {
                Ok(message) => return Ok(message),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Err(Error::Capacity(_)) => return Err(Unreadable::TooLarge),
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                    return Err(Unreadable::Gone);
                }
                Err(Error::Protocol(_) | Error::Utf8(_)) => return Err(Unreadable::Malformed),
                Err(_) => return Err(Unreadable::Gone),
            }
            let stream = self.0.get_mut();
            let refused = std::mem::take(&mut stream.refused);
            tokio::select! {
                ready = stream.connection.transport.readable() => ready.map_err(|_| Unreadable::Gone)?,
                () = stream.connection.flushed(), if refused => {}
            }
        }
    }

    /// Writes the answer to a close frame.
    pub(super) fn answer_close(&mut self) {
        let _ = self.0.flush();
    }
}

impl Read for FrameStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let transport = &self.connection.transport;
        match &mut self.inflater {
            Some(inflater) => inflater.read(buffer, |chunk| transport.try_read(chunk)),
            None => transport.try_read(buffer),
        }
    }
}

impl Write for FrameStream {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        match self.connection.write_raw(frames) {
            SendOutcome::Taken => Ok(frames.len()),
            SendOutcome::Full => {
                self.refused = true;
                Err(ErrorKind::WouldBlock.into())
            }
            SendOutcome::Gone => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
