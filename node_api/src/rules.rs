//! The rules of a node: what its server shows of them, and lets clients change.

use std::future::Future;
use std::pin::Pin;

use market::{Commit, EventTime, InstrumentId, Timeframe};

/// The rules of a node, and the alerts that they raise.
///
/// What is asked for happens with one of the next commits. The answer comes when that commit is on its way to the
/// workers: views show it as soon as they are complete at the end of its round.
pub trait RulesApi: Send + Sync {
    /// All rules: those of the configuration in its order, then those that were put at run time in the order of names.
    fn rules(&self) -> Vec<ListedRule>;

    /// Puts a rule, given as the JSON form of a `[[rule]]` of the configuration, instead of one of the same name.
    fn put(&self, name: String, rule: Vec<u8>, by: String) -> RuleFuture<'_, PutRule>;

    /// Deletes a rule; gives the commit from which on it does not count.
    fn delete(&self, name: String, by: String) -> RuleFuture<'_, Commit>;

    /// Acknowledges an alert; gives the commit that says so. It has no effect if the alert is not raised then.
    fn acknowledge(&self, alert: AlertAcknowledgement) -> RuleFuture<'_, Commit>;
}

/// The answer to a request, when a commit has what it asks for.
pub type RuleFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, RuleError>> + Send + 'a>>;

/// Whether a character of a name or a note would change how what stands beside it is shown: a control character, or one
/// that turns the direction of the text.
pub fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRule {
    /// Its name.
    pub name: String,
    /// The JSON form of its `[[rule]]`.
    pub rule: String,
    /// Where it comes from.
    pub origin: RuleOrigin,
    /// Why it does not count, if it does not: the configuration has changed, and lacks what it refers to.
    pub problem: Option<String>,
}

/// Where a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOrigin {
    /// The configuration has it.
    Configuration,
    /// It was put at run time.
    RunTime {
        /// The commit from which on it counts as it is.
        since: Commit,
        /// The system time of that commit.
        at: EventTime,
        /// The name of the API key that has put it; empty where there are no keys.
        by: String,
    },
}

/// A rule that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRule {
    /// What has become of the request.
    pub outcome: PutOutcome,
    /// The rule as it is now.
    pub rule: ListedRule,
}

/// What has become of a request to put a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// No rule had this name.
    Created,
    /// Another rule had this name.
    Replaced,
    /// The same rule was there already.
    Unchanged,
}

/// An alert, and who acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertAcknowledgement {
    /// The instrument of its bar.
    pub instrument: InstrumentId,
    /// The timeframe of its bar.
    pub timeframe: Timeframe,
    /// When its bar opens.
    pub open_time: EventTime,
    /// The name of its rule.
    pub rule: String,
    /// The name of whoever acknowledges it.
    pub by: String,
    /// What they say; empty if nothing.
    pub note: String,
}

/// Why rules are not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No rule has this name.
    #[error("no rule is named `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The names of all rules.
        known: Vec<String>,
    },
    /// It is a rule of the configuration.
    #[error("the rule `{0}` is in the configuration: change it there, and start the process again")]
    Configured(String),
    /// It is no rule of this job; in words, with what is possible.
    #[error("{0}")]
    Invalid(String),
    /// There are as many as are possible.
    #[error("{most} rules were put at run time, which is the most: delete one first")]
    Full {
        /// How many are possible.
        most: usize,
    },
    /// Its name cannot be taken, for this reason.
    #[error("{0}")]
    Refused(String),
    /// The job has no bars.
    #[error("the job has no bars, so it has no rules (`kind` in `[job]`)")]
    NoBars,
    /// Too many requests wait for a commit.
    #[error("too many changes of rules wait for a commit already")]
    Busy,
    /// No commits are made.
    #[error("no commits are made now: the process is stopping, or its state is being restored")]
    Closed,
    /// No commit was made in time.
    #[error("no commit was made within {seconds} s; the change may be in one of the next")]
    Late {
        /// How long was waited.
        seconds: u64,
    },
}
