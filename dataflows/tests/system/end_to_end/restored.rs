//! State saved at any commit and restored by any number of workers goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dataflows::config::{Config, RawConfig};
use dataflows::ingest::Stop;
use dataflows::ingest::recording::Recording;
use dataflows::jobs::JOBS;
use dataflows::publish::ViewDigest;
use dataflows::run::{Report, RunOptions, replay_recording};
use market::{Commit, Shard};
use operators::{NoStates, StateStore};
use rows::ViewKind;

use super::binary::{Going, poll};
use super::http::get;
use super::made::{Made, Rng};

/// Keeps states in memory.
#[derive(Default)]
struct InMemory {
    restored_at: Option<Commit>,
    states: Mutex<BTreeMap<(String, u8), Vec<u8>>>,
}

impl StateStore for InMemory {
    fn restored_at(&self) -> Option<Commit> {
        self.restored_at
    }

    fn load(&self, operator: &str, shard: Shard) -> Option<Vec<u8>> {
        self.restored_at?;
        self.states.lock().unwrap().get(&(operator.to_owned(), shard.0)).cloned()
    }

    fn save(&self, operator: &str, shard: Shard, _commit: Commit, state: Vec<u8>) {
        self.states.lock().unwrap().insert((operator.to_owned(), shard.0), state);
    }
}

pub(super) fn replay(
    file: &Path,
    workers: usize,
    states: Arc<dyn StateStore>,
    options: RunOptions,
) -> Report {
    let recording = Recording::open(file).unwrap();
    let mut raw = RawConfig::parse(&recording.header().config, "recorded").unwrap();
    raw.job.workers = workers;
    let config: Config = raw.check(Path::new(".")).unwrap();
    let options = RunOptions { digest: true, ..options };
    replay_recording(&config, recording, states, &options, &Stop::default()).unwrap()
}

fn digests(report: &Report) -> BTreeMap<&'static str, ViewDigest> {
    report.views.iter().map(|(view, _, digest)| (*view, digest.unwrap())).collect()
}

/// Records a live run: its rounds have several commits.
fn record(folder: &Path) -> PathBuf {
    let made = Made::new(6, 6_000, 1_200_000);
    let small = "[commit]\nrecords = 50\nround = \"10ms\"\nidle = \"50ms\"";
    made.write(folder, Some("{ speed = 900.0 }"), small);
    let mut run = Going::start(folder, &["run", "job.toml", "--record", "live.rec", "--json"]);
    let address = run.address();
    let all = format!("records_total{{source=\"b\"}} {}", made.b.len());
    poll(|| get(address, "/metrics").body.contains(&all).then_some(()), || all.clone());
    run.signal("INT");
    run.end().json();
    folder.join("live.rec")
}

#[test]
fn a_restored_job_goes_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path());
    let full = replay(&file, 2, Arc::new(NoStates), RunOptions::default());
    assert!(full.commits > 100, "{full:?}");
    let mut rng = Rng(11);
    for (before, after) in [(1, 3), (2, 1), (3, 2), (1, 1), (2, 4), (4, 3)] {
        let commit = Commit(rng.below(full.commits.cast_signed() - 2).unsigned_abs());
        let what = format!("{before} → {after} workers at commit {commit}");
        let saved = Arc::new(InMemory::default());
        let options =
            RunOptions { until: Some(commit), save_after: Some(commit), ..RunOptions::default() };
        let first = replay(&file, before, Arc::clone(&saved) as Arc<dyn StateStore>, options);
        assert_eq!(first.commits, commit.0 + 1, "{what}");
        assert!(!first.complete);
        let resume = first.saved.clone().unwrap();
        assert_eq!(resume.after, commit);

        let states = std::mem::take(&mut *saved.states.lock().unwrap());
        assert!(!states.is_empty(), "{what}");
        let states = InMemory { restored_at: Some(commit), states: Mutex::new(states) };
        let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
        let second = replay(&file, after, Arc::new(states), options);
        assert_eq!((second.commits, second.complete), (full.commits, true), "{what}");

        let (first, second) = (digests(&first), digests(&second));
        for (view, whole) in digests(&full) {
            let mut changes = first[view].changes;
            changes.merge(second[view].changes);
            assert_eq!(changes, whole.changes, "changes of {view}, {what}");
            // Logs start empty after a restore; keyed views are all there.
            let mut rows = second[view].rows;
            if JOBS[0].views.named(view).is_some_and(|view| view.kind == ViewKind::Log) {
                rows.merge(first[view].rows);
            }
            assert_eq!(rows, whole.rows, "rows of {view}, {what}");
        }
    }
}

#[test]
fn a_recording_that_was_cut_tells_what_the_whole_one_tells_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path());
    let bytes = std::fs::read(&file).unwrap();
    for part in 1..=3 {
        let short = folder.path().join("cut.rec");
        std::fs::write(&short, &bytes[..bytes.len() * part / 4]).unwrap();
        let cut = replay(&short, part, Arc::new(NoStates), RunOptions::default());
        assert!(cut.cut && cut.complete && cut.commits > 0, "{cut:?}");
        let until = Some(Commit(cut.commits - 1));
        let options = RunOptions { until, ..RunOptions::default() };
        let whole = replay(&file, 4 - part, Arc::new(NoStates), options);
        assert_eq!(digests(&cut), digests(&whole));
        assert_eq!(cut.totals.records, whole.totals.records);
    }
}
