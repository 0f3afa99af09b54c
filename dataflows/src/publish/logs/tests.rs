use std::sync::Arc;

use market::{
    AcceptedEvent, Commit, Event, EventTime, IdScope, InstrumentId, NameOrder, Origin, PartitionId,
    Record, Rejection, RejectionReason, SourceId, TradeId, TradeRef,
};
use rows::readers::Allowance;
use rows::{Cell, Frontier, Labels, RowFilter, Scan};

use super::super::commit_blocks::BLOCK_COMMITS;
use super::{LogAt, LogItem, LogOf, LogQuery, Retained, RetainedLog};
use crate::views::kinds::LogView;
use crate::views::{DeadLetterLog, DeadLetterRow, ShardEvents, TradeLog};

fn at(commit: u64) -> Frontier {
    Frontier { commit: Some(Commit(commit)), at: EventTime(0) }
}

/// The commit and position of each row, and whether there are more.
fn page<L: LogView>(
    log: &LogOf<L>,
    through: u64,
    (latest_first, limit): (bool, usize),
    filter: &RowFilter,
    column: usize,
) -> (Vec<(Cell, Cell)>, bool) {
    let view = const { &L::VIEW };
    let scan = Scan { latest_first, limit, filter: filter.clone(), ..Scan::all(view) };
    let page =
        LogAt::new(log, at(through)).page(&scan, &Labels::default(), &mut Allowance::unlimited());
    let page = page.unwrap();
    (positions(&page.rows, column), page.more)
}

fn positions(rows: &[Vec<Cell>], column: usize) -> Vec<(Cell, Cell)> {
    rows.iter().map(|row| (row[0].clone(), row[column].clone())).collect()
}

fn cell(commit: u64, position: u64) -> (Cell, Cell) {
    (Cell::Unsigned(commit), Cell::Identifier(position))
}

fn dead(commit: u64, position: u64) -> DeadLetterRow {
    DeadLetterRow {
        commit: Commit(commit),
        source: "s".to_owned(),
        partition: "p".to_owned(),
        position,
        rejection: Rejection::new(RejectionReason::Malformed, "no", b"x"),
    }
}

#[test]
fn the_oldest_commits_go_and_are_counted() {
    let log = LogOf::<DeadLetterLog>::new(3 * LogItem::<DeadLetterLog>(dead(0, 0)).bytes());
    for commit in 0..5 {
        log.append(Commit(commit), dead(commit, 2));
        log.append(Commit(commit), dead(commit, 1));
    }
    let all = RowFilter::default();
    let first = |order| page(&log, 9, order, &all, 3);
    assert_eq!(first((false, 9)), (vec![cell(4, 1), cell(4, 2)], false));
    assert_eq!(first((true, 1)), (vec![cell(4, 2)], true));
    assert_eq!((log.appended(), log.dropped()), (10, 8));
    assert!(page(&log, 3, (false, 9), &all, 3).0.is_empty(), "not complete yet");
}

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
    AcceptedEvent::of(&Record { origin, event: Event::Cancel { of, time: None } }, EventTime(0))
}

fn part(events: &[AcceptedEvent]) -> ShardEvents {
    Arc::new(events.to_vec())
}

/// The positions of the rows of an update; none if they are too many or gone.
fn update(
    log: &LogOf<TradeLog>,
    filter: &RowFilter,
    span: (Option<Commit>, Commit),
) -> Option<Vec<(Cell, Cell)>> {
    let query = LogQuery { view: const { &TradeLog::VIEW }, filter, labels: &Labels::default() };
    let rows = super::update(log, query, span, &mut Allowance::unlimited());
    rows.unwrap().map(|rows| positions(&rows, 11))
}

#[test]
fn trades_are_in_the_order_of_records_and_the_oldest_commits_go() {
    let two = part(&[cancel(1, 1), cancel(1, 2)]);
    let bytes = |events: &ShardEvents| LogItem::<TradeLog>(Arc::clone(events)).bytes();
    let bytes_max = 3 * (bytes(&two) + bytes(&part(&[cancel(2, 0)])));
    let log = LogOf::<TradeLog>::new(bytes_max);
    for commit in 0..5 {
        log.append(Commit(commit), part(&[cancel(1, 3), cancel(1, 5)]));
        log.append(Commit(commit), part(&[cancel(2, 4)]));
    }
    let (all, own) = (RowFilter::default(), RowFilter::of_instrument(InstrumentId(2)));
    let both = |commit| [cell(commit, 3), cell(commit, 4), cell(commit, 5)];
    let rows = [both(2), both(3)].concat();
    assert_eq!(page(&log, 3, (false, 9), &all, 11), (rows, false));
    assert_eq!(page(&log, 9, (true, 2), &all, 11), (vec![cell(4, 5), cell(4, 4)], true));
    let after = |commit| update(&log, &own, (Some(Commit(commit)), Commit(4)));
    assert_eq!(after(2).unwrap(), [cell(3, 4), cell(4, 4)]);
    assert!(after(0).is_none());
    assert_eq!((log.appended(), log.dropped()), (15, 6));
}

/// What is read of some commits, and what is the newest row of each instrument, are those of all rows.
#[test]
fn commits_and_newest_rows_are_chosen_of_all() {
    let log = LogOf::<TradeLog>::new(1 << 30);
    for commit in 0..4 * BLOCK_COMMITS as u64 {
        let rows = [cancel(commit % 3, 2 * commit), cancel(7, 2 * commit + 1)];
        log.append(Commit(commit), part(if commit == 5 { &rows } else { &rows[..1] }));
    }
    let newest = 4 * BLOCK_COMMITS as u64 - 2;
    let all = page(&log, newest, (false, usize::MAX), &RowFilter::default(), 11).0;
    let commit_of = |(commit, _): &(Cell, Cell)| match commit {
        Cell::Unsigned(commit) => Commit(*commit),
        other => panic!("{other:?}"),
    };
    for (after, through) in
        [(None, None), (Some(5), None), (Some(255), Some(256)), (None, Some(0)), (Some(9), Some(9))]
    {
        let (after, through) = (after.map(Commit), through.map(Commit));
        let filter = RowFilter { after, through, ..RowFilter::default() };
        let want: Vec<_> =
            all.iter().filter(|row| filter.has_commit(commit_of(row))).cloned().collect();
        assert_eq!(page(&log, newest, (false, usize::MAX), &filter, 11), (want.clone(), false));
        let latest: Vec<_> = want.iter().rev().take(2).cloned().collect();
        assert_eq!(page(&log, newest, (true, 2), &filter, 11), (latest, want.len() > 2));
    }
    let view = const { &TradeLog::VIEW };
    for (instruments, want) in [
        (
            None,
            vec![
                cell(5, 11),
                cell(newest - 2, 2 * newest - 4),
                cell(newest - 1, 2 * newest - 2),
                cell(newest, 2 * newest),
            ],
        ),
        (Some(vec![7, 9]), vec![cell(5, 11)]),
        (Some(vec![newest % 3]), vec![cell(newest, 2 * newest)]),
    ] {
        let instruments = instruments.map(|all| all.into_iter().map(InstrumentId).collect());
        let scan =
            Scan { filter: RowFilter { instruments, ..RowFilter::default() }, ..Scan::all(view) };
        let page = LogAt::new(&log, at(newest)).newest(
            &scan,
            &Labels::default(),
            &mut Allowance::unlimited(),
        );
        assert_eq!(positions(&page.unwrap().rows, 11), want);
    }
    // It ends where all instruments are found.
    let filter = RowFilter::of_instrument(InstrumentId(newest % 3));
    let scan = Scan { filter, ..Scan::all(view) };
    assert!(
        LogAt::new(&log, at(newest))
            .newest(&scan, &Labels::default(), &mut Allowance::of(5))
            .is_ok()
    );
}

#[test]
fn who_is_too_many_trades_behind_gets_no_update() {
    let log = LogOf::<TradeLog>::new(1 << 30);
    let many = (0..=TradeLog::CATCH_UP_ROWS_MAX as u64).map(|position| cancel(1, position));
    log.append(Commit(0), Arc::new(many.collect()));
    log.append(Commit(1), part(&[cancel(1, 1)]));
    let view = const { &TradeLog::VIEW };
    let few = &mut Allowance::of(TradeLog::CATCH_UP_ROWS_MAX);
    let read = LogAt::new(&log, at(1)).page(
        &Scan { limit: 1, ..Scan::all(view) },
        &Labels::default(),
        few,
    );
    assert!(read.is_err(), "a long read");
    let all = RowFilter::default();
    assert_eq!(update(&log, &all, (None, Commit(1))), None, "too far behind");
    assert_eq!(update(&log, &all, (Some(Commit(0)), Commit(1))).unwrap().len(), 1);
}
