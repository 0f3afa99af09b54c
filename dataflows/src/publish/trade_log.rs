//! The trade log: accepted trades, corrections and cancels, by commit. It has a row per record, so its entries are what
//! workers have: they append the ledger's output unchanged, and readers make cells of it.

use std::sync::Arc;

use market::{AcceptedEvent, Commit};

use super::change_log::{ChangeLog, Retained};
use super::log_rows::{LogEntry, LogQuery};
use crate::views::TradeRow;
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Labels, Row, RowFilter};

/// The view of the trade log.
pub const TRADE_LOG: &str = "trades";

/// A subscriber more than this many rows behind gets a resync: as cells, rows take several times the memory that they
/// take here.
const CATCH_UP_ROWS_MAX: usize = 50_000;

/// The events of one shard in a commit.
pub type ShardEvents = Arc<Vec<AcceptedEvent>>;

/// The accepted events of the latest commits.
pub type TradeLog = ChangeLog<ShardEvents>;

impl TradeLog {
    /// Whether the log is on: a bound of 0 turns it off, and events need not be appended.
    pub fn is_enabled(&self) -> bool {
        self.bytes_max() > 0
    }

    /// The selected rows after one commit (none: from the beginning) up to another, in order; none if some were
    /// dropped, or if they are more than one update may have.
    pub(super) fn update(
        &self,
        query: LogQuery<'_>,
        (after, through): (Option<Commit>, Commit),
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
        let Some(commits) = self.between(after, through) else { return Ok(None) };
        let (rows, more) = query.first(&commits, (false, CATCH_UP_ROWS_MAX), allowance)?;
        Ok((!more).then_some(rows))
    }
}

impl Retained for ShardEvents {
    /// The events, a small allocation and entries of lists.
    fn bytes(&self) -> usize {
        self.capacity() * size_of::<AcceptedEvent>() + 96
    }

    fn rows(&self) -> u64 {
        self.len() as u64
    }
}

impl LogEntry for ShardEvents {
    type Row = AcceptedEvent;

    /// In the order of records, filtered by instrument.
    fn in_order<'a>(parts: &'a [ShardEvents], filter: &RowFilter) -> Vec<&'a AcceptedEvent> {
        let instruments = filter.instruments.as_ref();
        let all = parts.iter().flat_map(|part| part.iter());
        let mut own: Vec<&AcceptedEvent> =
            all.filter(|s| instruments.is_none_or(|of| of.contains(&s.instrument))).collect();
        own.sort_unstable_by_key(|statement| statement.origin);
        own
    }

    fn cells(statement: &AcceptedEvent, commit: Commit, labels: &Labels) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(TradeRow::COLUMNS.len());
        TradeRow { commit, statement, labels }.cells(&mut cells);
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::change_log::{Commits, Exempt};
    use crate::views::view;
    use market::{
        Event, IdScope, InstrumentId, NameOrder, Origin, PartitionId, Record, SourceId, TradeId,
        TradeRef,
    };

    fn cancel(instrument: u64, position: u64) -> AcceptedEvent {
        let instrument = InstrumentId(instrument);
        let of = TradeRef { instrument, scope: IdScope(0), id: TradeId::Number(position) };
        let origin = Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(0),
            partition: PartitionId(0),
            position,
        };
        AcceptedEvent::of(&Record { origin, event: Event::Cancel { of, time: None } })
    }

    /// The commit and position of each row.
    fn positions(rows: &[Vec<Cell>]) -> Vec<(Cell, Cell)> {
        rows.iter().map(|row| (row[0].clone(), row[11].clone())).collect()
    }

    fn cell(commit: u64, position: u64) -> (Cell, Cell) {
        (Cell::Unsigned(commit), Cell::Unsigned(position))
    }

    #[test]
    fn rows_are_in_the_order_of_records_and_the_oldest_commits_go() {
        let part = |statements: &[AcceptedEvent]| Arc::new(statements.to_vec());
        let two = part(&[cancel(1, 1), cancel(1, 2)]);
        let bytes_max = 3 * (two.bytes() + part(&[cancel(2, 0)]).bytes());
        let log = TradeLog::new(bytes_max, Exempt::NewestCommit);
        for commit in 0..5 {
            log.append(Commit(commit), part(&[cancel(1, 3), cancel(1, 5)]));
            log.append(Commit(commit), part(&[cancel(2, 4)]));
        }
        let (labels, view) = (Labels::default(), view(TRADE_LOG).unwrap());
        let (all, own) = (RowFilter::default(), RowFilter::of_instrument(InstrumentId(2)));
        let first = |filter, commits: &Commits<ShardEvents>, order| {
            let query = LogQuery { view, filter, labels: &labels };
            let (rows, more) = query.first(commits, order, &mut Allowance::unlimited()).unwrap();
            (positions(&rows), more)
        };
        let both = |commit| [cell(commit, 3), cell(commit, 4), cell(commit, 5)];
        let rows = [both(2), both(3)].concat();
        assert_eq!(first(&all, &log.through(Commit(3)), (false, 9)), (rows, false));
        let rows = vec![cell(4, 5), cell(4, 4)];
        assert_eq!(first(&all, &log.through(Commit(9)), (true, 2)), (rows, true));
        let query = |filter| LogQuery { view, filter, labels: &labels };
        let update = |after| {
            let span = (Some(Commit(after)), Commit(4));
            log.update(query(&own), span, &mut Allowance::unlimited()).unwrap()
        };
        assert_eq!(positions(&update(2).unwrap()), [cell(3, 4), cell(4, 4)]);
        assert!(update(0).is_none());
        assert_eq!((log.appended(), log.dropped()), (15, 6));
        let long = TradeLog::new(1 << 30, Exempt::NewestCommit);
        let many = (0..=CATCH_UP_ROWS_MAX as u64).map(|position| cancel(1, position));
        long.append(Commit(0), Arc::new(many.collect()));
        long.append(Commit(1), part(&[cancel(1, 1)]));
        let rows = |after| {
            let span = (after, Commit(1));
            long.update(query(&all), span, &mut Allowance::unlimited()).unwrap()
        };
        let few = &mut Allowance::of(CATCH_UP_ROWS_MAX);
        let read = query(&all).first(&long.through(Commit(1)), (false, 1), few);
        assert!(read.is_err(), "a long read");
        let after_first = rows(Some(Commit(0))).unwrap().len();
        assert_eq!((rows(None), after_first), (None, 1), "too far behind, and not");
    }
}
