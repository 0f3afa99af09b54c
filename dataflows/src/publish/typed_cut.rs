//! Several views of the board at one frontier, with the types of their rows: for who computes with rows and shows none.

use market::Commit;

use super::batches::{BatchList, unpack};
use super::board::{Board, KeyedAt, ViewCuts};
use super::logs::LogAt;
use super::scan::{KeyedEntry, entries};
use crate::views::kinds::{KeyedView, LogView};
use rows::readers::{Allowance, Exceeded};
use rows::{AsOf, Frontier, Labels, ReadError, Scan};

/// Views at one frontier. Views that it was not made of have no rows.
pub struct TypedCut {
    /// The frontier of all reads.
    pub frontier: Frontier,
    /// The last commit that ended a round: larger bars and portfolios are as of that.
    pub round: Option<Commit>,
    /// Names for the numbers in rows.
    pub labels: Labels,
    keyed: Vec<(&'static str, Vec<BatchList>)>,
    logs: Vec<(&'static str, TypedLog)>,
}

struct TypedLog {
    rows: LogAt,
    /// See [`TypedCut::reach`].
    reach: LogReach,
}

/// How far back a log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogReach {
    /// It has every row that there ever was.
    Whole,
    /// It has all rows of this commit and later ones.
    From(Commit),
    /// It is off, or the job does not have it.
    Off,
}

impl TypedCut {
    /// These views now, or at the latest snapshot point at or before `as_of`.
    pub(super) fn new(
        board: &Board,
        views: &[&'static str],
        as_of: Option<AsOf>,
    ) -> Result<TypedCut, ReadError> {
        let keyed: Vec<(&'static str, KeyedAt)> =
            views.iter().filter_map(|name| Some((*name, board.keyed(name)?))).collect();
        let positions: Vec<KeyedAt> = keyed.iter().map(|(_, view)| *view).collect();
        let ViewCuts { frontier, round, batch_lists: lists } = board.cuts(&positions, as_of)?;
        let keyed = keyed.into_iter().zip(lists).map(|((name, _), lists)| (name, lists)).collect();
        let logs = views.iter().filter_map(|name| {
            let log = board.log(name)?;
            let rows = LogAt::new(log, frontier);
            // Looked at last, so that it is not before what was taken.
            let reach = match log.dropped_through() {
                _ if log.bytes_max() == 0 => LogReach::Off,
                None => LogReach::Whole,
                Some(dropped) => LogReach::From(dropped.next()),
            };
            Some((*name, TypedLog { rows, reach }))
        });
        let (logs, labels) = (logs.collect(), board.labels.clone());
        Ok(TypedCut { frontier, round, labels, keyed, logs })
    }

    /// The keys and values that a scan selects by the dimensions of the key, and whether its limit left any out.
    pub fn entries<V: KeyedView>(
        &self,
        scan: &Scan,
        allowance: &mut Allowance<'_>,
    ) -> Result<(Vec<KeyedEntry<V>>, bool), Exceeded> {
        let lists = self.keyed.iter().find(|(name, _)| *name == V::VIEW.name);
        match lists {
            Some((_, lists)) => entries::<V>(unpack::<V>(lists), self.frontier, scan, allowance),
            None => Ok((Vec::new(), false)),
        }
    }

    /// Calls `each` with every row of a log and its commit, commit by commit; of one commit in no particular order.
    pub fn each<L: LogView, E: From<Exceeded>>(
        &self,
        allowance: &mut Allowance<'_>,
        each: impl FnMut(Commit, &L::Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let log = self.logs.iter().find(|(name, _)| *name == L::VIEW.name);
        log.map_or(Ok(()), |(_, log)| log.rows.each_row::<L, E>(allowance, each))
    }

    /// How far back a log reaches.
    pub fn reach<L: LogView>(&self) -> LogReach {
        let log = self.logs.iter().find(|(name, _)| *name == L::VIEW.name);
        log.map_or(LogReach::Off, |(_, log)| log.reach)
    }
}
