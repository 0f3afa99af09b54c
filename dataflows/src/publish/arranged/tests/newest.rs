//! The newest bars, and the latest rows of one series, against their obvious form: all rows of a commit, of which those
//! that are asked for are taken.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rows::readers::Allowance;
use rows::{Cell, Frontier, Labels, Page, RowFilter, Scan};

use super::*;
use crate::publish::batches::{BatchList, unpack};
use crate::publish::newest;
use crate::publish::scan::read;
use market::Commit;

const FRAMES: [Timeframe; 2] = [Timeframe::MINUTE, Timeframe::DAY];
const MINUTE: i64 = 60_000_000_000;

/// Instrument, timeframe and minute of a bar.
type At = (u64, usize, i64);

/// What a commit does to a bar: its new state, or none if it goes.
type Step = (At, Option<bool>);

fn bar((instrument, frame, minute): At) -> CandleKey {
    CandleKey {
        instrument: InstrumentId(instrument),
        timeframe: FRAMES[frame],
        open_time: EventTime(minute * MINUTE),
    }
}

fn in_state(is_final: bool) -> Arc<Candle> {
    let state = if is_final { BarState::Final } else { BarState::Open };
    Arc::new(Candle { state, ..*candle(0) })
}

/// The batches after one commit for each list of steps.
fn batches(commits: &[Vec<Step>]) -> BatchList {
    let commits = commits.to_vec();
    timely::execute_directly(move |worker| {
        let (mut input, mut arranged) = worker.dataflow::<Time, _, _>(|scope| {
            let (input, updates) = scope.new_input::<Vec<RowUpdate<CandlesView>>>();
            (input, arrange::<CandlesView>(updates))
        });
        let mut there: BTreeMap<At, Arc<Candle>> = BTreeMap::new();
        for (commit, steps) in (0..).zip(commits) {
            for (at, state) in steps {
                if let Some(before) = there.remove(&at) {
                    input.send(((bar(at), before), commit, -1));
                }
                if let Some(is_final) = state {
                    let after = in_state(is_final);
                    there.insert(at, Arc::clone(&after));
                    input.send(((bar(at), after), commit, 1));
                }
            }
            input.advance_to(commit + 1);
            while arranged.upper() == Some(commit) {
                worker.step();
            }
        }
        arranged.batch_list()
    })
}

type Read = fn(
    Vec<crate::publish::batches::Batch<CandlesView>>,
    Frontier,
    &Scan,
    &Labels,
    &mut Allowance<'_>,
) -> Result<Page, rows::readers::Exceeded>;

fn page(read: Read, list: &BatchList, at: Frontier, scan: &Scan, visits: usize) -> Option<Page> {
    let batches = unpack::<CandlesView>(std::slice::from_ref(list));
    read(batches, at, scan, &Labels::default(), &mut Allowance::of(visits)).ok()
}

/// The rows with the newest time of each instrument and timeframe.
fn newest_of(rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    let mut newest: BTreeMap<(u64, u32), Vec<Cell>> = BTreeMap::new();
    for row in rows {
        let [Cell::Instrument(instrument), Cell::Timeframe(timeframe), ..] = row[..] else {
            panic!("{row:?}");
        };
        newest.insert((instrument.0, timeframe.secs()), row); // rows are in the order of time
    }
    newest.into_values().collect()
}

fn step() -> impl Strategy<Value = Step> {
    (
        (0..3_u64, 0..2_usize, prop_oneof![0..6_i64, 1_000..1_003_i64]),
        prop::option::of(any::<bool>()),
    )
}

proptest! {
    #[test]
    fn reads_from_the_end_are_those_of_all_rows(
        commits in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..4),
        (through, now) in (0..4_u64, prop_oneof![-9..9_i64, 990..1_010_i64]),
        instruments in prop::option::of(prop::collection::vec(0..4_u64, 1..3)),
        frame in prop::option::of(0..2_usize),
        (from, to) in (prop::option::of(0..6_i64), prop::option::of(0..1_003_i64)),
        is_final in prop::option::of(any::<bool>()),
        limit in 1..9_usize,
    ) {
        let list = batches(&commits);
        let frontier = Frontier { commit: Some(Commit(through)), at: EventTime(now * MINUTE) };
        let state = CandlesView::VIEW.column("state").unwrap();
        let word = |is_final: bool| if is_final { "final" } else { "open" };
        let time = |minute: i64| EventTime(minute * MINUTE);
        let filter = RowFilter {
            instruments: instruments.map(|all| all.into_iter().map(InstrumentId).collect()),
            timeframes: frame.map(|frame| vec![FRAMES[frame]]),
            from: from.map(time),
            to: to.map(time),
            texts: is_final.map(|is| (state, vec![word(is).to_owned()])).into_iter().collect(),
            ..RowFilter::default()
        };
        let all = Scan { filter, ..Scan::all(&CandlesView::VIEW) };
        let rows = page(read::<CandlesView>, &list, frontier, &all, usize::MAX).unwrap().rows;

        let scan = Scan { limit, ..all.clone() };
        let got = page(newest::read::<CandlesView>, &list, frontier, &scan, usize::MAX).unwrap();
        let mut want = newest_of(rows);
        let more = want.len() > limit;
        want.truncate(limit);
        prop_assert_eq!((got.rows, got.more), (want, more));

        let one = RowFilter::of_instrument(InstrumentId(1)).of_timeframe(FRAMES[0]);
        let own = RowFilter { texts: all.filter.texts.clone(), ..one.opening(all.filter.from, all.filter.to) };
        let own = Scan { filter: own, ..all };
        let mut want = page(read::<CandlesView>, &list, frontier, &own, usize::MAX).unwrap().rows;
        want.reverse();
        let more = want.len() > limit;
        want.truncate(limit);
        let scan = Scan { limit, latest_first: true, ..own };
        let got = page(read::<CandlesView>, &list, frontier, &scan, usize::MAX).unwrap();
        prop_assert_eq!((got.rows, got.more), (want, more));
    }
}

/// What is asked for is at the end of a long series, and the read does not visit what lies before.
#[test]
fn reads_from_the_end_do_not_visit_the_beginning() {
    const BARS: i64 = 20_000;
    let of = |instrument| {
        (0..BARS).map(move |minute| ((instrument, 0, minute), Some(minute < BARS - 1)))
    };
    let list = batches(&[(0..3).flat_map(of).collect()]);
    let frontier = Frontier { commit: Some(Commit(0)), at: EventTime((BARS - 1) * MINUTE + 1) };
    let newest = Scan::all(&CandlesView::VIEW);
    let got = page(newest::read::<CandlesView>, &list, frontier, &newest, 100).unwrap();
    assert_eq!(got.rows.len(), 3);
    let state = CandlesView::VIEW.column("state").unwrap();
    let closed =
        RowFilter { texts: vec![(state, vec!["final".to_owned()])], ..RowFilter::default() };
    let closed = Scan { filter: closed, ..newest };
    let got = page(newest::read::<CandlesView>, &list, frontier, &closed, 150).unwrap();
    let times: Vec<_> = got.rows.iter().map(|row| row[2].clone()).collect();
    assert_eq!(times, vec![Cell::Time(EventTime((BARS - 2) * MINUTE)); 3]);
    let own = RowFilter::of_instrument(InstrumentId(1)).of_timeframe(Timeframe::MINUTE);
    let own = Scan { filter: own, latest_first: true, limit: 500, ..Scan::all(&CandlesView::VIEW) };
    let got = page(read::<CandlesView>, &list, frontier, &own, 1_000).unwrap();
    assert!(got.more && got.rows.len() == 500);
}
