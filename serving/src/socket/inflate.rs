//! Makes plain frames of what a client sends, some of which may be compressed (RFC 7692).
//!
//! The parser of frames knows no extensions. So this stands between it and the connection: a compressed message, in one
//! frame or several, becomes one plain frame, and all other frames pass as they are. What is too long or malformed
//! becomes a frame that the parser refuses for the same reason.
//!
//! Held are at most one frame as it comes, one compressed message and one plain one, none longer than
//! [`MESSAGE_BYTES_MAX`].

use std::io::{self, ErrorKind};

use flate2::{Decompress, FlushDecompress, Status};

use super::MESSAGE_BYTES_MAX;

/// Frames of a client on their way to the parser.
#[derive(Default)]
pub(super) struct Inflater {
    /// Bytes of the client that are no whole frame yet.
    raw: Vec<u8>,
    /// Frames for the parser.
    ready: Vec<u8>,
    /// How many bytes of these it has.
    taken: usize,
    /// A compressed message of which frames are to come.
    message: Option<Compressed>,
    /// Nothing more is understood, so all is passed on.
    is_broken: bool,
}

struct Compressed {
    opcode: u8,
    payload: Vec<u8>,
}

/// The head of a frame.
struct Head {
    first: u8,
    /// Its bytes, the mask among them.
    len: usize,
    payload: usize,
    mask: [u8; 4],
}

/// The size of reads.
const READ_BYTES: usize = 4 * 1024;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const CONTINUATION: u8 = 0;
/// This bit of an opcode says that a frame is no part of a message.
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;

impl Inflater {
    /// Begins with bytes that were read already.
    pub(super) fn new(read: &[u8]) -> Inflater {
        Inflater { raw: read.to_vec(), ..Inflater::default() }
    }

    /// Reads plain frames; `source` reads what the client has sent.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut source: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            self.parse();
            let rest = &self.ready[self.taken..];
            if !rest.is_empty() && !buffer.is_empty() {
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                self.taken += len;
                if self.taken == self.ready.len() {
                    (self.ready, self.taken) = (Vec::new(), 0);
                }
                return Ok(len);
            }
            let mut chunk = [0; READ_BYTES];
            let len = source(&mut chunk)?;
            if len == 0 {
                return if self.raw.is_empty() {
                    Ok(0)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
            self.raw.extend_from_slice(&chunk[..len]);
        }
    }

    /// Takes the whole frames of what came, until there is one for the parser.
    fn parse(&mut self) {
        while self.ready.is_empty() && !self.raw.is_empty() {
            if self.is_broken {
                self.ready = std::mem::take(&mut self.raw);
                return;
            }
            let Some(head) = Head::of(&self.raw) else { return };
            if head.payload > MESSAGE_BYTES_MAX {
                return self.refuse(TOO_LARGE);
            }
            let end = head.len + head.payload;
            if self.raw.len() < end {
                return;
            }
            let rest = self.raw.split_off(end);
            let frame = std::mem::replace(&mut self.raw, rest);
            self.take(&head, frame);
        }
    }

    /// Takes a whole frame.
    fn take(&mut self, head: &Head, frame: Vec<u8>) {
        let (opcode, reserved) = (head.first & OPCODE, head.first & RESERVED);
        let is_control = opcode & CONTROL != 0;
        match (&mut self.message, reserved) {
            _ if is_control => self.ready = frame,
            (None, RSV1) if opcode != CONTINUATION => {
                self.message = Some(Compressed { opcode, payload: Vec::new() });
                self.append(head, &frame);
            }
            (None, _) => self.ready = frame,
            (Some(_), 0) if opcode == CONTINUATION => self.append(head, &frame),
            (Some(_), _) => self.refuse(MALFORMED),
        }
    }

    /// Appends a frame to the compressed message, which may be complete then.
    fn append(&mut self, head: &Head, frame: &[u8]) {
        let Some(message) = &mut self.message else { return };
        if message.payload.len() + head.payload > MESSAGE_BYTES_MAX {
            return self.refuse(TOO_LARGE);
        }
        let payload = frame[head.len..].iter().zip(head.mask.iter().cycle());
        message.payload.extend(payload.map(|(byte, mask)| byte ^ mask));
        if head.first & FIN == 0 {
            return;
        }
        let Some(Compressed { opcode, mut payload }) = self.message.take() else { return };
        payload.extend_from_slice(&[0, 0, 0xff, 0xff]); // which the client leaves out
        match inflated(&payload) {
            Some(plain) if plain.len() > MESSAGE_BYTES_MAX => self.refuse(TOO_LARGE),
            Some(plain) => self.ready = plain_frame(opcode, &plain),
            None => self.refuse(MALFORMED),
        }
    }

    /// Gives the parser what it refuses.
    fn refuse(&mut self, frame: &[u8]) {
        (self.message, self.is_broken) = (None, true);
        self.ready = frame.to_vec();
    }
}

/// The head of a frame that is longer than a message may be.
const TOO_LARGE: &[u8] = &[FIN | 1, MASKED | 127, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
/// A frame with all reserved bits.
const MALFORMED: &[u8] = &[FIN | RESERVED | 1, MASKED, 0, 0, 0, 0];

impl Head {
    /// The head that bytes begin with; none if it is not whole.
    fn of(bytes: &[u8]) -> Option<Head> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = if second & MASKED != 0 { 4 } else { 0 };
        let (at, len) = (2 + wide, 2 + wide + masked);
        let head = bytes.get(..len)?;
        let number = head[2..at].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let payload = if wide == 0 { u64::from(second & 0x7f) } else { number };
        let mut mask = [0; 4];
        mask[..masked].copy_from_slice(&head[at..]);
        Some(Head { first, len, payload: usize::try_from(payload).unwrap_or(usize::MAX), mask })
    }
}

/// What was compressed, up to one byte more than a message may have; none if it is not what RFC 1951 describes.
fn inflated(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(MESSAGE_BYTES_MAX + 1);
    let mut decompress = Decompress::new(false);
    loop {
        let (read, len) = (decompress.total_in(), plain.len());
        let rest = compressed.get(usize::try_from(read).ok()?..)?;
        let status = decompress.decompress_vec(rest, &mut plain, FlushDecompress::Sync).ok()?;
        let is_full = plain.len() == plain.capacity();
        let stands = decompress.total_in() == read && plain.len() == len;
        if is_full || stands || status == Status::StreamEnd {
            plain.shrink_to_fit();
            return Some(plain);
        }
    }
}

/// A whole frame of a client whose mask changes nothing.
fn plain_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => frame.push(MASKED | len),
        (_, Ok(len)) => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;
    use tungstenite::error::Error;
    use tungstenite::protocol::{Role, WebSocketConfig};
    use tungstenite::{Message, WebSocket};

    use super::*;

    /// Bytes that come in pieces, through the inflater.
    struct Client {
        inflater: Inflater,
        pieces: Vec<Vec<u8>>,
    }

    impl io::Read for Client {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Client { inflater, pieces } = self;
            inflater.read(buffer, |chunk| {
                let Some(piece) = pieces.first_mut() else { return Ok(0) };
                let len = piece.len().min(chunk.len());
                chunk[..len].copy_from_slice(&piece[..len]);
                piece.drain(..len);
                if piece.is_empty() {
                    pieces.remove(0);
                }
                Ok(len)
            })
        }
    }

    impl io::Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        let bytes = std::mem::take(encoder.get_mut());
        bytes.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
    }

    /// A masked frame.
    fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut frame = plain_frame(first & OPCODE, payload);
        frame[0] = first;
        let begin = frame.len() - payload.len();
        frame[begin - 4..begin].copy_from_slice(&mask);
        frame[begin..].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        frame
    }

    /// What the parser makes of bytes that come in pieces of this size.
    fn read(bytes: &[u8], size: usize) -> (Vec<String>, Error) {
        let pieces = bytes.chunks(size).map(<[u8]>::to_vec).collect();
        let client = Client { inflater: Inflater::new(&[]), pieces };
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let mut socket = WebSocket::from_raw_socket(client, Role::Server, Some(config));
        let mut texts = Vec::new();
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => texts.push(text.to_string()),
                Ok(_) => {}
                Err(error) => return (texts, error),
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Sent {
        Plain(String),
        Deflated { text: String, parts: usize, ping: bool },
    }

    fn sent() -> impl Strategy<Value = Sent> {
        prop_oneof![
            "[ab{}\":]{0,400}".prop_map(Sent::Plain),
            ("[ab{}\":]{0,9000}", 1..4_usize, any::<bool>())
                .prop_map(|(text, parts, ping)| Sent::Deflated { text, parts, ping }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Messages come out as they were, compressed or not, in frames and pieces of any size.
        #[test]
        fn messages_come_out_as_they_were(
            all in prop::collection::vec(sent(), 0..6),
            mask in any::<[u8; 4]>(),
            size in 1..6_000_usize,
        ) {
            let mut bytes = Vec::new();
            for sent in &all {
                match sent {
                    Sent::Plain(text) => bytes.extend(frame(FIN | 1, text.as_bytes(), mask)),
                    Sent::Deflated { text, parts, ping } => {
                        let payload = deflated(text.as_bytes());
                        let chunks: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(*parts).max(1)).collect();
                        for (number, chunk) in chunks.iter().enumerate() {
                            let first = if number == 0 { RSV1 | 1 } else { CONTINUATION };
                            let fin = if number + 1 == chunks.len() { FIN } else { 0 };
                            bytes.extend(frame(first | fin, chunk, mask));
                            if *ping {
                                bytes.extend(frame(FIN | 9, b"there?", mask));
                            }
                        }
                    }
                }
            }
            let texts: Vec<&String> = all.iter().map(|sent| match sent {
                Sent::Plain(text) | Sent::Deflated { text, .. } => text,
            }).collect();
            let (got, _) = read(&bytes, size);
            prop_assert_eq!(got.iter().collect::<Vec<_>>(), texts);
        }
    }

    #[test]
    fn what_is_too_long_or_malformed_is_refused() {
        let mask = [1, 2, 3, 4];
        let long = deflated(&vec![b' '; 10 * MESSAGE_BYTES_MAX]);
        assert!(long.len() < 10_000, "it is long only when it is plain");
        let (texts, error) = read(&frame(FIN | RSV1 | 1, &long, mask), 500);
        assert!(texts.is_empty() && matches!(error, Error::Capacity(_)), "{error}");
        let most = vec![b' '; MESSAGE_BYTES_MAX];
        let (texts, _) = read(&frame(FIN | RSV1 | 1, &deflated(&most), mask), 500);
        assert_eq!(texts[0].len(), MESSAGE_BYTES_MAX);

        let good = deflated(b"good");
        for malformed in [
            frame(FIN | RSV1 | 1, &[0xff; 9], mask),
            [frame(RSV1 | 1, &good, mask), frame(FIN | 1, b"x", mask)].concat(),
            [frame(RSV1 | 1, &good, mask), frame(FIN | RSV1, &good, mask)].concat(),
            frame(FIN | RSV1 | 9, b"", mask),
            frame(FIN | RSV1, &good, mask),
            frame(FIN | 0x20 | 1, b"x", mask),
        ] {
            let (texts, error) = read(&malformed, 500);
            assert!(texts.is_empty() && matches!(error, Error::Protocol(_)), "{error}");
        }
    }
}
