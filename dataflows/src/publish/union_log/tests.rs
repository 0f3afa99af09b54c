use std::sync::Arc;

use market::{
    AcceptedEvent, Commit, Event, EventTime, IdScope, InstrumentId, NameOrder, Origin, PartitionId,
    Record, Rejection, RejectionReason, SourceId, TradeId, TradeRef,
};
use proptest::prelude::*;
use rows::readers::Allowance;
use rows::{Cell, Frontier, Labels, RowFilter, Scan, View};

use super::super::log_rows::LogQuery;
use super::super::logs::{LogAt, LogOf, RetainedLog, update};
use super::UnionLog;
use crate::views::kinds::{LogView, UnionView};
use crate::views::{
    ControlKind, ControlLog, ControlRow, DeadLetterLog, DeadLetterRow, EventLog, TradeLog,
};

const EVENTS: &View = &EventLog::VIEW;

/// The logs of the test, and their union.
struct Logs {
    control: Arc<LogOf<ControlLog>>,
    letters: Arc<LogOf<DeadLetterLog>>,
    trades: Arc<LogOf<TradeLog>>,
    union: UnionLog,
}

/// What happens in a commit.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Control,
    Letter(u64),
    Cancel { instrument: u64, position: u64 },
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        Just(Happens::Control),
        (0..9_u64).prop_map(Happens::Letter),
        (1..4_u64, 0..9_u64)
            .prop_map(|(instrument, position)| Happens::Cancel { instrument, position }),
    ]
}

impl Logs {
    fn new(letter_bytes: usize) -> Logs {
        let (control, trades) = (Arc::new(LogOf::new(1 << 20)), Arc::new(LogOf::new(1 << 20)));
        let letters = Arc::new(LogOf::new(letter_bytes));
        let all: [(&str, Arc<dyn RetainedLog>); 3] = [
            ("control", Arc::clone(&control) as _),
            ("dead_letters", Arc::clone(&letters) as _),
            ("trades", Arc::clone(&trades) as _),
        ];
        let find = |name: &str| all.iter().find(|(known, _)| *known == name);
        let union = UnionLog::new(EVENTS, EventLog::PARTS, |name| Some(Arc::clone(&find(name)?.1)));
        Logs { control, letters, trades, union }
    }

    fn append(&self, commit: u64, happens: Happens) {
        let commit = Commit(commit);
        match happens {
            Happens::Control => {
                let (number, kind, source) = (0, ControlKind::Paused, Some("a".to_owned()));
                let (rule, by) = (None, None);
                let row = ControlRow { commit, number, kind, source, rule, by };
                self.control.append(commit, row);
            }
            Happens::Letter(position) => {
                let rejection = Rejection::new(RejectionReason::Malformed, "no", b"x");
                let (source, partition) = ("s".to_owned(), "p".to_owned());
                let letter = DeadLetterRow { commit, source, partition, position, rejection };
                self.letters.append(commit, letter);
            }
            Happens::Cancel { instrument, position } => {
                self.trades.append(commit, Arc::new(vec![cancel(instrument, position)]));
            }
        }
    }

    /// All rows by the definition: commit by commit those of each part, cell by cell.
    fn expected(&self, through: u64) -> Vec<Vec<Cell>> {
        let parts = [
            rows::<ControlLog>(&self.control, through),
            rows::<DeadLetterLog>(&self.letters, through),
            rows::<TradeLog>(&self.trades, through),
        ];
        let mut all = Vec::new();
        for commit in 0..=through {
            for part in &parts {
                let own = part.iter().filter(|row| row[0] == Cell::Unsigned(commit));
                all.extend(own.cloned());
            }
        }
        all
    }
}

fn cancel(instrument: u64, position: u64) -> AcceptedEvent {
    let instrument = InstrumentId(instrument);
    let of = TradeRef { instrument, scope: IdScope(0), id: TradeId::Number(position) };
    let (source, partition, order) = (SourceId(0), PartitionId(0), NameOrder::default());
    let origin = Origin { rank: 0, order, source, partition, position };
    AcceptedEvent::of(&Record { origin, event: Event::Cancel { of, time: None } }, EventTime(0))
}

/// The rows of a log as events, with as few words as the columns of its view allow.
fn rows<L: LogView>(log: &LogOf<L>, through: u64) -> Vec<Vec<Cell>> {
    let view: &'static View = const { &L::VIEW };
    let at = Frontier { commit: Some(Commit(through)), at: EventTime(0) };
    let page =
        LogAt::new(log, at).page(&Scan::all(view), &Labels::default(), &mut Allowance::unlimited());
    let event = |row: Vec<Cell>| {
        let cell = |name: &str| view.column(name).map_or(Cell::Null, |at| row[at].clone());
        let word = |cell: Cell| match cell {
            Cell::Word(word) => Cell::Text(word.to_owned()),
            other => other,
        };
        let column = |name: &'static str| match (view.name, name) {
            ("control", "type") => Cell::Word("control"),
            ("dead_letters", "type") => Cell::Word("dead_letter"),
            ("dead_letters", "kind") => word(cell("reason")),
            ("trades", "type") => cell("kind"),
            ("trades", "kind") => Cell::Null,
            (_, "kind") => word(cell("kind")),
            (_, name) => cell(name),
        };
        EVENTS.columns.iter().map(|column_of| column(column_of.name)).collect()
    };
    page.unwrap().rows.into_iter().map(event).collect()
}

fn filters() -> impl Strategy<Value = RowFilter> {
    let types = ["trade", "cancel", "control", "dead_letter", "alert"].map(str::to_owned);
    let types = prop::option::of(prop::sample::subsequence(types.to_vec(), 1..3));
    let instruments =
        prop::option::of(prop::collection::vec((1..5_u64).prop_map(InstrumentId), 1..3));
    let span = prop::option::of((0..12_u64, 0..12_u64));
    (types, instruments, span).prop_map(|(types, instruments, span)| RowFilter {
        texts: types.map(|types| (1, types)).into_iter().collect(),
        instruments,
        after: span.map(|(after, _)| Commit(after)),
        through: span.map(|(_, through)| Commit(through)),
        ..RowFilter::default()
    })
}

proptest! {
    /// Pages, updates and snapshots of the union are those of the rows of its parts, commit by commit.
    #[test]
    fn a_union_has_the_rows_of_its_parts(
        commits in prop::collection::vec(prop::collection::vec(happens(), 0..5), 1..12),
        filter in filters(),
        (latest_first, limit) in (any::<bool>(), prop_oneof![0..9_usize, Just(usize::MAX)]),
        (after, size) in (prop::option::of(0..12_u64), 1..4_usize),
        letter_bytes in prop_oneof![Just(300_usize), Just(1 << 20)],
    ) {
        let logs = Logs::new(letter_bytes);
        for (commit, all) in (0..).zip(&commits) {
            all.iter().for_each(|happens| logs.append(commit, *happens));
        }
        let through = commits.len() as u64 - 1;
        let at = Frontier { commit: Some(Commit(through)), at: EventTime(0) };
        let labels = &Labels::default();
        let mut want = logs.expected(through);
        want.retain(|row| filter.fits(EVENTS, row));

        let scan = Scan { filter: filter.clone(), latest_first, limit, ..Scan::all(EVENTS) };
        let page = LogAt::new(&logs.union, at).page(&scan, labels, &mut Allowance::unlimited());
        let page = page.unwrap();
        let mut first = want.clone();
        if latest_first {
            first.reverse();
        }
        prop_assert_eq!(page.more, first.len() > limit);
        first.truncate(limit);
        prop_assert_eq!(page.rows, first);

        let after = after.map(Commit);
        let query = LogQuery { view: EVENTS, filter: &filter, labels };
        let got = update(&logs.union, query, (after, Commit(through)), &mut Allowance::unlimited());
        let is_gone = logs.letters.dropped_through().is_some_and(|dropped| after < Some(dropped));
        let wants_letters =
            filter.texts.iter().all(|(_, types)| types.iter().any(|one| one == "dead_letter"));
        match got.unwrap() {
            None => prop_assert!(is_gone && wants_letters),
            Some(rows) => {
                prop_assert!(!(is_gone && wants_letters));
                let later = RowFilter { after, ..RowFilter::default() };
                let want: Vec<_> =
                    want.iter().filter(|row| later.fits(EVENTS, row)).cloned().collect();
                prop_assert_eq!(rows, want);
            }
        }

        let (of, latest) = ((EVENTS, Arc::new(filter)), limit);
        let snapshot = LogAt::new(&logs.union, at).latest(
            of, latest, labels.clone(), &mut Allowance::unlimited(),
        );
        let (mut left, mut got) = (Some(snapshot.unwrap()), Vec::new());
        while let Some(snapshot) = left {
            let (rows, rest) = snapshot.next(size);
            prop_assert_eq!(&rows, &snapshot.next(size).0);
            got.extend(rows);
            left = rest;
        }
        prop_assert_eq!(&got[..], &want[want.len().saturating_sub(latest)..]);
    }
}

#[test]
fn who_follows_the_union_is_told_when_a_part_has_moved() {
    let logs = Logs::new(1 << 20);
    let mut moved = logs.union.moved();
    let complete = |before: u64| {
        let parts: [&dyn RetainedLog; 3] = [&*logs.control, &*logs.letters, &*logs.trades];
        parts.into_iter().for_each(|log| log.complete(before));
        logs.union.complete(before);
    };
    complete(3);
    assert!(!moved.has_changed().unwrap(), "nothing has happened");
    logs.append(3, Happens::Letter(1));
    complete(4);
    assert!(moved.has_changed().unwrap());
    assert_eq!(*moved.borrow_and_update(), 3);
    complete(5);
    assert!(!moved.has_changed().unwrap(), "nothing more has happened");
}
