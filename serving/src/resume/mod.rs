//! Where a client that comes back goes on: its token, and what is left of what it names.
//!
//! A client that has the rows of a query up to some commit holds a token that says so. It shows the token with the same
//! query, on any transport, also to a later start of a job that keeps its state. Then it gets only what it missed, or is
//! told why that is not possible, and gets a snapshot.

mod token;

use std::time::Duration;

use node_api::Located;
use node_api::ingest::Token;
use tokio::time::{Instant, sleep};

use crate::Context;
use crate::problem::Problem;
use rows::{Frontier, ReadError, View, ViewKind};

pub use token::ResumeTokens;
pub(crate) use token::{folded, folded_all};

/// Why a client has to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotResumed {
    /// The token is damaged, of another job, of a job without state that has started anew, or ahead of all commits.
    UnknownToken,
    /// It was given for another view, filter or choice of columns.
    OtherQuery,
    /// The configuration of the job or its program has changed what rows are.
    ViewsChanged,
    /// Its commit was not on the disk when the machine crashed.
    CommitLost,
    /// It is of a start of the job that is no longer known.
    UnknownRun,
    /// The view describes the process, and the token is of another process.
    OtherProcess,
    /// Changes after it are no longer kept.
    HistoryCompacted,
}

/// All of them.
#[cfg(test)]
pub(crate) const REASONS: [NotResumed; 7] = [
    NotResumed::UnknownToken,
    NotResumed::OtherQuery,
    NotResumed::ViewsChanged,
    NotResumed::CommitLost,
    NotResumed::UnknownRun,
    NotResumed::OtherProcess,
    NotResumed::HistoryCompacted,
];

impl NotResumed {
    /// The word in messages.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotResumed::UnknownToken => "unknown_token",
            NotResumed::OtherQuery => "other_query",
            NotResumed::ViewsChanged => "views_changed",
            NotResumed::CommitLost => "commit_lost",
            NotResumed::UnknownRun => "unknown_run",
            NotResumed::OtherProcess => "other_process",
            NotResumed::HistoryCompacted => "history_compacted",
        }
    }
}

/// How long a subscription waits until the state is restored. A browser that is refused does not come back.
const RESTORE_WAIT: Duration = Duration::from_secs(60);
/// How often it is asked whether the state is restored.
const RESTORE_POLL: Duration = Duration::from_millis(20);

/// Waits until the state of the job is restored: before that, neither names nor rows are whole.
pub(crate) async fn restored(context: &Context) -> Result<(), Problem> {
    let deadline = Instant::now() + RESTORE_WAIT;
    while context.lineage.is_restoring() {
        if Instant::now() >= deadline || *context.closing.borrow() {
            return Err(ReadError::Restoring.into());
        }
        sleep(RESTORE_POLL).await;
    }
    Ok(())
}

/// The frontier after which a client with this token goes on, with the views of one query, whose hash is `query`. While
/// the state of the job is being restored, waits for that.
pub(crate) async fn position(
    context: &Context,
    views: &[&'static View],
    query: u32,
    token: &str,
) -> Result<Frontier, NotResumed> {
    let position = context.resume.decode(token).ok_or(NotResumed::UnknownToken)?;
    if position.query != query {
        return Err(NotResumed::OtherQuery);
    }
    if position.views != context.resume.views() {
        return Err(NotResumed::ViewsChanged);
    }
    // A log that is not recorded follows from the commits all the same; a table is of the process.
    let is_of_process = |view: &&View| !view.recorded && view.kind == ViewKind::Keyed;
    if position.run != context.run && views.iter().any(is_of_process) {
        return Err(NotResumed::OtherProcess);
    }
    let token = Token { run: position.run.0, commit: position.commit };
    loop {
        match context.lineage.locate(token) {
            Located::Survived(commit) if context.reader.frontier().commit >= Some(commit) => {
                return Ok(Frontier { commit: Some(commit), at: position.at });
            }
            Located::Survived(_) => return Err(NotResumed::UnknownToken),
            Located::Lost { .. } => return Err(NotResumed::CommitLost),
            Located::Unknown => return Err(NotResumed::UnknownRun),
            Located::Restoring => sleep(RESTORE_POLL).await,
        }
    }
}
