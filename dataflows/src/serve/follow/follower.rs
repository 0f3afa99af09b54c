//! One client's way through one view.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::crier::{Closed, Known, Listening};
use super::frames::frontier;
use super::message::{Offered, Outlet, Told};
use super::stand::Stand;
use super::wish::Wish;
use crate::serve::Context;
use crate::views::{Frontier, ReadError};

/// Follows a view for a client.
pub(crate) struct Follower {
    context: Context,
    wish: Wish,
    outlet: Arc<dyn Outlet>,
    stand: Arc<Stand>,
}

/// What ends what a follower tells. Once it returns, its client is told nothing more.
pub(crate) struct Leave(Arc<Stand>);

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
                self.tell(Told::Resync, at, &body.into()).await?;
            }
            if self.wish.snapshot || resync.is_some() {
                self.tell_snapshot().await?;
            } else {
                let at = self.context.reader.frontier();
                self.tell(Told::Progress, at, &frontier(at).into()).await?;
            }
            let Gone = self.tell_changes(&listening).await?;
            resync = Some("history_compacted");
        }
    }

    /// Tells all rows as of one frontier. A part is not made before the client has room for it.
    async fn tell_snapshot(&self) -> Result<(), Ended> {
        let Wish { told, log_rows, .. } = &self.wish;
        let snapshots = &self.context.frames.snapshots;
        self.outlet.room().await;
        let shared = snapshots.join(told, *log_rows);
        let mut next = Some(shared.begin(&self.context).await.map_err(|_| Ended)?);
        while let Some(place) = next {
            self.outlet.room().await;
            let part = snapshots.part(&self.context, &shared, &place).await;
            let part = part.map_err(|_| Ended)?;
            self.tell(Told::Snapshot, part.at, &part.body).await?;
            next = part.next;
        }
        self.stand.call(); // others may have begun it earlier: what has changed since is told at once
        Ok(())
    }

    /// Tells every change after what was told last, or has it told, until some are no longer kept.
    async fn tell_changes(&self, listening: &Listening) -> Result<Gone, Ended> {
        let Wish { told: telling, conflate, .. } = &self.wish;
        loop {
            if conflate.is_zero() {
                self.stand.ready();
            }
            self.stand.called().await;
            // What is read before there is room would be held for a client that may never take it.
            self.outlet.room().await;
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
                    Err(ReadError::Gone { .. } | ReadError::Compacted { .. }) => return Ok(Gone),
                    Err(ReadError::Full { .. } | ReadError::Waited { .. }) => self.stand.call(),
                    Err(ReadError::Closed) => return Err(Ended),
                }
            }
            if self.stand.is_silent(Instant::now()) {
                let at = at.max(upto);
                self.tell(Told::Progress, at, &frontier(at).into()).await?;
            }
        }
    }

    /// Tells something as soon as there is room.
    async fn tell(&self, told: Told, at: Frontier, body: &Arc<str>) -> Result<(), Ended> {
        loop {
            match self.stand.tell(told, at, body) {
                Offered::Taken => return Ok(()),
                Offered::Full => self.outlet.room().await,
                Offered::Gone => return Err(Ended),
            }
        }
    }
}
