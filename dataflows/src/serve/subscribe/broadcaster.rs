//! One task tells what has changed to all who request the same.
//!
//! A change is read and encoded once; the broadcaster then hands it to each client that is ready, in one pass,
//! without waking anybody. Who is somewhere else, or has no room, is called and pulls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::cursor::{SubscriptionCursor, ViewUpdate};
use super::subscription::SubscriptionKey;
use crate::serve::Context;
use crate::views::{Frontier, ReadError};

/// The broadcasters of a process, by what they tell.
#[derive(Clone, Default)]
pub(super) struct Broadcasters(Arc<Mutex<ByKey>>);

type ByKey = HashMap<Arc<SubscriptionKey>, Vec<Arc<Broadcaster>>>;

/// Tells the changes that some request to at most [`SUBSCRIBERS_MAX`] followers.
struct Broadcaster {
    /// Those who listen. It is made anew when one comes or goes while the broadcaster goes through it.
    subscribers: Mutex<Arc<Vec<Arc<SubscriptionCursor>>>>,
    range: Mutex<PublishedRange>,
    task: Mutex<Option<AbortHandle>>,
}

/// What a broadcaster knows.
#[derive(Clone, Copy)]
struct PublishedRange {
    /// Nothing that it tells of has changed after this frontier, …
    since: Frontier,
    /// … up to this one.
    upto: Frontier,
    /// The views are closed.
    closed: bool,
}

/// A follower's place in a subscribers, until it is dropped.
pub(super) struct Registration {
    broadcasters: Broadcasters,
    subscription: Arc<SubscriptionKey>,
    broadcaster: Arc<Broadcaster>,
    cursor: Arc<SubscriptionCursor>,
}

/// How far there is something to be told.
pub(super) struct Progress {
    /// Up to here.
    pub(super) upto: Frontier,
    /// Whether nothing has changed since the frontier that was asked about.
    pub(super) same: bool,
}

/// The views are closed.
pub(super) struct Closed;

/// A broadcaster has at most so many listeners: those of a larger subscribers are told by several, on several threads.
const SUBSCRIBERS_MAX: usize = 256;
/// After so many listeners others get their turn on the thread.
const YIELD_EVERY: usize = 64;
/// This often a broadcaster is_check who has not been told anything for long, and how far the views are, though nothing
/// that concerns it has moved.
const HEARTBEAT_CHECK: Duration = Duration::from_millis(250);

impl Broadcasters {
    /// Has a broadcaster tell `cursor` what is wished. What changes from now on is told, or `cursor` is called.
    pub(super) fn register(
        &self,
        context: &Context,
        subscription: &Arc<SubscriptionKey>,
        cursor: Arc<SubscriptionCursor>,
    ) -> Registration {
        let mut all = self.lock();
        let own = all.entry(Arc::clone(subscription)).or_default();
        let free = own.iter().find(|broadcaster| broadcaster.subscribers().len() < SUBSCRIBERS_MAX);
        let broadcaster = free.cloned().unwrap_or_else(|| {
            let broadcaster = Broadcaster::start(context, subscription);
            own.push(Arc::clone(&broadcaster));
            broadcaster
        });
        Arc::make_mut(&mut *broadcaster.subscribers()).push(Arc::clone(&cursor));
        Registration {
            broadcasters: self.clone(),
            subscription: Arc::clone(subscription),
            broadcaster,
            cursor,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// How far the broadcaster is, for a follower that has told all up to `at`.
    pub(super) fn progress(&self, at: Frontier) -> Result<Progress, Closed> {
        let PublishedRange { since, upto, closed } = self.broadcaster.range();
        if closed {
            return Err(Closed);
        }
        Ok(Progress { upto, same: since.commit <= at.commit })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut all = self.broadcasters.lock(); // before the subscribers, as those who come do
        self.cursor.cancel();
        let mut subscribers = self.broadcaster.subscribers();
        Arc::make_mut(&mut *subscribers).retain(|cursor| !Arc::ptr_eq(cursor, &self.cursor));
        if !subscribers.is_empty() {
            return;
        }
        if let Some(task) =
            self.broadcaster.task.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            task.abort();
        }
        if let Some(own) = all.get_mut(&self.subscription) {
            own.retain(|broadcaster| !Arc::ptr_eq(broadcaster, &self.broadcaster));
            if own.is_empty() {
                all.remove(&self.subscription);
            }
        }
    }
}

impl Broadcaster {
    /// Begins to tell what changes from now on.
    fn start(context: &Context, subscription: &Arc<SubscriptionKey>) -> Arc<Broadcaster> {
        let moved = context.reader.moved(subscription.view);
        let at = context.reader.frontier();
        let broadcaster = Arc::new(Broadcaster {
            subscribers: Mutex::default(),
            range: Mutex::new(PublishedRange { since: at, upto: at, closed: false }),
            task: Mutex::default(),
        });
        let (broadcasting, context, subscription) =
            (Arc::clone(&broadcaster), context.clone(), Arc::clone(subscription));
        let task =
            tokio::spawn(
                async move { broadcasting.broadcast(&context, &subscription, moved).await },
            );
        *broadcaster.task.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(task.abort_handle());
        broadcaster
    }

    /// Tells every change until the views are closed or nobody listens.
    async fn broadcast(
        &self,
        context: &Context,
        subscription: &Arc<SubscriptionKey>,
        mut moved: watch::Receiver<u64>,
    ) {
        let mut check = interval(HEARTBEAT_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (mut closed, mut is_check) = (false, false);
            tokio::select! {
                moved = moved.changed() => closed = moved.is_err(),
                _ = check.tick() => is_check = true,
            }
            let now = context.reader.frontier();
            let PublishedRange { since, upto: after, .. } = self.range();
            let update = match now.commit > after.commit {
                true => context.updates.update(context, subscription, after, now).await,
                false => Ok(None),
            };
            match update {
                Ok(None) if closed => return self.close(),
                Ok(None) => {
                    self.set_range(PublishedRange { since, upto: now.max(after), closed: false })
                }
                Ok(Some(body)) => {
                    self.set_range(PublishedRange { since: now, upto: now, closed: false });
                    let (update, now) =
                        (ViewUpdate { since, after, upto: now, body }, Instant::now());
                    self.each(|cursor| cursor.push(&update, now)).await;
                }
                // The broadcaster itself was too slow: all find out for themselves what can still be told.
                Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => {
                    self.set_range(PublishedRange { since: now, upto: now, closed: false });
                    self.each(SubscriptionCursor::wake).await;
                }
                Err(ReadError::Full { .. } | ReadError::Waited { .. }) => {} // the next check reads it
                Err(ReadError::Closed) => return self.close(),
            }
            if is_check {
                let now = Instant::now();
                self.each(|cursor| {
                    if cursor.is_heartbeat_due(now) {
                        cursor.wake();
                    }
                })
                .await;
            }
        }
    }

    /// Goes from one to the other, and lets others have the thread meanwhile.
    async fn each(&self, visit: impl Fn(&SubscriptionCursor)) {
        // Who comes later begins with what is there by then, which is not before what is told now.
        let subscribers = Arc::clone(&*self.subscribers());
        for (number, chunk) in subscribers.chunks(YIELD_EVERY).enumerate() {
            if number > 0 {
                tokio::task::yield_now().await;
            }
            chunk.iter().for_each(|cursor| visit(cursor));
        }
    }

    fn close(&self) {
        self.range.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.subscribers().iter().for_each(|cursor| cursor.wake());
    }

    fn set_range(&self, range: PublishedRange) {
        *self.range.lock().unwrap_or_else(PoisonError::into_inner) = range;
    }

    fn range(&self) -> PublishedRange {
        *self.range.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> MutexGuard<'_, Arc<Vec<Arc<SubscriptionCursor>>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
