//! One task tells what has changed to all who wish the same.
//!
//! A change is read and encoded once; the crier then hands it to each client that is ready, in one pass,
//! without waking anybody. Who is somewhere else, or has no room, is called and pulls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::stand::{Cry, Stand};
use super::wish::Telling;
use crate::serve::Context;
use crate::views::{Frontier, ReadError};

/// The criers of a process, by what they tell.
#[derive(Clone, Default)]
pub(super) struct Criers(Arc<Mutex<ByTelling>>);

type ByTelling = HashMap<Arc<Telling>, Vec<Arc<Crier>>>;

/// Tells the changes that some wish to at most [`CROWD`] followers.
struct Crier {
    /// Those who listen. It is made anew when one comes or goes while the crier goes through it.
    crowd: Mutex<Arc<Vec<Arc<Stand>>>>,
    ground: Mutex<Ground>,
    task: Mutex<Option<AbortHandle>>,
}

/// What a crier knows.
#[derive(Clone, Copy)]
struct Ground {
    /// Nothing that it tells of has changed after this frontier, …
    since: Frontier,
    /// … up to this one.
    upto: Frontier,
    /// The views are closed.
    closed: bool,
}

/// A follower's place in a crowd, until it is dropped.
pub(super) struct Listening {
    criers: Criers,
    telling: Arc<Telling>,
    crier: Arc<Crier>,
    stand: Arc<Stand>,
}

/// How far there is something to be told.
pub(super) struct Known {
    /// Up to here.
    pub(super) upto: Frontier,
    /// Whether nothing has changed since the frontier that was asked about.
    pub(super) same: bool,
}

/// The views are closed.
pub(super) struct Closed;

/// A crier has at most so many listeners: those of a larger crowd are told by several, on several threads.
const CROWD: usize = 256;
/// After so many listeners others get their turn on the thread.
const STRIDE: usize = 64;
/// This often a crier looks who has not been told anything for long, and how far the views are, though nothing
/// that concerns it has moved.
const LOOK: Duration = Duration::from_millis(250);

impl Criers {
    /// Has a crier tell `stand` what is wished. What changes from now on is told, or `stand` is called.
    pub(super) fn listen(
        &self,
        context: &Context,
        telling: &Arc<Telling>,
        stand: Arc<Stand>,
    ) -> Listening {
        let mut all = self.lock();
        let own = all.entry(Arc::clone(telling)).or_default();
        let free = own.iter().find(|crier| crier.crowd().len() < CROWD);
        let crier = free.cloned().unwrap_or_else(|| {
            let crier = Crier::start(context, telling);
            own.push(Arc::clone(&crier));
            crier
        });
        Arc::make_mut(&mut *crier.crowd()).push(Arc::clone(&stand));
        Listening { criers: self.clone(), telling: Arc::clone(telling), crier, stand }
    }

    fn lock(&self) -> MutexGuard<'_, ByTelling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening {
    /// How far the crier is, for a follower that has told all up to `at`.
    pub(super) fn known(&self, at: Frontier) -> Result<Known, Closed> {
        let Ground { since, upto, closed } = self.crier.ground();
        if closed {
            return Err(Closed);
        }
        Ok(Known { upto, same: since.commit <= at.commit })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut all = self.criers.lock(); // before the crowd, as those who come do
        self.stand.leave();
        let mut crowd = self.crier.crowd();
        Arc::make_mut(&mut *crowd).retain(|stand| !Arc::ptr_eq(stand, &self.stand));
        if !crowd.is_empty() {
            return;
        }
        if let Some(task) = self.crier.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        if let Some(own) = all.get_mut(&self.telling) {
            own.retain(|crier| !Arc::ptr_eq(crier, &self.crier));
            if own.is_empty() {
                all.remove(&self.telling);
            }
        }
    }
}

impl Crier {
    /// Begins to tell what changes from now on.
    fn start(context: &Context, telling: &Arc<Telling>) -> Arc<Crier> {
        let moved = context.reader.moved(telling.view);
        let at = context.reader.frontier();
        let crier = Arc::new(Crier {
            crowd: Mutex::default(),
            ground: Mutex::new(Ground { since: at, upto: at, closed: false }),
            task: Mutex::default(),
        });
        let (crying, context, telling) = (Arc::clone(&crier), context.clone(), Arc::clone(telling));
        let task = tokio::spawn(async move { crying.cry(&context, &telling, moved).await });
        *crier.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        crier
    }

    /// Tells every change until the views are closed or nobody listens.
    async fn cry(
        &self,
        context: &Context,
        telling: &Arc<Telling>,
        mut moved: watch::Receiver<u64>,
    ) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (mut closed, mut looks) = (false, false);
            tokio::select! {
                moved = moved.changed() => closed = moved.is_err(),
                _ = look.tick() => looks = true,
            }
            let now = context.reader.frontier();
            let Ground { since, upto: after, .. } = self.ground();
            let told = match now.commit > after.commit {
                true => context.frames.update(context, telling, after, now).await,
                false => Ok(None),
            };
            match told {
                Ok(None) if closed => return self.close(),
                Ok(None) => self.go_on(Ground { since, upto: now.max(after), closed: false }),
                Ok(Some(body)) => {
                    self.go_on(Ground { since: now, upto: now, closed: false });
                    let (cry, now) = (Cry { since, after, upto: now, body }, Instant::now());
                    self.each(|stand| stand.cry(&cry, now)).await;
                }
                // The crier itself was too slow: all find out for themselves what can still be told.
                Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => {
                    self.go_on(Ground { since: now, upto: now, closed: false });
                    self.each(Stand::call).await;
                }
                Err(ReadError::Full { .. } | ReadError::Waited { .. }) => {} // the next look reads it
                Err(ReadError::Closed) => return self.close(),
            }
            if looks {
                let now = Instant::now();
                self.each(|stand| {
                    if stand.is_silent(now) {
                        stand.call();
                    }
                })
                .await;
            }
        }
    }

    /// Goes from one to the other, and lets others have the thread meanwhile.
    async fn each(&self, visit: impl Fn(&Stand)) {
        // Who comes later begins with what is there by then, which is not before what is told now.
        let crowd = Arc::clone(&*self.crowd());
        for (number, stride) in crowd.chunks(STRIDE).enumerate() {
            if number > 0 {
                tokio::task::yield_now().await;
            }
            stride.iter().for_each(|stand| visit(stand));
        }
    }

    fn close(&self) {
        self.ground.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.crowd().iter().for_each(|stand| stand.call());
    }

    fn go_on(&self, ground: Ground) {
        *self.ground.lock().unwrap_or_else(PoisonError::into_inner) = ground;
    }

    fn ground(&self) -> Ground {
        *self.ground.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn crowd(&self) -> MutexGuard<'_, Arc<Vec<Arc<Stand>>>> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
