//! State saved at any commit and restored by any number of workers goes on as if nothing had happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dataflows::config::{Config, RawConfig, RawRule, RawSource};
use dataflows::ingest::Stop;
use dataflows::ingest::dispatcher::Resume;
use dataflows::ingest::recording::Recording;
use dataflows::jobs::JOBS;
use dataflows::publish::ViewDigest;
use dataflows::run::{Report, RunOptions, replay_files, replay_recording};
use market::{Commit, Registries, Shard};
use operators::{NoStates, SavedState, StateReadError, StateStore};
use rows::ViewKind;

use super::binary::{Going, poll};
use super::file_source;
use super::http::get;
use super::made::{Made, Rng};

/// Keeps states in memory.
#[derive(Default)]
struct InMemory {
    restored: BTreeMap<(String, u8), SavedState>,
    saved: Mutex<BTreeMap<(String, u8), SavedState>>,
}

impl StateStore for InMemory {
    fn restored_through(&self) -> Option<Commit> {
        self.restored.values().map(|saved| saved.after).max()
    }

    fn load(&self, operator: &str, shard: Shard) -> Result<Option<SavedState>, StateReadError> {
        Ok(self.restored.get(&(operator.to_owned(), shard.0)).cloned())
    }

    fn save(
        &self,
        operator: &'static str,
        shard: Shard,
        commit: Commit,
        encode: &mut dyn FnMut() -> Vec<u8>,
    ) {
        let saved = SavedState { after: commit, encoded: Some(encode()) };
        self.saved.lock().unwrap().insert((operator.to_owned(), shard.0), saved);
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
    let resumed = options.resume.as_ref().map(|resume| &resume.registries);
    let registries = resumed.unwrap_or(&recording.header().registries).clone();
    let config: Config = raw.check_with(file.parent().unwrap(), registries).unwrap();
    let options = RunOptions { digest: true, ..options };
    replay_recording(&config, recording, states, &options, &Stop::default()).unwrap()
}

pub(super) fn digests(report: &Report) -> BTreeMap<&'static str, ViewDigest> {
    report.views.iter().map(|(view, _, digest)| (*view, digest.unwrap())).collect()
}

/// Records a live run of so many trades: its rounds have several commits. `more` are keys of `[job]`.
pub(super) fn record(folder: &Path, more: &str, trades: i64) -> PathBuf {
    let made = Made::new(6, trades, 1_200_000);
    let small = "[commit]\nrecords = 50\nround = \"10ms\"\nidle = \"50ms\"";
    made.write(folder, Some("{ speed = 900.0 }"), small);
    let job = fs::read_to_string(folder.join("job.toml")).unwrap();
    fs::write(folder.join("job.toml"), job.replacen("[job]\n", &format!("[job]\n{more}"), 1))
        .unwrap();
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
    let file = record(folder.path(), "", 6_000);
    assert_same_from_saved_states(&file, &[(1, 3), (2, 1), (3, 2), (1, 1), (2, 4), (4, 3)], 11);
}

/// A recording that is replayed up to a random commit by some workers, and on from there by others, gives what it gives
/// as a whole.
pub(super) fn assert_same_from_saved_states(file: &Path, workers: &[(usize, usize)], seed: u64) {
    let full = replay(file, 2, Arc::new(NoStates), RunOptions::default());
    assert!(full.commits > 60, "{full:?}");
    let mut rng = Rng(seed);
    for (before, after) in workers.iter().copied() {
        let commit = Commit(rng.below(full.commits.cast_signed() - 2).unsigned_abs());
        let what = format!("{before} → {after} workers at commit {commit}");
        let saved = Arc::new(InMemory::default());
        let options =
            RunOptions { until: Some(commit), save_after: Some(commit), ..RunOptions::default() };
        let first = replay(file, before, Arc::clone(&saved) as Arc<dyn StateStore>, options);
        assert_eq!(first.commits, commit.0 + 1, "{what}");
        assert!(!first.complete);
        let resume = first.saved.clone().unwrap();
        assert_eq!((resume.from, resume.through), (commit, commit));

        let second = going_on(file, after, &saved, resume);
        assert_eq!((second.commits, second.complete), (full.commits, true), "{what}");
        assert_parts(&first, &second, &full, &what);
    }
}

/// Replays the rest of a recording from saved states.
fn going_on(file: &Path, workers: usize, saved: &InMemory, resume: Resume) -> Report {
    let restored = std::mem::take(&mut *saved.saved.lock().unwrap());
    assert!(!restored.is_empty());
    let states = InMemory { restored, saved: Mutex::default() };
    let options = RunOptions { resume: Some(resume), ..RunOptions::default() };
    replay(file, workers, Arc::new(states), options)
}

/// The two parts of a run tell what the whole one does.
fn assert_parts(first: &Report, second: &Report, whole: &Report, what: &str) {
    let (first, second) = (digests(first), digests(second));
    for (view, whole) in digests(whole) {
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

/// Replays the files of a configuration, with the registries that a job goes on with, and records that.
fn recorded(raw: RawConfig, folder: &Path, name: &str, registries: Registries) -> PathBuf {
    let file = folder.join(name);
    let config = raw.check_with(folder, registries).unwrap();
    let options = RunOptions { record: Some(file.clone()), ..RunOptions::default() };
    assert!(replay_files(config, &options, &Stop::default()).unwrap().complete);
    file
}

/// Rules and calendars of the job that is restored otherwise.
const MORE: &str = r#"
[commit]
file_rows = 200
[[instrument]]
pattern = "sim:*1"
calendar = "America/New_York"
[[rule]]
name = "up"
cross = { left = "close", right = "sma20", direction = "above" }
[[rule]]
name = "hot"
settle = "at_once"
threshold = { series = "rsi14", above = 55.0 }
"#;

/// The same configuration in another order, and with more in front: a source that sends nothing, a rule that watches
/// nothing, a calendar of no instrument.
fn permuted(text: &str, folder: &Path) -> RawConfig {
    let text = text.replace(r#"["a0.csv", "a1.csv"]"#, r#"["a1.csv", "a0.csv"]"#);
    let mut raw = RawConfig::parse(&text, "job.toml").unwrap();
    let mut source = RawSource { name: "aa".to_owned(), ..raw.source[1].clone() };
    fs::write(folder.join("none.jsonl"), "").unwrap();
    source.rest.insert("paths".to_owned(), toml::Value::from(vec!["none.jsonl"]));
    raw.source.reverse();
    raw.source.insert(0, source);
    let rule = RawRule { name: "a".to_owned(), ..raw.rule[1].clone() };
    raw.rule.reverse();
    raw.rule.insert(0, RawRule { instruments: vec!["none:X".to_owned()], ..rule });
    let mut instrument = raw.instrument[0].clone();
    instrument.pattern = "none:*".to_owned();
    instrument.calendar = Some("Asia/Tokyo".to_owned());
    raw.instrument.insert(0, instrument);
    raw.job.indicators.reverse();
    raw
}

#[test]
fn a_restored_job_may_be_configured_in_another_order_and_with_more() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(8, 3_000, 1_200_000).write(folder, None, MORE);
    let text = fs::read_to_string(folder.join("job.toml")).unwrap();
    let raw = RawConfig::parse(&text, "job.toml").unwrap();
    let file = recorded(raw, folder, "one.rec", Registries::default());
    let registries = Recording::open(&file).unwrap().header().registries.clone();
    let other = permuted(&text, folder);
    let permuted = recorded(other.clone(), folder, "other.rec", registries.clone());

    let full = replay(&file, 2, Arc::new(NoStates), RunOptions::default());
    assert!(full.commits > 20, "{full:?}");
    let rows = |name| full.views.iter().find(|(view, ..)| *view == name).map(|(_, rows, _)| *rows);
    assert!(
        ["alerts", "signals", "indicators"].into_iter().all(|view| rows(view) > Some(20)),
        "{full:?}"
    );
    let mut rng = Rng(13);
    for (before, after) in [(1, 2), (2, 3), (3, 1)] {
        let commit = Commit(rng.below(full.commits.cast_signed() - 2).unsigned_abs());
        let what = format!("{before} → {after} workers at commit {commit}");
        let saved = Arc::new(InMemory::default());
        let options =
            RunOptions { until: Some(commit), save_after: Some(commit), ..RunOptions::default() };
        let first = replay(&file, before, Arc::clone(&saved) as Arc<dyn StateStore>, options);
        let resume = first.saved.clone().unwrap();
        assert_eq!(resume.registries, registries, "{what}");
        let second = going_on(&permuted, after, &saved, resume);
        assert_eq!((second.commits, second.complete), (full.commits, true), "{what}");
        assert_parts(&first, &second, &full, &what);
    }

    // With numbers of its own, the same configuration is another job.
    let config = other.check(folder).unwrap();
    let recording = Recording::open(&file).unwrap();
    let states = Arc::new(NoStates);
    let options = RunOptions::default();
    let refused = replay_recording(&config, recording, states, &options, &Stop::default());
    let error = refused.unwrap_err().to_string();
    assert!(error.starts_with("number 0 is source `aa` in this job and `a` in what"), "{error}");
}

/// A source of trades of one instrument, each with an id and at about this price: after the first lines, or at them.
/// What stands at them ends with one more trade after all others: a source that has ended would make those late.
fn feed(folder: &Path, name: &str, price: i64, is_later: bool) -> String {
    let rows: String = (0..50).map(|n| format!("{},{n},{},1\n", 60 + n / 3, price + n)).collect();
    let blank = "\n".repeat(99);
    let text = match is_later {
        true => format!("t,i,p,q\n{blank}{rows}"),
        false => format!("t,i,p,q\n{rows}{blank}{blank}77,50,{price},1\n"),
    };
    fs::write(folder.join(format!("{name}.csv")), text).unwrap();
    file_source(name)
}

#[test]
fn a_source_that_a_restored_job_gains_outranks_those_whose_names_come_after() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // The rows of `m` come after those of both others, and contradict them.
    let (a, z, m) = (
        feed(folder, "a", 100, false),
        feed(folder, "z", 200, false),
        feed(folder, "m", 300, true),
    );
    let job =
        "[job]\ntimeframes = [\"1s\", \"1m\"]\n[commit]\nfile_rows = 10\nfile_order = \"lines\"\n";
    let parse = |sources: &[&String]| {
        let text = format!("{job}{}", sources.iter().map(|s| s.as_str()).collect::<String>());
        RawConfig::parse(&text, "job.toml").unwrap()
    };
    for (number, (known, counts)) in [(&z, "m"), (&a, "a")].into_iter().enumerate() {
        let name = |part: &str| format!("{part}{number}.rec");
        let before = recorded(parse(&[known]), folder, &name("before"), Registries::default());
        let registries = Recording::open(&before).unwrap().header().registries.clone();
        let after = recorded(parse(&[&m, known]), folder, &name("after"), registries);
        let commit = Some(Commit(4));
        let saved = Arc::new(InMemory::default());
        let options = RunOptions { until: commit, save_after: commit, ..RunOptions::default() };
        let first = replay(&before, 2, Arc::clone(&saved) as Arc<dyn StateStore>, options);
        let restored = going_on(&after, 3, &saved, first.saved.clone().unwrap());
        for sources in [[known, &m], [&m, known]] {
            let fresh = recorded(parse(&sources), folder, "fresh.rec", Registries::default());
            let fresh_run = replay(&fresh, 1, Arc::new(NoStates), RunOptions::default());
            assert_parts(&first, &restored, &fresh_run, counts);
            fs::remove_file(fresh).unwrap();
        }
        let out = folder.join(name("out"));
        let options = RunOptions { out: Some(out.clone()), ..RunOptions::default() };
        replay(&after, 1, Arc::new(NoStates), options);
        let candles = fs::read_to_string(out.join("candles.csv")).unwrap();
        let open = if counts == "m" { "300" } else { "100" };
        let row = format!("x:A,1m,1970-01-01T00:01:00Z,{open},");
        assert!(candles.contains(&row), "{candles}");
    }
}

#[test]
fn a_recording_that_was_cut_tells_what_the_whole_one_tells_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "", 6_000);
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
