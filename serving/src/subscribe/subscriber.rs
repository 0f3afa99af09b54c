//! The task of one subscription.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::bodies::frontier;
use super::broadcaster::{Closed, Progress, Registration};
use super::cursor::SubscriptionCursor;
use super::message::{ClientSink, MessageKind, SendOutcome};
use super::subscription::SubscriptionRequest;
use crate::Context;
use rows::{Frontier, ReadError};

/// Serves a view to a client.
pub(crate) struct Subscriber {
    context: Context,
    request: SubscriptionRequest,
    sink: Arc<dyn ClientSink>,
    cursor: Arc<SubscriptionCursor>,
}

/// Ends a subscription. After [`CancelHandle::cancel`] nothing more is sent.
pub(crate) struct CancelHandle(Arc<SubscriptionCursor>);

/// The client has disconnected, or the views are closed.
struct Ended;

/// Changes after the cursor are no longer retained.
struct Gone;

impl From<Closed> for Ended {
    fn from(_: Closed) -> Ended {
        Ended
    }
}

impl CancelHandle {
    /// Ends the subscription: nothing more is sent.
    pub(crate) fn cancel(&self) {
        self.0.cancel();
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
        let cursor = Arc::new(SubscriptionCursor::new(Arc::clone(&sink), sub));
        Subscriber { context, request, sink, cursor }
    }

    /// A handle that ends the subscription.
    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(Arc::clone(&self.cursor))
    }

    /// Runs until the client has disconnected or the views are closed. `resumes`: the client has rows of an earlier
    /// connection, from which updates cannot continue.
    pub(crate) async fn run(self, resumes: bool) {
        let sink = Arc::clone(&self.sink);
        tokio::select! {
            _ = self.subscribe(resumes) => {}
            () = sink.closed() => {}
        }
    }

    async fn subscribe(&self, resumes: bool) -> Result<(), Ended> {
        // Registered before the snapshot is read, so that no later change is missed.
        let broadcasters = &self.context.updates.broadcasters;
        let cursor = Arc::clone(&self.cursor);
        let registration = broadcasters.register(&self.context, &self.request.key, cursor);
        let mut resync = resumes.then_some("resume_unavailable");
        loop {
            if let Some(reason) = resync {
                let at = self.context.reader.frontier();
                let body = format!("{},\"reason\":\"{reason}\"", frontier(self.context.run, at));
                self.send(MessageKind::Resync, at, &body.into()).await?;
            }
            if self.request.snapshot || resync.is_some() {
                self.send_snapshot().await?;
            } else {
                let at = self.context.reader.frontier();
                self.send(MessageKind::Progress, at, &frontier(self.context.run, at).into())
                    .await?;
            }
            let Gone = self.send_changes(&registration).await?;
            resync = Some("history_compacted");
        }
    }

    /// Sends all rows at one frontier. A part is not encoded before the client has room for it.
    async fn send_snapshot(&self) -> Result<(), Ended> {
        let SubscriptionRequest { key, log_rows, .. } = &self.request;
        let snapshots = &self.context.updates.snapshots;
        self.sink.writable().await;
        let shared = snapshots.join(key, *log_rows);
        let mut next = Some(shared.begin(&self.context).await.map_err(|_| Ended)?);
        while let Some(position) = next {
            self.sink.writable().await;
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
        loop {
            if conflate.is_zero() {
                self.cursor.set_caught_up();
            }
            self.cursor.woken().await;
            // A change is not read before there is room: it would be held for a client that may never take it.
            self.sink.writable().await;
            let at = self.cursor.clear_caught_up();
            let Progress { upto, same } = registration.progress(at)?;
            if upto.commit > at.commit {
                let updates = &self.context.updates;
                let update = match same {
                    true => Ok(None),
                    false => updates.update(&self.context, subscription, at, upto).await,
                };
                match update {
                    Ok(Some(body)) => {
                        self.send(MessageKind::Update, upto, &body).await?;
                        if !conflate.is_zero() {
                            sleep(*conflate).await;
                        }
                        continue;
                    }
                    Ok(None) => self.cursor.advance(upto),
                    Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => return Ok(Gone),
                    Err(ReadError::Full { .. } | ReadError::Waited { .. }) => self.cursor.wake(),
                    Err(ReadError::Closed) => return Err(Ended),
                }
            }
            if self.cursor.is_heartbeat_due(Instant::now()) {
                let at = at.max(upto);
                self.send(MessageKind::Progress, at, &frontier(self.context.run, at).into())
                    .await?;
            }
        }
    }

    /// Sends a message as soon as there is room.
    async fn send(&self, kind: MessageKind, at: Frontier, body: &Arc<str>) -> Result<(), Ended> {
        loop {
            match self.cursor.try_send(kind, at, body) {
                SendOutcome::Taken => return Ok(()),
                SendOutcome::Full => self.sink.writable().await,
                SendOutcome::Gone => return Err(Ended),
            }
        }
    }
}
