//! What the process retains, part by part, in one place: `limits.state_bytes` bounds the sum, `/metrics` shows the parts.
//!
//! Every byte counts in one part. Operators report what their state takes, by the capacity of what holds it; rings,
//! histories and logs add up their entries. Others register what they hold (`Board::also_retains`).

use std::fmt;

/// A part of what is retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPart {
    /// Its name: an operator's, or one of those below.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: usize,
}

/// What is retained at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse(pub Vec<MemoryPart>);

/// More is retained than `limits.state_bytes` allows, although what can shrink has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// The bytes of all parts that pausing can stop.
    pub bytes: usize,
    /// What they may be.
    pub limit: usize,
    /// The largest of these parts.
    pub largest: MemoryPart,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OverBudget { bytes, limit, largest } = self;
        write!(
            f,
            "{bytes} bytes are retained, `limits.state_bytes` allows {limit}; the largest part is `{}` with {}: {}, or \
             raise the limit",
            largest.name,
            largest.bytes,
            largest.relief()
        )
    }
}

/// Measures a part that does not belong to the board. It is called often, and must not block for long.
pub(super) type Measure = Box<dyn Fn() -> usize + Send + Sync>;

/// The lists of current rows, beside the rows themselves, which operators hold.
pub(super) const VIEWS: &str = "views";
/// What views were.
pub(super) const HISTORY: &str = "history";
/// The latest changes of keyed views.
pub(super) const RINGS: &str = "rings";
/// The rows of tables and their latest changes.
pub(super) const TABLES: &str = "tables";
/// The logs but for that of trades.
pub(super) const LOGS: &str = "logs";
/// The log of trades.
pub(super) const TRADE_LOG: &str = "trade_log";
/// Records dispatched whose commit is not complete.
pub const IN_FLIGHT: &str = "in_flight";
/// Rows that were read and are not bound to a commit.
pub const INPUT: &str = "input";
/// What sources wrote of ids that travel as hashes.
pub const ID_TEXTS: &str = "id_texts";
/// Part: states that wait to be written into a checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// Encoded messages that clients share.
pub const CLIENTS: &str = "clients";

impl MemoryUse {
    /// The sum of all parts.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|part| part.bytes).sum()
    }

    /// Whether more is retained than allowed. Rows that wait to be read do not count: their queues have bounds of their
    /// own, and stay full while sources pause.
    pub fn beyond(&self, limit: usize) -> Option<OverBudget> {
        let counted = || self.0.iter().filter(|part| part.name != INPUT);
        let bytes = counted().map(|part| part.bytes).sum();
        let largest = counted().copied().max_by_key(|part| part.bytes)?;
        (bytes > limit).then_some(OverBudget { bytes, limit, largest })
    }
}

impl MemoryPart {
    /// What makes it smaller: the key of the configuration that bounds it.
    pub fn relief(&self) -> &'static str {
        match self.name {
            "ledger" => "shorten `job.correction_horizon`",
            "rollups" | "signals" => "take fewer or longer `job.timeframes`",
            "indicators" => "take fewer `job.indicators` or fewer or longer `job.timeframes`",
            HISTORY => "lower `limits.history_bytes`",
            RINGS | TABLES => "lower `limits.ring_bytes`",
            LOGS => "lower `limits.log_bytes`",
            TRADE_LOG => "lower `limits.trade_log_bytes`",
            ID_TEXTS => "lower `limits.id_text_bytes`",
            IN_FLIGHT => "lower `limits.in_flight_records`",
            "fills" => "start anew: fills are kept for ever",
            _ => "take fewer instruments",
        }
    }
}
