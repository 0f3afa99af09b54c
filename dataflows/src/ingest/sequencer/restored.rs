//! The log of a job that goes on: its commits as they were bound, and what the next one follows from.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use market::{Commit, InstrumentId, Span};
use node_api::Throttle;

use super::recorded::name;
use super::{NameTables, SequencerError};
use crate::clock::ClockHistory;
use crate::failpoints::{RESTORE_LOG, failpoint};
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::commit_log::CommitLogError;
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::partition_states::PartitionStates;
use crate::ingest::promises::Promises;
use crate::ingest::recording::{NewNames, Next, Recording};
use crate::ingest::stop::Stop;

/// A job's log while it is read.
pub struct LogReplay<'a> {
    /// Its directory, for errors.
    pub folder: &'a Path,
    /// Where names are registered.
    pub tables: NameTables<'a>,
    /// The number of the source of clients and its grace, if there is one.
    pub clients: Option<(usize, Span)>,
    /// What clients were promised, to be completed by the log.
    pub promises: &'a Promises,
    /// Becomes whether the last segment was ended by a stop in order.
    pub in_order: &'a Cell<bool>,
    /// Called with the bytes read and the bytes in total.
    pub read: &'a dyn Fn((u64, u64)),
}

impl LogReplay<'_> {
    /// Dispatches the commits of all segments. The first is the one that `known` closed, which is what a checkpoint knows;
    /// without, it is commit 0. Gives what the clock goes on with; none if there is no commit, or a stop was asked for.
    /// `partitions` becomes what is known of partitions then.
    pub fn dispatch(
        &self,
        segments: &[PathBuf],
        known: Option<ClockHistory>,
        (dispatcher, partitions): (&mut CommitDispatcher, &mut PartitionStates),
        stop: &Stop,
    ) -> Result<Option<ClockHistory>, SequencerError> {
        let mut wanted =
            known.as_ref().and_then(ClockHistory::last).map_or(Commit(0), |last| last.commit);
        let known_through = known.as_ref().and_then(ClockHistory::last).map(|last| last.commit);
        let mut history = known;
        let sizes = segments.iter().map(|path| path.metadata().map_or(0, |about| about.len()));
        let total: u64 = sizes.sum();
        let (mut before, mut misfits) = (0, Throttle::default());
        for path in segments {
            let mut segment = Recording::open(path).map_err(CommitLogError::from)?;
            let of_segment = &segment.header().registries;
            self.tables.registries.with(|here| here.agree(of_segment))?;
            self.promises.lineage.descend(segment.header().generation, wanted);
            loop {
                match segment.read().map_err(CommitLogError::from)? {
                    Next::Names(names) => name(&names, self.tables, &mut misfits)?,
                    Next::Scales(scales) => self.check_scales(scales)?,
                    Next::Partitions(states) => *partitions = states,
                    Next::Rules(rules) => dispatcher.knows_rules(rules),
                    Next::Commit(closed) => {
                        if stop.is_set() {
                            return Ok(None);
                        }
                        self.follows(path, &closed, wanted)?;
                        wanted = wanted.next();
                        if Some(closed.binding.commit) > known_through {
                            let history =
                                history.get_or_insert_with(|| ClockHistory::of(self.clients));
                            note(history, &closed);
                        }
                        for id in &closed.id_texts {
                            let _ = self.tables.catalog.ids.keep(id); // as in a recording
                        }
                        partitions.note(&closed);
                        failpoint(RESTORE_LOG);
                        dispatcher.dispatch(closed)?;
                        (self.read)((before + segment.extent().0, total));
                    }
                    Next::End { in_order } => {
                        self.in_order.set(in_order);
                        break;
                    }
                }
            }
            let (whole, bytes) = segment.extent();
            if whole < bytes {
                tracing::warn!(
                    "{} ends with {} bytes of a commit that nobody has seen: the process was killed while it was \
                     written",
                    path.display(),
                    bytes - whole
                );
            }
            before += bytes;
        }
        Ok(history)
    }

    fn follows(
        &self,
        path: &Path,
        closed: &ClosedCommit,
        wanted: Commit,
    ) -> Result<(), CommitLogError> {
        let wanted = wanted.0;
        let found = closed.binding.commit.0;
        match found == wanted {
            true => Ok(()),
            false => Err(CommitLogError::Incomplete { path: path.to_owned(), found, wanted }),
        }
    }

    /// Registers names that a checkpoint holds.
    pub fn name(&self, names: &NewNames) -> Result<(), SequencerError> {
        Ok(name(names, self.tables, &mut Throttle::default())?)
    }

    /// Numbers in the log are whole numbers of the smallest unit, so units must be as they were.
    pub fn check_scales(&self, scales: Vec<(String, u8, u8)>) -> Result<(), CommitLogError> {
        for (instrument, prices, sizes) in scales {
            let Some(known) = self.tables.catalog.get(InstrumentId::of(&instrument)) else {
                continue; // it has no place in the catalog, which was said
            };
            let (was, now) = ((prices, sizes), (known.spec.price_scale, known.spec.quantity_scale));
            if was != now {
                let path = self.folder.to_owned();
                return Err(CommitLogError::OtherScale { path, instrument, was, now });
            }
        }
        Ok(())
    }
}

/// Notes what a commit leaves behind.
fn note(history: &mut ClockHistory, closed: &ClosedCommit) {
    for record in &closed.records {
        let of = (record.origin.source, record.origin.partition);
        history.note(of, &record.event);
    }
    history.close(&closed.binding);
}
