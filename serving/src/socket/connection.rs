//! The server's side of a WebSocket: writes frames.
//!
//! Any thread may send. The task that has a frame writes it in one system call. Only the part that the system does not
//! take is buffered here, and no further frame is taken until the buffer is empty.
//!
//! The server writes frames itself, and `tungstenite` reads (`message_reader`). A library's socket belongs to one task and keeps 128 KiB
//! to read into, which it clears at every look; writing an unmasked frame takes ten lines.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::frame::{Frame, framed};
use super::transport::Transport;
use crate::subscribe::{ClientSink, Message, SendOutcome, WaitFuture};
use crate::write_timeout::WRITE_TIMEOUT;

/// The most bytes that a thread's frame buffer keeps.
const FRAME_BUFFER_MAX: usize = 64 * 1024;

/// The client has disconnected, or does not read its messages.
#[derive(Debug)]
pub(super) struct Disconnected;

/// The write side of a connection.
pub(super) struct SocketConnection {
    pub(super) transport: Transport,
    /// Whether messages may be compressed.
    deflates: bool,
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
    pub(super) fn new(transport: Transport, deflates: bool) -> SocketConnection {
        let (unsent, has_unsent) = (Mutex::default(), Notify::new());
        SocketConnection { transport, deflates, unsent, has_unsent }
    }

    /// Whether messages may be compressed, in both directions.
    pub(super) fn deflates(&self) -> bool {
        self.deflates
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
    pub(super) async fn flushed(&self) {
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
    pub(super) fn write_raw(&self, frames: &[u8]) -> SendOutcome {
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
        match self.deflates && message.body.is_worth_deflating() {
            true => self.write(Frame::DeflatedText, |out| message.deflated(out)),
            false => self.write(Frame::Text, |out| message.json(out)),
        }
    }

    fn writable(&self) -> WaitFuture<'_> {
        Box::pin(self.flushed())
    }

    /// Never completes: the session task detects disconnects and aborts its subscribers.
    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::message_reader::MessageReader;
    use bytes::Bytes;
    use std::io::{Read, Write};
    use std::sync::Arc;
    use tungstenite::WebSocket;
    use tungstenite::protocol::Role;

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
        let connection = Arc::new(SocketConnection::new(transport, false));
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
