//! Pumps: one thread per partition that reads rows and passes them on, never more than a few batches
//! ahead.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectors::{PartitionReader, Progress, Row, SourceError};
use market::{Event, EventTime, Refusal, RefusalReason};

use super::drive::Stop;

/// What a pump passes on.
pub struct Pumped {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Rows in ascending position; may be empty.
    pub rows: Vec<Row>,
    /// Whether nothing will follow.
    pub ended: bool,
}

/// How a replayable source is played in a live run.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Seconds of event time per second; none: as fast as it goes.
    pub speed: Option<f64>,
    /// Shifts event times so that the first of all played sources is now.
    pub as_if_now: bool,
}

/// Paces by event time: the first time waited for sets the start.
pub struct Pacer {
    speed: f64,
    start: Option<(EventTime, Instant)>,
}

impl Pacer {
    /// Seconds of event time per second.
    pub fn new(speed: f64) -> Pacer {
        Pacer { speed, start: None }
    }

    /// With the start of a play.
    fn begun(speed: f64, begun: Begun) -> Pacer {
        Pacer { speed, start: Some((begun.first, begun.at)) }
    }

    /// How long until `time` is due.
    pub fn until(&mut self, time: EventTime) -> Duration {
        let (first, start) = *self.start.get_or_insert_with(|| (time, Instant::now()));
        let ahead = time.0.saturating_sub(first.0).max(0) as f64 / 1e9 / self.speed;
        let due = start.checked_add(Duration::try_from_secs_f64(ahead).unwrap_or(Duration::MAX));
        due.map_or(FAR, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Waits until `time` is due; false if stopped before.
    pub fn wait(&mut self, time: EventTime, stop: &Stop) -> bool {
        loop {
            let rest = self.until(time);
            if rest.is_zero() {
                return true;
            }
            if stop.is_set() {
                return false;
            }
            thread::sleep(rest.min(NAP));
        }
    }
}

/// A stop is noticed within this time.
const NAP: Duration = Duration::from_millis(50);
const FAR: Duration = Duration::from_secs(86_400);

/// Starts a thread that reads `reader` until it ends, its receiver is gone, or `stop` is set.
///
/// A partition that cannot be read on ends with a refused row that says why.
pub fn pump(
    source: usize,
    partition: usize,
    mut reader: Box<dyn PartitionReader>,
    play: Option<(Play, Start)>,
    passed_on: SyncSender<Pumped>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("source-{source}.{partition}")).spawn(move || {
        let mut player = play.map(|(play, start)| Player::new(play, start));
        let mut last = 0;
        while !stop.is_set() {
            let mut rows = Vec::new();
            let ended = match reader.read(&mut rows) {
                Ok(progress) => progress == Progress::Ended,
                Err(error) => {
                    rows.push(cut_off(last, &error));
                    true
                }
            };
            last = rows.last().map_or(last, |row| row.position);
            let passed = match &mut player {
                None => passed_on.send(Pumped { source, partition, rows, ended }).is_ok(),
                Some(player) => player.play(rows, ended, &stop, |rows, ended| {
                    passed_on.send(Pumped { source, partition, rows, ended }).is_ok()
                }),
            };
            if ended || !passed {
                break;
            }
        }
    })
}

fn cut_off(last: u64, error: &SourceError) -> Row {
    let mut detail = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        detail = format!("{detail}: {inner}");
        cause = inner.source();
    }
    tracing::error!(%detail, "a partition ends here");
    let refusal = Refusal::new(RefusalReason::Truncated, detail, b"");
    Row { position: last + 1, event: Err(Box::new(refusal)) }
}

/// Where the played sources of a run begin: at the earliest of their first event times. Sources that
/// tell of the same trades must be shifted and paced alike, so none begins before all have met here.
#[derive(Clone)]
pub struct Start(Arc<(Mutex<Meeting>, Condvar)>);

struct Meeting {
    /// Players still to come.
    awaited: usize,
    first: Option<EventTime>,
    begun: Option<Begun>,
}

/// The play has begun.
#[derive(Clone, Copy)]
struct Begun {
    first: EventTime,
    at: Instant,
    now: EventTime,
}

impl Start {
    /// For so many partitions that are played.
    pub fn of(players: usize) -> Start {
        let meeting = Meeting { awaited: players, first: None, begun: None };
        Start(Arc::new((Mutex::new(meeting), Condvar::new())))
    }

    /// Tells the first event time of a partition, if it has any, and waits for the others; none if
    /// stopped before.
    fn meet(&self, first: Option<EventTime>, stop: &Stop) -> Option<Begun> {
        let (meeting, changed) = &*self.0;
        let mut meeting = meeting.lock().unwrap_or_else(PoisonError::into_inner);
        meeting.first = meeting.first.into_iter().chain(first).min();
        meeting.awaited = meeting.awaited.saturating_sub(1);
        if meeting.awaited == 0 {
            let now = super::drive::now();
            let first = meeting.first.unwrap_or(now);
            meeting.begun = Some(Begun { first, at: Instant::now(), now });
            changed.notify_all();
        }
        while meeting.begun.is_none() && !stop.is_set() {
            let waited = changed.wait_timeout(meeting, NAP);
            (meeting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        meeting.begun
    }
}

/// Plays rows at the pace of their event times.
struct Player {
    play: Play,
    start: Start,
    begun: Option<Begun>,
    pacer: Option<Pacer>,
}

impl Player {
    fn new(play: Play, start: Start) -> Player {
        Player { play, start, begun: None, pacer: None }
    }

    /// Passes on rows when they are due, those that are due together in one batch.
    fn play(
        &mut self,
        rows: Vec<Row>,
        ended: bool,
        stop: &Stop,
        mut pass_on: impl FnMut(Vec<Row>, bool) -> bool,
    ) -> bool {
        if self.begun.is_none() {
            let first = rows.iter().find_map(|row| row.event.as_ref().ok()?.time());
            if first.is_some() || ended {
                let Some(begun) = self.start.meet(first, stop) else { return false };
                self.begun = Some(begun);
                self.pacer = self.play.speed.map(|speed| Pacer::begun(speed, begun));
            }
        }
        let mut due = Vec::new();
        for mut row in rows {
            if let (Some(pacer), Ok(event)) = (&mut self.pacer, &row.event)
                && let Some(time) = event.time()
                && !pacer.until(time).is_zero()
            {
                if !due.is_empty() && !pass_on(std::mem::take(&mut due), false) {
                    return false;
                }
                if !pacer.wait(time, stop) {
                    return false;
                }
            }
            self.shift(&mut row);
            due.push(row);
        }
        pass_on(due, ended)
    }

    /// Makes the event's time one as if the play's first were now.
    fn shift(&self, row: &mut Row) {
        let (Some(begun), Ok(event), true) = (self.begun, &mut row.event, self.play.as_if_now)
        else {
            return;
        };
        let time = match event {
            Event::New(trade) | Event::Correct { with: trade, .. } => &mut trade.time,
            Event::Cancel { time: Some(time), .. } => time,
            Event::Cancel { time: None, .. } => return,
        };
        let shifted = time.0.saturating_sub(begun.first.0).saturating_add(begun.now.0);
        match EventTime(shifted).checked() {
            Ok(shifted) => *time = shifted,
            Err(problem) => {
                let detail = format!("event time {time}, as if the first were now, {problem}");
                let raw = format!("{event:?}");
                let refusal = Refusal::new(RefusalReason::BadTime, detail, raw.as_bytes());
                row.event = Err(Box::new(refusal));
            }
        }
    }
}
