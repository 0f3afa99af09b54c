//! The server's end of a WebSocket: frames go out as they come, and what a client says is read.
//!
//! Any thread may send. A frame goes to the system in one write, from the task that has it; only what the
//! system has no room for stays here, and nothing more is taken until that is gone.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

use super::MESSAGE_BYTES_MAX;
use crate::serve::follow::{Message, Offered, Outlet, Waiting};
use crate::serve::stall::STALL_MAX;

/// Of the room to make frames in, no more than this is kept.
const FRAME_KEPT: usize = 64 * 1024;
/// What is read at a time: clients say little.
const READ_BYTES: usize = 4 * 1024;
/// Pongs that wait to be written.
const PONG_BYTES: usize = 4 * 1024;

/// What a frame holds (RFC 6455).
#[derive(Clone, Copy)]
pub(super) enum Frame {
    Text = 0x1,
    Close = 0x8,
    Ping = 0x9,
}

/// The client is gone, or does not take what it is told.
#[derive(Debug)]
pub(super) struct Gone;

/// Where frames go out.
pub(super) struct Wire {
    stream: TcpStream,
    unsent: Mutex<Unsent>,
    /// Something has come to be unsent.
    behind: Notify,
}

/// What the system has not taken of the last frame.
#[derive(Default)]
struct Unsent {
    rest: Vec<u8>,
    /// How much of it was taken since.
    taken: usize,
    /// Since when it waits.
    since: Option<Instant>,
    gone: bool,
}

thread_local! {
    /// Where a thread makes frames, so that a client that keeps up needs no buffer.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Wire {
        Wire { stream, unsent: Mutex::default(), behind: Notify::new() }
    }

    /// Sends a frame as soon as there is room.
    pub(super) async fn send(&self, frame: Frame, payload: &[u8]) -> Result<(), Gone> {
        let deadline = Instant::now() + STALL_MAX;
        loop {
            match self.write(frame, |out| out.extend_from_slice(payload)) {
                Offered::Taken => return Ok(()),
                Offered::Full => timeout_at(deadline, self.empty()).await.map_err(|_| Gone)?,
                Offered::Gone => return Err(Gone),
            }
        }
    }

    /// Writes what the system had no room for, for as long as the client takes it.
    pub(super) async fn tend(&self) -> Gone {
        loop {
            self.behind.notified().await;
            while let Ok(Some(since)) = self.flush() {
                if timeout_at(since + STALL_MAX, self.stream.writable()).await.is_err() {
                    return Gone;
                }
            }
            if self.lock().gone {
                return Gone;
            }
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().gone = true;
    }

    /// Waits until nothing is unsent.
    async fn empty(&self) {
        while let Ok(Some(_)) = self.flush() {
            if self.stream.writable().await.is_err() {
                return;
            }
        }
    }

    /// Writes a frame whose payload `fill` appends, unless the one before is not yet written.
    fn write(&self, kind: Frame, fill: impl FnOnce(&mut Vec<u8>)) -> Offered {
        let mut unsent = self.lock();
        if unsent.gone || self.go_on(&mut unsent).is_err() {
            return Offered::Gone;
        }
        if !unsent.rest.is_empty() {
            return Offered::Full;
        }
        FRAME.with_borrow_mut(|frame| {
            let begin = framed(kind, frame, fill);
            let offered = self.begin(&mut unsent, &frame[begin..]);
            frame.clear();
            frame.shrink_to(FRAME_KEPT);
            offered
        })
    }

    /// Writes bytes that are frames already.
    fn write_raw(&self, frames: &[u8]) -> Offered {
        let mut unsent = self.lock();
        match (unsent.gone, unsent.rest.is_empty()) {
            (true, _) => Offered::Gone,
            (false, false) => Offered::Full,
            (false, true) => self.begin(&mut unsent, frames),
        }
    }

    /// Writes frames when nothing is unsent, and keeps what the system does not take.
    fn begin(&self, unsent: &mut Unsent, frames: &[u8]) -> Offered {
        let Ok(taken) = self.put(frames) else {
            self.give_up(unsent);
            return Offered::Gone;
        };
        if taken < frames.len() {
            unsent.rest = frames[taken..].to_vec();
            unsent.since = Some(Instant::now());
            self.behind.notify_one();
        }
        Offered::Taken
    }

    /// Writes on; since when something waits, if something still does.
    fn flush(&self) -> Result<Option<Instant>, Gone> {
        let mut unsent = self.lock();
        self.go_on(&mut unsent)?;
        Ok(unsent.since)
    }

    fn go_on(&self, unsent: &mut Unsent) -> Result<(), Gone> {
        if unsent.rest.is_empty() {
            return Ok(());
        }
        match self.put(&unsent.rest[unsent.taken..]) {
            Ok(taken) => unsent.taken += taken,
            Err(gone) => {
                self.give_up(unsent);
                return Err(gone);
            }
        }
        if unsent.taken == unsent.rest.len() {
            *unsent = Unsent::default();
        }
        Ok(())
    }

    /// Writes as much as the system takes now; tells how much.
    fn put(&self, frames: &[u8]) -> Result<usize, Gone> {
        let mut put = 0;
        while put < frames.len() {
            match self.stream.try_write(&frames[put..]) {
                Ok(taken) if taken > 0 => put += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => return Err(Gone),
            }
        }
        Ok(put)
    }

    fn give_up(&self, unsent: &mut Unsent) {
        *unsent = Unsent { gone: true, ..Unsent::default() };
        self.behind.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Wire {
    fn offer(&self, message: Message<'_>) -> Offered {
        self.write(Frame::Text, |out| message.json(out))
    }

    fn room(&self) -> Waiting<'_> {
        Box::pin(self.empty())
    }

    /// Who talks with the client knows, and ends those who tell it something.
    fn gone(&self) -> Waiting<'_> {
        Box::pin(std::future::pending())
    }
}

/// Makes a whole frame of a server, which is not masked; it begins at the offset that is
/// returned.
fn framed(kind: Frame, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> usize {
    const HEAD_MAX: usize = 10;
    out.clear();
    out.resize(HEAD_MAX, 0);
    fill(out);
    let len = out.len() - HEAD_MAX;
    let mut head = [0x80 | kind as u8; HEAD_MAX]; // the whole message is in this frame
    let head: &[u8] = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) if len < 126 => {
            head[1] = len;
            &head[..2]
        }
        (_, Ok(len)) => {
            head[1] = 126;
            head[2..4].copy_from_slice(&len.to_be_bytes());
            &head[..4]
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(len as u64).to_be_bytes());
            &head
        }
    };
    let begin = HEAD_MAX - head.len();
    out[begin..HEAD_MAX].copy_from_slice(head);
    begin
}

/// What a client says, and the answers that the protocol itself asks for.
pub(super) struct Ear(WebSocket<Line>);

/// A connection as the parser of frames sees it.
struct Line {
    wire: Arc<Wire>,
    /// An answer did not find room.
    refused: bool,
}

impl Ear {
    /// Hears what comes after `read`, which has come already.
    pub(super) fn new(wire: Arc<Wire>, read: &Bytes) -> Ear {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(PONG_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let line = Line { wire, refused: false };
        let read = read.to_vec();
        Ear(WebSocket::from_partially_read(line, read, Role::Server, Some(config)))
    }

    /// The next message. What waits for it may be dropped at any time.
    pub(super) async fn next(&mut self) -> Result<tungstenite::Message, Gone> {
        consume_budget().await; // a client that never stops talking is not alone
        loop {
            match self.0.read() {
                Ok(message) => return Ok(message),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Gone),
            }
            let line = self.0.get_mut();
            let refused = std::mem::take(&mut line.refused);
            tokio::select! {
                ready = line.wire.stream.readable() => ready.map_err(|_| Gone)?,
                () = line.wire.empty(), if refused => {}
            }
        }
    }

    /// Answers a farewell.
    pub(super) fn part(&mut self) {
        let _ = self.0.flush();
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wire.stream.try_read(buffer)
    }
}

impl Write for Line {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        match self.wire.write_raw(frames) {
            Offered::Taken => Ok(frames.len()),
            Offered::Full => {
                self.refused = true;
                Err(ErrorKind::WouldBlock.into())
            }
            Offered::Gone => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_heads_of_three_lengths() {
        for (len, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frame = Vec::new();
            let begin = framed(Frame::Text, &mut frame, |out| out.resize(out.len() + len, b'x'));
            let frame = &frame[begin..];
            assert_eq!((&frame[..head.len()], frame.len()), (head, head.len() + len));
            assert!(frame[head.len()..].iter().all(|byte| *byte == b'x'));
        }
    }
}
