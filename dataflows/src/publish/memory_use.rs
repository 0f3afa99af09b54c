//! What the process retains, part by part, in one place: `limits.state_bytes` bounds the sum, `/metrics` shows the parts.
//!
//! Every byte counts in one part. Operators report what their state takes, by the capacity of what holds it; rings,
//! histories and logs add up their entries. Others register what they hold ([`Board::also_retains`]).

use std::fmt;
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
            IN_FLIGHT => "lower `limits.in_flight_records`",
            "fills" => "start anew: fills are kept for ever",
            _ => "take fewer instruments",
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

    /// Frees about so many bytes of what can shrink, of all of it the same share, the oldest first: of rings at once, of
    /// histories as workers compact them. A subscriber that is behind then gets a new snapshot.
    pub fn shed(&self, bytes: usize) {
        let rings = self.rings.iter().map(|ring| ring.bytes()).sum::<usize>()
            + self.tables.iter().map(|table| table.change_bytes()).sum::<usize>();
        let all = rings + self.history.bytes();
        if all == 0 {
            return;
        }
        let share = (bytes as f64 / all as f64).min(1.0);
        self.history.shed(share);
        let rest = |bytes: usize| (bytes as f64 * (1.0 - share)) as usize;
        self.rings.iter().for_each(|ring| ring.cut(rest(ring.bytes())));
        self.tables.iter().for_each(|table| table.cut_changes(rest(table.change_bytes())));
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
