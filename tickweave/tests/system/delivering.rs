//! Fast, slow and failing handlers take the changes of views in batches. The changes they have added up are the
//! view.

mod added_up;
mod everywhere;
mod files;
mod keys;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use dataflows::config::RawConfig;
use dataflows::delivery::{
    Backoff, DeliverError, DeltaBatch, DeltaHandler, SinkProgress, SinkSet, SinkState, SinkStatus,
    SinkSubscription,
};
use dataflows::ingest::Stop;
use dataflows::jobs::JOBS;
use dataflows::publish::BoardReader;
use dataflows::run::{Job, OnStart, RunOptions, replay_files};
use rows::{Cell, Scan, View};

use crate::end_to_end::made::Made;
use added_up::AddedUp;

/// Runs before a handler of the tests takes a batch: may wait, fail or panic.
type Behaviour = Box<dyn FnMut(&DeltaBatch<'_>) -> Result<(), DeliverError> + Send>;

/// Adds up the batches that its behaviour lets through.
struct Handler {
    behaviour: Behaviour,
    added_up: Arc<Mutex<AddedUp>>,
}

impl DeltaHandler for Handler {
    fn deliver(&mut self, batch: &DeltaBatch<'_>) -> Result<(), DeliverError> {
        (self.behaviour)(batch)?;
        self.added_up.lock().unwrap().take(batch);
        Ok(())
    }
}

fn accepting() -> Behaviour {
    Box::new(|_| Ok(()))
}

fn slow(pause: Duration) -> Behaviour {
    Box::new(move |_| {
        sleep(pause);
        Ok(())
    })
}

/// Fails two of three attempts.
fn flaky() -> Behaviour {
    let mut tries = 0;
    Box::new(move |batch| {
        tries += 1;
        if tries % 3 == 0 {
            return Ok(());
        }
        Err(DeliverError::Retry(format!("not commit {} now", batch.commit.0).into()))
    })
}

/// Delivers views to `handlers` while files are replayed. Returns for each what it added up, its progress, and the
/// rows of the view at the end.
fn delivered(
    workers: usize,
    more: &str,
    timeout: Duration,
    handlers: Vec<(&'static str, Behaviour)>,
) -> Vec<(AddedUp, SinkProgress, Vec<Vec<Cell>>)> {
    let folder = tempfile::tempdir().unwrap();
    Made::new(5, 6_000, 1_200_000).write(folder.path(), None, more);
    let config = raw(folder.path(), workers).check(folder.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let runtime_of_threads = runtime.handle().clone();
    let begun = Arc::new(Mutex::new(None));
    let (started_run, waiting) = (Arc::clone(&begun), Mutex::new(Some(handlers)));
    let on_start: OnStart = Box::new(move |started: &Job| {
        let handlers = waiting.lock().unwrap().take().unwrap();
        let reader = Arc::new(started.reader());
        let mut sinks = SinkSet::new(reader, runtime_of_threads.clone());
        let mut statuses = Vec::new();
        for (name, behaviour) in handlers {
            let view = JOBS[0].views.named(name).unwrap();
            let added_up = Arc::new(Mutex::new(AddedUp::new(view)));
            let handler = Handler { behaviour, added_up: Arc::clone(&added_up) };
            let status = SinkStatus::new("test", "test", view);
            let every = Duration::from_millis(1);
            let backoff = Backoff { first: every, most: every * 4 };
            let subscription = SinkSubscription {
                view,
                filter: Arc::default(),
                every,
                backoff,
                replace_earlier: None,
            };
            sinks.start(subscription, Box::new(handler), Arc::clone(&status)).unwrap();
            statuses.push((added_up, status));
        }
        *started_run.lock().unwrap() = Some((started.reader(), sinks, statuses));
    });
    let options = RunOptions {
        followed: true,
        speed: Some(600.0),
        on_start: Some(on_start),
        ..RunOptions::default()
    };
    replay_files(config, &options, &Stop::default()).unwrap();
    let (reader, sinks, statuses) = begun.lock().unwrap().take().unwrap();
    sinks.finish(timeout);
    let of = |(added_up, status): (Arc<Mutex<AddedUp>>, Arc<SinkStatus>)| {
        let added_up = added_up.lock().unwrap().clone();
        (added_up, status.progress(), rows(&reader, status.view))
    };
    statuses.into_iter().map(of).collect()
}

fn raw(folder: &Path, workers: usize) -> RawConfig {
    let mut raw = RawConfig::read(&folder.join("job.toml")).unwrap();
    raw.job.workers = workers;
    raw.commit.file_rows = 50;
    raw
}

fn rows(reader: &BoardReader, view: &'static View) -> Vec<Vec<Cell>> {
    reader.read(&Scan::all(view)).unwrap().rows
}

const FINISH_TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn what_is_delivered_adds_up_to_the_view() {
    for workers in [1, 2, 3] {
        let handlers = vec![
            ("candles", accepting()),
            ("candles", slow(Duration::from_millis(100))),
            ("candles", flaky()),
            ("alerts", accepting()),
            ("indicators", flaky()),
            ("trades", flaky()),
            ("revisions", accepting()),
        ];
        let names: Vec<_> = handlers.iter().map(|(name, _)| *name).collect();
        let all = delivered(workers, "", FINISH_TIMEOUT, handlers);
        for (name, (added_up, progress, rows)) in names.iter().zip(&all) {
            assert!(rows.len() > 50, "{name} has {} rows", rows.len());
            assert!(added_up.is(rows), "{name} at {workers} workers does not add up: {progress:?}");
            assert_eq!(
                (progress.state, progress.resyncs),
                (SinkState::Ended, 0),
                "{name}: {progress:?}"
            );
            assert_eq!(progress.rows, added_up.deltas(), "{name}");
            // The check itself: without one of the changes it does not add up.
            assert!(!added_up.without_the_last_delta().is(rows), "{name}: a lost change shows");
        }
        let [fast, slow, flaky] = [&all[0], &all[1], &all[2]].map(|(_, progress, _)| progress);
        assert!(slow.batches < fast.batches, "fewer batches: {slow:?}, {fast:?}");
        assert!(slow.rows < fast.rows, "which are consolidated: {slow:?}, {fast:?}");
        assert!(flaky.retries >= flaky.batches, "{flaky:?}");
        assert!(flaky.last_error.as_ref().unwrap().starts_with("not commit"), "{flaky:?}");
        assert_eq!(fast.last_error, None);
    }
}

/// The ring retains few changes, so a slow handler falls behind it and gets a snapshot.
#[test]
fn a_handler_that_is_too_far_behind_gets_a_snapshot() {
    let handlers = vec![("candles", slow(Duration::from_millis(100)))];
    let all = delivered(2, "[limits]\nring_bytes = 20_000", FINISH_TIMEOUT, handlers);
    let (added_up, progress, rows) = &all[0];
    assert!(progress.resyncs > 0, "it was never too far behind: {progress:?}");
    assert!(added_up.is(rows), "{progress:?}");
    assert_eq!(progress.resyncs, added_up.resyncs());
}

#[test]
fn a_failed_handler_does_not_hold_up_the_others() {
    let gives_up = |batch: &DeltaBatch<'_>| match batch.after {
        None => Ok(()),
        Some(_) => Err(DeliverError::GiveUp("enough".into())),
    };
    let never = |_: &DeltaBatch<'_>| Err(DeliverError::Retry("not now".into()));
    let panics = |_: &DeltaBatch<'_>| panic!("a handler of the tests");
    let handlers: Vec<(&str, Behaviour)> = vec![
        ("candles", Box::new(gives_up)),
        ("candles", Box::new(never)),
        ("candles", Box::new(panics)),
        ("candles", accepting()),
    ];
    let all = delivered(1, "", Duration::from_millis(300), handlers);
    let by_error: BTreeMap<usize, String> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, progress, _))| progress.state == SinkState::Failed)
        .map(|(at, (_, progress, _))| (at, progress.last_error.clone().unwrap()))
        .collect();
    let expected = [
        (0, "enough"),
        (1, "time was up before everything was delivered; the last try: not now"),
        (2, "its handler has panicked; see the log"),
    ];
    assert_eq!(by_error, expected.map(|(at, error)| (at, error.to_owned())).into());
    let (added_up, progress, rows) = &all[3];
    assert!(added_up.is(rows), "{progress:?}");
}
