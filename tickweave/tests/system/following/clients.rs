//! A client of server-sent events and one of WebSockets; both block.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message;

/// Reads server-sent events.
pub(super) struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// Asks `/stream` with this query, which must be fine.
    pub(super) fn open(address: SocketAddr, query: &str) -> Events {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // HTTP/1.0, so that the body comes as it is, without chunks.
        let request = format!("GET /stream?{query} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Events { lines: BufReader::with_capacity(4_096, stream) };
        let status = events.line();
        assert!(status.contains(" 200 "), "{status} to {query}");
        while !events.line().is_empty() {}
        events
    }

    /// The data of the next event that has any.
    pub(super) fn next(&mut self) -> Value {
        loop {
            let line = self.line();
            if let Some(data) = line.strip_prefix("data:") {
                return serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        assert!(read > 0, "the stream has ended");
        line.trim_end().to_owned()
    }
}

/// Talks over a WebSocket.
pub(super) struct Socket {
    socket: tungstenite::WebSocket<TcpStream>,
}

impl Socket {
    /// Connects and is welcomed.
    pub(super) fn open(address: SocketAddr) -> Socket {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).unwrap();
        let mut socket = Socket { socket };
        assert_eq!(socket.any()["type"], "welcome");
        socket
    }

    /// Follows a view; `filter` is a JSON object.
    pub(super) fn subscribe(&mut self, sub: &str, view: &str, filter: &str) {
        let filter: Value = serde_json::from_str(filter).unwrap();
        let ask = json!({
            "op": "subscribe", "id": sub, "sub": sub, "view": view, "filter": filter, "numbers": "string"
        });
        self.ask(&ask);
    }

    /// Sends a message.
    pub(super) fn ask(&mut self, ask: &Value) {
        self.socket.send(Message::text(ask.to_string())).unwrap();
    }

    /// The next message about what is followed.
    pub(super) fn next(&mut self) -> Value {
        loop {
            let message = self.any();
            if message["type"] != "subscribed" {
                return message;
            }
            assert!(message["id"].is_string(), "{message}");
        }
    }

    /// The next message.
    pub(super) fn any(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}
