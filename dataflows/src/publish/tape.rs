//! The tape: what was accepted about trades, commit by commit. A log of its own, because it has a row per
//! record: workers append what the ledger put out of a commit as it is, and readers make rows of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::{Commit, Statement};
use tokio::sync::watch;

use super::rest::{self, Shown};
use crate::readers::{Allowance, Exceeded};
use crate::views::{Cell, Labels, Row, RowFilter, TradeRow, View};

/// The view that it is.
pub const TAPE: &str = "trades";

/// Who follows it and is more rows behind gets its latest rows anew: made into cells, rows take several
/// times what they do here.
const BEHIND_MAX: usize = 50_000;

/// What one shard brought in a commit.
pub(super) type Part = Arc<Vec<Statement>>;

/// What all shards brought in a commit; shared, so that who reads holds the lock for a moment only.
pub(super) type Parts = Arc<Vec<Part>>;

/// Why not all rows were visited.
#[derive(Debug)]
pub(super) enum Ended<E> {
    /// They are more than a read may visit.
    Exceeded,
    /// Who was told them had enough.
    Told(E),
}

impl<E> From<Exceeded> for Ended<E> {
    fn from(_: Exceeded) -> Ended<E> {
        Ended::Exceeded
    }
}

/// The statements of the latest commits.
///
/// When they exceed their bound the oldest commits go, whole; [`Tape::dropped`] counts their rows.
pub struct Tape {
    kept: Mutex<Kept>,
    bytes_max: usize,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    commits: BTreeMap<Commit, Parts>,
    bytes: usize,
    appended: u64,
    dropped: u64,
    /// Commits up to this one are gone.
    dropped_through: Option<Commit>,
    /// The latest commit that brought a row of which nobody has been told yet.
    news: Option<Commit>,
}

impl Tape {
    /// An empty tape of at most `bytes_max` bytes; with 0 nothing is kept.
    pub fn new(bytes_max: usize) -> Tape {
        Tape { kept: Mutex::default(), bytes_max, moved: watch::Sender::new(0) }
    }

    /// Whether anything is kept at all; else nothing need be appended.
    pub fn is_kept(&self) -> bool {
        self.bytes_max > 0
    }

    /// Appends what one shard brought in a commit.
    pub fn append(&self, commit: Commit, part: Part) {
        let mut kept = self.lock();
        kept.appended += part.len() as u64;
        if kept.dropped_through.is_some_and(|gone| commit <= gone) {
            kept.dropped += part.len() as u64;
            return;
        }
        kept.bytes += bytes(&part);
        kept.news = kept.news.max(Some(commit));
        Arc::make_mut(kept.commits.entry(commit).or_default()).push(part);
        while kept.bytes > self.bytes_max && kept.commits.len() > 1 {
            let Some((commit, parts)) = kept.commits.pop_first() else { break };
            kept.bytes -= parts.iter().map(bytes).sum::<usize>();
            kept.dropped += parts.iter().map(|part| part.len() as u64).sum::<u64>();
            kept.dropped_through = Some(commit);
        }
    }

    /// What is kept up to commit `through`, shared. It holds the lock that workers take to append: a thread of low
    /// priority must not call it.
    pub(super) fn kept(&self, through: Commit) -> Vec<(Commit, Parts)> {
        self.lock().parts(Commit(0), through)
    }

    /// The rows from commit `from` up to `through` that are filter, in their order; none if some are gone, or
    /// if they are too many to be told at once.
    pub fn between(
        &self,
        (view, filter): (&View, &RowFilter),
        from: Commit,
        through: Commit,
        labels: &Labels,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
        let commits = {
            let kept = self.lock();
            if kept.dropped_through.is_some_and(|gone| gone >= from) {
                return Ok(None);
            }
            kept.parts(from, through)
        };
        let mut rows = Vec::new();
        for (commit, parts) in commits {
            allowance.take(count(&parts))?;
            let own = in_order(&parts, filter).into_iter();
            let own = own.map(|statement| row(commit, statement, labels));
            rows.extend(own.filter(|cells| filter.fits(view, cells)));
            if rows.len() > BEHIND_MAX {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }

    /// Tells those who wait that commits before this number are complete, if that may concern them.
    pub fn tell(&self, complete_before: u64) {
        let mut kept = self.lock();
        let Some(news) = kept.news else { return };
        if news.0 < complete_before {
            kept.news = None;
        }
        drop(kept);
        self.moved.send_replace(complete_before.saturating_sub(1));
    }

    /// Tells the number of the latest commit that may have brought rows.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// How many bytes it may hold.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// How many rows were ever appended.
    pub fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// How many rows have gone because of the bound.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// What is kept of these commits, shared: rows are made of it while workers go on appending.
    fn parts(&self, from: Commit, through: Commit) -> Vec<(Commit, Parts)> {
        if from > through {
            return Vec::new();
        }
        self.commits
            .range(from..=through)
            .map(|(commit, parts)| (*commit, Arc::clone(parts)))
            .collect()
    }
}

/// Calls `each` with every row of these commits that is filter, by commit and origin, latest first if so asked, until it
/// gives an error.
pub(super) fn each<E>(
    commits: &[(Commit, Parts)],
    (view, filter): (&View, &RowFilter),
    latest_first: bool,
    labels: &Labels,
    allowance: &mut Allowance<'_>,
    mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
) -> Result<(), Ended<E>> {
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
                each(cells).map_err(Ended::Told)?;
            }
        }
    }
    Ok(())
}

/// The first rows of [`each`], and whether the limit left any out.
pub(super) fn read(
    commits: &[(Commit, Parts)],
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
        Err(Ended::Told(())) => Ok((rows, true)),
        Err(Ended::Exceeded) => Err(Exceeded),
    }
}

/// The statements of a commit in the one order of records, without those of other instruments than filter.
fn in_order<'a>(parts: &'a [Part], filter: &RowFilter) -> Vec<&'a Statement> {
    let instruments = filter.instruments.as_ref();
    let all = parts.iter().flat_map(|part| part.iter());
    let mut own: Vec<&Statement> =
        all.filter(|s| instruments.is_none_or(|of| of.contains(&s.instrument))).collect();
    own.sort_unstable_by_key(|statement| statement.origin);
    own
}

fn count(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

impl rest::Kept for Parts {
    fn count(&self) -> usize {
        count(self)
    }

    fn each(
        &self,
        of: &Shown,
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

fn row(commit: Commit, statement: &Statement, labels: &Labels) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(TradeRow::COLUMNS.len());
    TradeRow { commit, statement, labels }.cells(&mut cells);
    cells
}

/// What a part takes: its statements, and about as much as a small allocation and its place in lists.
fn bytes(part: &Part) -> usize {
    part.capacity() * size_of::<Statement>() + 96
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::view;
    use market::{Event, IdScope, InstrumentId, Origin, Record, SourceId, TradeId, TradeRef};

    fn cancel(instrument: u64, position: u64) -> Statement {
        let instrument = InstrumentId(instrument);
        let of = TradeRef { instrument, scope: IdScope(0), id: TradeId::Number(position) };
        let origin = Origin { rank: 0, source: SourceId(0), partition: 0, position };
        Statement::of(&Record { origin, event: Event::Cancel { of, time: None } })
    }

    /// Commit and position of the rows.
    fn told(rows: &[Vec<Cell>]) -> Vec<(Cell, Cell)> {
        rows.iter().map(|row| (row[0].clone(), row[11].clone())).collect()
    }

    fn cell(commit: u64, position: u64) -> (Cell, Cell) {
        (Cell::Unsigned(commit), Cell::Unsigned(position))
    }

    #[test]
    fn rows_are_in_the_order_of_records_and_the_oldest_commits_go() {
        let part = |statements: &[Statement]| Arc::new(statements.to_vec());
        let two = part(&[cancel(1, 1), cancel(1, 2)]);
        let tape = Tape::new(3 * (bytes(&two) + bytes(&part(&[cancel(2, 0)]))));
        for commit in 0..5 {
            tape.append(Commit(commit), part(&[cancel(1, 3), cancel(1, 5)]));
            tape.append(Commit(commit), part(&[cancel(2, 4)]));
        }
        let (labels, view) = (Labels::default(), view(TAPE).unwrap());
        let all = RowFilter::default();
        let mut allowance = Allowance::unlimited();
        let all_rows = &mut allowance;
        let (rows, more) =
            read(&tape.kept(Commit(3)), (view, &all), (false, 9), &labels, all_rows).unwrap();
        let both = |commit| [cell(commit, 3), cell(commit, 4), cell(commit, 5)];
        assert_eq!((told(&rows), more), ([both(2), both(3)].concat(), false));
        let (rows, more) =
            read(&tape.kept(Commit(9)), (view, &all), (true, 2), &labels, all_rows).unwrap();
        assert_eq!((told(&rows), more), (vec![cell(4, 5), cell(4, 4)], true));
        let own = RowFilter::of_instrument(InstrumentId(2));
        let between = |from| {
            let all_rows = &mut Allowance::unlimited();
            tape.between((view, &own), Commit(from), Commit(4), &labels, all_rows).unwrap()
        };
        assert_eq!(told(&between(3).unwrap()), [cell(3, 4), cell(4, 4)]);
        assert!(between(1).is_none());
        let own: Vec<_> = (0..=BEHIND_MAX as u64).map(|position| cancel(1, position)).collect();
        let long = Tape::new(1 << 30);
        long.append(Commit(0), Arc::new(own));
        long.append(Commit(1), part(&[cancel(1, 1)]));
        let rows = |from| {
            let all_rows = &mut Allowance::unlimited();
            long.between((view, &all), Commit(from), Commit(1), &labels, all_rows).unwrap()
        };
        let few = &mut Allowance::of(BEHIND_MAX);
        assert!(
            read(&long.kept(Commit(1)), (view, &all), (false, 1), &labels, few).is_err(),
            "a long read"
        );
        assert_eq!((rows(0), rows(1).unwrap().len()), (None, 1), "too far behind, and not");
        assert_eq!((tape.appended(), tape.dropped()), (15, 6));
    }

    #[test]
    fn those_who_wait_are_told_when_rows_are_complete() {
        let tape = Tape::new(1_000);
        let mut moved = tape.moved();
        tape.append(Commit(4), Arc::new(vec![cancel(1, 1)]));
        assert!(!moved.has_changed().unwrap());
        tape.tell(5);
        assert_eq!(*moved.borrow_and_update(), 4);
        tape.tell(6);
        assert!(!moved.has_changed().unwrap());
    }
}
