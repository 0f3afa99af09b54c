//! What arrangements no longer need is freed.

use std::sync::Weak;

use market::{
    Bar, BarState, Candle, CandleKey, EventTime, InstrumentId, InstrumentSpec, Timeframe,
};
use timely::dataflow::operators::Input;

use super::*;
use crate::views::CandlesView;

mod limits;
mod newest;

const COMMITS: u64 = 400;
const KEYS: i64 = 20;

fn key(number: i64) -> CandleKey {
    CandleKey {
        instrument: InstrumentId(7),
        timeframe: Timeframe::MINUTE,
        open_time: EventTime(number * 60_000_000_000),
    }
}

fn candle(revision: u32) -> Arc<Candle> {
    let bar = Bar::empty(InstrumentSpec::DEFAULT, EventTime(0));
    Arc::new(Candle { bar, state: BarState::Revised, revision, cause: None })
}

/// Replaces a row of each key in each commit; returns how many rows there are in memory after the last commit, and how
/// many of them are current. The arrangement may compact all that is older than `kept` commits.
fn rows_in_memory(
    arrange: fn(StreamVec<'_, Time, RowUpdate<CandlesView>>) -> Box<dyn Arrangement>,
    kept: u64,
) -> (usize, bool) {
    timely::execute_directly(move |worker| {
        let (mut input, mut arranged) = worker.dataflow::<Time, _, _>(|scope| {
            let (input, updates) = scope.new_input::<Vec<RowUpdate<CandlesView>>>();
            (input, arrange(updates))
        });
        let mut made: Vec<Weak<Candle>> = Vec::new();
        let mut current: Vec<Option<Arc<Candle>>> = vec![None; KEYS as usize];
        for commit in 0..COMMITS {
            for (number, current) in current.iter_mut().enumerate() {
                let after = candle(commit as u32);
                made.push(Arc::downgrade(&after));
                if let Some(before) = current.replace(Arc::clone(&after)) {
                    input.send(((key(number as i64), before), commit, -1));
                }
                input.send(((key(number as i64), after), commit, 1));
            }
            input.advance_to(commit + 1);
            while arranged.upper() == Some(commit) {
                worker.step();
            }
            let ring = Ring::new(0, crate::publish::Exempt::Nothing);
            arranged.publish_new_batches(&ring);
            arranged.compact((commit + 1).saturating_sub(kept));
        }
        let is_compacted = arranged.is_compacted(COMMITS - kept);
        let there = made.iter().filter(|row| row.strong_count() > 0).count();
        (there, is_compacted)
    })
}

#[test]
fn a_history_frees_what_it_may_compact() {
    let (there, is_compacted) = rows_in_memory(arrange_before::<CandlesView>, 10);
    assert!(is_compacted);
    let needed = 10 * KEYS as usize;
    assert!((needed..=2 * needed).contains(&there), "{there} rows, {needed} are needed");
}

#[test]
fn an_arrangement_of_current_rows_frees_the_others() {
    let (there, _) = rows_in_memory(arrange::<CandlesView>, 1);
    assert!(there <= 20 * KEYS as usize, "{there} rows of {KEYS} keys");
}
