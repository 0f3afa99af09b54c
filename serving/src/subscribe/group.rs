//! Several views in one cut: a client gets the changes of all of them up to one commit, then `cut`, which says so.
//!
//! One task serves a group. It reads the changes of each view after the last cut up to the same frontier, so what the
//! client has at a cut is what all views were at that commit. Until the next cut it has a part of the changes. Messages
//! of a group are counted together.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select_all;
use market::Commit;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::bodies::{progress, resumed, resync};
use super::counted::CountedSubscription;
use super::message::{Body, ClientSink, Message, MessageKind, SendOutcome};
use super::subscription::SubscriptionRequest;
use crate::resume::{NotResumed, folded_all, position};
use crate::{Context, closed};
use rows::{Frontier, ReadError, View};

/// Serves several views to a client.
pub(crate) struct GroupSubscriber {
    context: Context,
    members: Vec<GroupMember>,
    /// See [`crate::resume`]; of what all members ask for.
    query: u32,
    resume: Option<String>,
    sink: Arc<dyn ClientSink>,
    cursor: Arc<GroupCursor>,
    _counted: Vec<CountedSubscription>,
}

/// A view of a group.
pub(crate) struct GroupMember {
    /// The client's name of the subscription, as JSON.
    sub: Box<str>,
    request: SubscriptionRequest,
}

/// What has been sent.
pub(crate) struct GroupCursor {
    /// The client's name of the group, as JSON.
    name: Box<str>,
    state: Mutex<GroupState>,
}

#[derive(Default)]
struct GroupState {
    /// The number of the next message.
    seq: u64,
    /// The commit of the last cut.
    cut: Option<Commit>,
    is_cancelled: bool,
}

/// Why a cut is not reached.
enum Broken {
    /// The client has disconnected, or the views are closed.
    Ended,
    /// Changes after the last cut are no longer retained.
    Gone,
}

/// Waits until a view may have changed.
async fn changed(moved: &mut watch::Receiver<u64>) {
    if moved.changed().await.is_err() {
        pending::<()>().await; // nothing changes it any more
    }
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Broken {
        match error {
            ReadError::Gone { .. } | ReadError::Compacted { .. } => Broken::Gone,
            _ => Broken::Ended,
        }
    }
}

/// A cut at least this often, also if nothing has changed.
const HEARTBEAT: Duration = Duration::from_secs(1);

impl GroupMember {
    /// A view that the client calls `sub`.
    pub(crate) fn new(sub: &str, request: SubscriptionRequest) -> GroupMember {
        let sub = serde_json::Value::from(sub).to_string().into();
        GroupMember { sub, request }
    }

    fn view(&self) -> &'static View {
        self.request.key.view
    }
}

impl GroupCursor {
    /// Ends the group: nothing more is sent.
    pub(super) fn cancel(&self) {
        self.lock().is_cancelled = true;
    }

    fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupSubscriber {
    /// A group that the client calls `name`, and goes on after the token of a cut if there is one.
    pub(crate) fn new(
        context: Context,
        name: &str,
        members: Vec<GroupMember>,
        resume: Option<String>,
        sink: Arc<dyn ClientSink>,
    ) -> GroupSubscriber {
        let name = serde_json::Value::from(name).to_string().into();
        let cursor = Arc::new(GroupCursor { name, state: Mutex::default() });
        let query = folded_all(members.iter().map(|member| member.request.key.hash()));
        let views = members.iter().map(GroupMember::view);
        let counted = views.map(|view| CountedSubscription::new(&context, view)).collect();
        GroupSubscriber { context, members, query, resume, sink, cursor, _counted: counted }
    }

    /// What its client may do to it.
    pub(crate) fn cursor(&self) -> Arc<GroupCursor> {
        Arc::clone(&self.cursor)
    }

    /// Runs until the client has disconnected, or until the server closes and the client has a cut of all that was
    /// committed before.
    pub(crate) async fn run(self) {
        let sink = Arc::clone(&self.sink);
        tokio::select! {
            () = self.subscribe() => {}
            () = sink.closed() => {}
        }
    }

    async fn subscribe(&self) {
        let mut begun = match &self.resume {
            Some(token) => self.go_on(token).await,
            None => self.begin().await,
        };
        loop {
            let at = match begun {
                Ok(at) => at,
                Err(Broken::Ended) => return,
                Err(Broken::Gone) => {
                    begun = self.begin_anew(NotResumed::HistoryCompacted).await;
                    continue;
                }
            };
            match self.cuts(at).await {
                Broken::Ended => return,
                Broken::Gone => begun = Err(Broken::Gone),
            }
        }
    }

    /// Goes on after the cut of a token, or says why not and begins anew.
    async fn go_on(&self, token: &str) -> Result<Frontier, Broken> {
        let views: Vec<&'static View> = self.members.iter().map(GroupMember::view).collect();
        let from = match position(&self.context, &views, self.query, token).await {
            Ok(from) => from,
            Err(why) => return self.begin_anew(why).await,
        };
        // Read before it is said that all of it is there.
        let now = self.context.reader.frontier();
        let missed = match self.changes(from, now).await {
            Ok(missed) => missed,
            Err(Broken::Gone) => return self.begin_anew(NotResumed::HistoryCompacted).await,
            Err(ended) => return Err(ended),
        };
        let body = resumed(&self.context, self.query, from);
        self.send(MessageKind::Resumed, &self.cursor.name, &body).await?;
        self.cursor.lock().cut = from.commit;
        self.send_changes(missed, now).await?;
        Ok(now)
    }

    async fn begin_anew(&self, why: NotResumed) -> Result<Frontier, Broken> {
        let body = resync(&self.context, self.context.reader.frontier(), why);
        self.send(MessageKind::Resync, &self.cursor.name, &body).await?;
        self.begin().await
    }

    /// Sends a snapshot of each view, and then what has changed up to a common frontier: the first cut.
    async fn begin(&self) -> Result<Frontier, Broken> {
        let mut taken = Vec::with_capacity(self.members.len());
        for member in &self.members {
            taken.push(self.send_snapshot(member).await?);
        }
        let now = self.context.reader.frontier();
        for (member, at) in self.members.iter().zip(taken) {
            self.cursor.lock().cut = at.commit; // the update begins after the snapshot of its view
            if let Some(update) = self.change(member, at, now).await? {
                self.send(MessageKind::Update, &member.sub, &update).await?;
            }
        }
        self.send_cut(now).await?;
        Ok(now)
    }

    async fn send_snapshot(&self, member: &GroupMember) -> Result<Frontier, Broken> {
        let SubscriptionRequest { key, log_rows, .. } = &member.request;
        let snapshots = &self.context.updates.snapshots;
        let shared = snapshots.join(key, *log_rows);
        let mut next = Some(shared.begin(&self.context).await?);
        let mut at = self.context.reader.frontier();
        while let Some(position) = next {
            self.sink.writable().await;
            let part = snapshots.part(&self.context, &shared, &position).await?;
            self.send(MessageKind::Snapshot, &member.sub, &part.body).await?;
            (at, next) = (part.at, part.next);
        }
        Ok(at)
    }

    /// Sends cut after cut.
    async fn cuts(&self, mut at: Frontier) -> Broken {
        let mut closing = self.context.closing.clone();
        let moved = self.members.iter().map(|member| self.context.reader.moved(member.view()));
        let mut moved: Vec<_> = moved.collect();
        let conflate = self.members.iter().map(|member| member.request.conflate).max();
        let conflate = conflate.unwrap_or_default();
        let mut due = Instant::now() + HEARTBEAT;
        loop {
            // What moved before is in the frontier that is read below.
            moved.iter_mut().for_each(|moved| drop(moved.borrow_and_update()));
            let now = self.context.reader.frontier();
            let is_closing = *closing.borrow();
            if is_closing && self.context.client.has_ended() {
                return Broken::Ended;
            }
            let changes = match self.changes(at, now).await {
                Ok(changes) => changes,
                Err(broken) => return broken,
            };
            let has_changed = changes.iter().any(Option::is_some);
            let is_last = is_closing && self.cursor.lock().cut < now.commit;
            at = now;
            if has_changed || due <= Instant::now() || is_last {
                if let Err(broken) = self.send_changes(changes, now).await {
                    return broken;
                }
                due = Instant::now() + HEARTBEAT;
                if !conflate.is_zero() && !is_closing {
                    sleep(conflate).await;
                }
            }
            if is_closing {
                return Broken::Ended;
            }
            let any = select_all(moved.iter_mut().map(|moved| Box::pin(changed(moved))));
            tokio::select! {
                _ = any => {}
                () = sleep_until(due) => {}
                () = closed(&mut closing) => {}
            }
            self.sink.writable().await; // a change is not read before there is room
        }
    }

    /// What has changed of each view.
    async fn changes(&self, from: Frontier, to: Frontier) -> Result<Vec<Option<Body>>, Broken> {
        let mut changes = Vec::with_capacity(self.members.len());
        for member in &self.members {
            changes.push(self.change(member, from, to).await?);
        }
        Ok(changes)
    }

    async fn change(
        &self,
        member: &GroupMember,
        from: Frontier,
        to: Frontier,
    ) -> Result<Option<Body>, Broken> {
        if to.commit <= from.commit {
            return Ok(None);
        }
        Ok(self.context.updates.update(&self.context, &member.request.key, from, to).await?)
    }

    async fn send_changes(&self, changes: Vec<Option<Body>>, to: Frontier) -> Result<(), Broken> {
        for (member, change) in self.members.iter().zip(changes) {
            if let Some(change) = change {
                self.send(MessageKind::Update, &member.sub, &change).await?;
            }
        }
        self.send_cut(to).await
    }

    async fn send_cut(&self, at: Frontier) -> Result<(), Broken> {
        let body = progress(&self.context, self.query, at);
        self.send(MessageKind::Cut, &self.cursor.name, &body).await?;
        self.cursor.lock().cut = at.commit;
        Ok(())
    }

    /// Sends a message as soon as there is room.
    async fn send(&self, kind: MessageKind, sub: &str, body: &Body) -> Result<(), Broken> {
        loop {
            match self.try_send(kind, sub, body) {
                SendOutcome::Taken => return Ok(()),
                SendOutcome::Full => self.sink.writable().await,
                SendOutcome::Gone => return Err(Broken::Ended),
            }
        }
    }

    fn try_send(&self, kind: MessageKind, sub: &str, body: &Body) -> SendOutcome {
        let mut state = self.cursor.lock();
        if state.is_cancelled {
            return SendOutcome::Gone;
        }
        let group = Some(&*self.cursor.name);
        let after = state.cut.map(|commit| commit.0);
        let message = Message { kind, sub, group, seq: state.seq, after, body };
        let outcome = self.sink.try_send(message);
        if outcome == SendOutcome::Taken {
            state.seq += 1;
        }
        outcome
    }
}
