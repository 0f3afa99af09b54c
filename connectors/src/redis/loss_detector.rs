//! Whether a stream has lost entries that were not read: pure bookkeeping.
//!
//! A stream counts how many entries it was ever given. So does a reader, for the entry that it read last;
//! what was given after that must be there to read. Where the oldest entry is newer than what was read, or
//! nothing is left to read, it is known how many there are, and the difference is what was taken out
//! unread: by trimming, by deleting, or by a server that came back with less than it had.
//! Ids alone do not show a loss, since they have holes.

use super::entry_id::EntryId;

/// What a server says of a stream, after a batch was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamInfo {
    /// Entries that are there.
    pub(super) length: u64,
    /// Entries that were ever added.
    pub(super) added: u64,
    /// The id that was given last, whether its entry is there or not.
    pub(super) newest: EntryId,
    /// The highest id of an entry that was deleted; trimming, which takes the oldest, does not count.
    pub(super) deleted: EntryId,
    /// The first and the last entry that are there.
    pub(super) ends: Option<(EntryId, EntryId)>,
    /// Hashes of the fields of these two.
    pub(super) prints: (u64, u64),
}

impl StreamInfo {
    /// Whether no entry up to `after` was ever added: none was taken out, and all that are there come later.
    pub(super) fn has_nothing_up_to(&self, after: EntryId) -> bool {
        self.added == self.length && self.ends.is_none_or(|(oldest, _)| oldest > after)
    }

    /// Whether entries after `after` may have been taken out: not if none was ever taken out, or none was
    /// ever added after it, or if its oldest one is not after it.
    pub(super) fn may_lack(&self, after: EntryId) -> bool {
        self.added > self.length
            && self.newest > after
            && self.ends.is_none_or(|(oldest, _)| oldest > after)
    }
}

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Entries were taken out before they were read.
    Entries {
        /// How many.
        count: u64,
        /// They lie after the first of these and before the second; none if they were added before what had
        /// been read by then, by a server that had gone back.
        between: Option<(EntryId, EntryId)>,
    },
    /// The server has less than it had, and its newest id is this one. What it had lost after what was
    /// read is not known.
    WentBack(EntryId),
}

/// The bookkeeping of one reader.
#[derive(Clone, Debug)]
pub(super) struct LossDetector {
    after: EntryId,
    /// How many entries had been added up to `after`, if nothing was lost since `sure`; none if not known.
    ordinal: Option<u64>,
    /// Everything up to here is accounted for.
    sure: EntryId,
    has_gone_back: bool,
    behind: Option<u64>,
}

impl LossDetector {
    /// Reading begins after `after`, up to which so many entries were added, if that is known.
    pub(super) fn begin(after: EntryId, ordinal: Option<u64>) -> LossDetector {
        LossDetector { after, ordinal, sure: after, has_gone_back: false, behind: None }
    }

    /// What was read last.
    pub(super) fn after(&self) -> EntryId {
        self.after
    }

    /// How many entries there are to read, as last reported; none if the server does not report it.
    pub(super) fn behind(&self) -> Option<u64> {
        self.behind
    }

    /// Takes the next batch, all after what was read before and ascending, and the info of the stream after
    /// it.
    ///
    /// An entry that is deleted between the two is taken for one that was deleted before.
    pub(super) fn take(&mut self, batch: &[EntryId], info: &StreamInfo) -> Option<Loss> {
        let before = self.after;
        let after = batch.last().copied().unwrap_or(before);
        let ordinal = self.ordinal.map(|ordinal| ordinal + batch.len() as u64);
        let left = match info.ends {
            None => Some(0),
            Some((_, last)) if last <= after => Some(0),
            Some((first, _)) if first > before => {
                let again = batch.iter().filter(|id| **id >= first).count() as u64;
                Some(info.length.saturating_sub(again))
            }
            Some(_) => None,
        };
        self.after = after;
        self.ordinal = ordinal;
        self.behind = left.or(ordinal.map(|ordinal| info.added.saturating_sub(ordinal)));

        let was_back = std::mem::replace(&mut self.has_gone_back, info.newest < after);
        let left = left?;
        let sure = std::mem::replace(&mut self.sure, after);
        self.ordinal = Some(info.added.saturating_sub(left));
        let expected = ordinal.map(|ordinal| ordinal + left);
        if (self.has_gone_back && !was_back) || expected.is_some_and(|all| all > info.added) {
            return Some(Loss::WentBack(info.newest));
        }
        let count = info.added - expected.filter(|all| *all < info.added)?;
        let first = info.ends.map_or(just_after(info.newest), |(first, _)| first);
        let until = match batch.first() {
            // What is there begins behind the batch: some may have gone after it.
            _ if first > after => first,
            // Nothing was left out before, so it was before this batch.
            Some(next) if sure == before => *next,
            _ => after,
        };
        let until = match info.deleted > sure {
            true => until.max(just_after(info.deleted)),
            false => until,
        };
        Some(Loss::Entries { count, between: (sure < until).then_some((sure, until)) })
    }
}

fn just_after(id: EntryId) -> EntryId {
    EntryId { sequence: id.sequence.saturating_add(1), ..id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, sequence: 0 }
    }

    /// A stream as a server keeps it.
    #[derive(Clone, Debug, Default)]
    struct Stream {
        entries: Vec<EntryId>,
        added: u64,
        deleted: EntryId,
    }

    impl Stream {
        fn add(&mut self, count: u64) {
            for _ in 0..count {
                self.added += 1;
                self.entries.push(id(self.added));
            }
        }

        fn trim(&mut self, keep: usize) {
            let gone = self.entries.len().saturating_sub(keep);
            self.entries.drain(..gone);
        }

        fn delete(&mut self, at: usize) {
            self.deleted = self.deleted.max(self.entries.remove(at));
        }

        fn read(&self, after: EntryId, count: usize) -> Vec<EntryId> {
            self.entries.iter().filter(|id| **id > after).take(count).copied().collect()
        }

        fn info(&self) -> StreamInfo {
            let ends = self.entries.first().copied().zip(self.entries.last().copied());
            let length = self.entries.len() as u64;
            let (added, deleted) = (self.added, self.deleted);
            StreamInfo { length, added, newest: id(added), deleted, ends, prints: (0, 0) }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64),
        Trim(usize),
        Delete(usize),
        /// So many, and what happens before the server is asked about the stream.
        Read(usize, u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..8).prop_map(Step::Add),
            (0_usize..12).prop_map(Step::Trim),
            (0_usize..8).prop_map(Step::Delete),
            (1_usize..6, 0_u64..3, 0_usize..12)
                .prop_map(|(count, added, kept)| Step::Read(count, added, kept)),
        ]
    }

    proptest! {
        /// Whatever is added, trimmed and deleted when: every entry is read, or reported as lost in a range
        /// that holds it, and no more are reported than were lost.
        #[test]
        fn every_entry_is_read_or_reported(
            already in 0_u64..5, trimmed in 0_usize..5, steps in prop::collection::vec(step(), 0..60),
        ) {
            let mut stream = Stream::default();
            stream.add(already);
            stream.trim(trimmed);
            let begin = stream.info();
            let mut losses = LossDetector::begin(begin.newest, Some(begin.added));
            let (mut read, mut reported, mut ranges) = (0, 0, Vec::new());
            let mut take = |stream: &mut Stream, count, added, kept| {
                let batch = stream.read(losses.after(), count);
                stream.add(added);
                stream.trim(kept);
                read += batch.len() as u64;
                match losses.take(&batch, &stream.info()) {
                    Some(Loss::Entries { count, between }) => {
                        reported += count;
                        ranges.push((count, between.expect("nothing went back")));
                    }
                    Some(back) => panic!("{back:?} and it did not"),
                    None => {}
                }
                batch
            };
            let mut seen = Vec::new();
            for step in steps {
                match step {
                    Step::Add(count) => stream.add(count),
                    Step::Trim(keep) => stream.trim(keep),
                    Step::Delete(at) if at < stream.entries.len() => stream.delete(at),
                    Step::Delete(_) => {}
                    Step::Read(count, added, kept) => {
                        seen.extend(take(&mut stream, count, added, kept));
                    }
                }
            }
            while let batch @ [_, ..] = take(&mut stream, 100, 0, usize::MAX).as_slice() {
                seen.extend(batch);
            }
            prop_assert_eq!(read + reported, stream.added - begin.added);
            prop_assert_eq!(losses.behind(), Some(0));
            for (count, (from, to)) in ranges {
                let inside = (from.ms..=to.ms).map(id).filter(|id| *id > from && *id < to && !seen.contains(id)).count();
                prop_assert!(inside as u64 >= count, "{count} in {from}..{to}, and {inside} are missing");
            }
        }
    }

    #[test]
    fn what_was_gone_before_reading_began_is_no_loss() {
        let mut stream = Stream::default();
        stream.add(10);
        stream.trim(4);
        let mut losses = LossDetector::begin(EntryId::ZERO, None);
        let batch = stream.read(EntryId::ZERO, 3);
        assert_eq!((losses.take(&batch, &stream.info()), losses.behind()), (None, Some(1)));
        assert!(stream.info().may_lack(id(3)) && stream.info().may_lack(id(5)));
        assert!(!stream.info().may_lack(id(7)) && !stream.info().may_lack(id(10)));
    }

    #[test]
    fn a_server_that_goes_back_is_reported_once_and_so_are_entries_behind_it() {
        let mut stream = Stream::default();
        stream.add(10);
        let mut losses = LossDetector::begin(EntryId::ZERO, None);
        let batch = stream.read(EntryId::ZERO, 10);
        assert_eq!(losses.take(&batch, &stream.info()), None);
        let mut back = Stream::default();
        back.add(7);
        assert_eq!(losses.take(&[], &back.info()), Some(Loss::WentBack(id(7))));
        assert_eq!(losses.take(&[], &back.info()), None);
        back.add(2); // before what was read
        let behind = Loss::Entries { count: 2, between: None };
        assert_eq!(losses.take(&[], &back.info()), Some(behind));
        back.add(2); // one of them after it
        let batch = back.read(losses.after(), 10);
        assert_eq!(batch, [id(11)]);
        assert!(losses.take(&batch, &back.info()).is_some());
        // Ids went on, and yet fewer were added than were read.
        let less = StreamInfo { added: 5, newest: id(20), ..StreamInfo::default() };
        assert_eq!(losses.take(&[], &less), Some(Loss::WentBack(id(20))));
    }
}
