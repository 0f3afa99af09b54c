//! The task of one subscription.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::bodies::{progress, resumed, resync};
use super::broadcaster::{Closed, Progress, Registration};
use super::counted::CountedSubscription;
use super::cursor::SubscriptionCursor;
use super::group::GroupCursor;
use super::message::{Body, ClientSink, MessageKind, SendOutcome};
use super::subscription::SubscriptionRequest;
use crate::resume::{NotResumed, position};
use crate::{Context, closed};
use rows::{Frontier, ReadError};

/// Serves a view to a client.
pub(crate) struct Subscriber {
    context: Context,
    request: SubscriptionRequest,
    sink: Arc<dyn ClientSink>,
    cursor: Arc<SubscriptionCursor>,
    _counted: CountedSubscription,
}

/// What a client may do to a subscription or group.
pub(crate) enum SubscriptionHandle {
    One(Arc<SubscriptionCursor>),
    Group(Arc<GroupCursor>),
}

/// The client has disconnected, or the views are closed.
struct Ended;

/// Changes after the cursor are no longer retained.
struct Gone;

impl From<Closed> for Ended {
    fn from(_: Closed) -> Ended {
        Ended
    }
}

impl SubscriptionHandle {
    /// Ends it: nothing more is sent.
    pub(crate) fn cancel(&self) {
        match self {
            SubscriptionHandle::One(cursor) => cursor.cancel(),
            SubscriptionHandle::Group(cursor) => cursor.cancel(),
        }
    }

    /// Lets so many more messages with rows be sent. Returns whether they are counted at all.
    pub(crate) fn add_credit(&self, messages: u64) -> bool {
        match self {
            SubscriptionHandle::One(cursor) => cursor.add_credit(messages),
            SubscriptionHandle::Group(_) => false,
        }
    }
}

impl Subscriber {
    /// A subscription with the client's name `sub`. It holds at most one message back while the sink is full.
    pub(crate) fn new(
        context: Context,
        request: SubscriptionRequest,
        sub: &str,
        sink: Arc<dyn ClientSink>,
    ) -> Subscriber {
        let cursor = SubscriptionCursor::new(Arc::clone(&sink), sub, request.credit);
        let cursor = Arc::new(cursor);
        let counted = CountedSubscription::new(&context, request.key.view);
        Subscriber { context, request, sink, cursor, _counted: counted }
    }

    /// What its client may do to it.
    pub(crate) fn handle(&self) -> SubscriptionHandle {
        SubscriptionHandle::One(Arc::clone(&self.cursor))
    }

    /// Runs until the client has disconnected, or until the server closes and the client has been told of all that was
    /// committed before.
    pub(crate) async fn run(self) {
        let sink = Arc::clone(&self.sink);
        tokio::select! {
            _ = self.subscribe() => {}
            () = sink.closed() => {}
        }
    }

    async fn subscribe(&self) -> Result<(), Ended> {
        // Registered before anything is read, so that no later change is missed.
        let broadcasters = &self.context.updates.broadcasters;
        let cursor = Arc::clone(&self.cursor);
        let registration = broadcasters.register(&self.context, &self.request.key, cursor);
        let mut anew = match &self.request.resume {
            Some(token) => self.resume(token).await?.err(),
            None => self.begin().await.map(|()| None)?,
        };
        loop {
            if let Some(why) = anew {
                let at = self.context.reader.frontier();
                self.send(MessageKind::Resync, at, &resync(&self.context, at, why)).await?;
                self.send_snapshot().await?;
            }
            let Gone = self.send_changes(&registration).await?;
            anew = Some(NotResumed::HistoryCompacted);
        }
    }

    /// Begins with a snapshot, or with the present frontier.
    async fn begin(&self) -> Result<(), Ended> {
        if self.request.snapshot {
            return self.send_snapshot().await;
        }
        let at = self.context.reader.frontier();
        let body = progress(&self.context, self.request.key.hash(), at);
        self.send(MessageKind::Progress, at, &body).await
    }

    /// Goes on after the commit of a token, with what was missed. Says why not, if that cannot be.
    async fn resume(&self, token: &str) -> Result<Result<(), NotResumed>, Ended> {
        let SubscriptionRequest { key, .. } = &self.request;
        let from = match position(&self.context, &[key.view], key.hash(), token).await {
            Ok(from) => from,
            Err(why) => return Ok(Err(why)),
        };
        let now = self.context.reader.frontier();
        let missed = match from.commit < now.commit {
            true => self.context.updates.update(&self.context, key, from, now).await,
            false => Ok(None),
        };
        let missed = match missed {
            Ok(missed) => missed,
            Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => {
                return Ok(Err(NotResumed::HistoryCompacted));
            }
            Err(_) => return Err(Ended),
        };
        let body = resumed(&self.context, key.hash(), from);
        self.send(MessageKind::Resumed, from, &body).await?;
        match missed {
            Some(missed) => self.send(MessageKind::Update, now, &missed).await?,
            None => self.cursor.advance(now),
        }
        self.cursor.wake(); // commits since are due at once
        Ok(Ok(()))
    }

    /// Sends all rows at one frontier. A part is not encoded before the client has room for it.
    async fn send_snapshot(&self) -> Result<(), Ended> {
        let SubscriptionRequest { key, log_rows, .. } = &self.request;
        let snapshots = &self.context.updates.snapshots;
        self.cursor.writable().await;
        let shared = snapshots.join(key, *log_rows);
        let mut next = Some(shared.begin(&self.context).await.map_err(|_| Ended)?);
        while let Some(position) = next {
            self.cursor.writable().await;
            let part = snapshots.part(&self.context, &shared, &position).await;
            let part = part.map_err(|_| Ended)?;
            self.send(MessageKind::Snapshot, part.at, &part.body).await?;
            next = part.next;
        }
        self.cursor.wake(); // a shared snapshot may be older than now: changes since are due at once
        Ok(())
    }

    /// Sends every change after the cursor, or lets a broadcaster do so, until some changes are no longer retained.
    async fn send_changes(&self, registration: &Registration) -> Result<Gone, Ended> {
        let SubscriptionRequest { key: subscription, conflate, .. } = &self.request;
        let mut closing = self.context.closing.clone();
        loop {
            if conflate.is_zero() {
                self.cursor.set_caught_up();
            }
            let is_closing = tokio::select! {
                () = self.cursor.woken() => false,
                () = closed(&mut closing) => true,
            };
            if is_closing && self.context.client.has_ended() {
                return Err(Ended);
            }
            // A change is not read before there is room: it would be held for a client that may never take it.
            self.cursor.writable().await;
            let at = self.cursor.clear_caught_up();
            let Progress { upto, same } = match is_closing {
                true => Progress { upto: self.context.reader.frontier(), same: false },
                false => registration.progress(at)?,
            };
            if upto.commit > at.commit {
                let updates = &self.context.updates;
                let update = match same {
                    true => Ok(None),
                    false => updates.update(&self.context, subscription, at, upto).await,
                };
                match update {
                    Ok(Some(body)) => {
                        self.send(MessageKind::Update, upto, &body).await?;
                        if !conflate.is_zero() && !is_closing {
                            sleep(*conflate).await;
                        }
                        continue;
                    }
                    Ok(None) => self.cursor.advance(upto),
                    Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => return Ok(Gone),
                    Err(ReadError::Closed) => return Err(Ended),
                    Err(_) => {
                        self.cursor.wake(); // others read too much: it is tried again
                        continue;
                    }
                }
            }
            let is_due = match is_closing {
                true => self.cursor.is_ahead(),
                false => self.cursor.is_heartbeat_due(Instant::now()),
            };
            if is_due {
                let at = at.max(upto);
                let body = progress(&self.context, subscription.hash(), at);
                self.send(MessageKind::Progress, at, &body).await?;
            }
            if is_closing {
                return Err(Ended);
            }
        }
    }

    /// Sends a message as soon as there is room.
    async fn send(&self, kind: MessageKind, at: Frontier, body: &Body) -> Result<(), Ended> {
        loop {
            match self.cursor.try_send(kind, at, body) {
                SendOutcome::Taken => return Ok(()),
                SendOutcome::Full => self.cursor.writable().await,
                SendOutcome::Gone => return Err(Ended),
            }
        }
    }
}
