//! One partition of a bare file while it is merged with others.

use connectors::Row;
use market::EventTime;

use super::newest_first::LineOrder;
use super::{FilePlace, PlacedRow};
use crate::ingest::event_queues::EventReceiver;
use crate::ingest::input::{ControlEvent, SourceEvent};

/// A partition, and the rows of it that are at hand.
pub(super) struct FilePartition {
    pub(super) place: FilePlace,
    events: EventReceiver,
    /// The rest of the rows at hand.
    rows: std::vec::IntoIter<Row>,
    /// The time of the last row that had one.
    time: EventTime,
    order: LineOrder,
}

impl FilePartition {
    /// All of them, by their places.
    pub(super) fn all(mut partitions: Vec<(FilePlace, EventReceiver)>) -> Vec<FilePartition> {
        partitions.sort_by_key(|(place, _)| *place);
        let merged = |(place, events)| {
            let (rows, time) = (Vec::new().into_iter(), EventTime::NEVER);
            FilePartition { place, events, rows, time, order: LineOrder::default() }
        };
        partitions.into_iter().map(merged).collect()
    }

    /// The position of the next row, and the time at which it stands in the order of time; waits for the partition's
    /// reader thread if need be. None if there is none, also if the reader thread was stopped before the end. Hands on
    /// what else the thread reports.
    pub(super) fn head(
        &mut self,
        control: &mut impl FnMut(ControlEvent),
    ) -> Option<(u64, EventTime)> {
        while self.rows.as_slice().is_empty() {
            match self.events.recv()?.1 {
                SourceEvent::Rows { rows, .. } | SourceEvent::Posted { rows, .. } => {
                    self.rows = rows.into_iter();
                }
                SourceEvent::Drained { .. } => {} // files are never idle
                SourceEvent::Control(event) => {
                    let is_end = matches!(event, ControlEvent::Ended { .. });
                    control(event);
                    if is_end {
                        return None;
                    }
                }
            }
        }
        let row = self.rows.as_slice().first()?;
        Some((row.position, row.time().unwrap_or(self.time)))
    }

    /// Takes the next row, if it is at hand.
    pub(super) fn take(&mut self) -> Option<PlacedRow> {
        let row = self.rows.next()?;
        self.order.note(&row);
        self.time = row.time().unwrap_or(self.time);
        Some(PlacedRow { time: self.time, place: self.place, row })
    }
    /// Its place, if its rows lie newest first and lines alone say which of two trades was first.
    pub(super) fn turned_around(&self) -> Option<FilePlace> {
        self.order.is_turned_around().then_some(self.place)
    }
}
