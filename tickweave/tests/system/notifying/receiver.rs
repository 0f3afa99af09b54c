//! A real HTTP server that keeps what it is sent, and answers as a test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::end_to_end::binary::poll;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Status and more lines of the head.
type Judge = dyn Fn(&Request) -> (u16, &'static str) + Send + Sync;

/// A server on this machine; it stops with the test.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
}

impl Receiver {
    /// Answers as `judge` says.
    pub(super) fn start(
        judge: impl Fn(&Request) -> (u16, &'static str) + Send + Sync + 'static,
    ) -> Receiver {
        Receiver::serving(judge, None)
    }

    /// Takes everything, over TLS; gives its certificate as PEM.
    pub(super) fn start_tls() -> (Receiver, String) {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
        (Receiver::serving(|_| (200, ""), Some(Arc::new(config))), signed.cert.pem())
    }

    fn serving(
        judge: impl Fn(&Request) -> (u16, &'static str) + Send + Sync + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Request>>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let judge: Arc<Judge> = Arc::new(judge);
        let (to, over) = (Arc::clone(&received), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (judge, to) = (Arc::clone(&judge), Arc::clone(&to));
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let tls = tls.clone().map(|config| ServerConnection::new(config).unwrap());
                thread::spawn(move || match tls {
                    Some(tls) => serve(StreamOwned::new(tls, stream), &*judge, &to),
                    None => serve(stream, &*judge, &to),
                });
            }
        });
        Receiver { address, received, is_over }
    }

    /// All requests so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub(super) fn wait_for(&self, count: usize) -> Vec<Request> {
        let enough = || Some(self.requests()).filter(|requests| requests.len() >= count);
        poll(enough, || format!("{count} requests: {:#?}", self.requests()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the thread
    }
}

/// Serves a connection until it ends.
fn serve(stream: impl Read + Write, judge: &Judge, to: &Mutex<Vec<Request>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let (status, more) = judge(&request);
        to.lock().unwrap().push(request);
        let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: 5\r\n{more}\r\nwords");
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body: String::from_utf8(body).unwrap() })
}
