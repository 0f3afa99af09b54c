//! A client that takes compressed messages, and sends such (RFC 7692), byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use super::following::Steps;
use super::sockets::Running;
use crate::Limits;

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

struct Client(TcpStream);

impl Client {
    /// Connects; gives the answer to what is offered.
    fn open(addr: SocketAddr, offer: &str) -> (Client, Option<String>) {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-extensions: {offer}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let agreed = head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        (Client(stream), agreed.map(str::to_owned))
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next text, and whether it was compressed.
    fn next(&mut self) -> (Value, bool) {
        loop {
            let [first, second] = self.bytes();
            assert_eq!(second & 0x80, 0, "frames of servers are not masked");
            let len = match second {
                126 => u16::from_be_bytes(self.bytes()).into(),
                127 => u64::from_be_bytes(self.bytes()),
                short => short.into(),
            };
            let mut payload = vec![0; len as usize];
            self.0.read_exact(&mut payload).unwrap();
            if first & 0x0f != 1 {
                continue; // a ping
            }
            let is_compressed = first & 0x40 != 0;
            if is_compressed {
                payload.extend_from_slice(&TAIL);
                payload.extend_from_slice(&[1, 0, 0, 0xff, 0xff]); // the end of a stream
                let mut plain = Vec::new();
                DeflateDecoder::new(&*payload).read_to_end(&mut plain).unwrap();
                payload = plain;
            }
            return (serde_json::from_slice(&payload).unwrap(), is_compressed);
        }
    }

    /// Sends a text as one compressed frame.
    fn send(&mut self, message: &Value) {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(message.to_string().as_bytes()).unwrap();
        encoder.flush().unwrap();
        let bytes = std::mem::take(encoder.get_mut());
        let payload = bytes.strip_suffix(&TAIL).unwrap();
        assert!(payload.len() < 126);
        let mask = [7, 11, 13, 17];
        let mut frame = vec![0xc1, 0x80 | payload.len() as u8];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.write_all(&frame).unwrap();
    }
}

fn conversation(addr: SocketAddr) {
    let (mut client, agreed) = Client::open(addr, "permessage-deflate; client_max_window_bits");
    let agreed = agreed.unwrap();
    assert!(agreed.contains("server_no_context_takeover"), "{agreed}");
    assert!(agreed.contains("client_no_context_takeover"), "{agreed}");
    assert_eq!(client.next().0["type"], "welcome");
    client.send(&json!({ "op": "subscribe", "id": 1, "sub": "s", "view": "candles" }));
    let (mut seqs, mut updates) = (0.., 0);
    while updates < 20 {
        let (message, is_compressed) = client.next();
        match message["type"].as_str().unwrap() {
            "subscribed" => continue,
            "update" => {
                assert!(is_compressed, "{message}");
                assert_eq!(message["upserts"][0]["instrument"], "a:B");
                updates += 1;
            }
            _ => {}
        }
        assert_eq!(message["seq"], json!(seqs.next()), "{message}");
    }
    client.send(&json!({ "op": "ping", "id": 2 }));
    while client.next().0["type"] != "pong" {}

    let (mut other, agreed) = Client::open(addr, "permessage-deflate; server_max_window_bits=9");
    assert_eq!(agreed, None, "this window cannot be kept to");
    assert!(!other.next().1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_messages_say_what_plain_ones_do() {
    let steps = Steps::new();
    let server = steps.served();
    let running = Running::new(&server, Limits::default()).await;
    let addr = running.addr;
    let mut talking = tokio::task::spawn_blocking(move || conversation(addr));
    loop {
        tokio::select! {
            talked = &mut talking => break talked.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(1)) => steps.step(),
        }
    }
    assert_eq!(running.stopped().await.cut, 0);
}
