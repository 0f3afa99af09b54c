//! The change log: the latest changes of one view, by commit. Rings, tables, logs and the trade log are change logs of
//! different entries.

use std::sync::{Mutex, MutexGuard, PoisonError};

use market::Commit;
use tokio::sync::watch;

use super::commit_blocks::{BLOCK_COMMITS, CommitBlocks, Commits};

/// An entry of a change log.
pub trait Retained: Clone {
    /// Bytes in memory, with its place in the log. They do not change.
    fn bytes(&self) -> usize;

    /// The number of rows, for [`ChangeLog::appended`] and [`ChangeLog::dropped`].
    fn rows(&self) -> u64 {
        1
    }
}

/// The commits that a change log keeps although it exceeds its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// None: the bound holds after every append.
    Nothing,
    /// The newest one. So the log exceeds its bound by at most one commit.
    NewestCommit,
    /// All that are not complete. So the log exceeds its bound by at most the commits in flight.
    IncompleteCommits,
}

/// The latest changes of one view, by commit.
///
/// Workers append, in any order of the commits that are not complete; subscribers are notified once these are. The
/// lock is held to append an entry, or to share some blocks of commits. So workers do not wait for readers that make
/// rows. What a reader holds never changes: an append copies the block of its commit, and the list of its entries.
///
/// # Bounds
///
/// Retained entries take at most `bytes_max` bytes, as [`Retained::bytes`] counts them, and what [`Exempt`] adds. While
/// they take more, the oldest commit is dropped whole; [`ChangeLog::dropped`] counts its rows. An entry that comes
/// later for a dropped commit is dropped at once. So all changes after the last dropped commit are there, and
/// [`ChangeLog::between`] does not answer for earlier ones.
pub struct ChangeLog<T> {
    inner: Mutex<Inner<T>>,
    bytes_max: usize,
    exempt: Exempt,
    moved: watch::Sender<u64>,
}

struct Inner<T> {
    commits: CommitBlocks<T>,
    bytes: usize,
    appended: u64,
    dropped: u64,
    /// Commits up to this one were dropped.
    dropped_through: Option<Commit>,
    /// Commits before this number are complete.
    complete_before: u64,
    /// The latest commit with a change of which subscribers were not notified.
    unannounced: Option<Commit>,
}

impl<T: Retained> ChangeLog<T> {
    /// An empty log of at most `bytes_max` bytes, and what `exempt` adds.
    pub fn new(bytes_max: usize, exempt: Exempt) -> ChangeLog<T> {
        ChangeLog::in_blocks(bytes_max, exempt, BLOCK_COMMITS)
    }

    fn in_blocks(bytes_max: usize, exempt: Exempt, block_commits: usize) -> ChangeLog<T> {
        let inner = Inner {
            commits: CommitBlocks::new(block_commits),
            bytes: 0,
            appended: 0,
            dropped: 0,
            dropped_through: None,
            complete_before: 0,
            unannounced: None,
        };
        ChangeLog { inner: Mutex::new(inner), bytes_max, exempt, moved: watch::Sender::new(0) }
    }

    /// Appends an entry. The caller guarantees that the commit is not complete yet.
    pub fn append(&self, commit: Commit, entry: T) {
        let mut inner = self.lock();
        inner.appended += entry.rows();
        inner.unannounced = inner.unannounced.max(Some(commit));
        if inner.dropped_through.is_some_and(|dropped| commit <= dropped) {
            inner.dropped += entry.rows();
            return;
        }
        inner.bytes += entry.bytes();
        inner.commits.append(commit, entry);
        inner.drop_oldest(self.bytes_max, self.exempt);
    }

    /// Drops all commits up to this one; it counts as dropped also if there is nothing of it.
    pub fn forget_through(&self, commit: Commit) {
        let mut inner = self.lock();
        while inner.commits.oldest().is_some_and(|oldest| oldest <= commit)
            && let Some(entries) = inner.commits.pop_oldest()
        {
            inner.bytes -= entries.iter().map(T::bytes).sum::<usize>();
            inner.dropped += entries.iter().map(T::rows).sum::<u64>();
        }
        inner.dropped_through = inner.dropped_through.max(Some(commit));
    }

    /// Drops the oldest commits until at most so many bytes are left, and what [`Exempt`] keeps.
    pub fn cut(&self, bytes_max: usize) {
        self.lock().drop_oldest(bytes_max, self.exempt);
    }

    /// Notifies subscribers that all commits before this number are complete, if the view may have changed.
    pub fn complete(&self, complete_before: u64) {
        let mut inner = self.lock();
        inner.complete_before = inner.complete_before.max(complete_before);
        inner.drop_oldest(self.bytes_max, self.exempt);
        let Some(unannounced) = inner.unannounced else { return };
        if unannounced.0 < inner.complete_before {
            inner.unannounced = None;
        }
        self.moved.send_replace(inner.complete_before.saturating_sub(1));
    }

    /// A channel with the number of the latest commit that may have changed the view.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The retained entries up to commit `through`.
    pub fn through(&self, through: Commit) -> Commits<T> {
        self.lock().range(None, through)
    }

    /// All entries after one commit (none: from the beginning) up to another; none if some after the first were
    /// dropped.
    pub fn between(&self, after: Option<Commit>, through: Commit) -> Option<Commits<T>> {
        let inner = self.lock();
        let is_whole = inner.dropped_through.is_none_or(|dropped| after >= Some(dropped));
        is_whole.then(|| inner.range(after, through))
    }

    /// The last commit that was dropped.
    pub fn dropped_through(&self) -> Option<Commit> {
        self.lock().dropped_through
    }

    /// Takes what an earlier log retained of so many rows that were ever appended to it. The caller guarantees that
    /// nothing was appended to this one, and that all these commits are complete.
    pub fn restore(&self, commits: Vec<(Commit, Vec<T>)>, appended: u64) {
        let mut inner = self.lock();
        let rows: u64 = commits.iter().flat_map(|(_, entries)| entries).map(T::rows).sum();
        let first = commits.first().map(|(commit, _)| *commit);
        inner.appended = appended;
        inner.dropped = appended.saturating_sub(rows);
        // What came before the first was dropped, if there was anything.
        inner.dropped_through = first
            .filter(|_| inner.dropped > 0)
            .and_then(|first| first.0.checked_sub(1).map(Commit));
        for (commit, entries) in commits {
            inner.bytes += entries.iter().map(T::bytes).sum::<usize>();
            inner.commits.insert(commit, entries);
        }
        inner.drop_oldest(self.bytes_max, self.exempt);
    }

    /// The bound in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The bytes of what is retained.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The number of rows that were ever appended.
    pub fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// The number of rows that were dropped because of the bound.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Retained> Inner<T> {
    fn drop_oldest(&mut self, bytes_max: usize, exempt: Exempt) {
        while self.bytes > bytes_max
            && let Some(oldest) = self.oldest(exempt)
            && let Some(entries) = self.commits.pop_oldest()
        {
            self.bytes -= entries.iter().map(T::bytes).sum::<usize>();
            self.dropped += entries.iter().map(T::rows).sum::<u64>();
            self.dropped_through = Some(oldest);
        }
    }

    /// The oldest commit, if it may be dropped.
    fn oldest(&self, exempt: Exempt) -> Option<Commit> {
        let oldest = self.commits.oldest()?;
        let is_exempt = match exempt {
            Exempt::Nothing => false,
            Exempt::NewestCommit => self.commits.is_of_one(),
            Exempt::IncompleteCommits => oldest.0 >= self.complete_before,
        };
        (!is_exempt).then_some(oldest)
    }

    fn range(&self, after: Option<Commit>, through: Commit) -> Commits<T> {
        self.commits.range(after, through)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Entry {
        number: usize,
        rows: u64,
        bytes: usize,
    }

    impl Retained for Entry {
        fn bytes(&self) -> usize {
            self.bytes
        }

        fn rows(&self) -> u64 {
            self.rows
        }
    }

    type Entries = Vec<(Commit, Entry)>;

    /// Every entry that was ever appended, cut by the same rule.
    struct Twin {
        all: Entries,
        bytes_max: usize,
        exempt: Exempt,
        dropped_through: Option<Commit>,
        complete_before: u64,
        /// The commits of entries of which subscribers do not know.
        unannounced: Vec<Commit>,
        moved: u64,
    }

    impl Twin {
        /// The entries of some commits, in the order of commits and then of their arrival.
        fn of(&self, fits: impl Fn(Commit) -> bool) -> Entries {
            let mut own: Entries = self.all.iter().filter(|(at, _)| fits(*at)).cloned().collect();
            own.sort_by_key(|(commit, _)| *commit);
            own
        }

        fn retained(&self) -> Entries {
            self.of(|commit| Some(commit) > self.dropped_through)
        }

        fn append(&mut self, commit: Commit, entry: Entry) {
            self.all.push((commit, entry));
            self.unannounced.push(commit);
            self.cut();
        }

        fn complete(&mut self, complete_before: u64) {
            self.complete_before = complete_before;
            if !self.unannounced.is_empty() {
                self.moved = complete_before.saturating_sub(1);
            }
            self.unannounced.retain(|commit| commit.0 >= complete_before);
            self.cut();
        }

        fn cut(&mut self) {
            let retained = self.retained();
            let Some((oldest, _)) = retained.first() else { return };
            let is_exempt = match self.exempt {
                Exempt::Nothing => false,
                Exempt::NewestCommit => retained.iter().all(|(commit, _)| commit == oldest),
                Exempt::IncompleteCommits => self.complete_before <= oldest.0,
            };
            if bytes(&retained) > self.bytes_max && !is_exempt {
                self.dropped_through = Some(*oldest);
                self.cut();
            }
        }
    }

    fn bytes(entries: &Entries) -> usize {
        entries.iter().map(|(_, entry)| entry.bytes).sum()
    }

    fn rows(entries: &Entries) -> u64 {
        entries.iter().map(|(_, entry)| entry.rows).sum()
    }

    fn flat(commits: &Commits<Entry>) -> Entries {
        let each =
            commits.iter().flat_map(|(at, own)| own.iter().map(move |entry| (at, entry.clone())));
        each.collect()
    }

    fn hold_equal(log: &ChangeLog<Entry>, twin: &Twin) -> Result<(), TestCaseError> {
        let retained = twin.retained();
        for through in (0..twin.complete_before + 6).map(Commit) {
            let want = twin.of(|at| Some(at) > twin.dropped_through && at <= through);
            prop_assert_eq!(flat(&log.through(through)), want);
            for after in (0..twin.complete_before + 7).map(|next| next.checked_sub(1).map(Commit)) {
                // An answer is all that was ever appended; there is one unless an entry after `after` was dropped.
                let dropped = twin.of(|at| Some(at) > after && Some(at) <= twin.dropped_through);
                let all = twin.of(|at| Some(at) > after && at <= through);
                let got = log.between(after, through).map(|commits| flat(&commits));
                prop_assert_eq!(
                    got,
                    dropped.is_empty().then_some(all),
                    "{:?} {:?}",
                    after,
                    through
                );
            }
        }
        prop_assert_eq!(log.lock().bytes, bytes(&retained));
        prop_assert_eq!(log.appended(), rows(&twin.all));
        prop_assert_eq!(log.dropped(), rows(&twin.all) - rows(&retained));
        prop_assert_eq!(*log.moved().borrow(), twin.moved);
        Ok(())
    }

    /// What happens to a log. Commits count from the first one that is not complete.
    #[derive(Clone, Debug)]
    enum Step {
        Append { commit: u64, rows: u64, bytes: usize },
        Complete { commits: u64 },
        Cut { bytes: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let append = (0..5_u64, 0..4_u64, 0..40_usize)
            .prop_map(|(commit, rows, bytes)| Step::Append { commit, rows, bytes });
        let complete = (0..4_u64).prop_map(|commits| Step::Complete { commits });
        let cut = (0..200_usize).prop_map(|bytes| Step::Cut { bytes });
        prop_oneof![6 => append, 2 => complete, 1 => cut]
    }

    proptest! {
        /// After every step, log and twin answer alike, and what a reader took before has not changed.
        #[test]
        fn a_log_is_its_twin(
            steps in prop::collection::vec(step(), 1..40),
            bytes_max in prop_oneof![Just(0), 1..200_usize, Just(usize::MAX)],
            exempt in prop::sample::select(vec![
                Exempt::Nothing, Exempt::NewestCommit, Exempt::IncompleteCommits,
            ]),
            block_commits in 1..4_usize,
        ) {
            let log = ChangeLog::in_blocks(bytes_max, exempt, block_commits);
            let (all, unannounced, dropped_through) = (Vec::new(), Vec::new(), None);
            let mut twin =
                Twin { all, bytes_max, exempt, dropped_through, complete_before: 0, unannounced, moved: 0 };
            let mut taken = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                let now = log.through(Commit(u64::MAX));
                taken.push((flat(&now), now));
                match step {
                    Step::Append { commit, rows, bytes } => {
                        let commit = Commit(twin.complete_before + commit);
                        let entry = Entry { number, rows, bytes };
                        log.append(commit, entry.clone());
                        twin.append(commit, entry);
                    }
                    Step::Complete { commits } => {
                        let complete_before = twin.complete_before + commits;
                        log.complete(complete_before);
                        twin.complete(complete_before);
                    }
                    Step::Cut { bytes } => {
                        log.cut(bytes);
                        let bytes_max = std::mem::replace(&mut twin.bytes_max, bytes);
                        twin.cut();
                        twin.bytes_max = bytes_max;
                    }
                }
                hold_equal(&log, &twin)?;
            }
            for (then, held) in &taken {
                prop_assert_eq!(&flat(held), then);
            }
        }
    }

    #[test]
    fn subscribers_are_notified_until_changes_are_complete() {
        let log = ChangeLog::new(100, Exempt::Nothing);
        let mut moved = log.moved();
        log.complete(5);
        assert!(!moved.has_changed().unwrap(), "nothing has changed");
        log.append(Commit(8), Entry { number: 0, rows: 1, bytes: 1 });
        assert!(!moved.has_changed().unwrap(), "the commit is not complete");
        log.complete(7);
        log.complete(6); // by a worker that was slower
        assert_eq!(*moved.borrow_and_update(), 6);
        log.complete(9);
        assert_eq!(*moved.borrow_and_update(), 8, "commits 7 and 8 may have changed it too");
        log.complete(10);
        assert!(!moved.has_changed().unwrap());
    }

    #[test]
    fn commits_are_shared_until_they_change() {
        let log = ChangeLog::new(100, Exempt::NewestCommit);
        let append = |commit| log.append(Commit(commit), Entry { number: 0, rows: 1, bytes: 1 });
        (0..2).for_each(append);
        let before = log.through(Commit(1));
        append(1);
        let after = log.through(Commit(1));
        let both = before.iter().zip(after.iter());
        let same: Vec<bool> = both.map(|((_, one), (_, other))| Arc::ptr_eq(one, other)).collect();
        assert_eq!(same, [true, false]);
    }
}
