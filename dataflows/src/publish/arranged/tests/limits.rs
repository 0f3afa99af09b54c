//! What a limit keeps of the rows of several instruments and timeframes, against its obvious form: all rows, sorted by
//! time, and taken from one end.

use proptest::prelude::*;
use rows::readers::Allowance;
use rows::{Cell, Frontier, Labels, RowFilter, Scan};

use super::*;
use crate::publish::batches::{BatchList, unpack};
use crate::publish::scan::{entries, read};
use market::Commit;

const FRAMES: [Timeframe; 2] = [Timeframe::MINUTE, Timeframe::DAY];

fn bar((instrument, frame, minute): (u64, usize, i64)) -> CandleKey {
    CandleKey { open_time: EventTime(minute * 60_000_000_000), ..named(instrument, FRAMES[frame]) }
}

fn named(instrument: u64, timeframe: Timeframe) -> CandleKey {
    CandleKey { instrument: InstrumentId(instrument), timeframe, open_time: EventTime(0) }
}

/// The batches after one commit for each list of bars.
fn batches(commits: &[Vec<CandleKey>]) -> BatchList {
    let commits = commits.to_vec();
    timely::execute_directly(move |worker| {
        let (mut input, mut arranged) = worker.dataflow::<Time, _, _>(|scope| {
            let (input, updates) = scope.new_input::<Vec<RowUpdate<CandlesView>>>();
            (input, arrange::<CandlesView>(updates))
        });
        for (commit, keys) in (0..).zip(commits) {
            keys.into_iter().for_each(|key| input.send(((key, candle(0)), commit, 1)));
            input.advance_to(commit + 1);
            while arranged.upper() == Some(commit) {
                worker.step();
            }
        }
        arranged.batch_list()
    })
}

fn scan(filter: RowFilter, latest_first: bool, limit: usize) -> Scan {
    Scan { filter, latest_first, limit, ..Scan::all(&CandlesView::VIEW) }
}

/// The rows of a read, and whether there are more; none if it visits more than `visits` rows.
fn rows_of(batch_list: &BatchList, scan: &Scan, visits: usize) -> Option<(Vec<Vec<Cell>>, bool)> {
    let batches = unpack::<CandlesView>(std::slice::from_ref(batch_list));
    let frontier = Frontier { commit: Some(Commit(u64::MAX)), at: EventTime(0) };
    let labels = Labels::default();
    let mut allowance = Allowance::of(visits);
    let page =
        read::<CandlesView>(batches.clone(), frontier, scan, &labels, &mut allowance).ok()?;
    let (own, more) =
        entries::<CandlesView>(batches, frontier, scan, &mut Allowance::unlimited()).ok()?;
    assert_eq!((own.len(), more), (page.rows.len(), page.more));
    Some((page.rows, page.more))
}

fn time_of(row: &[Cell]) -> EventTime {
    let times = row.iter().find_map(|cell| match cell {
        Cell::Time(time) => Some(*time),
        _ => None,
    });
    times.unwrap()
}

proptest! {
    #[test]
    fn a_limit_keeps_the_newest_of_all(
        keys in prop::collection::btree_map((0..4_u64, 0..2_usize, 0..12_i64), 0..3_usize, 0..40),
        instruments in prop::option::of(prop::collection::vec(0..5_u64, 0..3)),
        frames in prop::option::of(0..2_usize),
        from in prop::option::of(0..12_i64),
        (latest_first, limit) in (any::<bool>(), 1..12_usize),
    ) {
        let of = |commit: usize| keys.iter().filter(move |(_, own)| **own == commit).map(|(key, _)| bar(*key));
        let batches = batches(&[of(0).collect(), of(1).collect(), of(2).collect()]);
        let filter = RowFilter {
            instruments: instruments.map(|all| all.into_iter().map(InstrumentId).collect()),
            timeframes: frames.map(|frame| vec![FRAMES[frame]]),
            from: from.map(|minute| EventTime(minute * 60_000_000_000)),
            ..RowFilter::default()
        };
        let (mut all, _) = rows_of(&batches, &scan(filter.clone(), false, usize::MAX), usize::MAX).unwrap();
        all.sort_by_key(|row| time_of(row)); // rows of one time stay in the order of keys
        if latest_first {
            all.reverse();
        }
        let more = all.len() > limit;
        all.truncate(limit);
        let limited = rows_of(&batches, &scan(filter, latest_first, limit), usize::MAX).unwrap();
        prop_assert_eq!(limited, (all, more));
    }
}

/// Once the limit has left a row out, those that cannot be part of the answer are skipped.
#[test]
fn a_limited_read_does_not_visit_what_it_leaves_out() {
    const BARS: i64 = 1_000;
    let of = |instrument| (0..BARS).map(move |minute| bar((instrument, 0, minute)));
    let batches = batches(&[(0..30).flat_map(of).collect()]);
    for (latest_first, visits) in [(true, BARS as usize + 30 * 10), (false, 30 * 10)] {
        let scan = scan(RowFilter::default(), latest_first, 5);
        let (rows, more) = rows_of(&batches, &scan, visits).unwrap();
        assert!(more && rows.len() == 5, "{rows:?}");
        let newest = bar((0, 0, if latest_first { BARS - 1 } else { 0 })).open_time;
        assert!(rows.iter().all(|row| time_of(row) == newest), "{rows:?}");
    }
}
