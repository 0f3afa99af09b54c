//! Builds the open commit: binds rows one by one, then closes it.

use std::sync::Arc;
use std::time::Instant;

use connectors::entries::written_entry;
use connectors::{Incident, IncidentKind, Row};
use market::{
    AccountRecord, Catalog, EventTime, IdText, InputEvent, Numbered, Origin, PartitionId, Record,
    Rejection, RejectionReason, SourceId, UnknownNames,
};

use super::calendar_limits::CalendarLimits;
use super::{Naming, SourceNames};
use crate::clock::CommitClock;
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::idempotency::KeyedPost;
use crate::ingest::input::{ControlEvent, ControlRecord};
use crate::undelivered::UndeliveredChange;
use crate::views::DeadLetterRow;

/// The open commit.
pub(super) struct CommitBuilder<'a> {
    pub(super) clock: CommitClock,
    naming: Naming<'a>,
    records: Vec<Record>,
    accounts: Vec<AccountRecord>,
    id_texts: Vec<IdText>,
    refused: Vec<(usize, u32, u64, Rejection)>,
    undelivered: Vec<UndeliveredChange>,
    control: Vec<ControlRecord>,
    posts: Vec<Arc<KeyedPost>>,
    oldest: Option<Instant>,
    calendars: CalendarLimits,
}

impl<'a> CommitBuilder<'a> {
    /// The first commit. It holds which partitions there are, and which of them have ended, before any event comes.
    pub(super) fn new(clock: CommitClock, naming: Naming<'a>) -> CommitBuilder<'a> {
        let opened = clock.partitions().flat_map(|(source, partition, is_ended)| {
            let (source, partition) = (source as u32, partition as u32);
            let ended = is_ended.then_some(ControlEvent::Ended { partition });
            let events = [ControlEvent::Opened { partition }].into_iter().chain(ended);
            events.map(move |event| ControlRecord { source, event })
        });
        let control = opened.collect();
        let calendars = CalendarLimits::of(&naming.catalog.calendars);
        CommitBuilder {
            clock,
            naming,
            records: Vec::new(),
            accounts: Vec::new(),
            id_texts: Vec::new(),
            refused: Vec::new(),
            undelivered: Vec::new(),
            control,
            posts: Vec::new(),
            oldest: None,
            calendars,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.records.len() + self.accounts.len() + self.refused.len()
    }

    /// Notes that rows received at `at` will be added.
    pub(super) fn note_received(&mut self, at: Instant) {
        self.oldest = self.oldest.into_iter().chain([at]).min();
    }

    /// Adds changes that sinks could not deliver.
    pub(super) fn note_undelivered(&mut self, changes: Vec<UndeliveredChange>) {
        self.undelivered.extend(changes);
    }

    /// Notes a request whose rows are bound.
    pub(super) fn note_post(&mut self, post: Arc<KeyedPost>) {
        self.posts.push(post);
    }

    pub(super) fn add(&mut self, source: usize, partition: u32, row: Row) {
        let mut row = row;
        self.register(&mut row);
        self.keep_id_texts(&mut row);
        let Row { position, event, id_texts, .. } = row;
        let bound = self.clock.bind(source, partition as usize, position, event.as_ref().ok());
        let rejection = match (event, bound) {
            (Ok(entry), Ok(())) => {
                let SourceNames { rank, order, .. } = self.naming.sources[source];
                let (source, partition) =
                    (SourceId::of_number(source), PartitionId::of_number(partition as usize));
                let origin = Origin { rank, order, source, partition, position };
                match entry {
                    InputEvent::Market(event) => {
                        if let Some(incident) = self.calendars.look(&event) {
                            let partition = origin.partition.number() as u32;
                            let event = ControlEvent::Link { partition, incident };
                            self.control
                                .push(ControlRecord { source: source.number() as u32, event });
                        }
                        self.records.push(Record { origin, event });
                    }
                    InputEvent::Account(event) => {
                        self.accounts.push(AccountRecord { origin, event })
                    }
                }
                return;
            }
            (Err(rejection), _) => *rejection,
            (Ok(entry), Err(rejection)) => {
                let text = written_entry(&entry, None, &id_texts, self.naming.catalog);
                Rejection::new(rejection.reason, rejection.detail, text.as_bytes())
            }
        };
        self.refused.push((source, partition, position, rejection));
    }

    /// Registers the names of a row that are not in the catalog; refuses it if there is no room for them.
    pub(super) fn register(&self, row: &mut Row) {
        let Some(unknown) = row.unknown.take() else { return };
        if let Ok(entry) = &row.event
            && let Err(rejection) = self.admit(entry, &unknown, &row.id_texts)
        {
            row.event = Err(Box::new(rejection));
        }
    }

    /// Keeps the texts of a row's ids; refuses it if one cannot be told from another. A row that the clock will refuse
    /// leaves none.
    fn keep_id_texts(&mut self, row: &mut Row) {
        if row.id_texts.is_empty() {
            return;
        }
        let catalog = self.naming.catalog;
        let Ok(entry) = &row.event else { return };
        if self.clock.check(entry).is_err() {
            return;
        }
        for id in &row.id_texts {
            match catalog.ids.keep(id) {
                Ok(true) => self.id_texts.push(id.clone()),
                Ok(false) => {}
                Err(why) => {
                    let raw = written_entry(entry, None, &row.id_texts, catalog);
                    let reason = RejectionReason::BadField;
                    let refused = Rejection::new(reason, why.to_string(), raw.as_bytes());
                    row.event = Err(Box::new(refused));
                    return;
                }
            }
        }
    }

    /// Registers the names of an entry, unless the clock will refuse it: a row that is refused takes no place in the
    /// catalog, and one that finds none there moves no watermark.
    fn admit(
        &self,
        entry: &InputEvent,
        unknown: &UnknownNames,
        id_texts: &[IdText],
    ) -> Result<(), Rejection> {
        let catalog = self.naming.catalog;
        let refused = |reason, detail| {
            let text = written_entry(entry, Some(unknown), id_texts, catalog);
            Rejection::new(reason, detail, text.as_bytes())
        };
        self.clock.check(entry).map_err(|why| refused(why.reason, why.detail))?;
        catalog.register(unknown).map_err(|error| refused(error.reason(), error.to_string()))
    }

    /// A control event takes effect. What changes nothing, such as a second end, is not recorded.
    pub(super) fn apply(&mut self, source: usize, event: ControlEvent) {
        let is_change = match &event {
            ControlEvent::Opened { partition } => self.clock.open(source, *partition as usize),
            ControlEvent::Ended { partition } => self.clock.end(source, *partition as usize),
            ControlEvent::Link { .. }
            | ControlEvent::State { .. }
            | ControlEvent::Paused
            | ControlEvent::Resumed
            | ControlEvent::CaughtUp => true,
        };
        if is_change {
            self.control.push(ControlRecord { source: source as u32, event });
        }
    }

    /// The names that its rows have.
    pub(super) fn catalog(&self) -> &Catalog {
        self.naming.catalog
    }

    pub(super) fn close(&mut self, at: EventTime, round: bool) -> ClosedCommit {
        let binding = self.clock.close(at, round);
        let commit = binding.commit;
        let given_up = self.clock.given_up().iter().filter(|change| change.is_given_up);
        self.control.extend(given_up.map(|change| {
            let (source, partition) = (change.source as u32, change.partition as u32);
            let detail =
                "nothing was heard of it for `give_up_after`; what it brings later may be too late";
            let incident =
                Incident { kind: IncidentKind::GivenUp, lost: None, detail: detail.to_owned() };
            ControlRecord { source, event: ControlEvent::Link { partition, incident } }
        }));
        let caught_up = self.clock.caught_up().iter();
        self.control.extend(
            caught_up.map(|source| ControlRecord {
                source: *source as u32,
                event: ControlEvent::CaughtUp,
            }),
        );
        let sources = self.naming.sources;
        let refused = self.refused.drain(..).map(|(source, partition, position, rejection)| {
            let SourceNames { name, partitions, .. } = &sources[source];
            let partition = partitions.of(partition);
            DeadLetterRow { commit, source: name.clone(), partition, position, rejection }
        });
        let undelivered = self.undelivered.drain(..).map(|change| DeadLetterRow {
            commit,
            source: format!("sink:{}", change.sink),
            partition: change.view.to_owned(),
            position: change.commit,
            rejection: change.rejection,
        });
        let refused = refused.chain(undelivered).collect();
        // The next commit holds about as many.
        let room = Vec::with_capacity(self.records.len());
        let records = std::mem::replace(&mut self.records, room);
        let accounts = std::mem::take(&mut self.accounts);
        let id_texts = std::mem::take(&mut self.id_texts);
        let (control, oldest) = (std::mem::take(&mut self.control), self.oldest.take());
        let posts = std::mem::take(&mut self.posts);
        let rule_changes = Vec::new();
        ClosedCommit {
            binding,
            records,
            accounts,
            id_texts,
            refused,
            control,
            posts,
            rule_changes,
            oldest,
        }
    }
}

#[cfg(test)]
mod tests {
    use market::{Catalog, Span};

    use super::*;
    use crate::clock::{Ahead, SourceTiming};
    use market::NameOrder;
    use rows::PartitionNames;

    #[test]
    fn control_events_are_in_the_commit_in_which_they_take_effect() {
        let at = EventTime(0);
        let mut clock = CommitClock::new(
            [2, 1].map(|partitions| SourceTiming::plain(Span::secs(1), partitions)).to_vec(),
            Ahead::NotAfter(at),
            at,
        );
        clock.leave_out(0, 0);
        clock.end(1, 0);
        let source = |name: &str| {
            let partitions = PartitionNames::one("p");
            SourceNames { name: name.to_owned(), rank: 0, order: NameOrder(0), partitions }
        };
        let (sources, catalog) = ([source("a"), source("b")], Catalog::new(Vec::new(), 9));
        let naming = Naming { sources: &sources, catalog: &catalog };
        let mut builder = CommitBuilder::new(clock, naming);
        let (opened, ended) = (
            |partition| ControlEvent::Opened { partition },
            |partition| ControlEvent::Ended { partition },
        );
        let record = |source, event| ControlRecord { source, event };
        let first = builder.close(at, true).control;
        let at_its_end = record(1, ControlEvent::CaughtUp);
        let want = [record(0, opened(1)), record(1, opened(0)), record(1, ended(0)), at_its_end];
        assert_eq!(first, want);

        for event in [opened(1), opened(3), ControlEvent::Paused, ended(1), ended(1)] {
            builder.apply(0, event);
        }
        let closed = builder.close(at, true);
        let want = [opened(3), ControlEvent::Paused, ended(1)].map(|event| record(0, event));
        assert_eq!(closed.control, want, "what changes nothing is no record");
        assert_eq!(closed.binding.watermarks[0], Some(EventTime::NEVER), "3 is waited for");
        assert_eq!(builder.close(at, true).control, [], "each is in one commit");
    }
}
