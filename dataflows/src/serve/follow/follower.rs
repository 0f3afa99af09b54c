//! One client's way through one view.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::frames::{frontier, snapshot};
use super::wish::Wish;
use crate::serve::Context;
use crate::views::{Frontier, ReadError, Snapshot};

/// Follows a view for a client.
pub(crate) struct Follower {
    context: Context,
    wish: Wish,
    /// What the client calls it.
    sub: Arc<str>,
    /// The next message's number.
    seq: u64,
    out: mpsc::Sender<Message>,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) told: Told,
    /// What the client calls what it follows.
    pub(crate) sub: Arc<str>,
    /// Counts the messages of one follower from 0, without holes.
    pub(crate) seq: u64,
    /// The commit up to which all has been told with this message.
    pub(crate) commit: Option<u64>,
    /// Its fields as JSON, without braces.
    body: Arc<str>,
}

/// What kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Rows as of a frontier; the first part of a snapshot replaces all that was told before.
    Snapshot,
    /// The net change up to a frontier.
    Update,
    /// Nothing has changed up to a frontier.
    Progress,
    /// What was told so far cannot be gone on from; a snapshot follows.
    Resync,
}

/// After this time without a message, a client is told how far it is.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Rows of one part of a snapshot.
const PART_ROWS: usize = 1_000;

/// Why a follower stops: its client is gone, or the views are closed.
struct Ended;

/// Why what was told cannot be gone on from.
struct Gone;

impl Told {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Told::Snapshot => "snapshot",
            Told::Update => "update",
            Told::Progress => "progress",
            Told::Resync => "resync",
        }
    }
}

impl Message {
    /// As one JSON object.
    pub(crate) fn json(&self) -> String {
        let Message { told, sub, seq, body, .. } = self;
        let (name, sub) = (told.name(), serde_json::Value::from(&**sub));
        format!("{{\"type\":\"{name}\",\"sub\":{sub},\"seq\":{seq},{body}}}")
    }
}

impl Follower {
    /// A follower that sends to `out`; it holds at most one message back when `out` is full.
    pub(crate) fn new(
        context: Context,
        wish: Wish,
        sub: Arc<str>,
        out: mpsc::Sender<Message>,
    ) -> Follower {
        Follower { context, wish, sub, seq: 0, out }
    }

    /// Follows until the client or the views are gone. `resumes`: the client has been told something
    /// before, which cannot be gone on from.
    pub(crate) async fn run(mut self, resumes: bool) {
        let _ = self.follow(resumes).await;
    }

    async fn follow(&mut self, resumes: bool) -> Result<(), Ended> {
        // Before the snapshot, so that no change after it goes unnoticed.
        let mut moved = self.context.reader.moved(self.wish.told.view);
        let mut resync = resumes.then_some("resume_unavailable");
        loop {
            if let Some(reason) = resync {
                let at = self.context.reader.frontier();
                let body = format!("{},\"reason\":\"{reason}\"", frontier(at));
                self.tell(Told::Resync, at, body.into()).await?;
            }
            let from = if self.wish.snapshot || resync.is_some() {
                self.tell_snapshot().await?
            } else {
                let at = self.context.reader.frontier();
                self.tell(Told::Progress, at, frontier(at).into()).await?;
                at
            };
            let Gone = self.tell_changes(from, &mut moved).await?;
            resync = Some("history_compacted");
        }
    }

    /// Tells all rows, and gives the frontier that they are of.
    async fn tell_snapshot(&mut self) -> Result<Frontier, Ended> {
        let Wish { told, log_rows, .. } = self.wish.clone();
        let wanted = Arc::clone(&told.wanted);
        let rest = self.context.reader.snapshot(told.view, wanted, log_rows).await;
        let mut rest: Box<dyn Snapshot> = rest.map_err(|_| Ended)?;
        let at = rest.frontier();
        let mut part = 0;
        loop {
            let context = self.context.clone();
            let told = Arc::clone(&told);
            let read = tokio::task::spawn_blocking(move || {
                let (rows, more) = rest.next(PART_ROWS);
                let body = snapshot(&context, &told, at, &rows, (part, !more));
                (rest, body, more)
            });
            let (unread, body, more) = read.await.map_err(|_| Ended)?;
            self.tell(Told::Snapshot, at, body.into()).await?;
            if !more {
                return Ok(at);
            }
            rest = unread;
            part += 1;
        }
    }

    /// Tells every change after `at` until some are no longer kept.
    async fn tell_changes(
        &mut self,
        mut at: Frontier,
        moved: &mut watch::Receiver<u64>,
    ) -> Result<Gone, Ended> {
        let mut told_at = Instant::now();
        loop {
            tokio::select! {
                // In time a heartbeat is due, which looks for changes just the same.
                waited = timeout_at(told_at + HEARTBEAT, moved.changed()) => {
                    if let Ok(Err(_)) = waited {
                        return Err(Ended);
                    }
                }
                () = self.out.closed() => return Err(Ended),
            }
            let now = self.context.reader.frontier();
            if now.commit > at.commit {
                let Wish { told, .. } = &self.wish;
                let frames = self.context.frames.clone();
                let update = match frames.update(&self.context, told, at, now).await {
                    Ok(update) => update,
                    Err(ReadError::Gone { .. } | ReadError::Forgotten { .. }) => return Ok(Gone),
                    Err(ReadError::Closed) => return Err(Ended),
                };
                at = now;
                if let Some(body) = update {
                    self.tell(Told::Update, at, body).await?;
                    told_at = Instant::now();
                    if !self.wish.conflate.is_zero() {
                        sleep_until(told_at + self.wish.conflate).await;
                    }
                    continue;
                }
            }
            if told_at.elapsed() >= HEARTBEAT {
                self.tell(Told::Progress, at, frontier(at).into()).await?;
                told_at = Instant::now();
            }
        }
    }

    async fn tell(&mut self, told: Told, at: Frontier, body: Arc<str>) -> Result<(), Ended> {
        let commit = at.commit.map(|commit| commit.0);
        let message = Message { told, sub: Arc::clone(&self.sub), seq: self.seq, commit, body };
        self.seq += 1;
        self.out.send(message).await.map_err(|_| Ended)
    }
}
