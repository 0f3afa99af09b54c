//! Broadcasts updates to all subscribers with the same key.
//!
//! A broadcaster reads and encodes a change once, and sends it in one pass to every subscriber that has caught up,
//! without waking a task. A subscriber at another commit, or without room in its sink, is woken and reads the change
//! itself.
//!
//! Waking a task per client costs as much as everything else except the write itself. Sent from here, a message costs
//! one lock that is mostly free, 500 copied bytes and one system call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::cursor::{SubscriptionCursor, ViewUpdate};
use super::subscription::SubscriptionKey;
use crate::Context;
use rows::{Frontier, ReadError};

/// The broadcasters of a process, by subscription key.
#[derive(Clone, Default)]
pub(super) struct Broadcasters(Arc<Mutex<ByKey>>);

type ByKey = HashMap<Arc<SubscriptionKey>, Vec<Arc<Broadcaster>>>;

/// A task that broadcasts to at most [`SUBSCRIBERS_MAX`] subscribers with the same key.
struct Broadcaster {
    /// The subscribers. The list is copied on write while a broadcast iterates over it.
    subscribers: Mutex<Arc<Vec<Arc<SubscriptionCursor>>>>,
    range: Mutex<PublishedRange>,
    task: Mutex<Option<AbortHandle>>,
}

/// The published state of a broadcaster.
#[derive(Clone, Copy)]
struct PublishedRange {
    /// The view did not change after this frontier, …
    since: Frontier,
    /// … up to this one.
    upto: Frontier,
    /// The views are closed.
    closed: bool,
}

/// The registration of a subscriber with a broadcaster, until it is dropped.
pub(super) struct Registration {
    broadcasters: Broadcasters,
    subscription: Arc<SubscriptionKey>,
    broadcaster: Arc<Broadcaster>,
    cursor: Arc<SubscriptionCursor>,
}

/// The published frontier, seen from a subscriber.
pub(super) struct Progress {
    /// The frontier up to which changes are published.
    pub(super) upto: Frontier,
    /// Whether nothing has changed since the subscriber's frontier.
    pub(super) same: bool,
}

/// The views are closed.
pub(super) struct Closed;

/// The most subscribers of a broadcaster. More of them are split over several tasks, and so over several threads.
const SUBSCRIBERS_MAX: usize = 256;
/// The broadcaster yields its thread after so many subscribers.
const YIELD_EVERY: usize = 64;
/// The interval at which a broadcaster looks for due heartbeats. It also advances its frontier then, if the view has
/// not changed.
const HEARTBEAT_CHECK: Duration = Duration::from_millis(250);

impl Broadcasters {
    /// Registers a subscriber with a broadcaster. Every later change is sent to it, or its task is woken.
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
    /// The published frontier, for a subscriber that is complete up to `at`.
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
        let mut all = self.broadcasters.lock(); // locked before the subscribers, in the same order as in `register`
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
    /// Starts a broadcaster at the present frontier.
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

    /// Broadcasts every change until the views are closed or no subscriber is left.
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
                // The broadcaster itself was too slow: all subscribers check what they can still read.
                Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => {
                    self.set_range(PublishedRange { since: now, upto: now, closed: false });
                    self.each(SubscriptionCursor::wake).await;
                }
                Err(ReadError::Closed) => return self.close(),
                Err(_) => {} // the next check reads it
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

    /// Visits all subscribers, and yields between chunks of them.
    async fn each(&self, visit: impl Fn(&SubscriptionCursor)) {
        // A subscriber that registers later begins at a later frontier, so it need not get this update.
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
