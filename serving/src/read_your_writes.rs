//! Read-your-writes: `min_frontier=` names a completion token (or the number of a commit of this run) that the answer
//! must include, `wait_ms=` how long to wait for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use market::{Commit, EventTime};
use tokio::time::{Instant, sleep_until};

use super::Context;
use super::parameter::{CountParameter, CountRange, ParameterType, RouteParameter};
use super::problem::{NOT_REACHED, Problem};
use super::query::Query;
use node_api::ingest::Token;
use rows::{AsOf, ViewReader};

/// The frontier that an answer must include.
pub(super) const MIN_FRONTIER: RouteParameter = RouteParameter::query(
    "min_frontier",
    ParameterType::MinFrontier,
    "the answer includes this commit",
);
/// The wait of a request.
pub(super) const WAIT_MS: CountParameter = CountParameter::milliseconds(
    "wait_ms",
    CountRange { least: 0, most: 30_000, default: 1_000 },
    "how long to wait until views are complete at the commit that is asked for",
);
/// The poll interval of the frontier. A poll costs a lock, and few requests wait.
const FRONTIER_POLL: Duration = Duration::from_millis(3);

/// The least frontier of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadYourWrites {
    least: Option<Commit>,
    wait: Duration,
}

impl ReadYourWrites {
    /// Parses [`MIN_FRONTIER`] and [`WAIT_MS`].
    pub(super) fn read(query: &mut Query<'_>, context: &Context) -> ReadYourWrites {
        let least = query.parsed(&MIN_FRONTIER, |text| commit(text, context.run.0));
        if !query.has(&MIN_FRONTIER) {
            query.reject(
                &WAIT_MS.declared,
                "says how long to wait for `min_frontier`, which is not given",
            );
        }
        let wait = wait(query);
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

/// Refuses what `as_of` asks for as long as it lies ahead: nobody knows yet what views will be then. A time is ahead of
/// the system's clock, and not of the last commit alone, so that `as_of` of this moment is answered.
pub(super) fn is_past(reader: &dyn ViewReader, as_of: Option<AsOf>) -> Result<(), Problem> {
    let now = reader.frontier();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = EventTime(i64::try_from(clock.as_nanos()).unwrap_or(i64::MAX));
    let at = now.commit.map_or("before the first".to_owned(), |now| format!("at commit {now}"));
    match as_of {
        Some(AsOf::Commit(asked)) if now.commit.is_none_or(|now| now < asked) => {
            let detail = format!("views are {at}, and not yet at commit {asked}");
            Err(Problem::new(NOT_REACHED, detail))
        }
        Some(AsOf::Time(asked)) if asked > now.at.max(clock) => {
            let (asked, clock) = (asked.rfc3339(), clock.rfc3339());
            let detail = format!("as_of={asked} lies ahead: it is {clock}, and views are {at}");
            Err(Problem::new(NOT_REACHED, detail))
        }
        _ => Ok(()),
    }
}

/// The wait that [`WAIT_MS`] asks for.
pub(super) fn wait(query: &mut Query<'_>) -> Duration {
    Duration::from_millis(query.count(&WAIT_MS) as u64)
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
