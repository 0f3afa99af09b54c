//! The cursor of a subscription: up to which commit its client has everything, and whether a broadcaster may send to
//! it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use market::EventTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Body, ClientSink, Message, MessageKind, SendOutcome};
use rows::Frontier;

/// The position of a subscription. The check of the position and the write to the client happen under one lock.
///
/// While the cursor is *caught up*, a broadcaster may send the next update. If an update does not begin at the cursor,
/// or the client's sink is full, the subscriber's task is woken and reads the change itself.
pub(crate) struct SubscriptionCursor {
    sink: Arc<dyn ClientSink>,
    /// The client's name of the subscription, as JSON.
    sub: Box<str>,
    state: Mutex<CursorState>,
    wake: Notify,
    /// Wakes the task when it may send again.
    credited: Notify,
}

struct CursorState {
    /// The client has everything up to here.
    at: Frontier,
    /// The commit that the client was told of last; nothing has changed from there to `at`.
    told: Option<u64>,
    /// When the last message was sent.
    sent_at: Instant,
    /// The number of the next message.
    seq: u64,
    caught_up: bool,
    /// So many messages with rows may still be sent; none: any number.
    credit: Option<u64>,
    /// The client has ended the subscription.
    cancelled: bool,
}

/// An update valid for every cursor in `since..=after`; the view did not change in that range.
pub(super) struct ViewUpdate {
    pub(super) since: Frontier,
    pub(super) after: Frontier,
    pub(super) upto: Frontier,
    pub(super) body: Body,
}

/// After this time without a message, a client gets its frontier.
const HEARTBEAT: Duration = Duration::from_secs(1);

impl SubscriptionCursor {
    pub(super) fn new(
        sink: Arc<dyn ClientSink>,
        sub: &str,
        credit: Option<u64>,
    ) -> SubscriptionCursor {
        let sub = serde_json::Value::from(sub).to_string().into();
        let at = Frontier { commit: None, at: EventTime::NEVER };
        let state = CursorState {
            at,
            told: None,
            sent_at: Instant::now(),
            seq: 0,
            caught_up: false,
            credit,
            cancelled: false,
        };
        let (wake, credited) = (Notify::new(), Notify::new());
        SubscriptionCursor { sink, sub, state: Mutex::new(state), wake, credited }
    }

    /// Sends an update if it begins at this cursor. Otherwise wakes the subscriber's task, unless the client has the
    /// update already.
    pub(super) fn push(&self, update: &ViewUpdate, now: Instant) {
        let mut state = self.lock();
        if state.at.commit >= update.upto.commit && state.caught_up {
            return;
        }
        let follows =
            update.since.commit <= state.at.commit && state.at.commit <= update.after.commit;
        let sent = state.caught_up
            && follows
            && self.send(&mut state, MessageKind::Update, update.upto, &update.body)
                == SendOutcome::Taken;
        match sent {
            true => state.sent_at = now,
            false => self.wake.notify_one(),
        }
    }

    /// Wakes the subscriber's task.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether the last message is so old that the client should get its frontier.
    pub(super) fn is_heartbeat_due(&self, now: Instant) -> bool {
        now.duration_since(self.lock().sent_at) >= HEARTBEAT
    }

    /// Whether the client has everything up to a later commit than it was told of.
    pub(super) fn is_ahead(&self) -> bool {
        let state = self.lock();
        state.at.commit.map(|commit| commit.0) > state.told
    }

    /// Waits until the task is woken; a wake-up is not lost.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Allows a broadcaster to send from now on.
    pub(super) fn set_caught_up(&self) {
        self.lock().caught_up = true;
    }

    /// Forbids broadcasters to send; returns the cursor's frontier.
    pub(super) fn clear_caught_up(&self) -> Frontier {
        let mut state = self.lock();
        state.caught_up = false;
        state.at
    }

    /// Moves the cursor without a message: nothing has changed up to `at`.
    pub(super) fn advance(&self, at: Frontier) {
        self.lock().at = at;
    }

    /// Sends a message if the sink has room now. Only for a cursor that is not caught up.
    pub(super) fn try_send(&self, kind: MessageKind, at: Frontier, body: &Body) -> SendOutcome {
        let mut state = self.lock();
        let outcome = self.send(&mut state, kind, at, body);
        if outcome == SendOutcome::Taken {
            state.sent_at = Instant::now();
        }
        outcome
    }

    /// Lets so many more messages with rows be sent. Returns whether they are counted at all.
    pub(super) fn add_credit(&self, messages: u64) -> bool {
        let mut state = self.lock();
        let Some(credit) = &mut state.credit else { return false };
        *credit = credit.saturating_add(messages);
        self.credited.notify_one();
        true
    }

    /// Waits until a message with rows may be sent, as far as the client says, and there is room for it.
    pub(super) async fn writable(&self) {
        while self.lock().credit == Some(0) {
            self.credited.notified().await;
        }
        self.sink.writable().await;
    }

    /// Ends the subscription: nothing more is sent.
    pub(super) fn cancel(&self) {
        self.lock().cancelled = true;
    }

    fn send(
        &self,
        state: &mut CursorState,
        kind: MessageKind,
        at: Frontier,
        body: &Body,
    ) -> SendOutcome {
        if state.cancelled {
            return SendOutcome::Gone;
        }
        let has_rows = matches!(kind, MessageKind::Snapshot | MessageKind::Update);
        if has_rows && state.credit == Some(0) {
            return SendOutcome::Full;
        }
        let message =
            Message { kind, sub: &self.sub, group: None, seq: state.seq, after: state.told, body };
        let outcome = self.sink.try_send(message);
        if outcome == SendOutcome::Taken {
            state.seq += 1;
            if has_rows && let Some(credit) = &mut state.credit {
                *credit -= 1;
            }
            state.at = at;
            state.told = at.commit.map(|commit| commit.0);
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, CursorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::WaitFuture;
    use super::*;
    use market::Commit;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Records messages while it has room.
    struct RecordingSink {
        room: AtomicBool,
        bodies: Mutex<Vec<String>>,
    }

    impl ClientSink for RecordingSink {
        fn try_send(&self, message: Message<'_>) -> SendOutcome {
            if !self.room.load(Ordering::SeqCst) {
                return SendOutcome::Full;
            }
            let mut json = Vec::new();
            message.json(&mut json);
            self.bodies.lock().unwrap().push(String::from_utf8(json).unwrap());
            SendOutcome::Taken
        }

        fn writable(&self) -> WaitFuture<'_> {
            Box::pin(std::future::pending())
        }

        fn closed(&self) -> WaitFuture<'_> {
            Box::pin(std::future::pending())
        }
    }

    fn at(commit: u64) -> Frontier {
        Frontier { commit: Some(Commit(commit)), at: EventTime(0) }
    }

    fn update(since: u64, after: u64, upto: u64) -> ViewUpdate {
        let body = Body::plain(format!("\"upto\":{upto}"));
        ViewUpdate { since: at(since), after: at(after), upto: at(upto), body }
    }

    /// Whether the task was woken; consumes the wake-up.
    async fn is_woken(cursor: &SubscriptionCursor) -> bool {
        tokio::select! {
            biased;
            () = cursor.woken() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn an_update_is_sent_to_cursors_at_its_start_only() {
        let (room, bodies) = (AtomicBool::new(true), Mutex::default());
        let sink = Arc::new(RecordingSink { room, bodies });
        let cursor =
            SubscriptionCursor::new(Arc::clone(&sink) as Arc<dyn ClientSink>, "s", Some(2));
        let now = Instant::now();
        let sent = || std::mem::take(&mut *sink.bodies.lock().unwrap());
        let message = |seq: u64, after: &str, upto: u64| {
            let head = "{\"type\":\"update\",\"sub\":\"s\"";
            vec![format!("{head},\"seq\":{seq},\"after\":{after},\"upto\":{upto}}}")]
        };

        cursor.push(&update(0, 0, 9), now);
        assert!(sent().is_empty() && is_woken(&cursor).await, "it is not caught_up");
        cursor.advance(at(5));
        cursor.set_caught_up();
        for (since, after) in [(6, 8), (2, 4)] {
            cursor.push(&update(since, after, 9), now);
            assert!(sent().is_empty() && is_woken(&cursor).await, "{since} to {after}");
        }
        cursor.push(&update(3, 7, 8), now);
        assert!(
            sent() == message(0, "null", 8) && !is_woken(&cursor).await,
            "nothing changed from 3 to 7"
        );
        cursor.push(&update(3, 7, 8), now);
        assert!(sent().is_empty() && !is_woken(&cursor).await, "it knows already");

        sink.room.store(false, Ordering::SeqCst);
        cursor.push(&update(8, 8, 9), now);
        sink.room.store(true, Ordering::SeqCst);
        cursor.push(&update(9, 9, 10), now);
        assert!(sent().is_empty() && is_woken(&cursor).await, "9 is missing, so 10 cannot follow");
        assert_eq!(cursor.clear_caught_up(), at(8));
        assert_eq!(
            cursor.try_send(MessageKind::Update, at(10), &Body::plain("\"upto\":10")),
            SendOutcome::Taken
        );
        assert_eq!(sent(), message(1, "8", 10), "it was told of 8");
        cursor.set_caught_up();
        cursor.push(&update(10, 10, 11), now);
        assert!(sent().is_empty() && is_woken(&cursor).await, "the client takes no more");
        assert!(cursor.add_credit(1));
        cursor.push(&update(10, 10, 11), now);
        assert_eq!(sent(), message(2, "10", 11));
        cursor.cancel();
        cursor.push(&update(11, 11, 12), now);
        assert_eq!(
            (sent(), cursor.try_send(MessageKind::Update, at(12), &Body::plain(""))),
            (vec![], SendOutcome::Gone)
        );
    }
}
