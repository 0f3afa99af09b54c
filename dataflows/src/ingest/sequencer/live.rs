//! Live: commits close by time and number, rounds by time.

use std::thread;
use std::time::{Duration, Instant};

use connectors::Row;
use market::Span;

use super::alignment::Alignment;
use super::commit_builder::CommitBuilder;
use super::commit_timer::{Cadence, CommitTimer};
use super::{Naming, SequencerError};
use crate::clock::{Binding, CommitClock, GivenUp};
use crate::ingest::dispatcher::{CommitDispatcher, DispatchError};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::{ControlEvent, SourceEvent};
use crate::ingest::paused_sources::PausedSources;
use crate::ingest::recording::RecordingState;
use crate::ingest::stop::Stop;
use crate::ingest::system_time::now;
use crate::undelivered::UndeliveredChanges;

/// Where a live run gets its events.
pub struct LiveInput {
    /// The queues of all sources.
    pub events: EventReceiver,
    /// The sources that are paused on request.
    pub paused: PausedSources,
    /// The number of the source of clients, if there is one.
    pub clients: Option<usize>,
    /// What sinks could not deliver.
    pub undelivered: UndeliveredChanges,
    /// How far ahead of each other in event time these sources may be read, by number.
    pub alignment: (Span, Vec<bool>),
}

/// Callbacks of a live run; they must not block.
#[derive(Clone, Copy)]
pub struct LiveCallbacks<'a> {
    /// Called with the number of a source and why it pauses, also when the reason is another; none: it is resumed.
    pub paused: &'a dyn Fn(usize, Option<String>),
    /// Called with each partition that is given up, or not any more.
    pub given_up: &'a dyn Fn(GivenUp),
    /// Called after each commit was dispatched.
    pub dispatched: &'a dyn Fn(&Binding),
    /// Called when the run ends. When it returns, clients send nothing more.
    pub stopping: &'a dyn Fn(),
}

/// Sequences a live run: closes commits by time and number, rounds by time. After a stop it binds what clients have sent.
/// The last commit has no rows, and ends a round: a start that goes on from its checkpoint has nothing to compute again.
pub fn sequence_live(
    clock: CommitClock,
    naming: Naming<'_>,
    input: LiveInput,
    cadence: Cadence,
    dispatcher: &mut CommitDispatcher,
    callbacks: LiveCallbacks<'_>,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut sequencer = LiveSequencer {
        builder: CommitBuilder::new(clock, naming),
        is_paused: vec![false; input.events.sources()],
        alignment: Alignment::new(input.alignment.0, &input.alignment.1, Instant::now()),
        input,
        rest: None,
        cadence,
        timer: CommitTimer::new(cadence, Instant::now()),
        callbacks,
    };
    let mut has_waited = false;
    loop {
        match dispatcher.tend_recording() {
            RecordingState::Held { why, .. } if !stop.is_set() => {
                // No commit closes, so nothing but the open one waits in memory to be recorded.
                sequencer.pause_or_resume(Some(format!("sources wait for the recording: {why}")));
                has_waited = true;
                thread::sleep(STOP_POLL);
                continue;
            }
            RecordingState::Lost { .. } => stop.set(),
            _ => {}
        }
        if std::mem::take(&mut has_waited) && !stop.is_set() {
            // The clock learns how late it is before sources are read again: they were not silent meanwhile.
            sequencer.close(false, dispatcher)?;
            continue;
        }
        let over_budget = dispatcher.over_budget();
        sequencer.pause_or_resume(over_budget.map(|over| format!("sources pause: {over}")));
        sequencer.collect(stop);
        if stop.is_set() {
            return Ok(sequencer.end(dispatcher)?);
        }
        if sequencer.is_due() {
            sequencer.close(false, dispatcher)?;
        }
    }
}

/// The open commit of a live run, and where its events come from.
struct LiveSequencer<'a> {
    builder: CommitBuilder<'a>,
    input: LiveInput,
    /// Rows that did not fit into the commit before, and their source.
    rest: Option<(usize, SourceEvent)>,
    /// By source, whether it is.
    is_paused: Vec<bool>,
    alignment: Alignment,
    cadence: Cadence,
    timer: CommitTimer,
    callbacks: LiveCallbacks<'a>,
}

/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);

impl LiveSequencer<'_> {
    /// Pauses sources on request, and all of them if there is a reason to. Their senders wait when their queues are
    /// full.
    fn pause_or_resume(&mut self, why_all: Option<String>) {
        for source in 0..self.is_paused.len() {
            let on_request = || "the source is paused on request".to_owned();
            let why = why_all.clone();
            let why = why.or_else(|| self.input.paused.is_paused(source).then(on_request));
            let pauses = why.is_some();
            let is_news = std::mem::replace(&mut self.is_paused[source], pauses) != pauses;
            if is_news {
                let event = if pauses { ControlEvent::Paused } else { ControlEvent::Resumed };
                self.control(source, event);
            }
            if is_news || pauses {
                (self.callbacks.paused)(source, why); // the reason may be another
            }
        }
    }

    /// Whether no source may send anything.
    fn all_pause(&self) -> bool {
        self.is_paused.iter().all(|is_paused| *is_paused)
    }

    /// Takes events until the commit is due or full, or a stop is asked for; while sources pause, only for a moment, so
    /// that the budget is looked at again.
    fn collect(&mut self, stop: &Stop) {
        while self.builder.rows() < self.cadence.records_max && !stop.is_set() {
            let poll = if self.all_pause() { self.cadence.round.min(STOP_POLL) } else { STOP_POLL };
            self.align();
            let deadline = self.timer.due(self.builder.rows()).min(Instant::now() + poll);
            match self.rest.take().or_else(|| self.input.events.recv_until(deadline)) {
                Some((source, event)) => self.take(source, event),
                None if self.all_pause() => return,
                None => {}
            }
            if self.timer.due(self.builder.rows()) <= Instant::now() {
                return;
            }
        }
    }

    fn take(&mut self, source: usize, event: SourceEvent) {
        match event {
            SourceEvent::Rows { partition, rows, received_at } => {
                self.add_rows(source, partition, rows, received_at);
            }
            SourceEvent::Posted { rows, received_at, post } => {
                // All of them in this commit: a crash leaves all or none, and their request with them.
                self.builder.note_received(received_at);
                rows.into_iter().for_each(|row| self.builder.add(source, 0, row));
                post.into_iter().for_each(|post| self.builder.note_post(post));
            }
            SourceEvent::Drained { partition, at } => {
                self.alignment.note_end(source);
                self.builder.clock.drain(source, partition as usize, at);
            }
            SourceEvent::Control(event) => self.control(source, event),
        }
    }

    /// Adds rows while they fit into the commit; keeps the rest for the next one.
    fn add_rows(&mut self, source: usize, partition: u32, rows: Vec<Row>, received_at: Instant) {
        self.builder.note_received(received_at);
        let mut rows = rows.into_iter();
        while self.builder.rows() < self.cadence.records_max
            && let Some(row) = rows.next()
        {
            self.builder.add(source, partition, row);
        }
        if self.alignment.takes_part(source) {
            let newest = self.builder.clock.newest_of(source);
            self.alignment.note_rows(source, newest, Instant::now());
        }
        if rows.len() > 0 {
            let rows = rows.collect();
            self.rest = Some((source, SourceEvent::Rows { partition, rows, received_at }));
        }
    }

    /// A control event takes effect, in the open commit.
    fn control(&mut self, source: usize, event: ControlEvent) {
        match event {
            ControlEvent::Paused | ControlEvent::Resumed => {
                self.alignment.note_end(source);
                self.gate(source);
            }
            // Its other partitions show by their rows whether it catches up.
            ControlEvent::Ended { .. } => self.alignment.note_end(source),
            _ => {}
        }
        self.builder.apply(source, event);
    }

    /// Holds sources that others are too far behind, and lets them go on.
    fn align(&mut self) {
        let now = Instant::now();
        for source in 0..self.is_paused.len() {
            let is_rest = self.rest.as_ref().is_some_and(|(of, _)| *of == source);
            let is_read = !self.is_paused[source] && !self.alignment.is_held(source);
            if is_rest || (is_read && !self.input.events.is_empty(source)) {
                self.alignment.note_waiting(source, now);
            }
        }
        for source in self.alignment.align(now) {
            self.gate(source);
        }
    }

    /// Takes no event of a source that is paused or held; its senders wait when its queue is full.
    fn gate(&mut self, source: usize) {
        let is_shut = self.is_paused[source] || self.alignment.is_held(source);
        match is_shut {
            true => self.input.events.pause(source),
            false => self.input.events.resume(source),
        }
        self.builder.clock.hold(source, is_shut);
    }

    /// Whether the commit closes now: it holds rows, or it is time for one without.
    fn is_due(&self) -> bool {
        let rows = self.builder.rows();
        rows > 0 || self.timer.due(rows) <= Instant::now()
    }

    /// Clients have nothing left to read if no body waits: nobody else knows.
    fn drain_clients(&mut self) {
        let Some(clients) = self.input.clients else { return };
        let is_rest = self.rest.as_ref().is_some_and(|(source, _)| *source == clients);
        if !is_rest && !self.is_paused[clients] && self.input.events.is_empty(clients) {
            self.builder.clock.drain(clients, 0, now());
        }
    }

    /// Binds what clients have sent, and closes the last commit. What others have sent is read again by the next start.
    fn end(&mut self, to: &mut CommitDispatcher) -> Result<(), DispatchError> {
        (self.callbacks.stopping)();
        if let Some(clients) = self.input.clients {
            (0..self.is_paused.len()).for_each(|source| self.input.events.pause(source));
            self.input.events.resume(clients);
            while let Some((source, event)) = self.input.events.recv_until(Instant::now()) {
                self.take(source, event);
                if self.builder.rows() >= self.cadence.records_max {
                    self.close(false, to)?;
                }
            }
        }
        if self.builder.rows() > 0 {
            self.close(false, to)?;
        }
        self.close(true, to)
    }

    /// Closes the commit and dispatches it.
    fn close(&mut self, is_last: bool, to: &mut CommitDispatcher) -> Result<(), DispatchError> {
        let is_round = is_last || self.timer.is_round(self.builder.rows(), Instant::now());
        self.drain_clients();
        self.builder.note_undelivered(self.input.undelivered.take());
        let mut closed = self.builder.close(now(), is_round);
        let rule_answers = to.bind_rule_requests(&mut closed);
        let binding = closed.binding.clone();
        if to.begins_checkpoint(is_last) {
            let history = self.builder.clock.history(&binding);
            to.begin_checkpoint(history, self.builder.catalog(), is_last);
        }
        self.builder.clock.given_up().iter().for_each(|change| (self.callbacks.given_up)(*change));
        to.dispatch(closed)?;
        rule_answers.send();
        (self.callbacks.dispatched)(&binding);
        self.timer.closed(is_round, Instant::now());
        Ok(())
    }
}
