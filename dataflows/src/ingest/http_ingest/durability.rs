//! Which commits the disk has, for requests that wait for theirs.

use std::time::Duration;

use market::Commit;
use tokio::sync::watch;

/// The commit up to which all are durable.
pub(super) struct Durability(watch::Sender<State>);

#[derive(Clone, Copy, Default)]
struct State {
    through: Option<Commit>,
    has_ended: bool,
}

impl Default for Durability {
    fn default() -> Durability {
        Durability(watch::channel(State::default()).0)
    }
}

impl Durability {
    /// Commits through this one are durable.
    pub(super) fn reach(&self, through: Commit) {
        self.0.send_if_modified(|state| {
            let is_news = state.through < Some(through);
            state.through = state.through.max(Some(through));
            is_news
        });
    }

    /// Nothing more becomes durable.
    pub(super) fn end(&self) {
        self.0.send_modify(|state| state.has_ended = true);
    }

    /// Waits at most so long until a commit is durable. Returns whether it is.
    pub(super) async fn reaches(&self, commit: Commit, within: Duration) -> bool {
        let is_durable = |state: &State| state.through >= Some(commit);
        let mut states = self.0.subscribe();
        if within.is_zero() || is_durable(&states.borrow()) {
            return is_durable(&states.borrow());
        }
        let reached = states.wait_for(|state| is_durable(state) || state.has_ended);
        match tokio::time::timeout(within, reached).await {
            Ok(Ok(state)) => is_durable(&state),
            _ => false,
        }
    }
}
