//! What a board retains, and how that shrinks.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::board::Board;
use super::memory_use::{HISTORY, LOGS, MemoryPart, MemoryUse, RINGS, TABLES, TRADE_LOG, VIEWS};
use crate::views::kinds::LogBound;

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
