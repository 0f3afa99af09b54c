//! How far one follower is, and whether others may tell it what comes next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use market::EventTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Message, Offered, Outlet, Told};
use crate::views::Frontier;

/// Where a follower stands: what its client has been told, under one lock with the telling itself.
///
/// While it is *ready*, a crier may tell its client the next change; a change that does not follow on what
/// was told, or for which there is no room, is left for the follower, who is called.
pub(super) struct Stand {
    outlet: Arc<dyn Outlet>,
    /// What the client calls it, as JSON.
    sub: Box<str>,
    told: Mutex<Place>,
    called: Notify,
}

struct Place {
    /// All has been told up to here.
    at: Frontier,
    /// When the last message was.
    when: Instant,
    /// The next message's number.
    seq: u64,
    ready: bool,
    /// Its client wants no more of it.
    left: bool,
}

/// A change as all are told it who have been told all from `since` to `after`, between which nothing has
/// changed.
pub(super) struct Cry {
    pub(super) since: Frontier,
    pub(super) after: Frontier,
    pub(super) upto: Frontier,
    pub(super) body: Arc<str>,
}

/// After this time without a message, a client is told how far it is.
const HEARTBEAT: Duration = Duration::from_secs(1);

impl Stand {
    pub(super) fn new(outlet: Arc<dyn Outlet>, sub: &str) -> Stand {
        let sub = serde_json::Value::from(sub).to_string().into();
        let at = Frontier { commit: None, at: EventTime::NEVER };
        let told = Place { at, when: Instant::now(), seq: 0, ready: false, left: false };
        Stand { outlet, sub, told: Mutex::new(told), called: Notify::new() }
    }

    /// Tells the client a change if it is what comes next for it; else calls the follower, unless it has
    /// been told that already.
    pub(super) fn cry(&self, cry: &Cry, now: Instant) {
        let mut place = self.lock();
        if place.at.commit >= cry.upto.commit && place.ready {
            return;
        }
        let follows = cry.since.commit <= place.at.commit && place.at.commit <= cry.after.commit;
        let told = place.ready
            && follows
            && self.offer(&mut place, Told::Update, cry.upto, &cry.body) == Offered::Taken;
        match told {
            true => place.when = now,
            false => self.called.notify_one(),
        }
    }

    /// Calls the follower.
    pub(super) fn call(&self) {
        self.called.notify_one();
    }

    /// Whether its client has not been told anything for so long that it should be told how far it is.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.duration_since(self.lock().when) >= HEARTBEAT
    }

    /// Waits until the follower is called; calls are kept.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    /// From now on a crier may tell the client what comes next.
    pub(super) fn ready(&self) {
        self.lock().ready = true;
    }

    /// From now on nobody else tells the client anything; up to where all has been told.
    pub(super) fn unready(&self) -> Frontier {
        let mut place = self.lock();
        place.ready = false;
        place.at
    }

    /// Takes note that the client knows all up to here, though no message says so.
    pub(super) fn reach(&self, at: Frontier) {
        self.lock().at = at;
    }

    /// Tells the client something, if there is room for it now. Only for a follower that is not ready.
    pub(super) fn tell(&self, told: Told, at: Frontier, body: &Arc<str>) -> Offered {
        let mut place = self.lock();
        let offered = self.offer(&mut place, told, at, body);
        if offered == Offered::Taken {
            place.when = Instant::now();
        }
        offered
    }

    /// From now on the client is told nothing more.
    pub(super) fn leave(&self) {
        self.lock().left = true;
    }

    fn offer(&self, place: &mut Place, told: Told, at: Frontier, body: &Arc<str>) -> Offered {
        if place.left {
            return Offered::Gone;
        }
        let message = Message {
            told,
            sub: &self.sub,
            seq: place.seq,
            commit: at.commit.map(|commit| commit.0),
            body,
        };
        let offered = self.outlet.offer(message);
        if offered == Offered::Taken {
            place.seq += 1;
            place.at = at;
        }
        offered
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Waiting;
    use super::*;
    use market::Commit;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Takes what it is told while it has room.
    struct Heard {
        room: AtomicBool,
        bodies: Mutex<Vec<String>>,
    }

    impl Outlet for Heard {
        fn offer(&self, message: Message<'_>) -> Offered {
            if !self.room.load(Ordering::SeqCst) {
                return Offered::Full;
            }
            let mut json = Vec::new();
            message.json(&mut json);
            self.bodies.lock().unwrap().push(String::from_utf8(json).unwrap());
            Offered::Taken
        }

        fn room(&self) -> Waiting<'_> {
            Box::pin(std::future::pending())
        }

        fn gone(&self) -> Waiting<'_> {
            Box::pin(std::future::pending())
        }
    }

    fn at(commit: u64) -> Frontier {
        Frontier { commit: Some(Commit(commit)), at: EventTime(0) }
    }

    fn cry(since: u64, after: u64, upto: u64) -> Cry {
        let body = format!("\"upto\":{upto}").into();
        Cry { since: at(since), after: at(after), upto: at(upto), body }
    }

    /// Whether the follower has been called; the call is used up.
    async fn is_called(stand: &Stand) -> bool {
        tokio::select! {
            biased;
            () = stand.called() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_change_is_told_where_it_begins_and_nowhere_else() {
        let (room, bodies) = (AtomicBool::new(true), Mutex::default());
        let heard = Arc::new(Heard { room, bodies });
        let stand = Stand::new(Arc::clone(&heard) as Arc<dyn Outlet>, "s");
        let now = Instant::now();
        let told = || std::mem::take(&mut *heard.bodies.lock().unwrap());
        let update = |seq: u64, upto: u64| {
            vec![format!("{{\"type\":\"update\",\"sub\":\"s\",\"seq\":{seq},\"upto\":{upto}}}")]
        };

        stand.cry(&cry(0, 0, 9), now);
        assert!(told().is_empty() && is_called(&stand).await, "it is not ready");
        stand.reach(at(5));
        stand.ready();
        for (since, after) in [(6, 8), (2, 4)] {
            stand.cry(&cry(since, after, 9), now);
            assert!(told().is_empty() && is_called(&stand).await, "{since} to {after}");
        }
        stand.cry(&cry(3, 7, 8), now);
        assert!(told() == update(0, 8) && !is_called(&stand).await, "nothing changed from 3 to 7");
        stand.cry(&cry(3, 7, 8), now);
        assert!(told().is_empty() && !is_called(&stand).await, "it knows already");

        heard.room.store(false, Ordering::SeqCst);
        stand.cry(&cry(8, 8, 9), now);
        heard.room.store(true, Ordering::SeqCst);
        stand.cry(&cry(9, 9, 10), now);
        assert!(told().is_empty() && is_called(&stand).await, "9 is missing, so 10 cannot follow");
        assert_eq!(stand.unready(), at(8));
        assert_eq!(stand.tell(Told::Update, at(10), &"\"upto\":10".into()), Offered::Taken);
        assert_eq!(told(), update(1, 10));
        stand.ready();
        stand.leave();
        stand.cry(&cry(10, 10, 11), now);
        assert_eq!((told(), stand.tell(Told::Update, at(11), &"".into())), (vec![], Offered::Gone));
    }
}
