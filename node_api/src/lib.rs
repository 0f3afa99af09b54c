//! What a node tells its server beside its views: its health, its metrics, where rows of clients go, its rules,
//! which commits of earlier starts are left, whom it answers, and what its API keys allow.
//!
//! The server and the job know these types, and nothing of each other.

mod access;
mod api_keys;
mod client_limits;
mod control;
mod health;
pub mod ingest;
mod lineage;
mod listen;
mod metrics;
mod row_limits;
mod rules;
mod scopes;
mod throttle;
mod tls_files;

pub use access::{AccessError, HttpAccess, is_address};
pub use api_keys::{
    ApiKey, KEY_NAME_MAX, KEYS_MAX, KeyRefusal, KeySecret, KeySet, KeySetError, PresentedKey,
    SecretHash, is_key_id,
};
pub use client_limits::ClientLimits;
pub use control::ControlApi;
pub use health::{Check, Component, Health, Readiness, Status};
pub use lineage::{ANCESTORS_MAX, Ancestor, Lineage, Located};
pub use listen::{NeedsKeys, may_listen};
pub use metrics::MetricsText;
pub use row_limits::RowLimits;
pub use rules::{
    AlertAcknowledgement, ListedRule, PutOutcome, PutRule, RuleError, RuleFuture, RuleOrigin,
    RulesApi, is_invisible,
};
pub use scopes::{Scope, Scopes, UnknownScope};
pub use throttle::{Over, Throttle, Told};
pub use tls_files::TlsFiles;
