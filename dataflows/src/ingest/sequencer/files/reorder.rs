//! A bounded buffer that puts rows into order which are nearly so.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use market::EventTime;

use super::PlacedRow;

/// Rows that were read and not taken yet. The caller takes one for each that it adds beyond its bound.
#[derive(Default)]
pub(super) struct ReorderBuffer {
    /// Rows that came in order, which most do: each after those before it.
    in_order: VecDeque<PlacedRow>,
    /// The others.
    rest: BinaryHeap<Reverse<PlacedRow>>,
    /// The time of the row that was taken last.
    taken: Option<EventTime>,
}

impl ReorderBuffer {
    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.rest.len()
    }

    /// Adds a row; false if one that stands after it was taken already.
    pub(super) fn add(&mut self, row: PlacedRow) -> bool {
        if self.taken.is_some_and(|taken| row.time < taken) {
            return false;
        }
        match self.in_order.back() {
            Some(last) if row < *last => self.rest.push(Reverse(row)),
            _ => self.in_order.push_back(row),
        }
        true
    }

    /// Takes the first row.
    pub(super) fn take(&mut self) -> Option<PlacedRow> {
        let is_rest = match (self.in_order.front(), self.rest.peek()) {
            (Some(in_order), Some(Reverse(rest))) => rest < in_order,
            (in_order, _) => in_order.is_none(),
        };
        let row = match is_rest {
            true => self.rest.pop().map(|Reverse(row)| row),
            false => self.in_order.pop_front(),
        };
        self.taken = row.as_ref().map(|row| row.time).or(self.taken);
        row
    }
}

impl PlacedRow {
    fn key(&self) -> (EventTime, usize, u32, u64) {
        let (source, partition) = self.place;
        (self.time, source, partition, self.row.position)
    }
}

impl Ord for PlacedRow {
    fn cmp(&self, other: &PlacedRow) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for PlacedRow {
    fn partial_cmp(&self, other: &PlacedRow) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PlacedRow {
    fn eq(&self, other: &PlacedRow) -> bool {
        self.key() == other.key()
    }
}

impl Eq for PlacedRow {}
