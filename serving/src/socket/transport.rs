//! The bytes below a WebSocket: TCP, or TLS over it.
//!
//! Any thread may write, and without a task. Plain bytes are written as they are. Over TLS, frames are sealed as
//! records first, in the order in which they are written: whoever writes holds a lock of its own meanwhile. Reads and
//! writes of a TLS session share a second lock, which nobody holds while it waits.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::ServerConnection;
use tokio::net::TcpStream;

/// A connection after its upgrade.
pub(crate) enum Transport {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsTransport>),
}

/// A TLS session, and the connection that carries it.
pub(crate) struct TlsTransport {
    tcp: TcpStream,
    session: Mutex<ServerConnection>,
}

impl Transport {
    /// Continues a TLS session.
    pub(crate) fn tls(tcp: TcpStream, mut session: ServerConnection) -> Transport {
        session.set_buffer_limit(None); // what is sealed is taken out at once
        Transport::Tls(Box::new(TlsTransport { tcp, session: Mutex::new(session) }))
    }

    /// Frames as the connection carries them. What was sealed must be written, whole and in this order.
    pub(super) fn seal<'a>(&self, frames: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        match self {
            Transport::Plain(_) => Ok(Cow::Borrowed(frames)),
            Transport::Tls(tls) => {
                let mut session = tls.session();
                session.writer().write_all(frames)?;
                records(&mut session).map(Cow::Owned)
            }
        }
    }

    /// The last bytes of a connection, which say that nothing was cut off behind them.
    pub(super) fn seal_end(&self) -> io::Result<Vec<u8>> {
        match self {
            Transport::Plain(_) => Ok(Vec::new()),
            Transport::Tls(tls) => {
                let mut session = tls.session();
                session.send_close_notify();
                records(&mut session)
            }
        }
    }

    /// Writes as many sealed bytes as the system takes now.
    pub(super) fn try_write(&self, sealed: &[u8]) -> io::Result<usize> {
        self.tcp().try_write(sealed)
    }

    /// Reads what has come, opened.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let tls = match self {
            Transport::Plain(tcp) => return tcp.try_read(buffer),
            Transport::Tls(tls) => tls,
        };
        let mut session = tls.session();
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if session.read_tls(&mut Ready(&tls.tcp))? == 0 {
                return Ok(0);
            }
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.tcp().readable().await
    }

    /// Waits until there may be room to write.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Transport::Plain(tcp) => tcp,
            Transport::Tls(tls) => &tls.tcp,
        }
    }
}

impl TlsTransport {
    fn session(&self) -> MutexGuard<'_, ServerConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All records that a session has to send.
fn records(session: &mut ServerConnection) -> io::Result<Vec<u8>> {
    let mut records = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut records)?;
    }
    Ok(records)
}

/// Reads what has come, and never waits.
struct Ready<'a>(&'a TcpStream);

impl Read for Ready<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}
