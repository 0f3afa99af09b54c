//! Handlers that are given the changes of views in batches, fast, slow and failing now and then: what they
//! have added up is the view.

mod added_up;
mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use dataflows::config::RawConfig;
use dataflows::deliver::{
    Backoff, Batch, DeliverError, Delivering, DeltaHandler, Standing, State, Told, Wish,
};
use dataflows::ingest::Stop;
use dataflows::publish::BoardReader;
use dataflows::run::{Job, OnStart, RunOptions, replay_files};
use dataflows::views::{Cell, Scan, View, view};

use crate::end_to_end::made::Made;
use added_up::AddedUp;

/// What a handler of the tests does to a batch before it takes it.
type Mood = Box<dyn FnMut(&Batch<'_>) -> Result<(), DeliverError> + Send>;

/// Adds up what it is given, in its mood.
struct Handler {
    mood: Mood,
    added_up: Arc<Mutex<AddedUp>>,
}

impl DeltaHandler for Handler {
    fn deliver(&mut self, batch: &Batch<'_>) -> Result<(), DeliverError> {
        (self.mood)(batch)?;
        self.added_up.lock().unwrap().take(batch);
        Ok(())
    }
}

fn content() -> Mood {
    Box::new(|_| Ok(()))
}

fn slow(pause: Duration) -> Mood {
    Box::new(move |_| {
        sleep(pause);
        Ok(())
    })
}

/// Does not take two of three tries.
fn moody() -> Mood {
    let mut tries = 0;
    Box::new(move |batch| {
        tries += 1;
        if tries % 3 == 0 {
            return Ok(());
        }
        Err(DeliverError::Retry(format!("not commit {} now", batch.commit.0).into()))
    })
}

/// Delivers `handlers` their views while files are replayed; gives each what it added up, how it went, and the
/// rows of the view at the end.
fn delivered(
    workers: usize,
    more: &str,
    patience: Duration,
    handlers: Vec<(&'static str, Mood)>,
) -> Vec<(AddedUp, Told, Vec<Vec<Cell>>)> {
    let folder = tempfile::tempdir().unwrap();
    Made::new(5, 6_000, 1_200_000).write(folder.path(), None, more);
    let config = raw(folder.path(), workers).check(folder.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let runtime_of_threads = runtime.handle().clone();
    let begun = Arc::new(Mutex::new(None));
    let (tell, waiting) = (Arc::clone(&begun), Mutex::new(Some(handlers)));
    let on_start: OnStart = Box::new(move |started: &Job| {
        let handlers = waiting.lock().unwrap().take().unwrap();
        let reader = Arc::new(started.reader());
        let mut delivering = Delivering::new(reader, runtime_of_threads.clone());
        let mut told = Vec::new();
        for (name, mood) in handlers {
            let view = view(name).unwrap();
            let added_up = Arc::new(Mutex::new(AddedUp::new(view)));
            let handler = Handler { mood, added_up: Arc::clone(&added_up) };
            let standing = Standing::new("test", "test", view);
            let every = Duration::from_millis(1);
            let backoff = Backoff { first: every, most: every * 4 };
            let wish = Wish { view, wanted: Arc::default(), every, backoff };
            delivering.start(wish, Box::new(handler), Arc::clone(&standing)).unwrap();
            told.push((added_up, standing));
        }
        *tell.lock().unwrap() = Some((started.reader(), delivering, told));
    });
    let options = RunOptions {
        followed: true,
        speed: Some(600.0),
        on_start: Some(on_start),
        ..RunOptions::default()
    };
    replay_files(config, &options, &Stop::default()).unwrap();
    let (reader, delivering, told) = begun.lock().unwrap().take().unwrap();
    delivering.finish(patience);
    let of = |(added_up, standing): (Arc<Mutex<AddedUp>>, Arc<Standing>)| {
        let added_up = added_up.lock().unwrap().clone();
        (added_up, standing.told(), rows(&reader, standing.view))
    };
    told.into_iter().map(of).collect()
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

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_is_delivered_adds_up_to_the_view() {
    for workers in [1, 2, 3] {
        let handlers = vec![
            ("candles", content()),
            ("candles", slow(Duration::from_millis(100))),
            ("candles", moody()),
            ("alerts", content()),
            ("indicators", moody()),
            ("trades", moody()),
            ("revisions", content()),
        ];
        let names: Vec<_> = handlers.iter().map(|(name, _)| *name).collect();
        let all = delivered(workers, "", LONG, handlers);
        for (name, (added_up, told, rows)) in names.iter().zip(&all) {
            assert!(rows.len() > 50, "{name} has {} rows", rows.len());
            assert!(added_up.is(rows), "{name} at {workers} workers does not add up: {told:?}");
            assert_eq!((told.state, told.resyncs), (State::Ended, 0), "{name}: {told:?}");
            assert_eq!(told.rows, added_up.deltas(), "{name}");
            // The check itself: without one of the changes it does not add up.
            assert!(!added_up.without_the_last_delta().is(rows), "{name}: a lost change shows");
        }
        let [fast, slow, moody] = [&all[0], &all[1], &all[2]].map(|(_, told, _)| told);
        assert!(slow.batches < fast.batches, "fewer batches: {slow:?}, {fast:?}");
        assert!(slow.rows < fast.rows, "which are consolidated: {slow:?}, {fast:?}");
        assert!(moody.retries >= moody.batches, "{moody:?}");
        assert!(moody.last_error.as_ref().unwrap().starts_with("not commit"), "{moody:?}");
        assert_eq!(fast.last_error, None);
    }
}

/// A ring of few changes: a slow handler is further behind than that, and gets the view anew.
#[test]
fn who_is_too_far_behind_gets_a_snapshot() {
    let handlers = vec![("candles", slow(Duration::from_millis(100)))];
    let all = delivered(2, "[limits]\nring_bytes = 20_000", LONG, handlers);
    let (added_up, told, rows) = &all[0];
    assert!(told.resyncs > 0, "it was never too far behind: {told:?}");
    assert!(added_up.is(rows), "{told:?}");
    assert_eq!(told.resyncs, added_up.resyncs());
}

#[test]
fn who_gives_up_or_takes_nothing_holds_nobody_up() {
    let gives_up = |batch: &Batch<'_>| match batch.after {
        None => Ok(()),
        Some(_) => Err(DeliverError::GiveUp("enough".into())),
    };
    let never = |_: &Batch<'_>| Err(DeliverError::Retry("not now".into()));
    let panics = |_: &Batch<'_>| panic!("a handler of the tests");
    let handlers: Vec<(&str, Mood)> = vec![
        ("candles", Box::new(gives_up)),
        ("candles", Box::new(never)),
        ("candles", Box::new(panics)),
        ("candles", content()),
    ];
    let all = delivered(1, "", Duration::from_millis(300), handlers);
    let by_error: BTreeMap<usize, String> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, told, _))| told.state == State::Failed)
        .map(|(at, (_, told, _))| (at, told.last_error.clone().unwrap()))
        .collect();
    let said = [
        (0, "enough"),
        (1, "time was up before everything was delivered; the last try: not now"),
        (2, "its handler has panicked; see the log"),
    ];
    assert_eq!(by_error, said.map(|(at, said)| (at, said.to_owned())).into());
    let (added_up, told, rows) = &all[3];
    assert!(added_up.is(rows), "{told:?}");
}
