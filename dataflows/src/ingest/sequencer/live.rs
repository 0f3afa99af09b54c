//! Live: commits close by time and number, rounds by time.

use std::time::{Duration, Instant};

use connectors::Row;

use super::commit_builder::CommitBuilder;
use super::commit_timer::{Cadence, CommitTimer};
use super::{Naming, SequencerError, Stop, now};
use crate::clock::{Binding, CommitClock};
use crate::ingest::dispatcher::{CommitDispatcher, DispatchError};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::{ControlEvent, SourceEvent};

/// Callbacks of a live run; they must not block.
#[derive(Clone, Copy)]
pub struct LiveCallbacks<'a> {
    /// Called when all sources pause (`true`), and when they are resumed.
    pub paused: &'a dyn Fn(bool),
    /// Called after each commit was dispatched.
    pub dispatched: &'a dyn Fn(&Binding),
}

/// Sequences a live run: closes commits by time and number, rounds by time. The last commit, after a stop, ends a
/// round.
pub fn sequence_live(
    clock: CommitClock,
    naming: Naming<'_>,
    events: EventReceiver,
    cadence: Cadence,
    dispatcher: &mut CommitDispatcher,
    callbacks: LiveCallbacks<'_>,
    stop: &Stop,
) -> Result<(), SequencerError> {
    let mut sequencer = LiveSequencer {
        builder: CommitBuilder::new(clock, naming),
        events,
        rest: None,
        is_paused: false,
        cadence,
        timer: CommitTimer::new(cadence, Instant::now()),
        callbacks,
    };
    loop {
        sequencer.pause_or_resume(dispatcher.is_over_budget().is_some());
        sequencer.collect(stop);
        let is_last = stop.is_set();
        if is_last || sequencer.is_due() {
            sequencer.close(is_last, dispatcher)?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The open commit of a live run, and where its events come from.
struct LiveSequencer<'a> {
    builder: CommitBuilder<'a>,
    events: EventReceiver,
    /// Rows that did not fit into the commit before, and their source.
    rest: Option<(usize, SourceEvent)>,
    /// Whether all sources are, because operators retain too much.
    is_paused: bool,
    cadence: Cadence,
    timer: CommitTimer,
    callbacks: LiveCallbacks<'a>,
}

/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);

impl LiveSequencer<'_> {
    /// Pauses all sources while operators retain more than they may. Their senders wait when their queues are full.
    fn pause_or_resume(&mut self, is_over_budget: bool) {
        if self.is_paused == is_over_budget {
            return;
        }
        self.is_paused = is_over_budget;
        let event = if is_over_budget { ControlEvent::Paused } else { ControlEvent::Resumed };
        for source in 0..self.events.sources() {
            self.control(source, event.clone());
        }
        (self.callbacks.paused)(is_over_budget);
    }

    /// Takes events until the commit is due or full, or a stop is asked for; while sources pause, only for a moment, so
    /// that the budget is looked at again.
    fn collect(&mut self, stop: &Stop) {
        while self.builder.rows() < self.cadence.records_max && !stop.is_set() {
            let poll = if self.is_paused { self.cadence.round.min(STOP_POLL) } else { STOP_POLL };
            let deadline = self.timer.due(self.builder.rows()).min(Instant::now() + poll);
            match self.rest.take().or_else(|| self.events.recv_until(deadline)) {
                Some((source, event)) => self.take(source, event),
                None if self.is_paused => return,
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
            SourceEvent::Drained { partition, at } => {
                self.builder.clock.drain(source, partition as usize, at);
            }
            SourceEvent::Control(event) => self.control(source, event),
        }
    }

    /// Adds rows while they fit into the commit; keeps the rest for the next one.
    fn add_rows(&mut self, source: usize, partition: u32, rows: Vec<Row>, received_at: Instant) {
        self.builder.note_received(received_at);
        let mut rows = rows.into_iter();
        while self.builder.rows() < self.cadence.records_max {
            let Some(row) = rows.next() else { return };
            self.builder.add(source, partition, row);
        }
        if rows.len() > 0 {
            let rows = rows.collect();
            self.rest = Some((source, SourceEvent::Rows { partition, rows, received_at }));
        }
    }

    /// A control event takes effect, in the open commit.
    fn control(&mut self, source: usize, event: ControlEvent) {
        match event {
            ControlEvent::Paused => self.events.pause(source),
            ControlEvent::Resumed => self.events.resume(source),
            _ => {}
        }
        self.builder.apply(source, event);
    }

    /// Whether the commit closes now: it holds rows, or it is time for one without.
    fn is_due(&self) -> bool {
        let rows = self.builder.rows();
        rows > 0 || self.timer.due(rows) <= Instant::now()
    }

    /// Closes the commit and dispatches it.
    fn close(&mut self, is_last: bool, to: &mut CommitDispatcher) -> Result<(), DispatchError> {
        let is_round = is_last || self.timer.is_round(self.builder.rows(), Instant::now());
        let closed = self.builder.close(now(), is_round);
        let binding = closed.binding.clone();
        to.dispatch(closed)?;
        (self.callbacks.dispatched)(&binding);
        self.timer.closed(is_round, Instant::now());
        Ok(())
    }
}
