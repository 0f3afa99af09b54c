//! What the process retains, part by part, in one place: `limits.state_bytes` bounds the sum, `/metrics` shows the parts.
//!
//! Every byte counts in one part. Operators report what their state takes, by the capacity of what holds it; rings,
//! histories and logs add up their entries. Others register what they hold ([`Board::also_retains`]).

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::board::Board;
use crate::views::kinds::LogBound;

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

/// Measures a part that does not belong to the board. It is called often, and must not block for long.
pub(super) type Measure = Box<dyn Fn() -> usize + Send + Sync>;

/// The lists of current rows, beside the rows themselves, which operators hold.
const VIEWS: &str = "views";
/// What views were.
pub(super) const HISTORY: &str = "history";
/// The latest changes of keyed views.
pub(super) const RINGS: &str = "rings";
/// The rows of tables and their latest changes.
const TABLES: &str = "tables";
/// The logs but for that of trades.
const LOGS: &str = "logs";
/// The log of trades.
const TRADE_LOG: &str = "trade_log";
/// Records dispatched whose commit is not complete.
pub const IN_FLIGHT: &str = "in_flight";
/// Rows that were read and are not bound to a commit.
pub const INPUT: &str = "input";
/// Encoded messages that clients share.
pub const CLIENTS: &str = "clients";

impl MemoryUse {
    /// The sum of all parts.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|part| part.bytes).sum()
    }

    /// The largest part.
    pub fn largest(&self) -> Option<MemoryPart> {
        self.0.iter().copied().max_by_key(|part| part.bytes)
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
            IN_FLIGHT => "lower `limits.in_flight_records`",
            _ => "raise `limits.state_bytes`",
        }
    }
}

impl Board {
    /// Registers a part that others hold.
    pub fn also_retains(
        &self,
        name: &'static str,
        measure: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push((name, Box::new(measure)));
    }

    /// What is retained now, part by part. Parts are always the same, in one order.
    pub fn retained(&self) -> MemoryUse {
        let mut parts: Vec<MemoryPart> = Vec::new();
        let mut add = |name: &'static str, bytes: usize| {
            match parts.iter_mut().find(|part| part.name == name) {
                Some(part) => part.bytes += bytes,
                None => parts.push(MemoryPart { name, bytes }),
            };
        };
        self.operators.iter().for_each(|name| add(name, 0));
        self.gauges.iter().for_each(|((_, name), gauge)| add(name, gauge.bytes()));
        add(VIEWS, self.view_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum());
        add(HISTORY, self.history.bytes());
        add(RINGS, self.rings.iter().map(|ring| ring.bytes()).sum());
        add(TABLES, self.tables.iter().map(|table| table.bytes()).sum());
        for log in self.logs.values() {
            let trades = log.bound() == LogBound::TradeLogBytes.key();
            add(if trades { TRADE_LOG } else { LOGS }, log.bytes());
        }
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.iter().for_each(|(name, measure)| add(name, measure()));
        MemoryUse(parts)
    }

    /// Records the bytes of a worker's arrangements of current rows.
    pub(super) fn report_view_bytes(&self, worker: usize, bytes: usize) {
        if let Some(of_worker) = self.view_bytes.get(worker) {
            of_worker.store(bytes, Ordering::Relaxed);
        }
    }
}

/// A number per worker, all zero.
pub(super) fn zeros(workers: usize) -> Vec<AtomicUsize> {
    (0..workers).map(|_| AtomicUsize::new(0)).collect()
}
