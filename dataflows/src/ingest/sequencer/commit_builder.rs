//! Builds the open commit: binds rows one by one, then closes it.

use std::time::Instant;

use connectors::{Incident, Row};
use market::{
    AccountRecord, EventTime, InputEvent, Numbered, Origin, PartitionId, Record, Rejection,
    SourceId, UnknownNames,
};

use super::{Naming, SourceNames};
use crate::clock::CommitClock;
use crate::ingest::dispatcher::ClosedCommit;
use crate::views::{DeadLetterRow, IncidentRow};

/// The open commit.
pub(super) struct CommitBuilder<'a> {
    pub(super) clock: CommitClock,
    naming: Naming<'a>,
    records: Vec<Record>,
    accounts: Vec<AccountRecord>,
    refused: Vec<(usize, usize, u64, Rejection)>,
    incidents: Vec<(usize, usize, Incident)>,
    oldest: Option<Instant>,
}

impl<'a> CommitBuilder<'a> {
    pub(super) fn new(clock: CommitClock, naming: Naming<'a>) -> CommitBuilder<'a> {
        CommitBuilder {
            clock,
            naming,
            records: Vec::new(),
            accounts: Vec::new(),
            refused: Vec::new(),
            incidents: Vec::new(),
            oldest: None,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.records.len() + self.accounts.len() + self.refused.len()
    }

    /// Notes that rows received at `at` will be added.
    pub(super) fn note_received(&mut self, at: Instant) {
        self.oldest = self.oldest.into_iter().chain([at]).min();
    }

    pub(super) fn add(&mut self, source: usize, partition: usize, row: Row) {
        let Row { position, mut event, unknown } = row;
        if let (Ok(entry), Some(unknown)) = (&event, unknown)
            && let Err(rejection) = self.admit(entry, &unknown)
        {
            event = Err(Box::new(rejection));
        }
        let bound = self.clock.bind(source, partition, position, event.as_ref().ok());
        let rejection = match (event, bound) {
            (Ok(entry), Ok(())) => {
                let SourceNames { rank, order, .. } = self.naming.sources[source];
                let (source, partition) =
                    (SourceId::of_number(source), PartitionId::of_number(partition));
                let origin = Origin { rank, order, source, partition, position };
                match entry {
                    InputEvent::Market(event) => self.records.push(Record { origin, event }),
                    InputEvent::Account(event) => {
                        self.accounts.push(AccountRecord { origin, event })
                    }
                }
                return;
            }
            (Err(rejection), _) => *rejection,
            (Ok(entry), Err(rejection)) => {
                Rejection::new(rejection.reason, rejection.detail, format!("{entry:?}").as_bytes())
            }
        };
        self.refused.push((source, partition, position, rejection));
    }

    /// Registers the names of an entry, unless the clock will refuse it: a row that is refused takes no place in the
    /// catalog, and one that finds none there moves no watermark.
    fn admit(&self, entry: &InputEvent, unknown: &UnknownNames) -> Result<(), Rejection> {
        self.clock.check(entry)?;
        self.naming.catalog.register(unknown).map_err(|error| {
            Rejection::new(error.reason(), error.to_string(), format!("{entry:?}").as_bytes())
        })
    }

    /// Adds incidents of a partition, which also opens it.
    pub(super) fn add_incidents(
        &mut self,
        source: usize,
        partition: usize,
        incidents: Vec<Incident>,
    ) {
        self.clock.open(source, partition);
        self.incidents.extend(incidents.into_iter().map(|incident| (source, partition, incident)));
    }

    pub(super) fn close(&mut self, at: EventTime, round: bool) -> ClosedCommit {
        let binding = self.clock.close(at, round);
        let commit = binding.commit;
        let sources = self.naming.sources;
        let refused = self.refused.drain(..).map(|(source, partition, position, rejection)| {
            let SourceNames { name, partitions, .. } = &sources[source];
            let partition = partitions.of(partition as u32);
            DeadLetterRow { commit, source: name.clone(), partition, position, rejection }
        });
        let refused = refused.collect();
        let incidents = self.incidents.drain(..).map(|(source, partition, incident)| {
            let SourceNames { name, partitions, .. } = &sources[source];
            let Incident { kind, lost, detail } = incident;
            let partition = partitions.of(partition as u32);
            IncidentRow { commit, source: name.clone(), partition, kind: kind.name(), lost, detail }
        });
        let incidents = incidents.collect();
        // The next commit holds about as many.
        let room = Vec::with_capacity(self.records.len());
        let records = std::mem::replace(&mut self.records, room);
        let accounts = std::mem::take(&mut self.accounts);
        let (partitions, oldest) = (self.clock.partitions(), self.oldest.take());
        ClosedCommit { binding, records, accounts, refused, incidents, partitions, oldest }
    }
}
