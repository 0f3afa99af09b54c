//! The lineage of a job that goes on: its starts, and what is left of their commits.
//!
//! Commit numbers of a job with a state directory go on over its starts. A crash of the machine may take the last commits
//! of a start with it; their numbers are given again, to other commits. So a number alone does not say which commit is
//! meant, but a [`Token`] does: it names the start, too. The lineage says whether that commit is part of what views show.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use market::{Commit, Generation};

use crate::ingest::Token;

/// The most earlier starts of which a job knows.
pub const ANCESTORS_MAX: usize = 1_024;

/// An earlier start of a job, with the commits of it that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Which start.
    pub generation: Generation,
    /// Its first commit; where it has left none, the one with which the next start began.
    pub first: Commit,
    /// The commit after the last one that is left.
    pub end: Commit,
}

/// Where the commit of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    /// It is the commit with this number: of this start, also if it is still to come, or of an earlier one.
    Survived(Commit),
    /// It is of an earlier start, and was not on the disk when the machine crashed.
    Lost {
        /// The last commit of its start that is left, or the one before its start; none if there is none.
        last: Option<Commit>,
    },
    /// It is of a start that is none of the known ones: of another job, of a state that was removed, or long ago.
    Unknown,
    /// Earlier starts are not known yet: the state is being restored.
    Restoring,
}

/// The starts of a job. Clones share them.
#[derive(Clone, Debug)]
pub struct Lineage(Arc<RwLock<Starts>>);

#[derive(Debug)]
struct Starts {
    run: Generation,
    /// The first commit of this start.
    first: Commit,
    /// Earlier ones, oldest first.
    ancestors: VecDeque<Ancestor>,
    is_restoring: bool,
}

impl Lineage {
    /// That of a job that has begun with this start.
    pub fn of(run: Generation) -> Lineage {
        let ancestors = VecDeque::new();
        let starts = Starts { run, first: Commit(0), ancestors, is_restoring: false };
        Lineage(Arc::new(RwLock::new(starts)))
    }

    /// What earlier starts have left is read from now on. `ancestors` are those that are known already.
    pub fn restoring(&self, ancestors: impl IntoIterator<Item = Ancestor>) {
        let mut starts = self.write();
        starts.ancestors = ancestors.into_iter().collect();
        starts.is_restoring = true;
        starts.bound();
    }

    /// While it restores: what is read next is of this start, which goes on with commit `next`.
    pub fn descend(&self, generation: Generation, next: Commit) {
        let mut starts = self.write();
        if starts.ancestors.back().is_none_or(|last| last.generation != generation) {
            starts.ancestors.push_back(Ancestor { generation, first: next, end: next });
            starts.bound();
        }
    }

    /// While it restores: this commit is left. Does nothing later.
    pub fn note(&self, commit: Commit) {
        let mut starts = self.write();
        if starts.is_restoring
            && let Some(last) = starts.ancestors.back_mut()
        {
            last.end = last.end.max(commit.next());
        }
    }

    /// All that is left was read; this start goes on with commit `next`.
    pub fn restored(&self, next: Commit) {
        let mut starts = self.write();
        (starts.first, starts.is_restoring) = (next, false);
    }

    /// The start whose commits come now: while it restores, that which was read last.
    pub fn now(&self) -> Generation {
        let starts = self.read();
        let last = starts.ancestors.back().filter(|_| starts.is_restoring);
        last.map_or(starts.run, |last| last.generation)
    }

    /// All starts with their commits before `end`, oldest first, for a start that goes on from there.
    pub fn before(&self, end: Commit) -> Vec<Ancestor> {
        let starts = self.read();
        let own = Ancestor { generation: starts.run, first: starts.first, end };
        starts.ancestors.iter().copied().chain([own]).collect()
    }

    /// Where the commit of a token is.
    pub fn locate(&self, token: Token) -> Located {
        let starts = self.read();
        if token.run == starts.run.0 {
            return Located::Survived(token.commit);
        }
        if starts.is_restoring {
            return Located::Restoring;
        }
        let of = starts.ancestors.iter().rev().find(|of| of.generation.0 == token.run);
        match of {
            // What was before its start is part of it.
            Some(of) if token.commit < of.end => Located::Survived(token.commit),
            Some(of) => Located::Lost { last: of.end.0.checked_sub(1).map(Commit) },
            None => Located::Unknown,
        }
    }

    /// Whether the state is being restored, so that earlier starts are not known yet.
    pub fn is_restoring(&self) -> bool {
        self.read().is_restoring
    }

    fn read(&self) -> RwLockReadGuard<'_, Starts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Starts> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Starts {
    fn bound(&mut self) {
        let beyond = self.ancestors.len().saturating_sub(ANCESTORS_MAX);
        self.ancestors.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn locate(lineage: &Lineage, run: u64, commit: u64) -> Located {
        lineage.locate(Token { run, commit: Commit(commit) })
    }

    #[test]
    fn a_job_without_state_knows_this_start_only() {
        let lineage = Lineage::of(Generation(7));
        assert_eq!(locate(&lineage, 7, 900), Located::Survived(Commit(900)), "it may come");
        assert_eq!(locate(&lineage, 6, 0), Located::Unknown);
        assert_eq!(lineage.now(), Generation(7));
    }

    #[test]
    fn a_start_that_has_left_nothing_is_known() {
        let lineage = Lineage::of(Generation(7));
        lineage.restoring([]);
        lineage.descend(Generation(1), Commit(0));
        assert_eq!(locate(&lineage, 1, 0), Located::Restoring);
        lineage.descend(Generation(2), Commit(0));
        (0..3).for_each(|commit| lineage.note(Commit(commit)));
        lineage.descend(Generation(2), Commit(3));
        assert_eq!(lineage.now(), Generation(2));
        lineage.restored(Commit(3));
        lineage.note(Commit(3)); // is of this start
        assert_eq!(locate(&lineage, 1, 0), Located::Lost { last: None });
        assert_eq!(locate(&lineage, 2, 2), Located::Survived(Commit(2)));
        assert_eq!(locate(&lineage, 2, 3), Located::Lost { last: Some(Commit(2)) });
        let of = |generation, first, end| Ancestor {
            generation: Generation(generation),
            first: Commit(first),
            end: Commit(end),
        };
        assert_eq!(lineage.before(Commit(9)), [of(1, 0, 0), of(2, 0, 3), of(7, 3, 9)]);
    }

    #[test]
    fn the_oldest_starts_are_forgotten() {
        let lineage = Lineage::of(Generation(9_999));
        lineage.restoring([]);
        for generation in 0..ANCESTORS_MAX as u64 + 2 {
            lineage.descend(Generation(generation), Commit(generation));
            lineage.note(Commit(generation));
        }
        lineage.restored(Commit(9_999));
        assert_eq!(locate(&lineage, 1, 0), Located::Unknown);
        assert_eq!(locate(&lineage, 2, 2), Located::Survived(Commit(2)));
    }

    /// A start of a made-up job: how many commits it makes, how many of them a crash takes, and whether the next start
    /// goes on from a checkpoint that was taken before one of them.
    fn starts() -> impl Strategy<Value = Vec<(u64, u64, Option<u64>)>> {
        prop::collection::vec((0_u64..6, 0_u64..4, prop::option::of(0_u64..6)), 1..12)
    }

    proptest! {
        /// Whatever crashes take, each token is where a list of all commits that are left says, also if only a checkpoint
        /// and what came after it are read.
        #[test]
        fn tokens_are_where_the_whole_history_says(starts in starts()) {
            // By number, the start that made the commit that is left.
            let mut left: Vec<u64> = Vec::new();
            let mut made = Vec::new();
            let mut saved: (u64, Vec<Ancestor>) = (0, Vec::new());
            // The starts with a segment of the log, each with the number of its first commit.
            let mut segments: Vec<(u64, u64)> = Vec::new();
            for (run, (makes, loses, checkpoint)) in (1_u64..).zip(starts) {
                let lineage = Lineage::of(Generation(run));
                lineage.restoring(saved.1.iter().copied());
                for (place, (of, first)) in segments.iter().enumerate() {
                    let end = segments.get(place + 1).map_or(left.len() as u64, |next| next.1);
                    if end < saved.0 && place + 1 < segments.len() {
                        continue; // what the checkpoint has is not read
                    }
                    let first = (*first).max(saved.0);
                    lineage.descend(Generation(*of), Commit(first));
                    (first..end).for_each(|commit| lineage.note(Commit(commit)));
                }
                let base = left.len() as u64;
                lineage.restored(Commit(base));
                segments.push((run, base));
                for (of, commit) in &made {
                    let is_left = (*commit as usize) < left.len() && left[*commit as usize] == *of;
                    let found = locate(&lineage, *of, *commit);
                    match is_left {
                        true => prop_assert_eq!(found, Located::Survived(Commit(*commit))),
                        false => prop_assert!(matches!(found, Located::Lost { .. }), "{of}-{commit}: {found:?}"),
                    }
                }
                for commit in base..base + makes {
                    left.push(run);
                    made.push((run, commit));
                }
                let durable = (base + makes - loses.min(makes)) as usize;
                left.truncate(durable);
                // A checkpoint has durable commits only.
                if let Some(at) = checkpoint.map(|at| base + at).filter(|at| *at < durable as u64) {
                    saved = (at, lineage.before(Commit(at)));
                }
            }
        }
    }
}
