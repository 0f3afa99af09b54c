//! Files that lie newest first, where trades of one time stand in the order of lines: that is the reverse of the order
//! in which they were made.

use connectors::Row;
use market::{Event, EventTime, InputEvent, InstrumentId, Trade};

use super::FilePlace;
use crate::ingest::sequencer::Naming;

/// So many trades of a file are looked at.
const LOOKED_AT: usize = 10_000;

/// In which direction the first trades of a file lie.
#[derive(Default)]
pub(super) struct LineOrder {
    trades: usize,
    last: Option<(InstrumentId, EventTime)>,
    descends: bool,
    ascends: bool,
    /// Trades of one instrument and time of which only their lines say which was first.
    has_ties: bool,
}

impl LineOrder {
    /// Looks at the next row of the file.
    pub(super) fn note(&mut self, row: &Row) {
        let Ok(InputEvent::Market(Event::New(trade))) = &row.event else { return };
        if self.trades == LOOKED_AT {
            return;
        }
        self.trades += 1;
        let Trade { instrument, time, is_positional, .. } = *trade;
        if let Some((before, last)) = self.last.replace((instrument, time)) {
            self.descends |= time < last;
            self.ascends |= time > last;
            self.has_ties |= (before, last) == (instrument, time) && is_positional;
        }
    }

    /// Whether times descend and never ascend, and lines alone say which of two trades was first.
    pub(super) fn is_turned_around(&self) -> bool {
        self.descends && !self.ascends && self.has_ties
    }
}

/// Tells of each of these files.
pub(super) fn report(turned_around: &[FilePlace], naming: &Naming<'_>) {
    for (source, partition) in turned_around {
        let file = naming.sources[*source].partitions.of(*partition);
        tracing::warn!(
            "{file} lies newest first, and some of its trades have the same time and no order of their own: the first line \
             counts as the first trade, though it was the last. `columns.sequence` (--sequence COLUMN) or `columns.id` \
             (--id COLUMN) with integers says which was first; without such a column, turn the lines around before"
        );
    }
}

#[cfg(test)]
mod tests {
    use market::{IdScope, InstrumentSpec, Price, Quantity, Side, TradeId, Updates};

    use super::*;

    fn is_told(trades: impl IntoIterator<Item = (&'static str, i64, bool)>) -> bool {
        let mut order = LineOrder::default();
        for (position, (name, time, is_positional)) in (1..).zip(trades) {
            let trade = Trade {
                instrument: InstrumentId::of(name),
                spec: InstrumentSpec::DEFAULT,
                scope: IdScope::of("x"),
                id: TradeId::Position(position),
                time: EventTime(time),
                sequence: position,
                is_positional,
                price: Price(1),
                quantity: Quantity(1),
                side: Side::Unknown,
                updates: Updates::ALL,
            };
            order.note(&Row::new(position, Ok(InputEvent::Market(Event::New(trade)))));
        }
        order.is_turned_around()
    }

    #[test]
    fn a_file_is_told_if_it_descends_and_has_ties_without_an_order() {
        let lines = |times: &[i64]| times.iter().map(|time| ("a", *time, true)).collect::<Vec<_>>();
        assert!(is_told(lines(&[3, 2, 2, 1])));
        for others in [&[][..], &[2, 2], &[3, 2, 1], &[1, 2, 2, 3], &[3, 2, 2, 3]] {
            assert!(!is_told(lines(others)), "{others:?}");
        }
        assert!(!is_told([("a", 3, false), ("a", 2, false), ("a", 2, false)]), "with sequences");
        assert!(!is_told([("a", 3, true), ("a", 2, true), ("b", 2, true)]), "no tie of one");
    }

    #[test]
    fn only_the_first_trades_count() {
        let descending = (0..LOOKED_AT as i64).map(|n| ("a", -n / 2, true));
        assert!(is_told(descending.chain([("a", 1, true)])));
    }
}
