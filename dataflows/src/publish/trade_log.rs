//! The trade log: accepted trades, corrections and cancels, by commit. It has a row per record, so it is a type of its
//! own: workers append the ledger's output unchanged, and readers make cells of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::{AcceptedEvent, Commit};
use tokio::sync::watch;

use super::snapshots::{self, LogQuery};
use crate::readers::{Allowance, Exceeded};
use crate::views::{Cell, Labels, Row, RowFilter, TradeRow, View};

/// The view of the trade log.
pub const TRADE_LOG: &str = "trades";

/// A subscriber more than this many rows behind gets a resync: as cells, rows take several times the memory that they
/// take here.
const CATCH_UP_ROWS_MAX: usize = 50_000;

/// The events of one shard in a commit.
pub(super) type ShardEvents = Arc<Vec<AcceptedEvent>>;

/// The events of all shards in a commit. Shared, so that readers hold the lock only for a moment.
pub(super) type CommitEvents = Arc<Vec<ShardEvents>>;

/// Why a scan ended before the last row.
#[derive(Debug)]
pub(super) enum ScanEnd<E> {
    /// The rows are more than the read's allowance.
    Exceeded,
    /// The callback returned an error.
    Stopped(E),
}

impl<E> From<Exceeded> for ScanEnd<E> {
    fn from(_: Exceeded) -> ScanEnd<E> {
        ScanEnd::Exceeded
    }
}

/// The accepted events of the latest commits.
///
/// If they exceed their bound, the oldest commits are dropped whole; [`TradeLog::dropped`] counts their rows.
pub struct TradeLog {
    inner: Mutex<Inner>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    commits: BTreeMap<Commit, CommitEvents>,
    bytes: usize,
    appended: u64,
    dropped: u64,
    /// Commits up to this one were dropped.
    dropped_through: Option<Commit>,
    /// The latest commit with a row of which subscribers were not notified.
    unannounced: Option<Commit>,
}

impl TradeLog {
    /// An empty log of at most `bytes_max` bytes; 0 turns it off.
    pub fn new(bytes_max: usize) -> TradeLog {
        TradeLog { inner: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Whether events are retained; else they need not be appended.
    pub fn is_enabled(&self) -> bool {
        self.bytes_max > 0
    }

    /// Appends the events of one shard in a commit.
    pub fn append(&self, commit: Commit, part: ShardEvents) {
        let mut inner = self.lock();
        inner.appended += part.len() as u64;
        if inner.dropped_through.is_some_and(|gone| commit <= gone) {
            inner.dropped += part.len() as u64;
            return;
        }
        inner.bytes += bytes(&part);
        inner.unannounced = inner.unannounced.max(Some(commit));
        Arc::make_mut(inner.commits.entry(commit).or_default()).push(part);
        while inner.bytes > self.bytes_max && inner.commits.len() > 1 {
            let Some((commit, parts)) = inner.commits.pop_first() else { break };
            inner.bytes -= parts.iter().map(bytes).sum::<usize>();
            inner.dropped += parts.iter().map(|part| part.len() as u64).sum::<u64>();
            inner.dropped_through = Some(commit);
        }
    }

    /// The retained events up to commit `through`, shared. The call takes the lock that workers take to append: a
    /// thread of low priority must not call it.
    pub(super) fn commits(&self, through: Commit) -> Vec<(Commit, CommitEvents)> {
        self.lock().between(Commit(0), through)
    }

    /// The filtered rows from commit `from` up to `through`, in order; none if some were dropped, or if they are more
    /// than one update may have.
    pub fn between(
        &self,
        (view, filter): (&View, &RowFilter),
        from: Commit,
        through: Commit,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
        let commits = {
            let inner = self.lock();
            if inner.dropped_through.is_some_and(|gone| gone >= from) {
                return Ok(None);
            }
            inner.between(from, through)
        };
        let mut rows = Vec::new();
        for (commit, parts) in commits {
            allowance.take(count(&parts))?;
            let own = in_order(&parts, filter).into_iter();
            let own = own.map(|statement| row(commit, statement, labels));
            rows.extend(own.filter(|cells| filter.fits(view, cells)));
            if rows.len() > CATCH_UP_ROWS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }

    /// Notifies subscribers that all commits before this number are complete, if the log may have new rows.
    pub fn complete(&self, complete_before: u64) {
        let mut inner = self.lock();
        let Some(unannounced) = inner.unannounced else { return };
        if unannounced.0 < complete_before {
            inner.unannounced = None;
        }
        drop(inner);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// A channel with the number of the latest commit that may have added rows.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// The bound in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The number of rows that were ever appended.
    pub fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// The number of rows that were dropped because of the bound.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The retained events of these commits, shared. Readers make rows of them while workers append.
    fn between(&self, from: Commit, through: Commit) -> Vec<(Commit, CommitEvents)> {
        if from > through {
            return Vec::new();
        }
        self.commits
            .range(from..=through)
            .map(|(commit, parts)| (*commit, Arc::clone(parts)))
            .collect()
    }
}

/// Calls `each` with every filtered row of these commits, by commit and origin, or latest first, until it returns an
/// error.
pub(super) fn each<E>(
    commits: &[(Commit, CommitEvents)],
    (view, filter): (&View, &RowFilter),
    latest_first: bool,
    labels: &Labels,
    allowance: &mut Allowance<'_>,
    mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
) -> Result<(), ScanEnd<E>> {
    for at in 0..commits.len() {
        let (commit, parts) = &commits[if latest_first { commits.len() - 1 - at } else { at }];
        allowance.take(count(parts))?;
        let mut statements = in_order(parts, filter);
        if latest_first {
            statements.reverse();
        }
        for statement in statements {
            let cells = row(*commit, statement, labels);
            if filter.fits(view, &cells) {
                each(cells).map_err(ScanEnd::Stopped)?;
            }
        }
    }
    Ok(())
}

/// The first rows of [`each`], and whether the limit left any out.
pub(super) fn read(
    commits: &[(Commit, CommitEvents)],
    of: (&View, &RowFilter),
    (latest_first, limit): (bool, usize),
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<(Vec<Vec<Cell>>, bool), Exceeded> {
    let mut rows = Vec::new();
    let whole = each(commits, of, latest_first, labels, allowance, |cells| {
        if rows.len() == limit {
            return Err(());
        }
        rows.push(cells);
        Ok(())
    });
    match whole {
        Ok(()) => Ok((rows, false)),
        Err(ScanEnd::Stopped(())) => Ok((rows, true)),
        Err(ScanEnd::Exceeded) => Err(Exceeded),
    }
}

/// The events of a commit in the order of records, filtered by instrument.
fn in_order<'a>(parts: &'a [ShardEvents], filter: &RowFilter) -> Vec<&'a AcceptedEvent> {
    let instruments = filter.instruments.as_ref();
    let all = parts.iter().flat_map(|part| part.iter());
    let mut own: Vec<&AcceptedEvent> =
        all.filter(|s| instruments.is_none_or(|of| of.contains(&s.instrument))).collect();
    own.sort_unstable_by_key(|statement| statement.origin);
    own
}

fn count(parts: &[ShardEvents]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

impl snapshots::CommitRows for CommitEvents {
    fn count(&self) -> usize {
        count(self)
    }

    fn each(
        &self,
        of: &LogQuery,
        commit: Commit,
        from: usize,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> bool,
    ) {
        let statements = in_order(self, &of.filter).into_iter().enumerate().skip(from);
        let mut rows =
            statements.map(|(number, of_trade)| (number, row(commit, of_trade, &of.labels)));
        let _ = rows.all(|(number, cells)| each(number, cells));
    }
}

fn row(commit: Commit, statement: &AcceptedEvent, labels: &Labels) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(TradeRow::COLUMNS.len());
    TradeRow { commit, statement, labels }.cells(&mut cells);
    cells
}

/// Approximate bytes of a shard's events: the events, a small allocation and entries of lists.
fn bytes(part: &ShardEvents) -> usize {
    part.capacity() * size_of::<AcceptedEvent>() + 96
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let log = TradeLog::new(3 * (bytes(&two) + bytes(&part(&[cancel(2, 0)]))));
        for commit in 0..5 {
            log.append(Commit(commit), part(&[cancel(1, 3), cancel(1, 5)]));
            log.append(Commit(commit), part(&[cancel(2, 4)]));
        }
        let (labels, view) = (Labels::default(), view(TRADE_LOG).unwrap());
        let all = RowFilter::default();
        let mut allowance = Allowance::unlimited();
        let all_rows = &mut allowance;
        let (rows, more) =
            read(&log.commits(Commit(3)), (view, &all), (false, 9), &labels, all_rows).unwrap();
        let both = |commit| [cell(commit, 3), cell(commit, 4), cell(commit, 5)];
        assert_eq!((positions(&rows), more), ([both(2), both(3)].concat(), false));
        let (rows, more) =
            read(&log.commits(Commit(9)), (view, &all), (true, 2), &labels, all_rows).unwrap();
        assert_eq!((positions(&rows), more), (vec![cell(4, 5), cell(4, 4)], true));
        let own = RowFilter::of_instrument(InstrumentId(2));
        let between = |from| {
            let all_rows = &mut Allowance::unlimited();
            log.between((view, &own), Commit(from), Commit(4), &labels, all_rows).unwrap()
        };
        assert_eq!(positions(&between(3).unwrap()), [cell(3, 4), cell(4, 4)]);
        assert!(between(1).is_none());
        let own: Vec<_> =
            (0..=CATCH_UP_ROWS_MAX as u64).map(|position| cancel(1, position)).collect();
        let long = TradeLog::new(1 << 30);
        long.append(Commit(0), Arc::new(own));
        long.append(Commit(1), part(&[cancel(1, 1)]));
        let rows = |from| {
            let all_rows = &mut Allowance::unlimited();
            long.between((view, &all), Commit(from), Commit(1), &labels, all_rows).unwrap()
        };
        let few = &mut Allowance::of(CATCH_UP_ROWS_MAX);
        assert!(
            read(&long.commits(Commit(1)), (view, &all), (false, 1), &labels, few).is_err(),
            "a long read"
        );
        assert_eq!((rows(0), rows(1).unwrap().len()), (None, 1), "too far behind, and not");
        assert_eq!((log.appended(), log.dropped()), (15, 6));
    }

    #[test]
    fn subscribers_are_notified_when_rows_are_complete() {
        let log = TradeLog::new(1_000);
        let mut moved = log.moved();
        log.append(Commit(4), Arc::new(vec![cancel(1, 1)]));
        assert!(!moved.has_changed().unwrap());
        log.complete(5);
        assert_eq!(*moved.borrow_and_update(), 4);
        log.complete(6);
        assert!(!moved.has_changed().unwrap());
    }
}
