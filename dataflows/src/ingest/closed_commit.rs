//! A closed commit.

use std::sync::Arc;
use std::time::Instant;

use market::{AccountRecord, IdText, Record};

use super::idempotency::KeyedPost;
use super::input::ControlRecord;
use crate::clock::Binding;
use crate::rules::RuleChange;
use crate::views::DeadLetterRow;

/// A closed commit with everything that it binds.
pub struct ClosedCommit {
    /// What is decided for it.
    pub binding: Binding,
    /// Its trade records.
    pub records: Vec<Record>,
    /// Its account records.
    pub accounts: Vec<AccountRecord>,
    /// The texts of ids that were kept when its rows were bound, in this order.
    pub id_texts: Vec<IdText>,
    /// Its refused rows.
    pub refused: Vec<DeadLetterRow>,
    /// What happened to its sources, or was decided about them, in this order.
    pub control: Vec<ControlRecord>,
    /// The requests with a key whose rows it binds.
    pub posts: Vec<Arc<KeyedPost>>,
    /// What it says of rules and alerts, in this order.
    pub rule_changes: Vec<RuleChange>,
    /// Live: when a reader thread sent its oldest row.
    pub oldest: Option<Instant>,
}
