//! Pumps: one thread per partition that reads rows and passes them on, never more than a few batches
//! ahead.

use std::sync::mpsc::SyncSender;
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
    /// Shifts event times so that the first is now.
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
    play: Option<Play>,
    passed_on: SyncSender<Pumped>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("source-{source}.{partition}")).spawn(move || {
        let mut player = play.map(Player::new);
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

/// Plays rows at the pace of their event times.
struct Player {
    pacer: Option<Pacer>,
    as_if_now: bool,
    shift_ns: Option<i64>,
}

impl Player {
    fn new(play: Play) -> Player {
        Player { pacer: play.speed.map(Pacer::new), as_if_now: play.as_if_now, shift_ns: None }
    }

    /// Passes on rows when they are due, those that are due together in one batch.
    fn play(
        &mut self,
        rows: Vec<Row>,
        ended: bool,
        stop: &Stop,
        mut pass_on: impl FnMut(Vec<Row>, bool) -> bool,
    ) -> bool {
        let mut due = Vec::new();
        for mut row in rows {
            if let Ok(event) = &mut row.event {
                self.shift(event);
                if let (Some(pacer), Some(time)) = (&mut self.pacer, event.time())
                    && !pacer.until(time).is_zero()
                {
                    if !due.is_empty() && !pass_on(std::mem::take(&mut due), false) {
                        return false;
                    }
                    if !pacer.wait(time, stop) {
                        return false;
                    }
                }
            }
            due.push(row);
        }
        pass_on(due, ended)
    }

    fn shift(&mut self, event: &mut Event) {
        if !self.as_if_now {
            return;
        }
        let Some(first) = event.time() else { return };
        let shift =
            *self.shift_ns.get_or_insert_with(|| super::drive::now().0.saturating_sub(first.0));
        let shifted = |time: EventTime| EventTime(time.0.saturating_add(shift));
        match event {
            Event::New(trade) | Event::Correct { with: trade, .. } => {
                trade.time = shifted(trade.time)
            }
            Event::Cancel { time, .. } => *time = time.map(shifted),
        }
    }
}
