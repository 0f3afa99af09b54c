//! One client's way through one view.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::crier::{Closed, Known, Listening};
use super::frames::{frontier, snapshot};
use super::message::{Offered, Outlet, Told};
use super::stand::Stand;
use super::wish::Wish;
use crate::serve::Context;
use crate::views::{Frontier, ReadError, Snapshot};

/// Follows a view for a client.
pub(crate) struct Follower {
    context: Context,
    wish: Wish,
    outlet: Arc<dyn Outlet>,
    stand: Arc<Stand>,
}

/// What ends what a follower tells. Once it returns, its client is told nothing more.
pub(crate) struct Leave(Arc<Stand>);

/// Rows of one part of a snapshot.
const PART_ROWS: usize = 1_000;

/// Why a follower stops: its client is gone, or the views are closed.
struct Ended;

/// Why what was told cannot be gone on from.
struct Gone;

impl From<Closed> for Ended {
    fn from(_: Closed) -> Ended {
        Ended
    }
}

impl Leave {
    /// From now on the client is told nothing more.
    pub(crate) fn leave(&self) {
        self.0.leave();
    }
}

impl Follower {
    /// A follower of what its client calls `sub`; it holds at most one message back when there is no room.
    pub(crate) fn new(
        context: Context,
        wish: Wish,
        sub: &str,
        outlet: Arc<dyn Outlet>,
    ) -> Follower {
        let stand = Arc::new(Stand::new(Arc::clone(&outlet), sub));
        Follower { context, wish, outlet, stand }
    }

    /// What ends it from outside.
    pub(crate) fn leave(&self) -> Leave {
        Leave(Arc::clone(&self.stand))
    }

    /// Follows until the client or the views are gone. `resumes`: the client has been told something
    /// before, which cannot be gone on from.
    pub(crate) async fn run(self, resumes: bool) {
        let outlet = Arc::clone(&self.outlet);
        tokio::select! {
            _ = self.follow(resumes) => {}
            () = outlet.gone() => {}
        }
    }

    async fn follow(&self, resumes: bool) -> Result<(), Ended> {
        // Before the snapshot, so that no change after it goes unnoticed.
        let criers = &self.context.frames.criers;
        let stand = Arc::clone(&self.stand);
        let listening = criers.listen(&self.context, &self.wish.told, stand);
        let mut resync = resumes.then_some("resume_unavailable");
        loop {
            if let Some(reason) = resync {
                let at = self.context.reader.frontier();
                let body = format!("{},\"reason\":\"{reason}\"", frontier(at));
                self.tell(Told::Resync, at, &body).await?;
            }
            if self.wish.snapshot || resync.is_some() {
                self.tell_snapshot().await?;
            } else {
                let at = self.context.reader.frontier();
                self.tell(Told::Progress, at, &frontier(at)).await?;
            }
            let Gone = self.tell_changes(&listening).await?;
            resync = Some("history_compacted");
        }
    }

    /// Tells all rows as of one frontier.
    async fn tell_snapshot(&self) -> Result<(), Ended> {
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
            self.tell(Told::Snapshot, at, &body).await?;
            if !more {
                return Ok(());
            }
            rest = unread;
            part += 1;
        }
    }

    /// Tells every change after what was told last, or has it told, until some are no longer kept.
    async fn tell_changes(&self, listening: &Listening) -> Result<Gone, Ended> {
        let Wish { told: telling, conflate, .. } = &self.wish;
        loop {
            if conflate.is_zero() {
                self.stand.ready();
            }
            self.stand.called().await;
            let at = self.stand.unready();
            let Known { upto, same } = listening.known(at)?;
            if upto.commit > at.commit {
                let frames = &self.context.frames;
                let update = match same {
                    true => Ok(None),
                    false => frames.update(&self.context, telling, at, upto).await,
                };
                match update {
                    Ok(Some(body)) => {
                        self.tell(Told::Update, upto, &body).await?;
                        if !conflate.is_zero() {
                            sleep(*conflate).await;
                        }
                        continue;
                    }
                    Ok(None) => self.stand.reach(upto),
                    Err(ReadError::Gone { .. } | ReadError::Forgotten { .. }) => return Ok(Gone),
                    Err(ReadError::Closed) => return Err(Ended),
                }
            }
            if self.stand.is_silent(Instant::now()) {
                let at = at.max(upto);
                self.tell(Told::Progress, at, &frontier(at)).await?;
            }
        }
    }

    /// Tells something as soon as there is room.
    async fn tell(&self, told: Told, at: Frontier, body: &str) -> Result<(), Ended> {
        loop {
            match self.stand.tell(told, at, body) {
                Offered::Taken => return Ok(()),
                Offered::Full => self.outlet.room().await,
                Offered::Gone => return Err(Ended),
            }
        }
    }
}
