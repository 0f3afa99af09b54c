//! The directory and its segments.

use std::fs;

use market::{Catalog, SharedRegistries};

use super::*;
use crate::clock::Binding;
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::idempotency::KeyedPost;
use crate::ingest::recording::{Next, Recording, RecordingHeader};
use crate::ingest::stop::Stop;
use crate::rules::{RuleChange, RunTimeRules};
use market::{Commit, EventTime, Generation};
use std::sync::Arc;

fn header(generation: u64) -> LogHeader {
    let registries = SharedRegistries::default();
    registries.register_sources(&["a"]).unwrap();
    LogHeader {
        header: RecordingHeader {
            config: String::new(),
            generation: Generation(generation),
            registries: registries.snapshot(),
        },
        catalog: Arc::new(Catalog::new(Vec::new(), 9)),
        registries,
    }
}

fn closed(commit: u64) -> ClosedCommit {
    let binding = Binding {
        commit: Commit(commit),
        at: EventTime(1),
        round: true,
        positions: vec![vec![commit]],
        watermarks: vec![None],
        read_from: operators::ReadFrom::default(),
    };
    ClosedCommit {
        binding,
        records: Vec::new(),
        accounts: Vec::new(),
        id_texts: Vec::new(),
        refused: Vec::new(),
        control: Vec::new(),
        posts: Vec::new(),
        rule_changes: Vec::new(),
        oldest: None,
    }
}

/// The commits of a segment, and whether its start ended in order.
fn commits(path: &Path) -> (Vec<u64>, bool) {
    let mut segment = Recording::open(path).unwrap();
    let mut commits = Vec::new();
    loop {
        match segment.read().unwrap() {
            Next::Commit(closed) => commits.push(closed.binding.commit.0),
            Next::Names(_) | Next::Scales(_) | Next::Partitions(_) | Next::Rules(_) => {}
            Next::End { in_order } => return (commits, in_order),
        }
    }
}

#[test]
fn each_start_adds_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/state");
    assert!(registries(&path).unwrap().is_none());
    for start in 0..3 {
        let state = StateDir::open(&path).unwrap();
        assert_eq!(state.segments(1).unwrap().len(), start);
        assert_eq!(
            state.last_generation().unwrap(),
            (start > 0).then_some(Generation(start as u64))
        );
        let header = header(start as u64 + 1);
        let mut log = CommitLog::begin(state, header, None, Stop::default()).unwrap();
        log.write(&closed(start as u64), &RunTimeRules::default()).unwrap();
        if start != 1 {
            log.finish().unwrap(); // else it is dropped, as by a crash
        }
        // Is left by a start that was killed while it began a segment.
        fs::write(path.join("log-00000007.twrec.new"), "TW").unwrap();
    }
    let state = StateDir::open(&path).unwrap();
    let found: Vec<_> = state.segments(1).unwrap().iter().map(|path| commits(path)).collect();
    assert_eq!(found, [(vec![0], true), (vec![1], false), (vec![2], true)]);
    let names = registries(&path).unwrap().unwrap();
    assert_eq!(names.sources.names(), ["a"]);
}

/// A rule that was put got its number after the segment had begun. A start that is configured with other rules finds
/// it, also if the last commit is not whole.
#[test]
fn rules_that_were_put_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let mut log = CommitLog::begin(state, header(1), None, Stop::default()).unwrap();
    let mut rules = RunTimeRules::default();
    for (commit, name) in (0..).zip(["b", "a", "c"]) {
        let (name, rule, by) = (name.to_owned(), "{}".to_owned(), String::new());
        let put = RuleChange::Put { name, rule, by };
        log.write(&ClosedCommit { rule_changes: vec![put.clone()], ..closed(commit) }, &rules)
            .unwrap();
        rules.apply(&put, (Commit(commit), EventTime(0)));
    }
    drop(log);
    let names = |path| registries(path).unwrap().unwrap().rules.names().to_vec();
    assert_eq!(names(folder.path()), ["b", "a", "c"]);
    let segment = folder.path().join("log-00000001.twrec");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 2]).unwrap();
    assert_eq!(names(folder.path()), ["b", "a", "c"], "more is no harm");
    fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    assert!(["b", "a", "c"].iter().zip(names(folder.path())).all(|(want, found)| found == *want));
}

#[test]
fn a_directory_is_held_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let held = StateDir::open(folder.path()).unwrap();
    let error = StateDir::open(folder.path()).err().unwrap();
    assert!(error.is_refusal(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("by process {}", std::process::id())), "{text}");
    drop(held);
    StateDir::open(folder.path()).unwrap();
}

#[test]
fn what_lies_behind_whole_commits_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let mut log = CommitLog::begin(state, header(1), None, Stop::default()).unwrap();
    log.write(&closed(0), &RunTimeRules::default()).unwrap();
    // A write that fails in the middle, as on a full disk.
    let segment = folder.path().join("log-00000001.twrec");
    let mut file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
    std::io::Write::write_all(&mut file, b"half of").unwrap();
    log.write(&closed(1), &RunTimeRules::default()).unwrap();
    log.finish().unwrap();
    assert_eq!(commits(&segment), (vec![0, 1], true));
}

#[test]
fn the_last_segment_is_missed_too() {
    let folder = tempfile::tempdir().unwrap();
    for start in 1..3 {
        let state = StateDir::open(folder.path()).unwrap();
        CommitLog::begin(state, header(start), None, Stop::default()).unwrap().finish().unwrap();
    }
    let last = folder.path().join("log-00000002.twrec");
    let kept = fs::read(&last).unwrap();
    fs::remove_file(&last).unwrap();
    let error = segments(folder.path(), 1).unwrap_err().to_string();
    assert!(error.contains(last.to_str().unwrap()), "{error}");
    fs::write(&last, kept).unwrap();
    assert_eq!(segments(folder.path(), 1).unwrap().len(), 2);
    let note = folder.path().join("newest");
    let mut text = fs::read(&note).unwrap();
    for at in 0..text.len() {
        text[at] ^= 1;
        fs::write(&note, &text).unwrap();
        let error = segments(folder.path(), 1).unwrap_err().to_string();
        assert!(error.contains(note.to_str().unwrap()), "{error}");
        text[at] ^= 1;
    }
    fs::remove_file(&note).unwrap();
    assert_eq!(segments(folder.path(), 1).unwrap().len(), 2, "a copy has no note");
}

#[test]
fn what_is_there_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    for aside in ["aside-00000001", "aside-00000002"] {
        let state = StateDir::open(folder.path()).unwrap();
        CommitLog::begin(state, header(1), None, Stop::default()).unwrap().finish().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let aside = folder.path().join(aside);
        assert_eq!(state.set_aside().unwrap(), Some(aside.clone()));
        assert_eq!(segments(folder.path(), 1).unwrap().len(), 0);
        assert_eq!(segments(&aside, 1).unwrap().len(), 1);
        assert_eq!(state.set_aside().unwrap(), None);
    }
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    for start in 1..4 {
        let state = StateDir::open(folder.path()).unwrap();
        CommitLog::begin(state, header(start), None, Stop::default()).unwrap().finish().unwrap();
    }
    let second = folder.path().join("log-00000002.twrec");
    fs::remove_file(&second).unwrap();
    let error = StateDir::open(folder.path()).unwrap().segments(1).unwrap_err().to_string();
    assert!(error.contains(second.to_str().unwrap()), "{error}");
}

/// The commits of a segment, each with the keys of its requests.
fn keys(path: &Path) -> Vec<(u64, Vec<String>)> {
    let mut segment = Recording::open(path).unwrap();
    let mut commits = Vec::new();
    loop {
        match segment.read().unwrap() {
            Next::Commit(closed) => {
                let keys = closed.posts.iter().map(|post| post.key.clone()).collect();
                commits.push((closed.binding.commit.0, keys));
            }
            Next::Names(_) | Next::Scales(_) | Next::Partitions(_) | Next::Rules(_) => {}
            Next::End { .. } => return commits,
        }
    }
}

#[test]
fn a_request_is_in_the_log_with_its_commit_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let mut log = CommitLog::begin(state, header(1), None, Stop::default()).unwrap();
    let post = |key: &str| {
        let key = key.to_owned();
        Arc::new(KeyedPost { key, request_hash: 7, accepted: 1, rejected: 0, faults: Vec::new() })
    };
    let segment = folder.path().join("log-00000001.twrec");
    log.write(&closed(0), &RunTimeRules::default()).unwrap();
    let first = fs::metadata(&segment).unwrap().len() as usize;
    let posts = vec![post("a"), post("b")];
    log.write(&ClosedCommit { posts, ..closed(1) }, &RunTimeRules::default()).unwrap();
    log.write(&closed(2), &RunTimeRules::default()).unwrap();
    drop(log);
    let whole = fs::read(&segment).unwrap();
    let known = |commit: u64| match commit {
        1 => (1, vec!["a".to_owned(), "b".to_owned()]),
        other => (other, Vec::new()),
    };
    let wanted: Vec<_> = (0..3).map(known).collect();
    for cut in first..=whole.len() {
        fs::write(&segment, &whole[..cut]).unwrap();
        let found = keys(&segment);
        assert_eq!(found, wanted[..found.len()], "cut at {cut}");
    }
    assert_eq!(keys(&segment).len(), 3);
}

#[test]
fn segments_of_the_versions_before_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let mut log = CommitLog::begin(state, header(1), None, Stop::default()).unwrap();
    log.write(&closed(0), &RunTimeRules::default()).unwrap();
    log.finish().unwrap();
    let segment = folder.path().join("log-00000001.twrec");
    let mut bytes = fs::read(&segment).unwrap();
    assert_eq!(&bytes[..8], b"TWKREC09");
    for version in *b"87" {
        bytes[7] = version;
        fs::write(&segment, &bytes).unwrap();
        assert_eq!(commits(&segment), (vec![0], true));
    }
}
