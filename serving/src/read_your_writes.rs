//! Read-your-writes: `min_frontier=` names a completion token (or the number of a commit of this run) that the answer
//! must include, `wait_ms=` how long to wait for it.

use std::time::Duration;

use market::Commit;
use tokio::time::{Instant, sleep_until};

use super::Context;
use super::problem::{NOT_REACHED, Problem};
use super::query::Query;
use crate::ingest_api::Token;
use rows::ViewReader;

/// The default wait of a request, and the longest one.
const WAIT_MS: (usize, usize) = (1_000, 30_000);
/// The poll interval of the frontier. A poll costs a lock, and few requests wait.
const FRONTIER_POLL: Duration = Duration::from_millis(3);

/// The least frontier of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadYourWrites {
    least: Option<Commit>,
    wait: Duration,
}

impl ReadYourWrites {
    /// Parses `min_frontier` and `wait_ms`.
    pub(super) fn read(query: &mut Query<'_>, context: &Context) -> ReadYourWrites {
        let given = query.parsed("min_frontier", |text| Ok(text.to_owned())).is_some();
        let least = query.parsed("min_frontier", |text| commit(text, context.run));
        if !given {
            query.reject("wait_ms", "says how long to wait for `min_frontier`, which is not given");
        }
        let wait = wait(query, "wait_ms");
        ReadYourWrites { least, wait }
    }

    /// Waits until views have reached the frontier.
    pub(super) async fn reached(&self, context: &Context) -> Result<(), Problem> {
        let Some(least) = self.least else { return Ok(()) };
        if reaches(&*context.reader, least, self.wait).await {
            return Ok(());
        }
        let now = context.reader.frontier().commit;
        let now = now.map_or("before the first".to_owned(), |commit| format!("at commit {commit}"));
        let detail = format!(
            "views are {now}, and not yet at commit {least} after {} ms",
            self.wait.as_millis()
        );
        Err(Problem::new(NOT_REACHED, detail))
    }
}

/// The wait that a parameter asks for.
pub(super) fn wait(query: &mut Query<'_>, name: &str) -> Duration {
    let ms = query.count(name, 0, WAIT_MS.1).unwrap_or(WAIT_MS.0);
    Duration::from_millis(ms as u64)
}

/// Waits at most `wait` until views are complete at a commit. Returns whether they are.
pub(super) async fn reaches(reader: &dyn ViewReader, commit: Commit, wait: Duration) -> bool {
    let deadline = Instant::now() + wait;
    loop {
        if reader.frontier().commit.is_some_and(|now| now >= commit) {
            return true;
        }
        let now = Instant::now();
        if now >= deadline {
            return false;
        }
        sleep_until(deadline.min(now + FRONTIER_POLL)).await;
    }
}

fn commit(text: &str, run: u64) -> Result<Commit, (String, Vec<String>)> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = text.parse().ok().filter(|_| digits) {
        return Ok(Commit(number));
    }
    match text.parse::<Token>() {
        Ok(token) if token.run == run => Ok(token.commit),
        Ok(_) => {
            let wrong = "is of another run of the process, and commits begin anew with each";
            Err((wrong.to_owned(), Vec::new()))
        }
        Err(()) => {
            let wrong = "is neither a completion token nor the number of a commit";
            Err((wrong.to_owned(), Vec::new()))
        }
    }
}
