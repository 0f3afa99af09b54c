//! What is written is read again, and what was changed since is noticed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use market::{Commit, Generation, Shard};
use operators::{SavedState, StateStore};

use super::file::{CheckpointFile, path_of};
use super::*;
use crate::clock::ClockHistory;
use crate::ingest::promises::SavedPromises;
use crate::ingest::recording::NewNames;
use crate::jobs::JOBS;
use crate::publish::{Board, BoardConfig};
use crate::telemetry::Metrics;
use manifest::StatePiece;

const OPERATORS: &[(&str, u32)] = &[("one", 1), ("two", 7)];

fn board() -> Arc<Board> {
    Arc::new(Board::new(BoardConfig {
        views: Vec::new(),
        workers: 1,
        operators: JOBS[0].operators,
        labels: rows::Labels::default(),
        log_bytes_max: 1 << 20,
        trade_log_bytes_max: 0,
        read_log_bytes_max: 0,
        ring_bytes_max: 0,
        history_bytes_max: 0,
        digests: false,
    }))
}

fn plan(folder: &Path, next: u64) -> CheckpointPlan {
    CheckpointPlan {
        folder: folder.to_owned(),
        every: None,
        keep_log: false,
        operators: OPERATORS.to_vec(),
        rebuilt: Vec::new(),
        generation: Generation(3),
        config: Arc::from("config"),
        next,
    }
}

fn start(commit: u64) -> ReplayStart {
    ReplayStart {
        segment: commit,
        commit: Commit(commit),
        watermarks: vec![None],
        round_watermarks: vec![None],
        history: ClockHistory::default(),
        names: NewNames::default(),
        scales: Vec::new(),
        id_texts: Vec::new(),
        observed: vec![7],
    }
}

/// A state that is another after every third commit.
fn state(operator: &str, shard: u8, commit: u64) -> Vec<u8> {
    let changes = if shard.is_multiple_of(3) { commit } else { 0 };
    let mut bytes = format!("{operator} {shard} {changes}").into_bytes();
    bytes.resize(16 << 10, b'.'); // so that one commit does not save all
    bytes
}

/// Takes checkpoints whose shards are saved over some commits, on a thread of its own for each operator.
fn take(folder: &Path, restored: Option<Checkpoint>, next: u64, firsts: &[u64]) {
    let (mut keeper, states) =
        CheckpointKeeper::start(plan(folder, next), restored, 1, &board(), Metrics::new("0"))
            .unwrap();
    for first in firsts {
        assert!(!keeper.is_due(std::time::Instant::now()), "only at the end");
        keeper.begin(
            start(*first),
            SavedPromises::default(),
            tempfile::tempfile().unwrap(),
            std::time::Instant::now(),
        );
        let mut saved = 0;
        for commit in *first.. {
            let shards = keeper.shards_of(Commit(commit), false);
            saved += shards.len();
            std::thread::scope(|scope| {
                for (operator, _) in OPERATORS {
                    let (states, shards) = (&states, shards.clone());
                    scope.spawn(move || {
                        for shard in shards.map(|shard| shard as u8) {
                            let mut encode = || state(operator, shard, commit);
                            states.save(operator, Shard(shard), Commit(commit), &mut encode);
                        }
                    });
                }
            });
            if saved == Shard::COUNT {
                assert!(commit > first + 3, "over several commits");
                keeper.tend(commit, std::time::Instant::now()); // its last commit is not complete
                keeper.tend(commit + 1, std::time::Instant::now());
                break;
            }
        }
        let ended = || {
            let report = keeper.status().report();
            report.newest.is_some_and(|(_, from)| from == Commit(*first)) || report.failed.is_some()
        };
        while !ended() {
            std::thread::yield_now();
        }
        keeper.tend(u64::MAX, std::time::Instant::now());
    }
    assert_eq!(keeper.finish(), None);
}

/// Holds every state of the newest checkpoint to what was saved.
fn assert_states(checkpoint: Checkpoint, first: u64) {
    assert_eq!(checkpoint.manifest.start.commit, Commit(first));
    let last = checkpoint.manifest.last;
    let folder = tempfile::tempdir().unwrap();
    let (keeper, states) = CheckpointKeeper::start(
        plan(folder.path(), 1),
        Some(checkpoint),
        1,
        &board(),
        Metrics::new("0"),
    )
    .unwrap();
    assert_eq!(states.restored_through(), Some(last));
    let mut afters = Vec::new();
    for (operator, _) in OPERATORS {
        for shard in 0..=u8::MAX {
            let SavedState { after, encoded } =
                states.load(operator, Shard(shard)).unwrap().unwrap();
            assert_eq!(encoded, Some(state(operator, shard, after.0)), "{operator} {shard}");
            assert!(after >= Commit(first) && after <= last);
            afters.push(after);
        }
    }
    assert!(afters.contains(&Commit(first)) && afters.contains(&last));
    assert_eq!(states.load("three", Shard(0)).unwrap(), None);
    drop(keeper);
}

#[test]
fn every_state_is_read_again_and_what_is_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(newest(&folder.join("none")).unwrap().checkpoint.is_none());
    for number in 1..=500 {
        fs::write(folder.join(format!("log-{number:08}.twrec")), "").unwrap();
    }
    take(folder, None, 1, &[3, 100, 200]);
    let found = newest(folder).unwrap();
    assert_eq!((found.next, found.passed_over.len()), (4, 0));
    let checkpoint = found.checkpoint.unwrap();
    // What did not change is where the first checkpoint has it.
    let of_first = |piece: &&StatePiece| piece.at.file == 1;
    let shared = checkpoint.manifest.states.iter().filter(of_first).count();
    assert_eq!(shared, 2 * 170, "two thirds of the shards of two operators");
    assert_states(checkpoint, 200);
    assert!(
        !folder.join("log-00000099.twrec").exists() && folder.join("log-00000100.twrec").exists()
    );

    // Another start goes on; nothing refers to old files for ever.
    let firsts: Vec<u64> = (3..=20).map(|turn| turn * 100).collect();
    take(folder, newest(folder).unwrap().checkpoint, 4, &firsts);
    let found = newest(folder).unwrap();
    assert_eq!(found.next, 22);
    assert_states(found.checkpoint.unwrap(), 2_000);
    let numbers = super::file::numbers(folder).unwrap();
    assert!(numbers.len() <= 4 && numbers.contains(&20), "{numbers:?}");
}

#[test]
fn a_checkpoint_that_is_not_whole_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    take(folder, None, 1, &[3, 100]);
    let path = path_of(folder, 2);
    let whole = fs::read(&path).unwrap();
    let passed_over = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let found = newest(folder).unwrap();
        assert_eq!(found.next, 3);
        (found.checkpoint.unwrap().manifest.number, found.passed_over.len())
    };
    assert_eq!(passed_over(&whole), (2, 0));
    for cut in [0, 7, 20, whole.len() / 2, whole.len() - 1] {
        assert_eq!(passed_over(&whole[..cut]), (1, 1), "cut at {cut}");
    }
    // The version says that the program is another one, so that is no damage.
    let end = whole.len();
    for at in (0..6).chain((8..end - 16).step_by(end / 150)).chain(end - 16..end) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert_eq!(passed_over(&bytes), (1, 1), "a bit of byte {at}");
    }
    let mut other = whole.clone();
    other[7] = b'9';
    fs::write(&path, other).unwrap();
    let error = newest(folder).err().unwrap().to_string();
    assert!(error.contains("version 09, and this program reads versions 01 and 02"), "{error}");

    // A file that a newer one refers to counts as its own.
    fs::write(&path, &whole).unwrap();
    let first = path_of(folder, 1);
    let mut bytes = fs::read(&first).unwrap();
    let last = Checkpoint::open(folder, 2).unwrap().manifest;
    let shared = last.states.iter().find(|piece| piece.at.file == 1).unwrap().at.offset;
    bytes[shared as usize] ^= 1;
    fs::write(&first, bytes).unwrap();
    let found = newest(folder).unwrap();
    assert!(found.checkpoint.is_none());
    assert!(found.passed_over[0].to_string().contains("checkpoint-00000001"));
}

#[test]
fn an_unfinished_checkpoint_leaves_nothing_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = CheckpointFile::create(folder.path(), 5).unwrap();
    file.append(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // As a crash leaves it.
    fs::write(folder.path().join("checkpoint-00000001.twckpt.new"), "half").unwrap();
    take(folder.path(), None, 1, &[3]);
    assert_states(newest(folder.path()).unwrap().checkpoint.unwrap(), 3);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
