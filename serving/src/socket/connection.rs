//! The server's side of a WebSocket: writes frames, and reads the client's messages.
//!
//! Any thread may send. The task that has a frame writes it in one system call. Only the part that the system does not
//! take is buffered here, and no further frame is taken until the buffer is empty.
//!
//! This module writes frames itself, and `tungstenite` reads. A library's socket belongs to one task and keeps 128 KiB
//! to read into, which it clears at every look; writing an unmasked frame takes ten lines.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

use super::MESSAGE_BYTES_MAX;
use super::transport::Transport;
use crate::subscribe::{ClientSink, Message, SendOutcome, WaitFuture};
use crate::write_timeout::WRITE_TIMEOUT;

/// The most bytes that a thread's frame buffer keeps.
const FRAME_BUFFER_MAX: usize = 64 * 1024;
/// The size of reads: clients send little.
const READ_BYTES: usize = 4 * 1024;
/// The most bytes of pongs that wait to be written.
const PONG_BYTES: usize = 4 * 1024;

/// The opcode of a frame (RFC 6455).
#[derive(Clone, Copy)]
pub(super) enum Frame {
    Text = 0x1,
    Close = 0x8,
    Ping = 0x9,
}

/// The client has disconnected, or does not read its messages.
#[derive(Debug)]
pub(super) struct Disconnected;

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

/// The write side of a connection.
pub(super) struct SocketConnection {
    transport: Transport,
    unsent: Mutex<Unsent>,
    /// Wakes the flush task when bytes become unsent.
    has_unsent: Notify,
}

/// The part of the last frame, as the transport carries it, that the system has not taken.
#[derive(Default)]
struct Unsent {
    rest: Vec<u8>,
    /// How many bytes of it were taken since.
    taken: usize,
    /// Since when it waits.
    since: Option<Instant>,
    gone: bool,
}

thread_local! {
    /// The frame buffer of a thread, so that a client that keeps up needs none.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl SocketConnection {
    pub(super) fn new(transport: Transport) -> SocketConnection {
        SocketConnection { transport, unsent: Mutex::default(), has_unsent: Notify::new() }
    }

    /// Sends a frame as soon as there is room.
    pub(super) async fn send(&self, frame: Frame, payload: &[u8]) -> Result<(), Disconnected> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        loop {
            match self.write(frame, |out| out.extend_from_slice(payload)) {
                SendOutcome::Taken => return Ok(()),
                SendOutcome::Full => {
                    timeout_at(deadline, self.flushed()).await.map_err(|_| Disconnected)?
                }
                SendOutcome::Gone => return Err(Disconnected),
            }
        }
    }

    /// Writes buffered bytes as the system takes them, until the client is gone or too slow.
    pub(super) async fn run_flush(&self) -> Disconnected {
        loop {
            self.has_unsent.notified().await;
            while let Ok(Some(since)) = self.flush() {
                if timeout_at(since + WRITE_TIMEOUT, self.transport.writable()).await.is_err() {
                    return Disconnected;
                }
            }
            if self.lock().gone {
                return Disconnected;
            }
        }
    }

    /// Takes no more frames. If all were taken, the client is told that nothing follows.
    pub(super) fn close(&self) {
        let mut unsent = self.lock();
        if !unsent.gone && unsent.rest.is_empty() {
            let end = self.transport.seal_end();
            let _ = end.map(|end| self.write_some(&end)); // the connection ends in any case
        }
        unsent.gone = true;
    }

    /// Waits until nothing is buffered.
    async fn flushed(&self) {
        while let Ok(Some(_)) = self.flush() {
            if self.transport.writable().await.is_err() {
                return;
            }
        }
    }

    /// Writes a frame whose payload `fill` appends, unless bytes of the previous one are buffered.
    fn write(&self, kind: Frame, fill: impl FnOnce(&mut Vec<u8>)) -> SendOutcome {
        let mut unsent = self.lock();
        if unsent.gone || self.write_rest(&mut unsent).is_err() {
            return SendOutcome::Gone;
        }
        if !unsent.rest.is_empty() {
            return SendOutcome::Full;
        }
        FRAME.with_borrow_mut(|frame| {
            let begin = framed(kind, frame, fill);
            let outcome = self.begin(&mut unsent, &frame[begin..]);
            frame.clear();
            frame.shrink_to(FRAME_BUFFER_MAX);
            outcome
        })
    }

    /// Writes bytes that are frames already.
    fn write_raw(&self, frames: &[u8]) -> SendOutcome {
        let mut unsent = self.lock();
        match (unsent.gone, unsent.rest.is_empty()) {
            (true, _) => SendOutcome::Gone,
            (false, false) => SendOutcome::Full,
            (false, true) => self.begin(&mut unsent, frames),
        }
    }

    /// Writes frames when nothing is buffered, and buffers what the system does not take.
    fn begin(&self, unsent: &mut Unsent, frames: &[u8]) -> SendOutcome {
        let sealed = self.transport.seal(frames).map_err(|_| Disconnected);
        let written = sealed.and_then(|sealed| Ok((self.write_some(&sealed)?, sealed)));
        let Ok((taken, sealed)) = written else {
            self.disconnect(unsent);
            return SendOutcome::Gone;
        };
        if taken < sealed.len() {
            unsent.rest = sealed[taken..].to_vec();
            unsent.since = Some(Instant::now());
            self.has_unsent.notify_one();
        }
        SendOutcome::Taken
    }

    /// Writes buffered bytes; returns since when the rest waits, if there is a rest.
    fn flush(&self) -> Result<Option<Instant>, Disconnected> {
        let mut unsent = self.lock();
        self.write_rest(&mut unsent)?;
        Ok(unsent.since)
    }

    fn write_rest(&self, unsent: &mut Unsent) -> Result<(), Disconnected> {
        if unsent.rest.is_empty() {
            return Ok(());
        }
        match self.write_some(&unsent.rest[unsent.taken..]) {
            Ok(taken) => unsent.taken += taken,
            Err(gone) => {
                self.disconnect(unsent);
                return Err(gone);
            }
        }
        if unsent.taken == unsent.rest.len() {
            *unsent = Unsent::default();
        }
        Ok(())
    }

    /// Writes as much as the system takes now; returns the number of bytes.
    fn write_some(&self, sealed: &[u8]) -> Result<usize, Disconnected> {
        let mut put = 0;
        while put < sealed.len() {
            match self.transport.try_write(&sealed[put..]) {
                Ok(taken) if taken > 0 => put += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => return Err(Disconnected),
            }
        }
        Ok(put)
    }

    fn disconnect(&self, unsent: &mut Unsent) {
        *unsent = Unsent { gone: true, ..Unsent::default() };
        self.has_unsent.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSink for SocketConnection {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        self.write(Frame::Text, |out| message.json(out))
    }

    fn writable(&self) -> WaitFuture<'_> {
        Box::pin(self.flushed())
    }

    /// Never completes: the session task detects disconnects and aborts its subscribers.
    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(std::future::pending())
    }
}

/// Encodes a whole, unmasked server frame; returns the offset at which it begins.
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

/// Reads a client's messages, and answers pings and closes.
pub(super) struct MessageReader(WebSocket<FrameStream>);

/// The connection as the frame parser sees it.
struct FrameStream {
    connection: Arc<SocketConnection>,
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
        let stream = FrameStream { connection, refused: false };
        let read = read.to_vec();
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
        self.connection.transport.try_read(buffer)
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

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
    use std::net::{SocketAddr, TcpStream as StdTcpStream};
    use std::thread;
    use std::time::Duration;
    use tokio::net::TcpSocket;
    use tokio_rustls::TlsAcceptor;

    const MESSAGES: u32 = 300;

    fn payload(number: u32) -> String {
        format!("{number:08} {}", "x".repeat(1_000 + (number as usize * 7_919) % 60_000))
    }

    /// Sends more than the system buffers to a client that reads with pauses, and that pings meanwhile.
    async fn send_all(transport: Transport) {
        let connection = Arc::new(SocketConnection::new(transport));
        let mut reader = MessageReader::new(Arc::clone(&connection), &Bytes::new());
        let reading = tokio::spawn(async move { while reader.next().await.is_ok() {} });
        let flushing = Arc::clone(&connection);
        let flushing = tokio::spawn(async move { flushing.run_flush().await });
        for number in 0..MESSAGES {
            connection.send(Frame::Text, payload(number).as_bytes()).await.unwrap();
        }
        connection.flushed().await;
        connection.close();
        flushing.abort();
        drop(connection);
        let _ = reading.await; // the client has closed
    }

    fn receive_all(stream: impl Read + Write) {
        let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
        for number in 0..MESSAGES {
            let text = loop {
                match socket.read().unwrap() {
                    tungstenite::Message::Text(text) => break text,
                    tungstenite::Message::Pong(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(text.as_str(), payload(number), "the frames are whole and in order");
            if number % 10 == 0 {
                let ping = tungstenite::Message::Ping(Bytes::from_static(b"there?"));
                socket.send(ping).unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    fn listener() -> (tokio::net::TcpListener, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(8 * 1024).unwrap(); // so that writes are partial
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_client_gets_every_frame() {
        let (listener, address) = listener();
        let client = thread::spawn(move || receive_all(StdTcpStream::connect(address).unwrap()));
        let (tcp, _) = listener.accept().await.unwrap();
        send_all(Transport::Plain(tcp)).await;
        client.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_client_gets_every_frame_over_tls() {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = CertificateDer::from_pem_slice(signed.cert.pem().as_bytes()).unwrap();
        let key = signed.signing_key.serialize_pem();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let server = server.with_single_cert(vec![certificate.clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());

        let (listener, address) = listener();
        let client = thread::spawn(move || {
            let name = ServerName::try_from("localhost").unwrap();
            let mut session = ClientConnection::new(config, name).unwrap();
            let mut tcp = StdTcpStream::connect(address).unwrap();
            session.complete_io(&mut tcp).unwrap();
            receive_all(StreamOwned::new(session, tcp));
        });
        let (tcp, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::new(server)).accept(tcp).await.unwrap();
        let (tcp, session) = stream.into_inner();
        send_all(Transport::tls(tcp, session)).await;
        client.join().unwrap();
    }
}
