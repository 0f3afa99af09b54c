//! What clients see of rules, and ask for.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use market::{Commit, RuleId};
use node_api::{
    AlertAcknowledgement, ListedRule, PutOutcome, PutRule, RuleError, RuleFuture, RuleOrigin,
    RulesApi, is_invisible,
};

use super::change::RuleChange;
use super::configured::ConfiguredRules;
use super::job_rules::JobRules;
use super::raw::RawRule;
use super::requests::{RuleAnswer, RuleRequests};
use super::run_time::{RunTimeRule, RunTimeRules};

/// How long a request waits for its commit.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of the name of a rule that is put at run time.
const NAME_MAX: usize = 128;
/// The most bytes of such a rule.
const RULE_BYTES_MAX: usize = 16_384;

/// The rules of a live job, for clients; by default those of a job that has no bars. Clones share them.
#[derive(Clone, Default)]
pub struct RulesHandle {
    configured: Arc<ConfiguredRules>,
    run_time: Arc<RwLock<RunTimeRules>>,
    requests: RuleRequests,
}

impl RulesHandle {
    /// Those of `rules`, of a job with these rules in its configuration.
    pub fn of(rules: &JobRules, configured: Arc<ConfiguredRules>) -> RulesHandle {
        RulesHandle { configured, run_time: rules.shared(), requests: rules.requests() }
    }

    /// Where it asks for changes.
    pub fn requests(&self) -> &RuleRequests {
        &self.requests
    }

    fn all(&self) -> RunTimeRules {
        self.run_time.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listed(&self, name: &str, rule: &RunTimeRule) -> ListedRule {
        let origin = RuleOrigin::RunTime { since: rule.since, at: rule.at, by: rule.by.clone() };
        let problem = self.checked(name, &rule.rule).err();
        ListedRule { name: name.to_owned(), rule: rule.rule.clone(), origin, problem }
    }

    /// Whether a rule counts; in words, why not.
    fn checked(&self, name: &str, rule: &str) -> Result<(), String> {
        let terms = self.configured.terms.as_ref();
        let terms = terms.ok_or_else(|| "the job has no bars".to_owned())?;
        let raw: RawRule = serde_json::from_str(rule).map_err(|error| error.to_string())?;
        terms.rule(RawRule { name: name.to_owned(), ..raw }, RuleId(0), Commit(0)).map(drop)
    }

    /// A rule as a client has written it, as JSON with its name, if it is right.
    fn written(&self, name: &str, rule: &[u8]) -> Result<String, RuleError> {
        if self.configured.terms.is_none() {
            return Err(RuleError::NoBars);
        }
        if name.len() > NAME_MAX || name.chars().any(is_invisible) {
            let why = format!(
                "the name has at most {NAME_MAX} bytes, and no characters that control how it is shown"
            );
            return Err(RuleError::Invalid(why));
        }
        if rule.len() > RULE_BYTES_MAX {
            return Err(RuleError::Invalid(format!("a rule has at most {RULE_BYTES_MAX} bytes")));
        }
        // An array of the fields in their order would do, too.
        if rule.trim_ascii_start().first() != Some(&b'{') {
            return Err(RuleError::Invalid("the body is no rule: it is no object".to_owned()));
        }
        let mut raw: RawRule = serde_json::from_slice(rule)
            .map_err(|error| RuleError::Invalid(format!("the body is no rule: {error}")))?;
        if raw.name.is_empty() {
            name.clone_into(&mut raw.name);
        }
        if raw.name != name {
            let why = format!("the path names the rule `{name}`, and `name` is `{}`", raw.name);
            return Err(RuleError::Invalid(why));
        }
        let written = serde_json::to_string(&raw);
        let written = written.map_err(|error| RuleError::Invalid(error.to_string()))?;
        self.checked(name, &written).map_err(RuleError::Invalid)?;
        Ok(written)
    }

    /// Asks for a change, and waits for its commit.
    async fn ask(&self, change: RuleChange) -> Result<RuleAnswer, RuleError> {
        let answered = self.requests.ask(change)?;
        match tokio::time::timeout(COMMIT_TIMEOUT, answered).await {
            Ok(answer) => answer.map_err(|_| RuleError::Closed)?,
            Err(_) => Err(RuleError::Late { seconds: COMMIT_TIMEOUT.as_secs() }),
        }
    }

    fn refuse_configured(&self, name: &str) -> Result<(), RuleError> {
        match self.configured.named(name) {
            Some(_) => Err(RuleError::Configured(name.to_owned())),
            None => Ok(()),
        }
    }
}

impl RulesApi for RulesHandle {
    fn rules(&self) -> Vec<ListedRule> {
        let configured = self.configured.raw.iter().map(|raw| ListedRule {
            name: raw.name.clone(),
            rule: serde_json::to_string(raw).unwrap_or_default(), // texts and finite numbers
            origin: RuleOrigin::Configuration,
            problem: None,
        });
        let run_time = self.all();
        let run_time = run_time.iter().filter(|(name, _)| self.configured.named(name).is_none());
        configured.chain(run_time.map(|(name, rule)| self.listed(name, rule))).collect()
    }

    fn put(&self, name: String, rule: Vec<u8>, by: String) -> RuleFuture<'_, PutRule> {
        Box::pin(async move {
            self.refuse_configured(&name)?;
            let rule = self.written(&name, &rule)?;
            let change = RuleChange::Put { name: name.clone(), rule: rule.clone(), by };
            let RuleAnswer { before, now, .. } = self.ask(change).await?;
            let outcome = match &before {
                None => PutOutcome::Created,
                Some(before) if before.rule == rule => PutOutcome::Unchanged,
                Some(_) => PutOutcome::Replaced,
            };
            let now = now.ok_or(RuleError::Closed)?; // a rule that was put is there
            Ok(PutRule { outcome, rule: self.listed(&name, &now) })
        })
    }

    fn delete(&self, name: String, by: String) -> RuleFuture<'_, Commit> {
        Box::pin(async move {
            self.refuse_configured(&name)?;
            let change = RuleChange::Delete { name: name.clone(), by };
            let RuleAnswer { commit, before, .. } = self.ask(change).await?;
            let known = || self.rules().into_iter().map(|rule| rule.name).collect();
            match before {
                Some(_) => Ok(commit),
                None => Err(RuleError::Unknown { name, known: known() }),
            }
        })
    }

    fn acknowledge(&self, alert: AlertAcknowledgement) -> RuleFuture<'_, Commit> {
        Box::pin(async move { Ok(self.ask(alert.into()).await?.commit) })
    }
}
