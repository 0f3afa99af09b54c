//! What is rejected, emitted, revised and forgotten: every rule that depends on commits.

use super::vocabulary::*;
use market::{
    BarState, CauseKind, Commit, EventTime, Price, Trade, TradeId, Unmatched, UnmatchedReason,
};

#[test]
fn a_bar_is_open_then_provisional_then_final() {
    let mut job = Job::new(patient());
    let a = trade(1, "10:00:10", 100);
    let state = |output| minute(&output, "10:00:00").unwrap().state;
    assert_eq!(state(job.apply(&[new(a)], "10:00:00")), BarState::Open);
    // A trade at its end is seen, and the watermark passes its end: it counts from the next commit.
    let b = trade(2, "10:01:00", 101);
    assert_eq!(state(job.apply(&[new(b)], "10:01:00")), BarState::Provisional);
    assert_eq!(state(job.apply(&[], "10:01:00")), BarState::Final);
}

#[test]
fn the_slowest_source_holds_the_watermark_until_it_ends_and_historic_ones_do_not() {
    let mut job = Job::new(patient());
    let records = [0, 1, 2].map(|s| record_by(s, 0, new(trade(1, "10:00:10", 100))));
    let (fast, slow) = (Some(at("10:05:00")), Some(at("10:00:30")));
    job.input(records.to_vec(), vec![fast, slow, None], false);
    let held = job.input(vec![], vec![fast, Some(EventTime::END), None], false);
    assert_eq!(minute(&held, "10:00:00").unwrap().state, BarState::Open);
    let freed = job.input(vec![], vec![fast, Some(EventTime::END), None], false);
    assert_eq!(minute(&freed, "10:00:00").unwrap().state, BarState::Final);
}

#[test]
fn a_late_trade_revises_a_final_bar() {
    let mut job = Job::new(patient());
    job.apply(&[new(trade(1, "10:00:10", 100))], "10:02:00");
    let late = trade(2, "10:00:20", 90);
    let output = job.apply(&[new(late)], "10:02:00");

    let candle = minute(&output, "10:00:00").unwrap();
    assert_eq!(ohlc(Some(candle)), Some([100, 100, 90, 90, 2]));
    assert_eq!((candle.state, candle.revision), (BarState::Revised, 1));
    let [row] = output.revisions[..] else { panic!("one revision") };
    assert_eq!((row.commit, row.key, row.revision), (Commit(1), key("1m", "10:00:00"), 1));
    assert_eq!((row.before.unwrap().trades, row.after.unwrap().trades), (1, 2));
    assert_eq!(Some(row.cause), candle.cause);
    assert_eq!((row.cause.kind, row.cause.id), (CauseKind::Trade, late.id));
    assert_eq!((row.cause.sequence, row.cause.origin.position), (0, 1));
}

#[test]
fn copies_that_only_lie_elsewhere_restate_nothing() {
    let mut job = Job::new(patient());
    let watermarks = vec![Some(at("10:02:00")); 2];
    let one = trade(1, "10:00:10", 100);
    let lies = |sequence| new(Trade { sequence, is_positional: true, ..one });
    job.input(vec![record_by(1, 9, lies(9))], watermarks.clone(), false);
    let copy = job.input(vec![record_by(0, 4, lies(4))], watermarks.clone(), false);
    assert_eq!((copy.conflicts.len(), copy.revisions.len()), (0, 0));
    let other_event = new(Trade { sequence: 4, ..one });
    let other = job.input(vec![record_by(1, 10, other_event)], watermarks.clone(), false);
    assert_eq!((other.conflicts.len(), other.revisions.len()), (1, 0));
    // Nor is anything restated by a correction of what no value shows.
    let same = job.input(vec![record_by(1, 11, correct(1, 7, one))], watermarks, false);
    assert_eq!((same.revisions.len(), minute(&same, "10:00:00").unwrap().revision), (0, 0));
}

#[test]
fn a_change_before_the_bar_is_final_is_no_revision() {
    let mut job = Job::new(patient());
    job.apply(&[new(trade(1, "10:00:10", 100))], "10:00:30");
    let output = job.apply(&[cancel(1), new(trade(2, "10:00:20", 90))], "10:02:00");
    assert_eq!(output.revisions, []);
    assert_eq!(minute(&output, "10:00:00").unwrap().revision, 0);
}

#[test]
fn the_strongest_record_behind_a_change_is_its_cause() {
    let mut job = Job::new(patient());
    let trades = [1, 2, 3].map(|id| new(trade(id, "10:00:10", 100)));
    job.apply(&trades, "10:05:00");
    let output = job.apply(
        &[
            new(trade(9, "10:00:30", 90)),
            correct(1, 50, trade(1, "10:00:10", 101)),
            correct(2, 60, trade(2, "10:00:10", 102)),
            cancel(77), // of a trade that is not there: behind nothing
        ],
        "10:05:00",
    );
    let cause = minute(&output, "10:00:00").unwrap().cause.unwrap();
    assert_eq!((cause.kind, cause.id), (CauseKind::Correction, TradeId::Number(2)));
    assert_eq!(cause.sequence, 60);
    let output = job.apply(&[new(trade(10, "10:00:31", 90)), cancel(3)], "10:05:00");
    let candle = minute(&output, "10:00:00").unwrap();
    assert_eq!(candle.revision, 2);
    assert_eq!(candle.cause.unwrap().kind, CauseKind::Cancel);
}

#[test]
fn a_bar_that_went_and_came_back_keeps_its_revision() {
    let mut job = Job::new(patient());
    job.apply(&[new(trade(1, "10:00:10", 100))], "10:05:00");
    let gone = job.apply(&[cancel(1)], "10:05:00");
    assert_eq!(minute(&gone, "10:00:00"), None);
    assert_eq!((gone.revisions[0].revision, gone.revisions[0].after), (1, None));
    let still = job.apply(&[], "10:05:00");
    assert_eq!((still.candles.len(), still.revisions.len()), (0, 0));
    let back = job.apply(&[new(trade(2, "10:00:20", 90))], "10:05:00");
    let candle = minute(&back, "10:00:00").unwrap();
    assert_eq!((candle.state, candle.revision), (BarState::Revised, 2));
    assert_eq!(back.revisions[0].before, None);
}

#[test]
fn a_correction_moves_a_trade_to_another_bar() {
    let mut job = Job::new(patient());
    job.apply(&[new(trade(1, "10:00:10", 100))], "10:05:00");
    let output = job.apply(&[correct(1, 10, trade(2, "10:03:00", 100))], "10:05:00");
    assert_eq!(minute(&output, "10:00:00"), None);
    assert_eq!(minute(&output, "10:03:00").unwrap().revision, 1);
    assert_eq!(output.revisions.len(), 2);
    assert!(output.revisions.iter().all(|r| r.cause.id == TradeId::Number(1)));
}

#[test]
fn a_copy_that_disagrees_is_logged_once_per_content() {
    let mut job = Job::new(patient());
    let good = trade(1, "10:00:10", 100);
    let bad = trade(1, "10:00:10", 999);
    let by = |source, position, trade| record_by(source, position, new(trade));
    // Source 1 is first to report it, so nothing is wrong yet.
    let first = job.input(vec![by(1, 0, bad)], vec![], false);
    assert_eq!(first.conflicts, []);
    // Now the better provider disagrees with it: two copies of one content are one row.
    let records = vec![by(0, 0, good), by(2, 0, bad), by(1, 1, good)];
    let second = job.input(records, vec![], false);
    let [row] = second.conflicts[..] else { panic!("one conflict") };
    assert_eq!((row.commit, row.kept, row.dropped), (Commit(1), good, bad));
    // An equal copy is none; one that disagrees again is one again.
    assert_eq!(job.input(vec![by(2, 1, good)], vec![], false).conflicts, []);
    let again = job.input(vec![by(2, 2, bad)], vec![], false);
    assert_eq!(again.conflicts.len(), 1);
    assert_eq!(minute(&again, "10:00:00").unwrap().bar.high, Some(Price(100)));
}

#[test]
fn a_trade_too_late_is_a_row_and_nothing_else() {
    let mut job = Job::new(forgetful());
    job.apply(&[new(trade(1, "10:05:00", 100))], "10:05:00");
    let late = trade(2, "10:03:59.999999999", 1);
    let in_time = trade(3, "10:04:00", 2); // a minute before the watermark is not too late
    let output = job.apply(&[new(late), new(late), new(in_time)], "10:05:00");
    assert_eq!(output.too_late.len(), 2, "one row for each copy");
    assert_eq!(output.too_late[0].trade, late);
    assert_eq!(output.too_late[0].watermark, at("10:05:00"));
    assert_eq!(minute(&output, "10:03:00"), None);
    assert!(minute(&output, "10:04:00").is_some());
}

#[test]
fn a_cancel_of_an_unknown_trade_is_logged_and_applied_when_the_trade_appears() {
    let mut job = Job::new(patient());
    let output = job.apply(&[cancel(1)], "10:00:00");
    let want = Unmatched {
        commit: Commit(0),
        kind: CauseKind::Cancel,
        of: named(1),
        time: None,
        reason: UnmatchedReason::Unknown,
        origin: output.unmatched[0].origin,
    };
    assert_eq!(output.unmatched, [want]);
    let output = job.apply(&[new(trade(1, "10:00:10", 100))], "10:00:00");
    assert_eq!((output.candles.len(), output.unmatched.len()), (0, 0));
    // In one commit with its trade it is matched at once.
    let together = job.apply(&[cancel(2), new(trade(2, "10:00:10", 100))], "10:00:00");
    assert_eq!((together.candles.len(), together.unmatched.len()), (0, 0));
}

#[test]
fn a_correction_to_a_time_beyond_the_horizon_is_not_accepted() {
    let mut job = Job::new(forgetful());
    job.apply(&[new(trade(1, "10:15:00", 100))], "10:15:00");
    let output = job.apply(&[correct(1, 10, trade(1, "10:04:59", 50))], "10:15:00");
    let [row] = output.unmatched[..] else { panic!("one row") };
    assert_eq!(row.reason, UnmatchedReason::BeyondHorizon);
    assert_eq!((row.of, row.time), (named(1), Some(at("10:04:59"))));
    assert_eq!(ohlc(minute(&output, "10:15:00")), Some([100, 100, 100, 100, 1]));
}

#[test]
fn a_forgotten_trade_stays_in_its_bar_and_cannot_be_cancelled() {
    let mut job = Job::new(forgetful());
    let (old, young) = (trade(1, "10:00:10", 100), trade(2, "10:01:00", 101));
    job.apply(&[new(old), new(young)], "10:11:00");
    assert!(job.knows(1));
    // The bar 10:00 ends ten minutes before the watermark: its trade is forgotten; that of 10:01 not.
    let output = job.apply(&[cancel(1), cancel(2)], "10:11:00");
    assert_eq!(output.unmatched.len(), 1);
    assert_eq!(output.unmatched[0].of, named(1));
    assert_eq!(ohlc(minute(&output, "10:00:00")), Some([100, 100, 100, 100, 1]));
    assert_eq!(minute(&output, "10:01:00"), None);
}

#[test]
fn a_correction_that_joins_a_forgotten_trade_starts_a_new_one() {
    let mut job = Job::new(forgetful());
    job.apply(&[new(trade(1, "10:00:10", 100))], "10:11:00");
    let moved = correct(1, 10, trade(2, "10:10:30", 101));
    let output = job.apply(&[moved], "10:11:00");
    assert_eq!(output.unmatched.len(), 1, "nobody knows 1 any more");
    // Its other id appears: the new trade is matched, and the forgotten one is where it was.
    let output = job.apply(&[new(trade(2, "10:10:00", 90))], "10:11:00");
    assert_eq!(ohlc(minute(&output, "10:00:00")), Some([100, 100, 100, 100, 1]));
    assert_eq!(ohlc(minute(&output, "10:10:00")), Some([101, 101, 101, 101, 1]));
    // Only it can be cancelled by either id.
    let output = job.apply(&[cancel(1)], "10:11:00");
    assert!(minute(&output, "10:00:00").is_some());
    assert!(minute(&output, "10:10:00").is_none());
}

#[test]
fn when_all_sources_have_ended_everything_is_final_and_too_late_unless_the_knob_is_forever() {
    for (history, accepted) in [(forgetful(), false), (patient(), true)] {
        let mut job = Job::new(history);
        let first = vec![record(0, new(trade(1, "10:00:10", 100)))];
        job.input(first, vec![Some(EventTime::END)], true);
        let more = vec![record_by(1, 0, new(trade(2, "10:59:00", 101)))];
        let output = job.input(more, vec![Some(EventTime::END)], true);
        assert_eq!(minute(&output, "10:59:00").is_some(), accepted);
        assert_eq!(output.too_late.is_empty(), accepted);
        let state = hour(&output, "10:00:00").unwrap().state;
        let want = if accepted { BarState::Revised } else { BarState::Final };
        assert_eq!(state, want);
        assert_eq!(job.knows(1), accepted);
    }
}

#[test]
fn a_trade_is_known_as_long_as_the_latest_of_its_times() {
    let mut job = Job::new(forgetful());
    let untimed = new(trade(3, "10:00:10", 100));
    job.apply(
        &[
            new(trade(1, "10:00:10", 100)),
            new(trade(2, "10:00:10", 100)),
            correct(2, 10, trade(2, "10:05:00", 100)),
            untimed,
            cancel(3), // counts as of the newest time seen: 10:05
            new(trade(4, "10:00:10", 100)),
            cancel_at(4, "10:05:00"),
        ],
        "10:11:00",
    );
    job.apply(&[], "10:16:00");
    assert_eq!([1, 2, 3, 4].map(|id| job.knows(id)), [false, true, true, true]);
    let output = job.apply(&[], "10:16:00");
    assert_eq!([2, 3, 4].map(|id| job.knows(id)), [false; 3]);
    // What was corrected, cancelled or neither when it was forgotten stays so.
    assert_eq!(minute(&output, "10:00:00").unwrap().bar.trades, 1);
    assert_eq!(minute(&output, "10:05:00").unwrap().bar.trades, 1);
}

#[test]
fn a_cancel_without_time_before_anything_was_seen_waits_for_the_first_trade() {
    let mut job = Job::new(forgetful());
    job.apply(&[cancel(1)], "10:30:00");
    job.apply(&[], "10:30:00");
    assert!(job.knows(1), "the watermark is far ahead, but the cancel has no time yet");
    job.apply(&[new(trade(2, "10:29:00", 100))], "10:39:59");
    job.apply(&[], "10:40:00");
    assert!(job.knows(1), "it counts as of 10:29");
    let output = job.apply(&[new(trade(1, "10:40:30", 7))], "10:40:00");
    assert!(minute(&output, "10:40:00").is_some(), "forgotten: the id is new");
}

#[test]
fn larger_bars_change_at_the_end_of_rounds_and_are_revised_once_per_round() {
    let mut job = Job::new(patient());
    let first = job.apply(&[new(trade(1, "10:00:10", 100))], "10:30:00");
    assert_eq!(hour(&first, "10:00:00"), None, "the round has not ended");
    let ended = job.apply_last(&[new(trade(2, "10:59:59", 101))], "11:00:00");
    assert_eq!(ohlc(hour(&ended, "10:00:00")), Some([100, 101, 100, 101, 2]));
    // The watermark of the last round has reached the end of the hour.
    let later = job.apply(&[new(trade(3, "10:10:00", 90))], "11:00:00");
    assert_eq!(hour(&later, "10:00:00"), hour(&ended, "10:00:00"));
    assert_eq!(later.revisions.len(), 1, "only the minute");
    let revised = job.apply_last(&[new(trade(4, "10:10:00", 80)), cancel(1)], "11:00:00");

    let candle = hour(&revised, "10:00:00").unwrap();
    assert_eq!(ohlc(Some(candle)), Some([90, 101, 80, 101, 3]));
    assert_eq!((candle.state, candle.revision), (BarState::Revised, 1));
    assert_eq!(candle.cause.unwrap().kind, CauseKind::Cancel);
    let of_hour = revised.revisions.iter().filter(|r| r.key.timeframe.secs() == 3_600);
    let rows: Vec<_> = of_hour.collect();
    assert_eq!((rows.len(), rows[0].commit), (1, Commit(3)));
}

#[test]
fn a_minute_that_changed_and_changed_back_in_a_round_is_behind_nothing() {
    let mut job = Job::new(patient());
    let trades = [new(trade(1, "10:00:10", 100)), new(trade(2, "10:30:00", 100))];
    job.apply_last(&trades, "11:00:00");
    job.apply(&[new(trade(3, "10:00:20", 90))], "11:00:00");
    let output = job.apply_last(&[cancel(3), new(trade(4, "10:30:01", 100))], "11:00:00");
    assert_eq!(minute(&output, "10:00:00").unwrap().revision, 2);
    let cause = hour(&output, "10:00:00").unwrap().cause.unwrap();
    assert_eq!((cause.kind, cause.id), (CauseKind::Trade, TradeId::Number(4)));
}

#[test]
fn a_trade_with_a_cancel_of_unknown_time_is_not_forgotten_before_something_was_seen() {
    let mut job = Job::new(forgetful());
    // Another instrument moves the watermark far beyond the horizon of the cancel with a time.
    job.apply(&[cancel(3)], "10:00:00");
    let timed = market::Event::Cancel { of: named(3), time: Some(at("09:00:00")) };
    job.apply(&[timed], "10:00:00");
    job.apply(&[], "14:30:00");
    let output = job.apply(&[new(trade(3, "14:29:58", 100))], "14:30:00");
    assert_eq!(output.candles.len(), 0, "it is cancelled");
}
