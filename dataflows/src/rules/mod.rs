//! Rules: those of the configuration, and those that clients put while the job runs.
//!
//! A change of rules is a part of a commit, as rows are: clients ask for it ([`RuleRequests`]), the sequencer binds it
//! to the commit that it closes ([`JobRules::bind`]), the log and recordings hold it ([`RuleChange`]), and the
//! dispatcher makes of it what operators see ([`JobRules::apply`]). So whoever dispatches the same commits gets the
//! same rules.

mod api;
mod change;
mod configured;
mod job_rules;
mod raw;
mod requests;
mod run_time;
mod terms;
mod watching;

pub use api::RulesHandle;
pub use change::RuleChange;
pub use configured::ConfiguredRules;
pub use job_rules::JobRules;
pub use raw::{RawBreakout, RawCross, RawRule, RawThreshold};
pub use requests::{RuleAnswers, RuleRequests};
pub use run_time::{RULES_MAX, RunTimeRule, RunTimeRules};
pub use terms::{RuleTerms, find_number};
pub use watching::Watching;
