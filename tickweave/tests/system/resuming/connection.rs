//! One subscription over any transport.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::connect;

/// How messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Socket,
    /// One that says in its query what it follows.
    SocketQuery,
    Events,
    /// A line per message, without end.
    Lines,
    /// One request after another.
    Polls,
}

pub(super) const TRANSPORTS: [Transport; 5] = [
    Transport::Socket,
    Transport::SocketQuery,
    Transport::Events,
    Transport::Lines,
    Transport::Polls,
];

/// A connection that follows a view, or a client that polls.
pub(super) enum Connection {
    Socket(Box<WebSocket<TcpStream>>),
    Lines(BufReader<TcpStream>),
    Answered(VecDeque<Value>),
}

impl Connection {
    /// Follows a view after a token, if there is one. None if nobody answers.
    pub(super) fn open(
        transport: Transport,
        address: SocketAddr,
        view: &str,
        token: Option<&str>,
    ) -> Option<Connection> {
        let query =
            format!("encoding=diff&numbers=string&limit=100000&resume={}", token.unwrap_or(""));
        let query = query.trim_end_matches("&resume=");
        let changes = format!("/v1/views/{view}/changes?{query}");
        match transport {
            Transport::Socket => Connection::socket(address, view, token),
            Transport::SocketQuery => {
                let url = format!("ws://{address}/ws/streaming?views={view}&{query}");
                let (socket, _) = tungstenite::client(url, connect(address)?).ok()?;
                Connection::Socket(Box::new(socket)).welcomed()
            }
            Transport::Events => {
                let header = token.map(|token| format!("Last-Event-ID: {token}\r\n"));
                let query = query.split("&resume").next().unwrap_or_default();
                let path = format!("/stream?view={view}&{query}");
                Connection::lines(address, &path, &header.unwrap_or_default())
            }
            Transport::Lines => {
                Connection::lines(address, &format!("{changes}&follow=true&format=ndjson"), "")
            }
            Transport::Polls => {
                let request =
                    format!("GET {changes}&wait_ms=200 HTTP/1.0\r\nHost: {address}\r\n\r\n");
                let answer = ask(address, &request)?;
                let (head, body) = answer.split_once("\r\n\r\n")?;
                assert!(head.starts_with("HTTP/1.0 200"), "{head}: {body}");
                // A server that is killed leaves a part of an answer.
                let body: Value = serde_json::from_str(body).ok()?;
                let messages = body["messages"].as_array()?;
                let last = messages.iter().rev().find_map(|message| message["resume"].as_str());
                assert_eq!(body["resume"].as_str(), last, "{body}");
                Some(Connection::Answered(messages.iter().cloned().collect()))
            }
        }
    }

    fn socket(address: SocketAddr, view: &str, token: Option<&str>) -> Option<Connection> {
        let stream = connect(address)?;
        let (mut socket, _) = tungstenite::client(format!("ws://{address}/ws"), stream).ok()?;
        let subscribe = json!({
            "op": "subscribe", "id": 1, "sub": "s", "view": view, "encoding": "diff", "numbers": "string",
            "limit": 100_000, "resume": token,
        });
        socket.send(Message::text(subscribe.to_string())).ok()?;
        Connection::Socket(Box::new(socket)).welcomed()
    }

    /// After what comes before the subscription.
    fn welcomed(mut self) -> Option<Connection> {
        for kind in ["welcome", "subscribed"] {
            let message = self.next()?;
            assert_eq!(message["type"], kind, "{message}");
        }
        Some(self)
    }

    /// HTTP/1.0, so that the body comes as it is, without chunks.
    fn lines(address: SocketAddr, path: &str, headers: &str) -> Option<Connection> {
        let mut stream = connect(address)?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut lines = BufReader::with_capacity(4_096, stream);
        let status = line(&mut lines)?;
        assert!(status.contains(" 200 "), "{status} to {path}");
        while !line(&mut lines)?.is_empty() {}
        Some(Connection::Lines(lines))
    }

    /// The next message; none if there will be none.
    pub(super) fn next(&mut self) -> Option<Value> {
        match self {
            Connection::Socket(socket) => loop {
                match socket.read() {
                    Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            },
            Connection::Lines(lines) => loop {
                let line = line(lines)?;
                let data = line.strip_prefix("data:").unwrap_or(&line);
                if data.starts_with('{') {
                    // Cut short when the server was killed.
                    return serde_json::from_str(data).ok();
                }
            },
            Connection::Answered(messages) => messages.pop_front(),
        }
    }
}

fn line(lines: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = lines.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

/// Sends a request; gives all that comes back.
pub(super) fn ask(address: SocketAddr, request: &str) -> Option<String> {
    let mut stream = connect(address)?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
