//! Playing: sources that can be read again are passed on at the pace of their event times, shifted to
//! now if so asked.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use connectors::Row;
use market::{EventTime, Rejection, RejectionReason};

use super::drive::{Stop, now};

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

    /// Waits until `time` is due, and a little longer, so that rows close to each other go together;
    /// false if stopped before.
    pub fn wait(&mut self, time: EventTime, stop: &Stop) -> bool {
        self.wait_and(time, stop, || {})
    }

    /// The same; calls `meanwhile` now and then.
    fn wait_and(&mut self, time: EventTime, stop: &Stop, mut meanwhile: impl FnMut()) -> bool {
        loop {
            let rest = self.until(time);
            if rest.is_zero() {
                return true;
            }
            if stop.is_set() {
                return false;
            }
            meanwhile();
            thread::sleep(rest.clamp(GRAIN, NAP));
        }
    }
}

/// Takes what a player plays.
pub trait Playing {
    /// Takes rows that are due, and whether they were the last; says whether to go on.
    fn pass_on(&mut self, rows: Vec<Row>, ended: bool) -> bool;

    /// Nothing is due now: a venue would have nothing to tell.
    fn waiting(&mut self);
}

/// Nobody waits for less than this.
const GRAIN: Duration = Duration::from_millis(1);
/// A stop is noticed within this time.
const NAP: Duration = Duration::from_millis(50);
const FAR: Duration = Duration::from_secs(86_400);

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
            let now = now();
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
pub struct Player {
    play: Play,
    start: Start,
    begun: Option<Begun>,
    pacer: Option<Pacer>,
}

impl Player {
    /// The player of one of the partitions that meet at `start`.
    pub fn new(play: Play, start: Start) -> Player {
        Player { play, start, begun: None, pacer: None }
    }

    /// Passes on rows when they are due, those that are due together in one batch; false if stopped.
    pub fn play(
        &mut self,
        rows: Vec<Row>,
        ended: bool,
        stop: &Stop,
        to: &mut impl Playing,
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
                if !due.is_empty() && !to.pass_on(std::mem::take(&mut due), false) {
                    return false;
                }
                if !pacer.wait_and(time, stop, || to.waiting()) {
                    return false;
                }
            }
            self.shift(&mut row);
            due.push(row);
        }
        (due.is_empty() && !ended) || to.pass_on(due, ended)
    }

    /// Makes the event's time one as if the play's first were now.
    fn shift(&self, row: &mut Row) {
        let (Some(begun), Ok(entry), true) = (self.begun, &mut row.event, self.play.as_if_now)
        else {
            return;
        };
        let Some(time) = entry.time_mut() else { return };
        let shifted = time.0.saturating_sub(begun.first.0).saturating_add(begun.now.0);
        match EventTime(shifted).checked() {
            Ok(shifted) => *time = shifted,
            Err(problem) => {
                let detail = format!("event time {time}, as if the first were now, {problem}");
                let raw = format!("{entry:?}");
                let rejection = Rejection::new(RejectionReason::BadTime, detail, raw.as_bytes());
                row.event = Err(Box::new(rejection));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Event, InstrumentId, TradeRef};

    fn row(position: u64, secs: i64) -> Row {
        let of = TradeRef {
            instrument: InstrumentId(1),
            scope: market::IdScope(0),
            id: market::TradeId::Number(position),
        };
        let time = Some(EventTime(secs * 1_000_000_000));
        Row::new(position, Ok(Event::Cancel { of, time }.into()))
    }

    /// The times of what was played, and how often nothing was due.
    #[derive(Default)]
    struct Played(Vec<i64>, usize);

    impl Playing for Played {
        fn pass_on(&mut self, rows: Vec<Row>, _ended: bool) -> bool {
            let times = rows.iter().filter_map(|row| row.event.as_ref().ok()?.time());
            self.0.extend(times.map(|time| time.0));
            true
        }

        fn waiting(&mut self) {
            self.1 += 1;
        }
    }

    fn played(player: &mut Player, rows: Vec<Row>) -> Vec<i64> {
        let mut played = Played::default();
        player.play(rows, true, &Stop::default(), &mut played);
        played.0
    }

    #[test]
    fn all_partitions_are_shifted_by_one_amount() {
        let start = Start::of(3);
        let play = Play { speed: None, as_if_now: true };
        let mut players = [(); 3].map(|()| Player::new(play, start.clone())).into_iter();
        let (mut a, mut b) = (players.next().unwrap(), players.next().unwrap());
        let before = now().0;
        let other = thread::spawn(move || played(&mut a, vec![row(1, 100), row(2, 103)]));
        let mut c = players.next().unwrap();
        let nothing = thread::spawn(move || played(&mut c, Vec::new()));
        let b = played(&mut b, vec![row(1, 98), row(2, 100)]);
        let a = other.join().unwrap();
        assert!(nothing.join().unwrap().is_empty());
        assert!((before..=now().0).contains(&b[0]), "the earliest first time is now");
        assert_eq!(a[0], b[1], "the same time stays the same");
        assert_eq!(a[1] - b[0], 5_000_000_000);
    }

    #[test]
    fn who_waits_for_others_can_be_stopped() {
        let start = Start::of(2);
        let mut player = Player::new(Play { speed: None, as_if_now: true }, start);
        let stop = Stop::default();
        stop.set();
        assert!(!player.play(vec![row(1, 1)], true, &stop, &mut Played::default()));
    }

    #[test]
    fn between_rows_nothing_is_due() {
        let mut player = Player::new(Play { speed: Some(10.0), as_if_now: true }, Start::of(1));
        let mut played = Played::default();
        assert!(player.play(vec![row(1, 1), row(2, 2)], true, &Stop::default(), &mut played));
        assert_eq!(played.0.len(), 2);
        assert!(played.1 > 0, "a second of event time took a tenth of a second");
    }

    #[test]
    fn not_as_if_now_times_stay() {
        let start = Start::of(1);
        let mut player = Player::new(Play { speed: Some(1e9), as_if_now: false }, start);
        assert_eq!(played(&mut player, vec![row(1, 5), row(2, 7)]), [5_000_000_000, 7_000_000_000]);
    }
}
