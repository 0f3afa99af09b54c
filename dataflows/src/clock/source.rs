//! One source as the commit clock knows it: its partitions, and whether it has caught up since the start.

use market::EventTime;

use super::SourceTiming;
use super::clients::ClientClock;
use super::coverage::Coverage;
use super::partition::Partition;

/// What the clock knows of one source.
pub(super) struct SourceClock {
    pub(super) timing: SourceTiming,
    pub(super) partitions: Vec<Partition>,
    /// Of the source of clients alone.
    pub(super) clients: Option<ClientClock>,
    is_held: bool,
    /// When it was read again after it was held.
    resumed_at: EventTime,
    /// Whether each partition was at its end once.
    pub(super) has_caught_up: bool,
}

impl SourceClock {
    /// Before its first row, at system time `at`.
    pub(super) fn new(timing: SourceTiming, at: EventTime) -> SourceClock {
        let partitions = vec![Partition::fresh(at); timing.partitions];
        let clients = timing.clients.map(ClientClock::new);
        let (is_held, has_caught_up) = (false, false);
        SourceClock { timing, partitions, clients, is_held, resumed_at: at, has_caught_up }
    }

    /// Rows up to these positions are bound. A partition that is not there any more keeps its own.
    pub(super) fn go_on(&mut self, positions: &[u64], at: EventTime) {
        while self.partitions.len() < positions.len() {
            self.partitions.push(Partition::missing(at));
        }
        for (partition, position) in self.partitions.iter_mut().zip(positions) {
            partition.position = *position;
        }
    }

    pub(super) fn hold(&mut self, is_held: bool, at: EventTime) {
        if self.is_held && !is_held {
            self.resumed_at = at;
        }
        self.is_held = is_held;
    }

    /// The commit at hand closes at system time `now`. Gives the partitions that are given up from now on, or not any
    /// more.
    pub(super) fn close(&mut self, now: EventTime) -> impl Iterator<Item = (usize, bool)> {
        self.partitions.iter_mut().for_each(|partition| partition.close(now));
        self.clients.iter_mut().for_each(|clients| clients.close(now));
        let caught_up = |one: &Partition| one.is_done() || one.was_drained;
        self.has_caught_up |= self.partitions.iter().all(caught_up);
        let limit = self.timing.give_up_after.filter(|_| !self.is_held);
        let resumed_at = self.resumed_at;
        self.partitions.iter_mut().enumerate().filter_map(move |(number, partition)| {
            let quiet_since = partition.heard_at().max(resumed_at);
            let is_given_up = !partition.is_done() && quiet_since.after(limit?) <= now;
            let was = std::mem::replace(&mut partition.is_given_up, is_given_up);
            (was != is_given_up).then_some((number, is_given_up))
        })
    }

    /// No event before this is expected of it, as its partitions say at system time `now`.
    pub(super) fn watermark(&mut self, now: EventTime) -> EventTime {
        let timing = &self.timing;
        let of_partition = |partition: &Partition| match &mut self.clients {
            Some(clients) if !partition.is_done() => {
                let through = partition.drained_through();
                through.map_or(EventTime::NEVER, |through| clients.watermark(through))
            }
            _ => partition.watermark(timing, now),
        };
        self.partitions.iter().map(of_partition).min().unwrap_or(EventTime::END)
    }

    /// Whether others wait for it at system time `now`, since it has not caught up after the start.
    pub(super) fn is_awaited(&self, now: EventTime) -> bool {
        self.timing.is_awaited && !self.has_caught_up && !self.is_covered_silence(now)
    }

    /// Whether others may carry on for it at system time `now`, since it is silent.
    pub(super) fn is_covered_silence(&self, now: EventTime) -> bool {
        // What waits since it was paused comes yet.
        let is_silent = |idle| {
            self.resumed_at.after(idle) <= now
                && self.partitions.iter().any(|one| one.is_silent(idle, now))
        };
        let back_fills = self.timing.back_fills && !self.has_caught_up;
        self.timing.coverage == Coverage::Any
            && !back_fills
            && self.timing.idle_after.is_some_and(is_silent)
    }

    /// Per partition, the position up to which rows are bound.
    pub(super) fn positions(&self) -> Vec<u64> {
        self.partitions.iter().map(|partition| partition.position).collect()
    }
}
