//! A server and its answers: plain HTTP/1.1, server-sent events.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where a job is served.
pub(super) struct Server {
    host: String,
    address: String,
    /// What stands before the paths of the interface.
    prefix: String,
    /// What the server may ask for.
    key: Option<String>,
}

/// The server says that what is asked cannot be: asked again, it would say so again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

/// What a view is made of.
#[derive(Deserialize)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) key: Vec<String>,
    pub(super) columns: Vec<Column>,
}

#[derive(Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
}

/// One message about a view; what its kind does not have is empty.
#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) frontier: Frontier,
    #[serde(default)]
    pub(super) part: u64,
    #[serde(default)]
    pub(super) rows: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) upserts: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) deletes: Vec<Box<RawValue>>,
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Frontier {
    pub(super) commit: Option<u64>,
    pub(super) at: String,
}

/// The variable of the key. On a command line other users of the machine could see it.
const KEY_VARIABLE: &str = "TICKWEAVE_KEY";
/// Connecting, and the head of an answer, may take so long.
const ANSWER: Duration = Duration::from_secs(10);
/// A server sends its progress every second; one that is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// No event is longer.
const EVENT_BYTES: usize = 256 << 20;
/// No answer that is read whole is longer.
const ANSWER_BYTES: usize = 4 << 20;

impl Server {
    /// Reads an address such as `http://127.0.0.1:8080`.
    pub(super) fn read(url: &str) -> Result<Server, Refused> {
        let uri: Option<Uri> = url.parse().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http"));
        let authority = uri.as_ref().and_then(|uri| uri.authority().map(|name| (uri, name)));
        let Some((uri, authority)) = authority else {
            let text = format!("--url {url}: write it as http://HOST:PORT");
            return Err(Refused(text));
        };
        Ok(Server {
            host: authority.to_string(),
            address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            key: std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty()),
        })
    }

    /// Follows what `path` asks, from the message with `last_id` on.
    pub(super) async fn events(&self, path: &str, last_id: Option<&str>) -> anyhow::Result<Events> {
        let answer = self.ask(path, "text/event-stream", last_id).await?;
        Ok(Events { body: answer.into_body(), read: BytesMut::new(), last_id: None })
    }

    /// What a view is made of.
    pub(super) async fn view(&self, name: &str) -> anyhow::Result<View> {
        #[derive(Deserialize)]
        struct Views {
            views: Vec<View>,
        }
        let answer = self.ask("/v1/views", "application/json", None).await?;
        let body = whole(answer.into_body()).await?;
        let views: Views = serde_json::from_slice(&body).context("/v1/views is not as expected")?;
        let view = views.views.into_iter().find(|view| view.name == name);
        view.ok_or_else(|| anyhow!("the server lists no view `{name}`"))
    }

    /// The answer to a request, if it is a good one.
    async fn ask(
        &self,
        path: &str,
        accept: &str,
        last_id: Option<&str>,
    ) -> anyhow::Result<Response<Incoming>> {
        let request = Request::get(format!("{}{path}", self.prefix))
            .header(HOST, &self.host)
            .header(ACCEPT, accept);
        let request = match &self.key {
            Some(key) => request.header(AUTHORIZATION, format!("Bearer {key}")),
            None => request,
        };
        let request = match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let request = request.body(Empty::<Bytes>::new())?;
        let asked = async {
            let stream = TcpStream::connect(&self.address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection); // its errors come as those of the body
            anyhow::Ok(sender.send_request(request).await?)
        };
        let answer = timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(anyhow!("no answer")));
        let answer = answer.with_context(|| {
            format!("nothing answers at http://{}/ (is `tickweave run` running there?)", self.host)
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = whole(answer.into_body()).await?;
        let text = problem(&body).unwrap_or_else(|| format!("the server answers {status}"));
        if status.is_client_error() {
            return Err(Refused(text).into());
        }
        bail!(text)
    }
}

/// What a problem says, and what could have been meant.
fn problem(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
        #[serde(default)]
        suggestions: Vec<String>,
        #[serde(default)]
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        allowed: Vec<String>,
    }
    let Problem { detail, suggestions, errors } = serde_json::from_slice(body).ok()?;
    let mut text = detail;
    for (what, names) in [("perhaps", suggestions)]
        .into_iter()
        .chain(errors.into_iter().map(|fault| ("possible", fault.allowed)))
    {
        let new = names.iter().any(|name| !text.contains(&**name));
        if new || (what == "perhaps" && !names.is_empty()) {
            text.push_str(&format!("; {what}: {}", names.join(", ")));
        }
    }
    Some(text)
}

async fn whole(body: Incoming) -> anyhow::Result<Bytes> {
    let read = timeout(ANSWER, Limited::new(body, ANSWER_BYTES).collect()).await;
    let read = read.map_err(|_| anyhow!("the answer breaks off"))?;
    Ok(read.map_err(|error| anyhow!(error))?.to_bytes())
}

/// Messages as they come.
pub(super) struct Events {
    body: Incoming,
    read: BytesMut,
    /// The id of the last message, to come back with.
    pub(super) last_id: Option<String>,
}

impl Events {
    /// The next message; an error when no more come.
    pub(super) async fn next(&mut self) -> anyhow::Result<Message> {
        let mut searched = 0;
        loop {
            // An event ends with an empty line.
            let end = self.read[searched..].windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let event = self.read.split_to(searched + end + 2);
                searched = 0;
                if let Some(message) = self.event(&event)? {
                    return Ok(message);
                }
                continue;
            }
            searched = self.read.len().saturating_sub(1);
            if self.read.len() > EVENT_BYTES {
                bail!("the server sends an event of more than {EVENT_BYTES} bytes");
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| anyhow!("the server has fallen silent"))?;
            let frame = frame.ok_or_else(|| anyhow!("the server has ended the connection"))?;
            let frame = frame.context("the connection is broken")?;
            if let Some(data) = frame.data_ref() {
                self.read.extend_from_slice(data);
            }
        }
    }

    /// The message of an event; none if it has none.
    fn event(&mut self, event: &[u8]) -> anyhow::Result<Option<Message>> {
        let event = std::str::from_utf8(event).context("the server sends what is no text")?;
        let field = |name: &str| {
            let values =
                event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value)).next()
        };
        if let Some(id) = field("id") {
            self.last_id = Some(id.to_owned());
        }
        match (field("event"), field("data")) {
            (Some("closing"), _) => bail!("the server is stopping"),
            (_, Some(data)) => {
                let message = serde_json::from_str(data);
                Ok(Some(message.context("the server sends a message that is not understood")?))
            }
            (_, None) => Ok(None),
        }
    }
}

/// Text as part of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b',' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, address, prefix) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://localhost/", "localhost:80", ""),
            ("http://[::1]:9/ticks/", "[::1]:9", "/ticks"),
        ] {
            let server = Server::read(url).unwrap();
            assert_eq!((&*server.address, &*server.prefix), (address, prefix), "{url}");
        }
        for url in ["127.0.0.1:8080", "https://127.0.0.1", "http://", "localhost", ""] {
            let refused = Server::read(url).err().map(|refused| refused.to_string());
            assert!(refused.is_some_and(|error| error.contains("http://HOST:PORT")), "{url}");
        }
    }

    #[test]
    fn problems_tell_what_is_possible_once() {
        let text = |json: &str| problem(json.as_bytes());
        let unknown = r#"{"detail":"no view is named `x`","suggestions":["candles"]}"#;
        assert_eq!(text(unknown).unwrap(), "no view is named `x`; perhaps: candles");
        let wrong = r#"{"detail":"tf=7m (allowed: 1m)","errors":[{"allowed":["1m"]}]}"#;
        assert_eq!(text(wrong).unwrap(), "tf=7m (allowed: 1m)");
        let fields = r#"{"detail":"fields=x","errors":[{"allowed":["open","close"]}]}"#;
        assert_eq!(text(fields).unwrap(), "fields=x; possible: open, close");
        assert_eq!(text("<html>"), None);
    }

    #[test]
    fn queries_hold_any_text() {
        assert_eq!(encoded("x:A,B"), "x:A,B");
        assert_eq!(encoded("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
