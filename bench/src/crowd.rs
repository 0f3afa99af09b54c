//! Clients of a server that read all they can, as a process of its own of the lowest priority: what is measured is what
//! they cost the server, not what they take from it by being there.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::client::UPGRADE;
use super::fan_out::{Received, allow_files, follow, open, subscription};

/// What readers ask for, one path each: bars, the newest trades, and a trade that is not there, for which all are visited.
const READS: [&str; 3] = [
    "/v1/views/candles?timeframe=1m&limit=10000",
    "/v1/views/trades?limit=10000",
    "/v1/views/trades?id=nosuch&limit=10000",
];
/// Followers have a symbol each, by turns.
const SYMBOLS: usize = 200;
/// Who cannot connect tries again.
const PAUSE: Duration = Duration::from_secs(1);
/// Added to what the process's priority is.
const NICE: i32 = 19;

/// What clients came to so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Updates that reached followers.
    pub(super) updates: u64,
    /// Reads that were answered with rows.
    pub(super) answered: u64,
    /// The bytes of these.
    pub(super) bytes: u64,
    /// Reads that were told to come again later, with 503.
    pub(super) refused: u64,
    /// Reads that were answered otherwise, or not at all, and followers whose connection ended.
    pub(super) failed: u64,
    /// The longest that a read waited for its answer, in ms.
    pub(super) longest_ms: u64,
}

#[derive(Default)]
struct Counting {
    answered: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    longest_ms: AtomicU64,
}

/// An answer to a read.
struct Answer {
    status: u16,
    bytes: usize,
    retry_after: Duration,
}

/// So many followers and as many readers, until standard input ends; for each line of it their counts are written.
///
/// # Errors
/// If this process may not have so many connections.
pub fn crowd(address: SocketAddr, clients: usize, output: &mut impl Write) -> anyhow::Result<()> {
    allow_files(2 * clients)?;
    rustix::process::nice(NICE)?;
    let (counting, received) = (Arc::new(Counting::default()), Arc::new(Received::default()));
    let (counted, followed) = (Arc::clone(&counting), Arc::clone(&received));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("clients".to_owned()).spawn(move || {
        runtime.block_on(async {
            for client in 0..clients {
                let (received, counting) = (Arc::clone(&followed), Arc::clone(&counted));
                tokio::spawn(follow_one(address, client % SYMBOLS, received, counting));
                tokio::spawn(read(address, READS[client % READS.len()], Arc::clone(&counted)));
            }
            std::future::pending::<()>().await;
        });
    })?;
    for line in io::stdin().lines() {
        line?;
        let counts = Counts {
            updates: received.updates.load(Ordering::Relaxed),
            answered: counting.answered.load(Ordering::Relaxed),
            bytes: counting.bytes.load(Ordering::Relaxed),
            refused: counting.refused.load(Ordering::Relaxed),
            failed: counting.failed.load(Ordering::Relaxed),
            longest_ms: counting.longest_ms.load(Ordering::Relaxed),
        };
        writeln!(output, "{}", serde_json::to_string(&counts)?)?;
        output.flush()?;
    }
    Ok(())
}

/// Follows the bars of a symbol for as long as the server does not close the connection.
async fn follow_one(
    address: SocketAddr,
    symbol: usize,
    received: Arc<Received>,
    counting: Arc<Counting>,
) {
    if let Ok(stream) = open(address, UPGRADE).await {
        let _ = follow(stream, subscription(&format!("bench:S{symbol:03}")), received).await;
    }
    counting.failed.fetch_add(1, Ordering::Relaxed);
}

/// Asks for a path, one request after the other. Who is told to come again later does.
async fn read(address: SocketAddr, path: &'static str, counting: Arc<Counting>) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            while let Some(pause) = read_once(&mut stream, &request, &counting).await {
                sleep(pause).await;
            }
        }
        counting.failed.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE).await;
    }
}

/// One request; none if it is not answered with rows or 503, else how long to wait before the next.
async fn read_once(stream: &mut TcpStream, request: &str, counting: &Counting) -> Option<Duration> {
    let asked = Instant::now();
    stream.write_all(request.as_bytes()).await.ok()?;
    let answer = answer(stream).await.ok()?;
    let took = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    counting.longest_ms.fetch_max(took, Ordering::Relaxed);
    match answer.status {
        200 => {
            counting.answered.fetch_add(1, Ordering::Relaxed);
            counting.bytes.fetch_add(answer.bytes as u64, Ordering::Relaxed);
            Some(Duration::ZERO)
        }
        503 => {
            counting.refused.fetch_add(1, Ordering::Relaxed);
            Some(answer.retry_after)
        }
        _ => None,
    }
}

/// Takes an answer of known length.
async fn answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut read = Vec::with_capacity(16_384);
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    let bytes: usize = header("content-length:").ok_or_else(|| io::Error::other("no length"))?;
    let (mut left, retry_after) = (bytes.saturating_sub(read.len() - end), header("retry-after:"));
    while left > 0 {
        read.clear();
        let got = stream.read_buf(&mut read).await?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(got);
    }
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    let retry_after = Duration::from_secs(retry_after.unwrap_or(0) as u64);
    Ok(Answer { status, bytes, retry_after })
}
