//! Entries by commit, in blocks that a change log shares with its readers: so a reader takes a few blocks under the lock
//! of the log, and not each of its thousands of commits.

use std::collections::VecDeque;
use std::sync::Arc;

use market::Commit;
use operators::heap;

/// The entries of a commit, in the order in which they came.
type Entries<T> = Arc<Vec<T>>;

/// Some commits, ascending; never empty.
type Block<T> = Arc<Vec<(Commit, Entries<T>)>>;

/// So many commits fill a block. A log of 64 MiB has some fifty blocks of this size, and to copy one takes a
/// microsecond.
pub(super) const BLOCK_COMMITS: usize = 256;

/// What a change log adds to the bytes of an entry: its place in the list of its commit, that list, and its place in a
/// block, which has room for up to twice as many. A commit has mostly one entry per worker.
pub(super) const fn bytes_beside<T>() -> usize {
    2 * size_of::<(Commit, Entries<T>)>() + heap::shared::<Vec<T>>() + heap::vec::<T>(1)
}

/// Entries by commit. What is shared never changes: a block, or a list of entries, is copied before a change if a
/// reader holds it.
pub(super) struct CommitBlocks<T> {
    blocks: VecDeque<Block<T>>,
    /// A block takes no later commit when it has so many. Others between its commits are few; at twice as many it is
    /// split.
    block_commits: usize,
}

/// Entries of consecutive commits, as they were when they were taken.
pub struct Commits<T> {
    blocks: Vec<Block<T>>,
    /// The commits of `blocks` up to this one are none of them.
    after: Option<Commit>,
    /// Nor are those after this one.
    through: Commit,
}

impl<T> CommitBlocks<T> {
    /// Without entries.
    pub(super) fn new(block_commits: usize) -> CommitBlocks<T> {
        CommitBlocks { blocks: VecDeque::new(), block_commits }
    }

    /// The commit of the oldest entries.
    pub(super) fn oldest(&self) -> Option<Commit> {
        self.blocks.front().map(|block| block[0].0)
    }

    /// Whether all entries are of one commit.
    pub(super) fn is_of_one(&self) -> bool {
        self.blocks.len() == 1 && self.blocks[0].len() == 1
    }

    /// Entries of consecutive commits: after one (none: from the beginning) up to another.
    pub(super) fn range(&self, after: Option<Commit>, through: Commit) -> Commits<T> {
        let from = self.blocks.partition_point(|block| last(block) <= after);
        let to = self.blocks.partition_point(|block| block[0].0 <= through);
        let blocks = self.blocks.range(from..to.max(from)).cloned().collect();
        Commits { blocks, after, through }
    }

    /// Takes the oldest commit out.
    pub(super) fn pop_oldest(&mut self) -> Option<Entries<T>> {
        let block = self.blocks.front_mut()?;
        if block.len() == 1 {
            return self.blocks.pop_front().map(|block| Arc::clone(&block[0].1));
        }
        Some(Arc::make_mut(block).remove(0).1)
    }

    /// Sets the entries of a commit that has none.
    pub(super) fn insert(&mut self, commit: Commit, entries: Vec<T>) {
        *self.entries(commit) = Arc::new(entries);
    }

    /// The entries of a commit, with room for one, which most commits have.
    fn entries(&mut self, commit: Commit) -> &mut Entries<T> {
        let at = self.block_for(commit);
        let block = Arc::make_mut(&mut self.blocks[at]);
        let place = match block.binary_search_by_key(&commit, |(commit, _)| *commit) {
            Ok(place) => place,
            Err(place) => {
                block.insert(place, (commit, Arc::new(Vec::with_capacity(1))));
                place
            }
        };
        &mut block[place].1
    }

    /// The position of the block that has the commit, or has room for it.
    fn block_for(&mut self, commit: Commit) -> usize {
        let is_behind = self.blocks.back().is_none_or(|newest| last(newest) < Some(commit));
        if is_behind && self.blocks.back().is_none_or(|block| block.len() >= self.block_commits) {
            self.blocks.push_back(Arc::new(Vec::new()));
            return self.blocks.len() - 1; // it is filled at once
        }
        let at = self.blocks.partition_point(|block| block[0].0 <= commit).saturating_sub(1);
        if self.blocks[at].len() < 2 * self.block_commits {
            return at;
        }
        let later = Arc::make_mut(&mut self.blocks[at]).split_off(self.block_commits);
        let is_later = later[0].0 <= commit;
        self.blocks.insert(at + 1, Arc::new(later));
        at + usize::from(is_later)
    }
}

impl<T: Clone> CommitBlocks<T> {
    /// Appends an entry to a commit. Copies the entries of the commit only if a reader holds them.
    pub(super) fn append(&mut self, commit: Commit, entry: T) {
        Arc::make_mut(self.entries(commit)).push(entry);
    }
}

impl<T> Commits<T> {
    /// None.
    pub(super) fn none() -> Commits<T> {
        Commits { blocks: Vec::new(), after: None, through: Commit(0) }
    }

    /// Each commit with its entries, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Commit, &Entries<T>)> {
        self.from(Commit(0))
    }

    /// The same from a commit on.
    pub(super) fn from(
        &self,
        commit: Commit,
    ) -> impl DoubleEndedIterator<Item = (Commit, &Entries<T>)> {
        let after = self.after.max(commit.0.checked_sub(1).map(Commit));
        let each = self.blocks.iter().flat_map(move |block| {
            let from = block.partition_point(|(commit, _)| Some(*commit) <= after);
            let to = block.partition_point(|(commit, _)| *commit <= self.through);
            block.get(from..to).unwrap_or_default()
        });
        each.map(|(commit, entries)| (*commit, entries))
    }

    /// The first commit after this one; none: of all.
    pub(super) fn first_after(&self, after: Option<Commit>) -> Option<Commit> {
        let after = self.after.max(after);
        let at = self.blocks.partition_point(|block| last(block) <= after);
        let block = self.blocks.get(at)?;
        let (commit, _) = block.get(block.partition_point(|(commit, _)| Some(*commit) <= after))?;
        (*commit <= self.through).then_some(*commit)
    }

    /// The last commit before this one; none: of all.
    pub(super) fn last_before(&self, before: Option<Commit>) -> Option<Commit> {
        let is_before =
            |commit: Commit| commit <= self.through && before.is_none_or(|before| commit < before);
        let at = self.blocks.partition_point(|block| is_before(block[0].0));
        let block = self.blocks.get(at.checked_sub(1)?)?;
        let place = block.partition_point(|(commit, _)| is_before(*commit));
        let (commit, _) = block.get(place.checked_sub(1)?)?;
        (Some(*commit) > self.after).then_some(*commit)
    }

    /// The entries of a commit.
    pub(super) fn entries(&self, commit: Commit) -> &[T] {
        let at = self.blocks.partition_point(|block| last(block) < Some(commit));
        let found = self.blocks.get(at).and_then(|block| {
            let place = block.binary_search_by_key(&commit, |(commit, _)| *commit).ok()?;
            Some(&*block[place].1)
        });
        found.map_or(&[], |entries| entries)
    }

    /// Those of the blocks from the one on that has the commit.
    pub(super) fn blocks_from(&self, commit: Commit) -> Commits<T> {
        let mut rest = self.clone();
        rest.blocks.retain(|block| last(block) >= Some(commit));
        rest
    }
}

impl<T> Clone for Commits<T> {
    fn clone(&self) -> Commits<T> {
        Commits { blocks: self.blocks.clone(), after: self.after, through: self.through }
    }
}

fn last<T>(block: &Block<T>) -> Option<Commit> {
    block.last().map(|(commit, _)| *commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Plain = Vec<(Commit, Vec<usize>)>;

    fn plain(commits: &Commits<usize>) -> Plain {
        commits.iter().map(|(commit, entries)| (commit, entries.to_vec())).collect()
    }

    fn between(all: &Plain, after: Option<Commit>, through: Commit) -> Plain {
        all.iter().filter(|(at, _)| Some(*at) > after && *at <= through).cloned().collect()
    }

    proptest! {
        /// Blocks are a plain list of commits, read forwards and backwards, and what was taken before stays as it was.
        #[test]
        fn blocks_are_a_plain_list(
            steps in prop::collection::vec(prop::option::weighted(0.8, 0..60_u64), 1..120),
            block_commits in 1..5_usize,
        ) {
            let (mut blocks, mut all) = (CommitBlocks::new(block_commits), Plain::new());
            let mut taken = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step.map(Commit) {
                    Some(commit) => {
                        blocks.append(commit, number);
                        match all.binary_search_by_key(&commit, |(at, _)| *at) {
                            Ok(at) => all[at].1.push(number),
                            Err(at) => all.insert(at, (commit, vec![number])),
                        }
                    }
                    None => {
                        let oldest = (!all.is_empty()).then(|| all.remove(0).1);
                        prop_assert_eq!(blocks.pop_oldest().map(|entries| entries.to_vec()), oldest);
                    }
                }
                prop_assert_eq!(blocks.oldest(), all.first().map(|(commit, _)| *commit));
                prop_assert_eq!(blocks.is_of_one(), all.len() == 1);
                let sizes: Vec<usize> = blocks.blocks.iter().map(|block| block.len()).collect();
                prop_assert!(sizes.iter().all(|size| (1..=2 * block_commits).contains(size)), "{sizes:?}");
                let (after, through) = (number as u64 % 61, number as u64 * 7 % 61);
                let (after, through) = (after.checked_sub(1).map(Commit), Commit(through));
                let some = blocks.range(after, through);
                let mut want = between(&all, after, through);
                prop_assert_eq!(plain(&some), want.clone());
                let forwards = std::iter::successors(some.first_after(None), |last| some.first_after(Some(*last)));
                let forwards: Plain = forwards.map(|at| (at, some.entries(at).to_vec())).collect();
                prop_assert_eq!(&forwards, &want);
                want.reverse();
                let backwards = std::iter::successors(some.last_before(None), |last| some.last_before(Some(*last)));
                let backwards: Plain = backwards.map(|at| (at, some.entries(at).to_vec())).collect();
                prop_assert_eq!(backwards, want);
                let middle = Commit(through.0 / 2);
                let before = middle.0.checked_sub(1).map(Commit);
                let rest = some.blocks_from(middle);
                prop_assert_eq!(rest.first_after(before), some.first_after(before));
                prop_assert_eq!(rest.last_before(None).filter(|at| *at >= middle), some.last_before(None).filter(|at| *at >= middle));
                taken.push((blocks.range(None, Commit(u64::MAX)), all.clone()));
            }
            for (held, then) in &taken {
                prop_assert_eq!(&plain(held), then);
            }
        }
    }

    #[test]
    fn a_reader_takes_few_blocks_of_many_commits() {
        let mut blocks = CommitBlocks::new(BLOCK_COMMITS);
        (0..14_000).for_each(|commit| blocks.append(Commit(commit), commit));
        assert_eq!(blocks.range(None, Commit(u64::MAX)).blocks.len(), 55);
        assert_eq!(blocks.range(Some(Commit(13_000)), Commit(13_100)).blocks.len(), 2);
    }
}
