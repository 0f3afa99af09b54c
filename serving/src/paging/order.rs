//! The orders in which rows can be read, and places in them.

use market::{Commit, EventTime};
use rows::{Cell, Dimension, OPEN_TIME, RowFilter, Scan, View, ViewKind};

use crate::parameter::{ParameterType, RouteParameter};
use crate::query::Query;

/// The order of the rows.
pub(crate) const SORT: RouteParameter = RouteParameter::query(
    "sort",
    ParameterType::Name("`open_time`, of a log `commit`; with `-` before it the newest first"),
    "the order of the rows, of which `limit` keeps the first; `-open_time` and `-commit` begin with the newest",
);

/// An order in which a view can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// That of the key, which has neither time nor commit.
    Key,
    /// By `open_time`, and within one time by the key.
    Time {
        /// Whether the newest comes first.
        newest_first: bool,
    },
    /// Of a log: by commit.
    Commit {
        /// Whether the newest comes first.
        newest_first: bool,
    },
}

/// A place between two rows of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The time or commit of the last row before it, as an ordinal; 0 at the beginning, and where there is neither.
    pub(crate) at: u64,
    /// So many rows from there on lie before it.
    pub(crate) skip: usize,
}

impl Order {
    /// The order that [`SORT`] names; none without it.
    pub(crate) fn read(query: &mut Query<'_>, view: &View) -> Option<Order> {
        query.parsed(&SORT, |text| {
            let (name, newest_first) = match text.strip_prefix('-') {
                Some(name) => (name, true),
                None => (text, false),
            };
            match (Order::of(view), name) {
                (Order::Time { .. }, OPEN_TIME) => Ok(Order::Time { newest_first }),
                (Order::Commit { .. }, "commit") => Ok(Order::Commit { newest_first }),
                (own, _) => Err(own.refusal(view)),
            }
        })
    }

    /// The order of a view, the oldest first.
    pub(crate) fn of(view: &View) -> Order {
        let has_time = view.columns.iter().any(|column| column.is_key && column.name == OPEN_TIME);
        match view.kind {
            ViewKind::Log => Order::Commit { newest_first: false },
            ViewKind::Keyed if has_time => Order::Time { newest_first: false },
            ViewKind::Keyed => Order::Key,
        }
    }

    /// Why this view has not the order that is asked for, and which ones it has.
    fn refusal(self, view: &View) -> (String, Vec<String>) {
        let (name, has) = match self {
            Order::Key => {
                let why = format!("cannot be had: `{}` is read in the order of its key", view.name);
                return (why, Vec::new());
            }
            Order::Time { .. } => (OPEN_TIME, "by the time of bars"),
            Order::Commit { .. } => ("commit", "by commit"),
        };
        let possible = vec![name.to_owned(), format!("-{name}")];
        (format!("is not an order of `{}`, which is read {has}", view.name), possible)
    }

    pub(crate) fn newest_first(self) -> bool {
        match self {
            Order::Key => false,
            Order::Time { newest_first } | Order::Commit { newest_first } => newest_first,
        }
    }

    /// The scan of the rows behind a place, which begins with those that [`Place::skip`] counts.
    pub(crate) fn behind(self, place: Place, scan: &Scan) -> Scan {
        let mut scan = scan.clone();
        scan.latest_first = self.newest_first();
        scan.limit = scan.limit.saturating_add(place.skip);
        if place.skip > 0 {
            self.narrow(place.at, &mut scan.filter);
        }
        scan
    }

    fn narrow(self, at: u64, filter: &mut RowFilter) {
        match self {
            Order::Key => {}
            Order::Time { newest_first: true } => {
                let to = EventTime(Dimension::time(at).0.saturating_add(1));
                filter.to = Some(filter.to.map_or(to, |before| before.min(to)));
            }
            Order::Time { newest_first: false } => {
                filter.from = filter.from.max(Some(Dimension::time(at)));
            }
            Order::Commit { newest_first: true } => {
                let through = Commit(at);
                filter.through = Some(filter.through.map_or(through, |before| before.min(through)));
            }
            Order::Commit { newest_first: false } => {
                filter.after = filter.after.max(at.checked_sub(1).map(Commit));
            }
        }
    }

    /// The place behind these rows, which begin at `place`.
    pub(crate) fn place_behind(self, place: Place, view: &View, rows: &[Vec<Cell>]) -> Place {
        let Some(at) = rows.last().map(|row| self.ordinal(view, row)) else { return place };
        let same = rows.iter().rev().take_while(|row| self.ordinal(view, row) == at).count();
        let before = if same == rows.len() && at == place.at { place.skip } else { 0 };
        Place { at, skip: before + same }
    }

    /// The time or commit of a row.
    fn ordinal(self, view: &View, row: &[Cell]) -> u64 {
        match self {
            Order::Key => 0,
            Order::Commit { .. } => view.commit_of(row).map_or(0, |commit| commit.0),
            Order::Time { .. } => match view.column(OPEN_TIME).and_then(|column| row.get(column)) {
                Some(Cell::Time(time)) => Dimension::of_time(*time),
                _ => 0,
            },
        }
    }
}
