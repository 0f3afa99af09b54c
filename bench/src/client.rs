//! A client that costs as little as it can, so that what is measured is the server: WebSocket frames as they
//! come, and HTTP answers of known length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What opens a WebSocket at `/ws`.
pub(super) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What answers a ping of no bytes.
pub(super) const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// No answer is waited for longer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection.
pub(super) struct Client {
    stream: TcpStream,
    /// What was read, and how much of it was used.
    read: Vec<u8>,
    used: usize,
}

/// Frames in what was read.
pub(super) enum Framed {
    /// A text of so many bytes, from there on; what follows begins where it ends.
    Text(std::ops::Range<usize>),
    /// A ping, which ends there; servers close connections that do not answer it.
    Ping(usize),
    /// Something else, which ends there.
    Other(usize),
    /// Not yet whole.
    Part,
}

/// The first frame in `bytes`. Frames of servers are not masked.
pub(super) fn frame(bytes: &[u8]) -> Framed {
    let [head, len, ..] = *bytes else { return Framed::Part };
    let (from, len): (usize, usize) = match len & 0x7f {
        126 => match bytes.get(2..4) {
            Some(more) => (4, usize::from(u16::from_be_bytes([more[0], more[1]]))),
            None => return Framed::Part,
        },
        127 => match bytes.get(2..10).and_then(|more| more.try_into().ok()) {
            Some(more) => (10, usize::try_from(u64::from_be_bytes(more)).unwrap_or(usize::MAX)),
            None => return Framed::Part,
        },
        len => (2, usize::from(len)),
    };
    let end = from.saturating_add(len);
    match (bytes.len() < end, head & 0x0f) {
        (true, _) => Framed::Part,
        (false, 1) => Framed::Text(from..end),
        (false, 9) => Framed::Ping(end),
        (false, _) => Framed::Other(end),
    }
}

/// A text frame as a client sends it: masked, with a mask that changes nothing.
pub(super) fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(len) if len < 126 => frame.push(0x80 | len),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((text.len() as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Client { stream, read: Vec::new(), used: 0 })
    }

    /// Opens a WebSocket and asks for something; what comes back are frames.
    pub(super) fn follow(address: SocketAddr, ask: &str) -> io::Result<Client> {
        let mut client = Client::connect(address)?;
        client.stream.write_all(UPGRADE.as_bytes())?;
        let head = client.head()?;
        if !head.starts_with("HTTP/1.1 101") {
            return Err(io::Error::other(format!("the server answers {head}")));
        }
        client.stream.write_all(&text_frame(ask))?;
        Ok(client)
    }

    /// The text of the next text frame.
    pub(super) fn text(&mut self) -> io::Result<&str> {
        let text = loop {
            match frame(&self.read[self.used..]) {
                Framed::Text(text) => {
                    let text = self.used + text.start..self.used + text.end;
                    self.used = text.end;
                    break text;
                }
                Framed::Ping(end) => {
                    self.used += end;
                    self.stream.write_all(&PONG)?;
                }
                Framed::Other(end) => self.used += end,
                Framed::Part => self.more()?,
            }
        };
        std::str::from_utf8(&self.read[text]).map_err(io::Error::other)
    }

    /// Asks for a path and takes the answer; gives its status.
    pub(super) fn get(&mut self, path: &str) -> io::Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        let head = self.head()?.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.read.len() - self.used < length {
            self.more()?;
        }
        self.used += length;
        status.ok_or_else(|| io::Error::other("the answer has no status"))
    }

    /// The head of an answer.
    fn head(&mut self) -> io::Result<String> {
        loop {
            let unused = &self.read[self.used..];
            if let Some(end) = unused.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&unused[..end]).into_owned();
                self.used += end + 4;
                return Ok(head);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        self.read.drain(..self.used);
        self.used = 0;
        let known = self.read.len();
        self.read.resize(known + 16_384, 0);
        let got = self.stream.read(&mut self.read[known..]);
        self.read.truncate(known + *got.as_ref().unwrap_or(&0));
        match got? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
