//! How long it takes until all clients of a server that was started again go on, and whether commits wait for that.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::RunOptions;
use node_api::Readiness;
use node_api::ingest::{PostedBody, PostedFormat};
use tickweave::node::Node;
use tokio::net::TcpStream;

use super::client::UPGRADE;
use super::fan_out::{allow_files, follow_texts, open};
use super::{Asked, Figures, Measurement};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "resumes",
    doc: "all WebSockets of a server at once, with their tokens, after it was started again: until the last one goes on, and \
          the longest time without a commit meanwhile, beside before",
    by_default: false,
    run: measure,
};

/// What clients were told.
#[derive(Default)]
struct Told {
    /// How many have a token.
    began: AtomicUsize,
    /// How many were told that they go on.
    resumed: AtomicUsize,
    /// How many had to begin anew.
    anew: AtomicUsize,
}

/// How long commits are looked at before the clients come.
const QUIET: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(60);

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    allow_files(2 * asked.sockets)?;
    let folder = tempfile::tempdir()?;
    let told = Arc::new(Told::default());
    let tokens: Vec<Arc<Mutex<Option<String>>>> =
        (0..asked.sockets).map(|_| Arc::default()).collect();

    let node = start(folder.path(), asked.workers)?;
    let feeding = feed(&node)?;
    let clients = follow_all(node.address(), &tokens, &told)?;
    wait("clients have rows", || told.began.load(Ordering::SeqCst) >= asked.sockets)?;
    feeding.stop();
    node.control().stop();
    node.wait()?;
    clients.join().map_err(|_| anyhow::anyhow!("the clients panicked"))?;

    let node = start(folder.path(), asked.workers)?;
    let feeding = feed(&node)?;
    let before = longest_gap(&node, || false, QUIET);
    let began = Instant::now();
    let clients = follow_all(node.address(), &tokens, &told)?;
    let all = || {
        let went_on = told.resumed.load(Ordering::SeqCst) + told.anew.load(Ordering::SeqCst);
        went_on >= asked.sockets
    };
    let meanwhile = longest_gap(&node, all, TIMEOUT);
    let took = began.elapsed();
    let (resumed, anew) = (told.resumed.load(Ordering::SeqCst), told.anew.load(Ordering::SeqCst));
    feeding.stop();
    node.control().stop();
    node.wait()?;
    clients.join().map_err(|_| anyhow::anyhow!("the clients panicked"))?;
    if !all() {
        bail!("after {} s only {resumed} of {} clients go on", TIMEOUT.as_secs(), asked.sockets);
    }
    say!(
        "{} WebSockets come back at once after a restart: {resumed} go on, {anew} begin anew; the last after {:.2} s\n  \
         the longest time without a commit: {:.0} ms, before that {:.0} ms",
        asked.sockets,
        took.as_secs_f64(),
        meanwhile.as_secs_f64() * 1e3,
        before.as_secs_f64() * 1e3,
    );
    figures.report("resumes_resumed", resumed);
    figures.report("resumes_begun_anew", anew);
    figures.report("resumes_all_told_s", took.as_secs_f64());
    figures.report("resumes_longest_gap_ms", meanwhile.as_secs_f64() * 1e3);
    figures.report("resumes_longest_gap_before_ms", before.as_secs_f64() * 1e3);
    Ok(())
}

fn start(folder: &Path, workers: usize) -> anyhow::Result<Node> {
    let text = format!(
        "[job]\nworkers = {workers}\ntimeframes = [\"1s\", \"1m\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [state]\ndir = {:?}\n[limits]\nconnections = 4096\n",
        folder.join("state")
    );
    let config = RawConfig::parse(&text, "the bench's configuration")?.check(folder)?;
    let node = Node::start(config, RunOptions::default(), &Stop::default())?;
    wait("the node is ready", || node.health().readiness == Readiness::Ready)?;
    Ok(node)
}

fn wait(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > TIMEOUT {
            bail!("waited {} s until {what}", TIMEOUT.as_secs());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// What posts trades.
struct Feeding {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Feeding {
    fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.join();
    }
}

/// Posts a trade of the instrument that all follow as soon as the one before was taken.
fn feed(node: &Node) -> anyhow::Result<Feeding> {
    let ingest = node.ingest().context("the node takes no rows")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("feed".to_owned()).spawn(move || {
        while !over.load(Ordering::SeqCst) {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_millis());
            let body = format!(
                "{{\"type\":\"trade\",\"symbol\":\"bench:P\",\"time\":\"{now}ms\",\"price\":10,\"size\":1}}\n"
            );
            let body = PostedBody {
                form: PostedFormat::Ndjson,
                body: body.into_bytes(),
                row_type: None,
                atomic: false,
                key: None,
                durable_within: Duration::ZERO,
                limits: Arc::default(),
            };
            let _ = runtime.block_on(ingest.take(body));
        }
    })?;
    Ok(Feeding { is_over, thread })
}

/// The longest time without a new commit, until something is so or for so long.
fn longest_gap(node: &Node, is_over: impl Fn() -> bool, lasts: Duration) -> Duration {
    let (began, mut since) = (Instant::now(), Instant::now());
    let (mut newest, mut longest) = (node.reader().frontier().commit, Duration::ZERO);
    while !is_over() && began.elapsed() < lasts {
        thread::sleep(Duration::from_millis(1));
        let now = node.reader().frontier().commit;
        if now != newest {
            longest = longest.max(since.elapsed());
            (newest, since) = (now, Instant::now());
        }
    }
    longest.max(since.elapsed())
}

/// Follows with a client per token, on a thread, until the server closes them.
fn follow_all(
    address: SocketAddr,
    tokens: &[Arc<Mutex<Option<String>>>],
    told: &Arc<Told>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let (tokens, told) = (tokens.to_vec(), Arc::clone(told));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(thread::Builder::new().name("clients".to_owned()).spawn(move || {
        runtime.block_on(async {
            let clients = tokens.into_iter().map(|token| {
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    let stream = open(address, UPGRADE).await?;
                    follow(stream, &token, &told).await
                })
            });
            for client in clients.collect::<Vec<_>>() {
                let _ = client.await;
            }
        });
    })?)
}

/// Takes what comes to the end of the connection, and keeps the newest token.
async fn follow(
    stream: TcpStream,
    token: &Mutex<Option<String>>,
    told: &Told,
) -> std::io::Result<()> {
    let lock = || token.lock().unwrap_or_else(PoisonError::into_inner);
    let resume = lock().clone();
    let ask = format!(
        r#"{{"op":"subscribe","id":1,"sub":"p","view":"candles","filter":{{"timeframe":"1m"}},"resume":{}}}"#,
        resume.as_ref().map_or_else(|| "null".to_owned(), |token| format!("\"{token}\""))
    );
    let take = |text: &[u8]| {
        let message = String::from_utf8_lossy(text);
        if message.starts_with("{\"type\":\"resumed\"") {
            told.resumed.fetch_add(1, Ordering::SeqCst);
        } else if message.starts_with("{\"type\":\"resync\"") {
            told.anew.fetch_add(1, Ordering::SeqCst);
        }
        let found = message.split_once("\"resume\":\"");
        if let Some(found) = found.and_then(|(_, rest)| rest.split('"').next())
            && lock().replace(found.to_owned()).is_none()
        {
            told.began.fetch_add(1, Ordering::SeqCst);
        }
    };
    follow_texts(stream, &ask, take).await
}
