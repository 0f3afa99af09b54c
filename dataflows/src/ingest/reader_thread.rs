//! Reader threads: one thread per partition that reads rows and sends them to the sequencer, at most a few batches
//! ahead.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{Incident, IncidentKind, Link, PartitionReader, PartitionState, Progress, Row};
use market::{Rejection, RejectionReason, Span};

use super::causes::with_causes;
use super::connections::Connections;
use super::event_queues::EventSender;
use super::input::{ControlEvent, SourceEvent};
use super::play::{PacedSink, Player};
use super::recovery::Recovery;
use super::stop::Stop;
use super::system_time::now;

/// A partition about to be read.
pub struct ReaderThread {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: u32,
    /// Reads the partition; none if it is yet to be opened.
    pub reader: Option<Box<dyn PartitionReader>>,
    /// What was found when it was opened.
    pub found: Vec<Incident>,
    /// How it is read again after an error, in a live run; none: it ends there.
    pub recovery: Option<Recovery>,
    /// Paces and shifts its rows, in a live run.
    pub player: Option<Player>,
    /// The queue of the source.
    pub sender: EventSender,
    /// After how long without anything to read the partition is idle; none: never.
    pub idle_after: Option<Span>,
    /// Whether it is a pipe: then nobody knows whether it is at its end, and silence is one only where that is configured.
    pub is_pipe: bool,
    /// Records how far the partition has been read.
    pub progress: ReadProgress,
    /// Records how the partition is connected.
    pub connections: Connections,
    /// Ends the thread.
    pub stop: Stop,
}

/// What one read came to.
struct ReadResult {
    rows: Vec<Row>,
    /// Whether nothing will follow; the error if it cannot be read on.
    ended: Result<bool, String>,
    incidents: Vec<Incident>,
    state: Option<PartitionState>,
    link: Option<Link>,
}

impl ReadResult {
    fn of(reader: &mut dyn PartitionReader) -> ReadResult {
        let mut rows = Vec::new();
        let read = reader.read(&mut rows);
        let ended = read.map(|progress| progress == Progress::Ended);
        let ended = ended.map_err(|error| with_causes(&error));
        let (incidents, state, link) = (reader.incidents(), reader.state(), reader.link());
        ReadResult { rows, ended, incidents, state, link }
    }

    fn failed(why: String) -> ReadResult {
        let (rows, incidents) = (Vec::new(), Vec::new());
        ReadResult { rows, ended: Err(why), incidents, state: None, link: None }
    }

    /// Whether the reader was connected and had nothing left to read.
    fn is_drained(&self) -> bool {
        self.rows.is_empty() && self.ended.is_ok() && self.link.is_none_or(|link| link.at_end)
    }

    /// Of a live run: a partition that breaks off has not ended, so what it lacks may come yet.
    fn break_off(mut self) -> ReadResult {
        let breaks_off = |row: &mut Row| matches!(&row.event, Err(why) if why.reason == RejectionReason::Truncated);
        if let Some(Row { event: Err(why), .. }) = self.rows.pop_if(breaks_off) {
            self.ended = Err(why.detail);
        }
        self
    }
}

impl ReaderThread {
    /// Starts a thread that reads until the partition ends, the receiver is gone, or `stop` is set.
    ///
    /// A partition of a live run that cannot be read on is opened again and again. Any other ends with a refused row
    /// whose detail is the error.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let name = format!("source-{}.{}", self.source, self.partition);
        thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut out = PartitionSender::new(self.partition, self.sender.clone(), self.idle_after);
        let slot = self.progress.slot();
        let mut last = 0;
        while !self.stop.is_set() {
            let Some(mut read) = self.read_or_fail() else { break };
            read.incidents.splice(..0, self.found.drain(..));
            if let (Err(why), None) = (&read.ended, &self.recovery) {
                read.rows.push(cut_off(last, why));
                read.ended = Ok(true);
            }
            if let (Some(recovery), Some(state)) = (&mut self.recovery, &read.state) {
                recovery.note(state);
            }
            last = read.rows.last().map_or(last, |row| row.position);
            let position = self.reader.as_ref().and_then(|reader| reader.position());
            self.recover(&mut read, position.or((last > 0).then_some(last)));
            self.progress.note(slot, self.reader.as_ref().and_then(|reader| reader.extent()));
            let (partition, incidents) = (self.partition as usize, &read.incidents);
            self.connections.note(self.source, partition, read.link, incidents);
            let (is_drained, ended) = (read.is_drained(), read.ended == Ok(true));
            let sent_on = out.report(read.incidents)
                && out.note(read.state)
                && match &mut self.player {
                    None => out.send(read.rows, ended),
                    Some(player) => player.play(read.rows, ended, &self.stop, &mut out),
                };
            if ended || !sent_on {
                break;
            }
            if is_drained && (!self.is_pipe || self.idle_after.is_some()) {
                out.report_drained();
            }
        }
    }

    /// Reads on. A reader that panics has failed, as one that cannot read on: it is closed, and what it says of its
    /// connection is not asked for.
    fn read_or_fail(&mut self) -> Option<ReadResult> {
        catch_unwind(AssertUnwindSafe(|| self.read())).unwrap_or_else(|panic| {
            self.reader = None;
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or(panic.downcast_ref::<String>().map(String::as_str));
            let said = said.unwrap_or("the log has its message");
            Some(ReadResult::failed(format!(
                "its reader has panicked, a fault of this program: {said}"
            )))
        })
    }

    /// Reads on; opens the partition first if need be. None if a stop was asked for.
    fn read(&mut self) -> Option<ReadResult> {
        if let (None, Some(recovery)) = (&self.reader, &mut self.recovery) {
            match recovery.open(&self.stop) {
                Ok(reader) => self.reader = Some(reader),
                Err(Some(error)) => return Some(ReadResult::failed(with_causes(&error))),
                Err(None) => return None,
            }
        }
        let read = ReadResult::of(self.reader.as_deref_mut()?);
        Some(if self.recovery.is_some() { read.break_off() } else { read })
    }

    /// In a live run: notes whether the partition can be read. One that cannot is closed, and opened again after
    /// `position`. While it has failed, its connections are no news.
    fn recover(&mut self, read: &mut ReadResult, position: Option<u64>) {
        let Some(recovery) = &mut self.recovery else { return };
        let is_gap = |incident: &Incident| incident.kind == IncidentKind::Gap;
        match &read.ended {
            Err(why) => {
                if recovery.has_failed() {
                    read.incidents.retain(is_gap);
                }
                read.incidents.extend(recovery.fail(why.clone(), position));
                self.reader = None;
                self.player.iter_mut().for_each(Player::give_way);
            }
            Ok(ended) if recovery.has_failed() => {
                read.incidents.retain(is_gap);
                if *ended || !read.rows.is_empty() || read.is_drained() {
                    read.incidents.extend(recovery.succeed());
                }
            }
            Ok(_) => {}
        }
    }
}

/// Sends the events of one partition to the sequencer.
struct PartitionSender {
    partition: u32,
    to: EventSender,
    /// How often it reports that nothing is left to read.
    drained_every: Duration,
    drained_sent: Option<Instant>,
}

impl PartitionSender {
    fn new(partition: u32, to: EventSender, idle_after: Option<Span>) -> PartitionSender {
        // Often enough to be idle in time, and no more than a message a second if that is far off.
        let quarter = |idle: Span| Duration::from_nanos(idle.as_nanos().max(0).unsigned_abs() / 4);
        let (least, most) = (Duration::from_millis(20), Duration::from_secs(1));
        let drained_every = idle_after.map_or(most, |idle| quarter(idle).clamp(least, most));
        PartitionSender { partition, to, drained_every, drained_sent: None }
    }

    /// Sends the state in which the next rows were read; returns whether to go on.
    fn note(&self, state: Option<PartitionState>) -> bool {
        let Some(state) = state else { return true };
        let event = ControlEvent::State { partition: self.partition, state };
        self.to.send(SourceEvent::Control(event)).is_ok()
    }

    /// Sends incidents; returns whether to go on.
    fn report(&self, incidents: Vec<Incident>) -> bool {
        let partition = self.partition;
        incidents.into_iter().all(|incident| {
            let event = ControlEvent::Link { partition, incident };
            self.to.send(SourceEvent::Control(event)).is_ok()
        })
    }
}

impl PacedSink for PartitionSender {
    fn send(&mut self, rows: Vec<Row>, ended: bool) -> bool {
        let (partition, received_at) = (self.partition, Instant::now());
        if !rows.is_empty()
            && self.to.send(SourceEvent::Rows { partition, rows, received_at }).is_err()
        {
            return false;
        }
        !ended || self.to.send(SourceEvent::Control(ControlEvent::Ended { partition })).is_ok()
    }

    // Goes through the queue of the rows; by another way it could overtake rows that wait there.
    fn report_drained(&mut self) {
        if self.drained_sent.is_some_and(|sent| sent.elapsed() < self.drained_every) {
            return;
        }
        let event = SourceEvent::Drained { partition: self.partition, at: now() };
        // With a full queue the source is behind, and the next report is as good.
        if self.to.try_send(event).is_ok() {
            self.drained_sent = Some(Instant::now());
        }
    }
}

fn cut_off(last: u64, detail: &str) -> Row {
    tracing::error!(%detail, "a partition ends here");
    let rejection = Rejection::new(RejectionReason::Truncated, detail, b"");
    Row::new(last + 1, Err(Box::new(rejection)))
}

/// How far a job's input has been read: amount read and total, in units of the source. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ReadProgress(Arc<Mutex<Vec<Part>>>);

/// Amount read and total, if known.
type Part = Option<(u64, u64)>;

impl ReadProgress {
    /// Adds one part of the input; returns its slot.
    pub fn slot(&self) -> usize {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(None);
        parts.len() - 1
    }

    /// Records amount read and total of a part, if known.
    pub fn note(&self, slot: usize, read: Option<(u64, u64)>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(slot) {
            *part = read;
        }
    }

    /// Amount read and total of all parts; none while that of any part is not known.
    pub fn read(&self) -> Option<(u64, u64)> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = parts.iter().try_fold((0, 0), |(read, of), part| {
            part.map(|(part_read, part_of)| (read + part_read, of + part_of))
        });
        sum.filter(|(_, of)| *of > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use connectors::{Place, Source, SourceError};
    use market::{Event, IdScope, InstrumentId, TradeId, TradeRef};

    use super::*;
    use crate::ingest::event_queues::{EventReceiver, event_queue};

    /// Every other reader of it panics; the others bring a row and end.
    #[derive(Default)]
    struct Faulty(AtomicU64);

    struct FaultyReader(bool);

    impl PartitionReader for FaultyReader {
        fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
            assert!(!self.0, "no such case");
            let (instrument, scope) = (InstrumentId(1), IdScope(0));
            let of = TradeRef { instrument, scope, id: TradeId::Number(1) };
            rows.push(Row::new(1, Ok(Event::Cancel { of, time: None }.into())));
            Ok(Progress::Ended)
        }
    }

    impl Source for Faulty {
        fn partition_name(&self, _partition: u32) -> String {
            "p".to_owned()
        }

        fn partitions(&self) -> Vec<u32> {
            vec![0]
        }

        fn is_replayable(&self) -> bool {
            true
        }

        fn open(&self, _: u32, _: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
            let panics = self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            Ok(Box::new(FaultyReader(panics)))
        }
    }

    /// What the thread that reads the source sends until it ends, live or in a replay.
    fn read(is_live: bool) -> (Vec<SourceEvent>, Connections) {
        let source: Arc<dyn Source> = Arc::new(Faulty::default());
        let (sender, mut receiver): (_, EventReceiver) = event_queue(16);
        let connections = Connections::default();
        let recovery = Recovery::new(Arc::clone(&source), 0, Place::Earliest);
        let thread = ReaderThread {
            source: 0,
            partition: 0,
            reader: Some(source.open(0, Place::Earliest).unwrap()),
            found: Vec::new(),
            recovery: is_live.then_some(recovery),
            player: None,
            sender,
            idle_after: None,
            is_pipe: false,
            progress: ReadProgress::default(),
            connections: connections.clone(),
            stop: Stop::default(),
        };
        let thread = thread.start().unwrap();
        let mut events = Vec::new();
        while let Some((_, event)) = receiver.recv() {
            if let SourceEvent::Control(ControlEvent::Link { incident, .. }) = &event
                && incident.kind == IncidentKind::Failed
            {
                let why = &incident.detail;
                assert!(
                    why.contains("its reader has panicked") && why.contains("no such case"),
                    "{why}"
                );
            }
            events.push(event);
        }
        thread.join().unwrap();
        (events, connections)
    }

    #[test]
    fn a_reader_that_panics_has_failed_and_another_one_reads_on() {
        let (events, connections) = read(true);
        let kinds = events.iter().filter_map(|event| match event {
            SourceEvent::Control(ControlEvent::Link { incident, .. }) => Some(incident.kind),
            _ => None,
        });
        let kinds: Vec<_> = kinds.collect();
        assert_eq!(kinds, [IncidentKind::Failed, IncidentKind::Connected]);
        assert!(events.iter().any(|event| matches!(event, SourceEvent::Rows { .. })));
        assert_eq!(connections.reach(0).failure, None);
    }

    #[test]
    fn a_reader_that_panics_in_a_replay_breaks_off() {
        let (events, _) = read(false);
        let [SourceEvent::Rows { rows, .. }, SourceEvent::Control(ControlEvent::Ended { .. })] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        let why = rows[0].event.as_ref().unwrap_err();
        assert_eq!(why.reason, RejectionReason::Truncated);
        assert!(why.detail.contains("its reader has panicked"), "{why:?}");
    }
}
