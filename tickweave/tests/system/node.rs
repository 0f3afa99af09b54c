//! A node as a value: started from a configuration, asked and fed without a socket, paused and stopped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dataflows::config::{Config, Layers, RawConfig};
use dataflows::ingest::Stop;
use dataflows::ingest::recording::Recording;
use dataflows::jobs::JOBS;
use dataflows::run::{Report, RunOptions, replay_recording};
use node_api::Readiness;
use node_api::ingest::{PostError, PostedBody, PostedFormat};
use operators::NoStates;
use rows::{Cell, Scan};
use tickweave::node::Node;

/// A simulated venue, and rows of clients.
fn config(folder: &Path, more: &str) -> Config {
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[job]\ntimeframes = [\"1s\"]\nindicators = []\n\
         [commit]\nround = \"20ms\"\n{more}"
    );
    RawConfig::parse(&text, "node.toml").unwrap().check(folder).unwrap()
}

const VENUE: &str = "[[source]]\nname = \"venue\"\nkind = \"simulated\"\ninstrument = \"sim:{symbol}\"\n\
                     symbols = 5\nticks_per_second = 500\nseed = 1\n";

fn start(config: Config, options: RunOptions) -> Node {
    Node::start(config, options, &Stop::default()).unwrap()
}

/// Waits until `what` gives something.
fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = what() {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "this takes too long");
        sleep(Duration::from_millis(5));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// State and number of rows of the source, as the view `sources` shows them.
fn source(node: &Node) -> Option<(&'static str, u64)> {
    let sources = JOBS[0].views.named("sources").unwrap();
    let page = block_on(node.reader().scan(Scan::all(sources))).unwrap();
    let [state, rows] = ["state", "rows"].map(|name| sources.column(name).unwrap());
    let is_venue = |row: &&Vec<Cell>| row[0] == Cell::Text("venue".to_owned());
    let row = page.rows.iter().find(is_venue)?;
    match (&row[state], &row[rows]) {
        (Cell::Word(state), Cell::Unsigned(rows)) => Some((state, *rows)),
        other => panic!("{other:?}"),
    }
}

fn digests(report: &Report) -> Vec<String> {
    report.views.iter().map(|view| format!("{view:?}")).collect()
}

#[test]
fn a_source_pauses_and_resumes_on_request_and_a_replay_comes_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run.rec");
    let options =
        RunOptions { record: Some(record.clone()), digest: true, ..RunOptions::default() };
    let node = start(config(folder.path(), VENUE), options);
    wait_for(|| source(&node).filter(|(_, rows)| *rows > 50));
    let unknown = node.control().pause("veneu").unwrap_err().to_string();
    assert_eq!(unknown, "no source is named `veneu` (possible: venue)");

    node.control().pause("venue").unwrap();
    let (_, paused_at) = wait_for(|| source(&node).filter(|(state, _)| *state == "paused"));
    sleep(Duration::from_millis(300));
    assert_eq!(source(&node), Some(("paused", paused_at)), "nothing is taken meanwhile");
    assert_eq!(node.health().readiness, Readiness::Ready, "a pause on request is no trouble");

    node.control().resume("venue").unwrap();
    wait_for(|| source(&node).filter(|(state, rows)| *state != "paused" && *rows > paused_at));
    node.control().stop();
    let ran = node.wait().unwrap();
    assert!(ran.totals.accepted > paused_at);

    for workers in 1..=3 {
        let recording = Recording::open(&record).unwrap();
        let header = recording.header().clone();
        let layers = Layers::parse(header.config, "recorded".to_owned(), folder.path()).unwrap();
        let layers = layers.going_on_with(header.registries);
        let config = layers.flag("job.workers", "--workers", Some(workers)).unwrap();
        let options = RunOptions { digest: true, ..RunOptions::default() };
        let states = Arc::new(NoStates);
        let replayed = replay_recording(
            &config.check().unwrap(),
            recording,
            states,
            &options,
            &Stop::default(),
        );
        assert_eq!(digests(&replayed.unwrap()), digests(&ran), "{workers} workers");
    }
}

#[test]
fn a_run_beyond_its_budget_comes_back_when_memory_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run.rec");
    let options =
        RunOptions { record: Some(record.clone()), digest: true, ..RunOptions::default() };
    let node = start(config(folder.path(), VENUE), options);
    let ballast = Arc::new(AtomicUsize::new(0));
    let measured = Arc::clone(&ballast);
    node.board().also_retains("ballast", move || measured.load(Ordering::Relaxed));
    wait_for(|| source(&node).filter(|(_, rows)| *rows > 50));

    ballast.store(9 << 30, Ordering::Relaxed);
    let (_, paused_at) = wait_for(|| source(&node).filter(|(state, _)| *state == "paused"));
    let Readiness::NotYet(why) = node.health().readiness else { panic!("it is ready") };
    let largest = "the largest part is `ballast` with 9663676416";
    assert!(
        why.contains("`limits.state_bytes` allows 8589934592") && why.contains(largest),
        "{why}"
    );
    sleep(Duration::from_millis(200));
    assert_eq!(source(&node), Some(("paused", paused_at)), "nothing is taken meanwhile");

    ballast.store(0, Ordering::Relaxed);
    wait_for(|| source(&node).filter(|(state, rows)| *state != "paused" && *rows > paused_at));
    wait_for(|| Some(()).filter(|()| node.health().readiness == Readiness::Ready));
    node.control().stop();
    let ran = node.wait().unwrap();
    let recording = Recording::open(&record).unwrap();
    let layers =
        Layers::parse(recording.header().config.clone(), "recorded".to_owned(), folder.path());
    let layers = layers.unwrap().going_on_with(recording.header().registries.clone());
    let options = RunOptions { digest: true, ..RunOptions::default() };
    let replayed = replay_recording(
        &layers.check().unwrap(),
        recording,
        Arc::new(NoStates),
        &options,
        &Stop::default(),
    );
    assert_eq!(digests(&replayed.unwrap()), digests(&ran));
}

#[test]
fn rows_reach_a_node_without_a_socket_and_are_seen_at_the_commit_that_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(config(folder.path(), ""), RunOptions::default());
    let ingest = node.ingest().unwrap();
    let trade = concat!(
        r#"[{"type":"trade","instrument":"a:B","id":"1","time":"2026-01-05T10:00:00Z","#,
        r#""price":"2.5","quantity":"3"}]"#
    );
    let body = PostedBody {
        form: PostedFormat::Json,
        body: trade.as_bytes().to_vec(),
        row_type: None,
        atomic: true,
        key: None,
        durable_within: Duration::ZERO,
        limits: Arc::default(),
    };
    let outcome = wait_for(|| match block_on(ingest.take(body.clone())) {
        Err(PostError::Closed) => None, // the run has not begun
        taken => Some(taken.unwrap()),
    });
    assert_eq!((outcome.accepted, outcome.rejected), (1, 0));
    let commit = outcome.token.unwrap().commit;
    wait_for(|| Some(()).filter(|()| node.reader().frontier().commit >= Some(commit)));
    assert_eq!(node.reader().count(JOBS[0].views.named("candles").unwrap()), 1);
    assert!(node.address().ip().is_loopback());
    node.control().stop();
    assert_eq!(node.wait().unwrap().totals.accepted, 1);
}

#[test]
fn a_node_that_is_dropped_gives_its_address_free() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(config(folder.path(), VENUE), RunOptions::default());
    let address = node.address();
    drop(node);
    wait_for(|| std::net::TcpListener::bind(address).ok());
}
