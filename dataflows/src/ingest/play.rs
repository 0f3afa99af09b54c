//! Playback: rows of replayable sources are sent at the pace of their event times, shifted to now if configured.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use connectors::Row;
use connectors::entries::written_entry;
use market::{Catalog, EventTime, Rejection, RejectionReason};

use super::stop::Stop;
use super::system_time::now;

/// How a replayable source is played in a live run.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Seconds of event time per second; none: as fast as it goes.
    pub speed: Option<f64>,
    /// Shifts event times so that the first of all played sources, after what they back-fill, is now.
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

    /// A pacer whose start is that of the playback.
    fn started(speed: f64, started: PlayStart) -> Pacer {
        Pacer { speed, start: Some((started.first, started.at)) }
    }

    /// How long until `time` is due.
    pub fn until(&mut self, time: EventTime) -> Duration {
        let (first, start) = *self.start.get_or_insert_with(|| (time, Instant::now()));
        let ahead = time.0.saturating_sub(first.0).max(0) as f64 / 1e9 / self.speed;
        let due = start.checked_add(Duration::try_from_secs_f64(ahead).unwrap_or(Duration::MAX));
        due.map_or(FAR, |due| due.saturating_duration_since(Instant::now()))
    }

    /// Waits until `time` is due, and a little longer, so that rows close to each other are sent together; false if
    /// stopped before.
    pub fn wait(&mut self, time: EventTime, stop: &Stop) -> bool {
        self.wait_and(time, stop, || {})
    }

    /// Like [`Pacer::wait`]; calls `meanwhile` at least every `STOP_POLL`.
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
            thread::sleep(rest.clamp(SLEEP_MIN, STOP_POLL));
        }
    }
}

/// Receives the rows that a player paces.
pub trait PacedSink {
    /// Sends rows that are due; `ended` if they are the last. Returns whether to go on.
    fn send(&mut self, rows: Vec<Row>, ended: bool) -> bool;

    /// No row is due now, as if the venue had nothing to send.
    fn report_drained(&mut self);
}

/// The shortest sleep.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// How often a stop is looked for.
const STOP_POLL: Duration = Duration::from_millis(50);
const FAR: Duration = Duration::from_secs(86_400);

/// The common start of all played sources of a run: the earliest of the times at which they begin, which is that of
/// their first event or, of one that back-fills, that at which it is live. Sources that send the
/// same trades must be shifted and paced alike, so none starts before all have reached the barrier.
#[derive(Clone)]
pub struct StartBarrier(Arc<(Mutex<BarrierState>, Condvar)>);

struct BarrierState {
    /// Players that have not reached the barrier.
    awaited: usize,
    first: Option<EventTime>,
    started: Option<PlayStart>,
}

/// The start of the playback.
#[derive(Clone, Copy)]
struct PlayStart {
    first: EventTime,
    at: Instant,
    now: EventTime,
}

impl StartBarrier {
    /// A barrier for `players` played partitions.
    pub fn of(players: usize) -> StartBarrier {
        let state = BarrierState { awaited: players, first: None, started: None };
        StartBarrier(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Adds the time at which a partition begins, if it has any and was not counted before, and waits for the other
    /// partitions; none if stopped before.
    fn wait(&self, first: Option<EventTime>, is_counted: bool, stop: &Stop) -> Option<PlayStart> {
        if !is_counted {
            self.reach(first);
        }
        let (barrier, changed) = &*self.0;
        let mut barrier = barrier.lock().unwrap_or_else(PoisonError::into_inner);
        while barrier.started.is_none() && !stop.is_set() {
            let waited = changed.wait_timeout(barrier, STOP_POLL);
            (barrier, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        barrier.started
    }

    /// One partition more is there, which begins at this time if it has any; the last one starts the playback.
    fn reach(&self, first: Option<EventTime>) {
        let (barrier, changed) = &*self.0;
        let mut barrier = barrier.lock().unwrap_or_else(PoisonError::into_inner);
        barrier.first = barrier.first.into_iter().chain(first).min();
        barrier.awaited = barrier.awaited.saturating_sub(1);
        if barrier.awaited == 0 && barrier.started.is_none() {
            let now = now();
            let first = barrier.first.unwrap_or(now);
            barrier.started = Some(PlayStart { first, at: Instant::now(), now });
            changed.notify_all();
        }
    }
}

/// Plays rows at the pace of their event times. Those before the start of the playback are due at once.
pub struct Player {
    play: Play,
    /// When the partition is live, if it back-fills before.
    live_from: Option<EventTime>,
    start: StartBarrier,
    started: Option<PlayStart>,
    pacer: Option<Pacer>,
    /// Knows the names of what is refused.
    catalog: Arc<Catalog>,
    /// Whether others need not wait for it.
    has_given_way: bool,
}

impl Player {
    /// The player of one of the partitions that wait at `start`.
    pub fn new(play: Play, start: StartBarrier, catalog: Arc<Catalog>) -> Player {
        Player {
            play,
            live_from: None,
            start,
            started: None,
            pacer: None,
            catalog,
            has_given_way: false,
        }
    }

    /// Of a partition that back-fills up to this time, if any.
    #[must_use]
    pub fn live_from(self, live_from: Option<EventTime>) -> Player {
        Player { live_from, ..self }
    }

    /// Its partition cannot be read: the others need not wait for it. What it brings later is played with them.
    pub fn give_way(&mut self) {
        if self.started.is_none() && !std::mem::replace(&mut self.has_given_way, true) {
            self.start.reach(None);
        }
    }

    /// Sends rows when they are due, those that are due together in one batch; false if stopped.
    pub fn play(
        &mut self,
        rows: Vec<Row>,
        ended: bool,
        stop: &Stop,
        to: &mut impl PacedSink,
    ) -> bool {
        if self.started.is_none() {
            let first = rows.iter().find_map(Row::time);
            let first = first.map(|first| self.live_from.unwrap_or(first));
            if first.is_some() || ended {
                let is_counted = std::mem::replace(&mut self.has_given_way, true);
                let Some(started) = self.start.wait(first, is_counted, stop) else { return false };
                self.started = Some(started);
                self.pacer = self.play.speed.map(|speed| Pacer::started(speed, started));
            }
        }
        let mut due = Vec::new();
        for mut row in rows {
            if let (Some(pacer), Some(time)) = (&mut self.pacer, row.time())
                && !pacer.until(time).is_zero()
            {
                if !due.is_empty() && !to.send(std::mem::take(&mut due), false) {
                    return false;
                }
                if !pacer.wait_and(time, stop, || to.report_drained()) {
                    return false;
                }
            }
            self.shift(&mut row);
            due.push(row);
        }
        (due.is_empty() && !ended) || to.send(due, ended)
    }

    /// Shifts the event's time as if the start of the playback were now.
    fn shift(&self, row: &mut Row) {
        let (Some(started), Ok(entry), true) = (self.started, &mut row.event, self.play.as_if_now)
        else {
            return;
        };
        let Some(time) = entry.time_mut() else { return };
        let shifted = time.0.saturating_sub(started.first.0).saturating_add(started.now.0);
        match EventTime(shifted).checked() {
            Ok(shifted) => *time = shifted,
            Err(problem) => {
                let detail = format!("event time {time}, as if the first were now, {problem}");
                let raw =
                    written_entry(entry, row.unknown.as_deref(), &row.id_texts, &self.catalog);
                let rejection = Rejection::new(RejectionReason::BadTime, detail, raw.as_bytes());
                row.event = Err(Box::new(rejection));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors::entries::{BodyFormat, Decoder, decode_body};
    use market::{Event, InstrumentId, InstrumentRule, TradeRef};

    fn row(position: u64, secs: i64) -> Row {
        let of = TradeRef {
            instrument: InstrumentId(1),
            scope: market::IdScope(0),
            id: market::TradeId::Number(position),
        };
        let time = Some(EventTime(secs * 1_000_000_000));
        Row::new(position, Ok(Event::Cancel { of, time }.into()))
    }

    fn catalog() -> Arc<Catalog> {
        Arc::new(Catalog::new(vec![InstrumentRule::any()], 9))
    }

    fn player(play: Play, start: StartBarrier) -> Player {
        Player::new(play, start, catalog())
    }

    /// The times of rows that were sent, and how often nothing was due.
    #[derive(Default)]
    struct Played(Vec<i64>, usize);

    impl PacedSink for Played {
        fn send(&mut self, rows: Vec<Row>, _ended: bool) -> bool {
            let times = rows.iter().filter_map(Row::time);
            self.0.extend(times.map(|time| time.0));
            true
        }

        fn report_drained(&mut self) {
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
        let start = StartBarrier::of(3);
        let play = Play { speed: None, as_if_now: true };
        let mut players = [(); 3].map(|()| player(play, start.clone())).into_iter();
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

    /// One back-fills two hundred seconds before it is live, and another begins a second later.
    #[test]
    fn a_back_fill_is_sent_at_once_and_ends_now() {
        let start = StartBarrier::of(2);
        let play = Play { speed: Some(1.0), as_if_now: true };
        let mut later = player(play, start.clone());
        let other = thread::spawn(move || {
            let (before, mut sent) = (now().0, Played::default());
            later.play(vec![row(1, 1_001)], true, &Stop::default(), &mut sent);
            (before, sent)
        });
        let mut own = player(play, start).live_from(Some(EventTime(1_000_000_000_000)));
        let mut sent = Played::default();
        let rows = vec![row(1, 800), row(2, 999), row(3, 1_001)];
        assert!(own.play(rows, true, &Stop::default(), &mut sent));
        let (before, other) = other.join().unwrap();
        let live = sent.0[2] - 1_000_000_000;
        assert!((before..=now().0).contains(&live), "what is live begins now");
        assert_eq!(sent.0[..2], [live - 200_000_000_000, live - 1_000_000_000]);
        assert_eq!(other.0, sent.0[2..], "the same time stays the same");
        assert!(sent.1 > 0 && other.1 > 0, "then there is nothing left to send for a second");
    }

    #[test]
    fn a_player_that_waits_for_others_can_be_stopped() {
        let start = StartBarrier::of(2);
        let mut player = player(Play { speed: None, as_if_now: true }, start);
        let stop = Stop::default();
        stop.set();
        assert!(!player.play(vec![row(1, 1)], true, &stop, &mut Played::default()));
    }

    #[test]
    fn between_rows_nothing_is_due() {
        let mut player = player(Play { speed: Some(10.0), as_if_now: true }, StartBarrier::of(1));
        let mut played = Played::default();
        assert!(player.play(vec![row(1, 1), row(2, 2)], true, &Stop::default(), &mut played));
        assert_eq!(played.0.len(), 2);
        assert!(played.1 > 0, "a second of event time took a tenth of a second");
    }

    #[test]
    fn not_as_if_now_times_stay() {
        let start = StartBarrier::of(1);
        let mut player = player(Play { speed: Some(1e9), as_if_now: false }, start);
        assert_eq!(played(&mut player, vec![row(1, 5), row(2, 7)]), [5_000_000_000, 7_000_000_000]);
    }

    /// The last of two rows lies past the end of time when the first is now.
    #[test]
    fn a_row_that_cannot_be_shifted_is_shown_as_an_entry() {
        let catalog = catalog();
        let decoder = Decoder::new(Arc::clone(&catalog), None, "play");
        let read = |body: &str| {
            let rows = decode_body(BodyFormat::Ndjson, body.into(), 9, &decoder, 1).unwrap();
            rows.into_iter().map(|row| row.decoded.unwrap()).collect::<Vec<_>>()
        };
        let entries = read(
            "{\"type\":\"trade\",\"instrument\":\"x:NEW\",\"id\":1,\"time\":\"1971-01-01T00:00:00Z\",\"price\":1,\"quantity\":1}\n\
             {\"type\":\"trade\",\"instrument\":\"x:NEW\",\"id\":2,\"time\":\"2199-01-01T00:00:00Z\",\"price\":1,\"quantity\":1}\n",
        );
        let rows = entries.iter().cloned().zip(1..).map(|(entry, at)| Row::of(at, Ok(entry)));
        let mut own =
            Player::new(Play { speed: None, as_if_now: true }, StartBarrier::of(1), catalog);
        let mut kept = Kept::default();
        assert!(own.play(rows.collect(), true, &Stop::default(), &mut kept));
        let refused = kept.0[1].event.as_ref().unwrap_err();
        assert_eq!(refused.reason, RejectionReason::BadTime);
        assert_eq!(read(&refused.raw), entries[1..], "it can be sent again");
    }

    #[derive(Default)]
    struct Kept(Vec<Row>);

    impl PacedSink for Kept {
        fn send(&mut self, rows: Vec<Row>, _ended: bool) -> bool {
            self.0.extend(rows);
            true
        }

        fn report_drained(&mut self) {}
    }
}
