//! Read-your-writes: `min_frontier=` names a completion token (or the number of a commit of this run) that the answer
//! must include, `wait_ms=` how long to wait for it. A token of an earlier run of a job that keeps its state is good if
//! its commit is left.
//!
//! `max_staleness=` is the bound of those who have no token: it refuses answers of views that lag behind the clock. The
//! age of views is that of their newest commit. A live job makes commits all the time, also while no rows come; views
//! that are old have a job behind them that stands still, recovers or replays.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use market::{Commit, EventTime};
use tokio::time::{Instant, sleep_until};

use super::parameter::{CountParameter, CountRange, ParameterType, RouteParameter};
use super::problem::{COMMIT_LOST, NOT_REACHED, Problem, STALE, UNAVAILABLE, VALIDATION};
use super::query::Query;
use super::{Context, closed};
use node_api::Located;
use node_api::ingest::Token;
use rows::{AsOf, Frontier, ViewReader};

/// The frontier that an answer must include.
pub(super) const MIN_FRONTIER: RouteParameter = RouteParameter::query(
    "min_frontier",
    ParameterType::MinFrontier,
    "the answer includes this commit",
);
/// The age that views may have.
pub(super) const MAX_STALENESS: RouteParameter = RouteParameter::query(
    "max_staleness",
    ParameterType::Duration,
    "views are at most so old: the time since the newest commit that they show; 503 if they are older",
);
/// The wait of a request.
pub(super) const WAIT_MS: CountParameter = CountParameter::milliseconds(
    "wait_ms",
    CountRange { least: 0, most: 30_000, default: 1_000 },
    "how long to wait until views are as new as `min_frontier` and `max_staleness` ask",
);
/// The poll interval of the frontier. A poll costs a lock, and few requests wait.
const FRONTIER_POLL: Duration = Duration::from_millis(3);

/// The least frontier of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadYourWrites {
    least: Option<Least>,
    max_age: Option<Duration>,
    wait: Duration,
}

/// A commit as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Least {
    Number(Commit),
    Token(Token),
}

impl ReadYourWrites {
    /// Parses [`MIN_FRONTIER`], [`MAX_STALENESS`] and [`WAIT_MS`].
    pub(super) fn read(query: &mut Query<'_>, context: &Context) -> ReadYourWrites {
        let least = query.parsed(&MIN_FRONTIER, |text| least(text, context));
        let max_age = query.duration(&MAX_STALENESS);
        if !query.has(&MIN_FRONTIER) && !query.has(&MAX_STALENESS) {
            let why =
                "says how long to wait for `min_frontier` or `max_staleness`, which are not given";
            query.reject(&WAIT_MS.declared, why);
        }
        let wait = Duration::from_millis(query.count(&WAIT_MS) as u64);
        ReadYourWrites { least, max_age, wait }
    }

    /// Waits until views are as new as that, unless the process stops or the key of the client ends before.
    pub(super) async fn reached(&self, context: &Context) -> Result<(), Problem> {
        let mut closing = context.closing.clone();
        tokio::select! {
            biased;
            reached = self.are_new(context) => reached,
            () = closed(&mut closing) => {
                let detail = "the process is stopping, or the key is good no more";
                Err(Problem::new(UNAVAILABLE, detail))
            }
        }
    }

    async fn are_new(&self, context: &Context) -> Result<(), Problem> {
        let deadline = Instant::now() + self.wait;
        let least = match self.least {
            None => None,
            Some(Least::Number(least)) => Some(least),
            Some(Least::Token(token)) => Some(located(context, token, self.wait).await?),
        };
        loop {
            let now = context.reader.frontier();
            let is_behind = least.is_some() && now.commit < least;
            let is_old = self.max_age.is_some_and(|most| age(now).is_none_or(|age| age > most));
            match (least, self.max_age) {
                _ if !is_behind && !is_old => return Ok(()),
                _ if Instant::now() < deadline => {}
                (Some(least), _) if is_behind => return Err(self.behind(now, least)),
                (_, most) => return Err(stale(now, most.unwrap_or_default())),
            }
            sleep_until(deadline.min(Instant::now() + FRONTIER_POLL)).await;
        }
    }

    fn behind(&self, now: Frontier, least: Commit) -> Problem {
        let now = now.commit;
        let now = now.map_or("before the first".to_owned(), |commit| format!("at commit {commit}"));
        let waited = self.wait.as_millis();
        let detail = format!("views are {now}, and not yet at commit {least} after {waited} ms");
        Problem::new(NOT_REACHED, detail)
    }
}

fn stale(now: Frontier, most: Duration) -> Problem {
    let age = match age(now) {
        Some(age) => format!("{} ms old", age.as_millis()),
        None => "before the first commit".to_owned(),
    };
    let detail = format!("views are {age}, and at most {} ms are asked for", most.as_millis());
    Problem::new(STALE, detail)
}

/// The time since a frontier by the system's clock; none before the first commit.
pub(super) fn age(frontier: Frontier) -> Option<Duration> {
    frontier.commit?;
    let nanos = system_time().0.saturating_sub(frontier.at.0);
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

fn system_time() -> EventTime {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(clock.as_nanos()).unwrap_or(i64::MAX))
}

/// Refuses what `as_of` asks for as long as it lies ahead: nobody knows yet what views will be then. A time is ahead of
/// the system's clock, and not of the last commit alone, so that `as_of` of this moment is answered.
pub(super) fn is_past(reader: &dyn ViewReader, as_of: Option<AsOf>) -> Result<(), Problem> {
    let now = reader.frontier();
    let clock = system_time();
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

/// The commit of a token. While a state is being restored, earlier runs are not known yet: waits for that.
async fn located(context: &Context, token: Token, wait: Duration) -> Result<Commit, Problem> {
    let deadline = Instant::now() + wait;
    loop {
        match context.lineage.locate(token) {
            Located::Survived(commit) => return Ok(commit),
            Located::Lost { last } => return Err(lost(token, last)),
            Located::Unknown => {
                let detail = format!("min_frontier={token} {OTHER_RUN}");
                return Err(Problem::new(VALIDATION, detail));
            }
            Located::Restoring if Instant::now() >= deadline => {
                let detail = "the state of the job is being restored, so it is not known yet what is left of the run of \
                              this token";
                return Err(Problem::new(NOT_REACHED, detail));
            }
            Located::Restoring => sleep_until(deadline.min(Instant::now() + FRONTIER_POLL)).await,
        }
    }
}

fn lost(token: Token, last: Option<Commit>) -> Problem {
    let last = last.map_or("nothing".to_owned(), |last| format!("commits through {last}"));
    let detail = format!(
        "commit {} of run {:x} did not survive a crash: of that run {last} were on the disk. What was posted since has to \
         be sent again, with the same `Idempotency-Key` if it had one",
        token.commit, token.run
    );
    Problem::new(COMMIT_LOST, detail)
}

/// The commit that a request names by its number, or by a token of a run whose commits are left.
pub(super) fn named_commit(text: &str, context: &Context) -> Result<Commit, (String, Vec<String>)> {
    match least(text, context)? {
        Least::Number(commit) => Ok(commit),
        Least::Token(token) => match context.lineage.locate(token) {
            Located::Survived(commit) => Ok(commit),
            _ => Err(("names a commit that is not there".to_owned(), Vec::new())),
        },
    }
}

const OTHER_RUN: &str = "is of another run of the process, of which this one knows nothing: without state, commits begin anew with each";

fn least(text: &str, context: &Context) -> Result<Least, (String, Vec<String>)> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = text.parse().ok().filter(|_| digits) {
        return Ok(Least::Number(Commit(number)));
    }
    let Ok(token) = text.parse::<Token>() else {
        let wrong = "is neither a completion token nor the number of a commit";
        return Err((wrong.to_owned(), Vec::new()));
    };
    match context.lineage.locate(token) {
        Located::Unknown => Err((OTHER_RUN.to_owned(), Vec::new())),
        _ => Ok(Least::Token(token)),
    }
}
