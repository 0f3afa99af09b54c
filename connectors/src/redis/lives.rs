//! Whether a stream is the one that was read before: pure bookkeeping.
//!
//! A stream that is deleted and made again has ids of its own choice. Where its producer gives them (`1-1`, `2-1`, …),
//! they begin again, and nothing would be read that lies before what had been read of the stream before it. A server
//! that comes back with an older state has the same entries as before, up to a lower id, and what it is given then may
//! lie there, too.
//!
//! A stream never gives an id twice, and takes out its oldest entries first. So one whose oldest entry lies before the
//! oldest that was there, or is another entry of the same id, is not the stream that was read.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::entry_id::EntryId;
use super::loss_detector::StreamInfo;

/// An entry: its id, and a hash of its fields.
pub(super) type Print = (EntryId, u64);

/// What is known of the stream so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    /// Its oldest entry at the last look.
    oldest: Option<Print>,
    /// Its newest entries that were read, if a producer gives ids.
    read: VecDeque<Print>,
}

/// What a stream is, compared with the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It, as far as can be seen; or there is none now.
    Same,
    /// It, as it was when this was its newest entry.
    Earlier(EntryId),
    /// Another one.
    Another,
}

/// So many of the entries that were read are remembered.
const READ_MAX: usize = 1_024;
/// Milliseconds of ids that a server gives lie behind this: it is in 2001.
const CLOCK_FROM: u64 = 1_000_000_000_000;

/// A hash of the fields of an entry; the same in one process.
pub(super) fn print(fields: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    fields.hash(&mut hasher);
    hasher.finish()
}

impl Lives {
    /// Looks at a stream that was read up to `after`.
    pub(super) fn look(&mut self, after: EntryId, info: &StreamInfo) -> Life {
        let Some((oldest, newest)) = info.ends else { return Life::Same };
        let (oldest, newest) = ((oldest, info.prints.0), (newest, info.prints.1));
        let before = self.oldest.replace(oldest);
        let is_back = info.newest < after;
        let life = match before {
            Some(before) if oldest == before && is_back => Life::Earlier(newest.0),
            Some(before) if oldest == before => Life::Same,
            // It was trimmed.
            Some(before) if oldest.0 > before.0 && !is_back => Life::Same,
            None if !is_back => Life::Same,
            // Ids of clocks go on in another stream, so this one lies in the past.
            _ if newest.0.ms >= CLOCK_FROM => match is_back {
                true => Life::Earlier(newest.0),
                false => Life::Same,
            },
            _ if is_back && self.read.contains(&newest) => Life::Earlier(newest.0),
            _ => Life::Another,
        };
        if life == Life::Another {
            self.read.clear();
        }
        life
    }

    /// Remembers an entry that was read.
    pub(super) fn read(&mut self, id: EntryId, print: impl FnOnce() -> u64) {
        if id.ms < CLOCK_FROM {
            if self.read.len() == READ_MAX {
                self.read.pop_front();
            }
            self.read.push_back((id, print()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, sequence: 1 }
    }

    /// A stream of entries of these ids, each with a print of its own in a life.
    struct Stream(u64, Vec<u64>);

    impl Stream {
        fn print(&self, ms: u64) -> Print {
            (id(ms), print(&(self.0, ms)))
        }

        fn look(&self, lives: &mut Lives, after: u64) -> Life {
            let Some((oldest, newest)) = self.1.first().zip(self.1.last()) else {
                return lives.look(id(after), &StreamInfo::default());
            };
            let (oldest, newest) = (self.print(*oldest), self.print(*newest));
            let info = StreamInfo {
                newest: newest.0,
                ends: Some((oldest.0, newest.0)),
                prints: (oldest.1, newest.1),
                ..StreamInfo::default()
            };
            lives.look(id(after), &info)
        }

        fn read(&self, lives: &mut Lives) {
            for ms in &self.1 {
                let (id, print) = self.print(*ms);
                lives.read(id, || print);
            }
        }
    }

    #[test]
    fn a_stream_that_was_made_anew_is_another_whatever_its_ids() {
        let had = Stream(1, vec![1, 2, 3, 4, 5]);
        let seen = |had: &Stream, after| {
            let mut lives = Lives::default();
            had.read(&mut lives);
            assert_eq!(had.look(&mut lives, after), Life::Same);
            lives
        };
        let lives = || seen(&had, 5);
        for (now, want) in [
            (Stream(1, vec![1, 2, 3, 4, 5, 6]), Life::Same),
            (Stream(1, vec![4, 5, 6, 7]), Life::Same), // trimmed
            (Stream(1, vec![]), Life::Same),
            (Stream(2, vec![1]), Life::Another),
            (Stream(2, vec![1, 2, 3, 4, 5]), Life::Another), // as many as before
            (Stream(2, vec![1, 2, 3, 4, 5, 6, 7]), Life::Another),
            (Stream(2, vec![3, 4]), Life::Another),
            (Stream(2, vec![8]), Life::Same), // all of it lies behind
            (Stream(1, vec![1, 2, 3]), Life::Earlier(id(3))),
        ] {
            assert_eq!(now.look(&mut lives(), 5), want, "{:?}", now.1);
        }
        // It was gone for a while, and is another one, or the same again.
        let mut lives = lives();
        assert_eq!(Stream(1, vec![]).look(&mut lives, 5), Life::Same);
        assert_eq!(had.look(&mut lives.clone(), 5), Life::Same);
        assert_eq!(Stream(2, vec![1]).look(&mut lives, 5), Life::Another);

        // A server with the state of before entries were trimmed.
        let mut lives = seen(&Stream(1, vec![1, 2, 3, 4, 5]), 5);
        assert_eq!(Stream(1, vec![4, 5]).look(&mut lives, 5), Life::Same);
        assert_eq!(Stream(1, vec![2, 3, 4]).look(&mut lives, 5), Life::Earlier(id(4)));
        let clock = |ms: &[u64]| Stream(1, ms.iter().map(|ms| CLOCK_FROM + ms).collect());
        let mut lives = seen(&clock(&[7, 8, 9]), CLOCK_FROM + 9);
        let back = clock(&[5, 6, 7]).look(&mut lives, CLOCK_FROM + 9);
        assert_eq!(back, Life::Earlier(id(CLOCK_FROM + 7)));
    }
}
