//! One view to many WebSockets, beside a bare broadcast of the same bytes: a frame encoded once, one write a client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use node_api::{RowLimits, Scope, Scopes};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tickweave::keys::{KeyFile, NewKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use super::client::{Framed, PONG, UPGRADE, frame, text_frame};
use super::clocks::of_others;
use super::live::{PROBE, Served, engine, schedule};
use super::{Asked, Figures, Measurement};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "fan-out",
    doc: "deliveries per CPU second of one view to many WebSockets at 20 updates a second, beside a bare \
          broadcast of frames that are encoded once",
    by_default: true,
    run: measure,
};

/// Updates a second.
const UPDATES: u32 = 20;
/// The threads that are not the server.
const CLIENTS: &str = "clients";

/// What clients have received so far.
#[derive(Default)]
pub(super) struct Received {
    /// Updates that reached a client.
    pub(super) updates: AtomicU64,
    /// The number of clients that have received an update.
    clients: AtomicU64,
    /// Bytes of the latest update.
    bytes: AtomicU64,
    ended: AtomicBool,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    // Both ends of all sockets are in this process.
    allow_files(2 * asked.sockets)?;
    let length = Duration::from_secs(asked.seconds.max(1).into());
    // Long enough for all clients to come, however busy the machine.
    let schedule = schedule(UPDATES, length + Duration::from_secs(120), asked.seed);
    let clients = |request| Clients { sockets: asked.sockets, request };
    let of_engine = |more: &str, keys: Option<PathBuf>, request: String| {
        let (mut config, source) = engine(&schedule, more)?;
        config.protection.keys = keys;
        let served = Served::run(config, source)?;
        let measured = deliveries(served.address(), clients(request), length)?;
        served.stop()?;
        anyhow::Ok(measured)
    };
    let (per_cpu, bytes) = of_engine("", None, UPGRADE.to_owned())?;
    let bare = Bare::start(bytes)?;
    let (bare_per_cpu, _) = deliveries(bare.address, clients(UPGRADE.to_owned()), length)?;
    drop(bare);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("keys.toml");
    let (limits, request) = with_key(&path, asked.sockets)?;
    let (keyed_per_cpu, _) = of_engine(&limits, Some(path), request)?;

    let (ratio, keyed) = (per_cpu / bare_per_cpu, keyed_per_cpu / bare_per_cpu);
    say!(
        "fan-out to {} WebSockets, {UPDATES} updates/s of {bytes} bytes, deliveries per CPU second of the server\n  \
         tickweave {per_cpu:>9.0}   with keys {keyed_per_cpu:>9.0}   bare broadcast {bare_per_cpu:>9.0}   \
         {ratio:.2} and {keyed:.2} × it",
        asked.sockets
    );
    figures.report("fan_out_deliveries_per_cpu_s", per_cpu);
    figures.report("fan_out_keyed_deliveries_per_cpu_s", keyed_per_cpu);
    figures.report("fan_out_bare_deliveries_per_cpu_s", bare_per_cpu);
    figures.report("fan_out_ratio", ratio);
    figures.report("fan_out_keyed_ratio", keyed);
    Ok(())
}

/// Makes a file of one key: the shares that it needs, and what a client asks with.
fn with_key(path: &Path, sockets: usize) -> anyhow::Result<(String, String)> {
    let (scopes, limits) = (Scopes::of(&[Scope::Read]), RowLimits::default());
    let new = NewKey { name: "bench".to_owned(), scopes, limits, expires: None };
    let (_, key) = KeyFile::at(path).create(new)?;
    let config = format!(
        "[http.limits]\nfollowed = {sockets}\nconnections = {sockets}\n\
         requests_per_second = {sockets}\nrequest_burst = {sockets}\n"
    );
    let header = format!("Authorization: Bearer {}\r\n\r\n", key.text());
    let request = UPGRADE.strip_suffix("\r\n").context("a request ends with an empty line")?;
    Ok((config, format!("{request}{header}")))
}

/// So many WebSockets, and what each asks with.
struct Clients {
    sockets: usize,
    request: String,
}

/// Updates delivered to `sockets` clients per CPU second of this process without them, and the bytes of one.
fn deliveries(
    address: SocketAddr,
    Clients { sockets, request }: Clients,
    length: Duration,
) -> anyhow::Result<(f64, usize)> {
    let received = Arc::new(Received::default());
    let counting = Arc::clone(&received);
    let clients = std::thread::Builder::new()
        .name(CLIENTS.to_owned())
        .spawn(move || follow_all(address, (sockets, &request), &counting))?;
    for _ in 0..600 {
        if received.clients.load(Ordering::SeqCst) == sockets as u64 || clients.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::ensure!(
        received.clients.load(Ordering::SeqCst) == sockets as u64,
        "only {} of {sockets} clients were received anything within a minute",
        received.clients.load(Ordering::SeqCst)
    );
    let spent =
        || of_others(CLIENTS).context("this system does not report the CPU time of threads");
    let (begun, from) = (spent()?, received.updates.load(Ordering::SeqCst));
    std::thread::sleep(length);
    let (ended, upto) = (spent()?, received.updates.load(Ordering::SeqCst));
    received.ended.store(true, Ordering::SeqCst);
    clients.join().map_err(|_| anyhow::anyhow!("the clients panicked"))??;
    let want = sockets as f64 * f64::from(UPDATES) * length.as_secs_f64();
    let got = (upto - from) as f64;
    if got < want * 0.95 {
        say!("  only {got:.0} of {want:.0} updates reached their clients as frames of their own");
    }
    let bytes = received.bytes.load(Ordering::SeqCst) as usize;
    Ok((got / (ended - begun).as_secs_f64().max(1e-9), bytes))
}

/// Follows with so many clients, on this thread, until it is ended.
fn follow_all(
    address: SocketAddr,
    (sockets, request): (usize, &str),
    received: &Arc<Received>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = Vec::with_capacity(sockets);
        for _ in 0..sockets {
            let stream = open(address, request).await?;
            clients.push(tokio::spawn(follow(stream, subscription(PROBE), Arc::clone(received))));
        }
        while !received.ended.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        clients.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(())
    })
}

/// A connection that asks to become a WebSocket.
pub(super) async fn open(address: SocketAddr, request: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// What asks for the bars of a minute of an instrument.
pub(super) fn subscription(instrument: &str) -> String {
    format!(
        r#"{{"op":"subscribe","id":1,"sub":"p","view":"candles","filter":{{"symbol":["{instrument}"],"timeframe":"1m"}}}}"#
    )
}

/// Takes what comes after `ask`, to the end of the connection.
pub(super) async fn follow(
    stream: TcpStream,
    ask: String,
    received: Arc<Received>,
) -> std::io::Result<()> {
    let mut has_received = false;
    let text = |text: &[u8]| {
        if text.starts_with(b"{\"type\":\"update\"") {
            received.updates.fetch_add(1, Ordering::Relaxed);
            received.bytes.store(text.len() as u64, Ordering::Relaxed);
            if !std::mem::replace(&mut has_received, true) {
                received.clients.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    follow_texts(stream, &ask, text).await
}

/// Asks, and gives each text that comes to `take`, to the end of the connection.
pub(super) async fn follow_texts(
    mut stream: TcpStream,
    ask: &str,
    mut take: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut read = Vec::with_capacity(8_192);
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    read.drain(..head);
    stream.write_all(&text_frame(ask)).await?;
    loop {
        let mut used = 0;
        loop {
            match frame(&read[used..]) {
                Framed::Text(text) => {
                    take(&read[used..][text.clone()]);
                    used += text.end;
                }
                Framed::Ping(end) => {
                    used += end;
                    stream.write_all(&PONG).await?;
                }
                Framed::Other(end) => used += end,
                Framed::Part => break,
            }
        }
        read.drain(..used);
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// A server that knows one thing: to write the same bytes to everybody, 20 times a second.
struct Bare {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Bare {
    fn start(bytes: usize) -> std::io::Result<Bare> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (all, _) = broadcast::channel::<Arc<[u8]>>(64);
        let everybody = all.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(broadcast(stream, everybody.subscribe()));
            }
        });
        runtime.spawn(async move {
            let mut due = tokio::time::interval(Duration::from_secs(1) / UPDATES);
            loop {
                due.tick().await;
                let _ = all.send(Arc::from(update(bytes)));
            }
        });
        Ok(Bare { address, _runtime: runtime })
    }
}

/// A text frame that looks like an update of so many bytes.
fn update(bytes: usize) -> Vec<u8> {
    let mut text = b"{\"type\":\"update\",\"x\":\"".to_vec();
    text.resize(bytes.clamp(text.len(), usize::from(u16::MAX)), b'x');
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(len) if len < 126 => frame.push(len),
        _ => {
            frame.push(126);
            frame.extend((text.len() as u16).to_be_bytes());
        }
    }
    frame.extend(text);
    frame
}

async fn broadcast(
    mut stream: TcpStream,
    mut all: broadcast::Receiver<Arc<[u8]>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut asked = Vec::new();
    while !asked.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await?;
    while let Ok(frame) = all.recv().await {
        stream.write_all(&frame).await?;
    }
    Ok(())
}

/// Sees to it that this process may have so many sockets open, and what it has besides.
pub(super) fn allow_files(sockets: usize) -> anyhow::Result<()> {
    let needed = sockets as u64 + 256;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        let raised = Rlimit { current: Some(needed.min(maximum.unwrap_or(needed))), maximum };
        setrlimit(Resource::Nofile, raised).context("cannot allow more open files")?;
    }
    let Rlimit { current, .. } = getrlimit(Resource::Nofile);
    anyhow::ensure!(
        current.is_none_or(|current| current >= needed),
        "{sockets} sockets need {needed} open files, and this system allows {}",
        current.unwrap_or(0)
    );
    Ok(())
}
