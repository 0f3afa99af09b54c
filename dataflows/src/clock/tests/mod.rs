//! Tests of the commit clock: watermarks, idleness, coverage, times ahead.

mod definition;
mod random;

use super::*;
use market::{
    AccountEvent, FillRef, IdScope, InstrumentId, InstrumentSpec, PortfolioId, Price, Quantity,
    Side, Trade, TradeId, Updates,
};

fn at(secs: i64) -> EventTime {
    EventTime(secs * 1_000_000_000)
}

fn trade(secs: i64) -> InputEvent {
    trade_of(1, secs)
}

fn trade_of(instrument: u64, secs: i64) -> InputEvent {
    InputEvent::Market(Event::New(Trade {
        instrument: InstrumentId(instrument),
        spec: InstrumentSpec::DEFAULT,
        scope: IdScope(0),
        id: TradeId::Number(1),
        time: at(secs),
        sequence: 0,
        is_positional: false,
        price: Price(1),
        quantity: Quantity(1),
        side: Side::Unknown,
        updates: Updates::ALL,
    }))
}

fn timing(partitions: usize) -> SourceTiming {
    SourceTiming {
        idle_after: Some(Span::secs(30)),
        ..SourceTiming::plain(Span::secs(2), partitions)
    }
}

#[test]
fn a_source_is_as_far_as_its_slowest_partition() {
    let mut clock = CommitClock::new(vec![timing(2)], Ahead::OfSystem(Span::secs(10)), at(1_000));
    clock.bind(0, 0, 1, Some(&trade(1_000))).unwrap();
    assert_eq!(clock.close(at(1_001), true).watermarks, [Some(EventTime::NEVER)]);
    clock.bind(0, 1, 1, Some(&trade(990))).unwrap();
    let binding = clock.close(at(1_002), true);
    assert_eq!(binding.watermarks, [Some(at(988))]);
    assert_eq!((binding.commit, binding.positions), (Commit(1), vec![vec![1, 1]]));
    clock.end(0, 1);
    assert_eq!(clock.close(at(1_003), true).watermarks, [Some(at(998))]);
    clock.end(0, 0);
    assert!(clock.all_ended());
    assert_eq!(clock.close(at(1_004), true).watermarks, [Some(EventTime::END)]);
}

#[test]
fn a_partition_that_comes_later_is_waited_for() {
    let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(1_000));
    clock.bind(0, 0, 1, Some(&trade(1_000))).unwrap();
    assert_eq!(clock.close(at(1_001), true).watermarks, [Some(at(998))]);
    assert!(clock.open(0, 2));
    assert!(!clock.open(0, 0), "is there already");
    clock.bind(0, 0, 2, Some(&trade(1_005))).unwrap();
    assert_eq!(clock.close(at(1_006), true).watermarks, [Some(at(998))], "2 says nothing yet");
    assert!(clock.partitions().eq([(0, 0, false), (0, 2, false)]));
    clock.bind(0, 2, 7, Some(&trade(1_003))).unwrap();
    let binding = clock.close(at(1_007), true);
    assert_eq!(
        (binding.watermarks, binding.positions),
        (vec![Some(at(1_001))], vec![vec![2, 0, 7]])
    );
    clock.open(0, 1);
    for secs in 1_007..=1_037 {
        (0..3).for_each(|partition| clock.drain(0, partition, at(secs)));
    }
    let binding = clock.close(at(1_037), true);
    assert_eq!(binding.watermarks, [Some(at(1_005))], "all are idle: 1037 − 30 − 2");
    assert!(clock.end(0, 0) && !clock.end(0, 0));
    clock.end(0, 1);
    clock.leave_out(0, 2);
    assert!(clock.all_ended());
    assert!(clock.partitions().eq([(0, 0, true), (0, 1, true)]));
}

/// A clock of sources with one partition each, at system time 0.
fn started(timings: Vec<SourceTiming>) -> CommitClock {
    CommitClock::new(timings, Ahead::NotAfter(EventTime::LATEST), at(0))
}

/// The partition had nothing to read in any second of this time.
fn drain(clock: &mut CommitClock, source: usize, secs: std::ops::RangeInclusive<i64>) {
    secs.for_each(|secs| clock.drain(source, 0, at(secs)));
}

#[test]
fn a_partition_at_its_end_follows_the_systems_time() {
    let mut clock = started(vec![timing(1)]);
    clock.bind(0, 0, 1, Some(&trade(1))).unwrap();
    drain(&mut clock, 0, 1..=30);
    assert_eq!(clock.close(at(30), true).watermarks, [Some(at(-1))], "29 s are not idle yet");
    drain(&mut clock, 0, 31..=100);
    assert_eq!(
        clock.close(at(103), true).watermarks,
        [Some(at(68))],
        "as of 100 s, when it was last known"
    );
    clock.bind(0, 0, 2, Some(&trade(20))).unwrap();
    assert_eq!(clock.close(at(104), true).watermarks, [Some(at(68))], "never back");
    drain(&mut clock, 0, 105..=125);
    assert_eq!(clock.close(at(125), true).watermarks, [Some(at(68))], "a row ends a stretch");
}

#[test]
fn a_partition_that_is_away_or_behind_holds_its_watermark() {
    let mut clock = started(vec![timing(1)]);
    clock.bind(0, 0, 1, Some(&trade(1))).unwrap();
    assert_eq!(
        clock.close(at(10_000), true).watermarks,
        [Some(at(-1))],
        "nobody knows what it has"
    );

    // It was at its end before it was lost, and is again before its backlog comes.
    drain(&mut clock, 0, 10_001..=10_020);
    drain(&mut clock, 0, 10_060..=10_070);
    assert_eq!(clock.close(at(10_070), true).watermarks, [Some(at(-1))]);
    clock.bind(0, 0, 2, Some(&trade(10_021))).unwrap();
    assert_eq!(clock.close(at(10_071), true).watermarks, [Some(at(10_019))]);
}

#[test]
fn a_process_that_was_stopped_takes_no_silence_for_granted() {
    let mut clock = started(vec![timing(1)]);
    drain(&mut clock, 0, 0..=29);
    drain(&mut clock, 0, 3_600..=3_601);
    assert_eq!(clock.close(at(3_602), true).watermarks, [Some(EventTime::NEVER)]);
}

#[test]
fn others_carry_on_for_a_silent_source_that_they_cover() {
    let any = || SourceTiming { coverage: Coverage::Any, ..timing(1) };
    let mut clock = started(vec![any(), any()]);
    for source in [0, 1] {
        clock.bind(source, 0, 1, Some(&trade(1))).unwrap();
    }
    let send = |clock: &mut CommitClock, secs, instrument| {
        clock.bind(1, 0, 2, Some(&trade_of(instrument, secs))).unwrap();
        clock.close(at(secs), true).watermarks
    };
    assert_eq!(send(&mut clock, 29, 1), [Some(at(-1)), Some(at(27))], "0 may still send something");
    assert_eq!(send(&mut clock, 60, 1), [Some(at(58)), Some(at(58))], "0 is silent");
    // It comes back with what is older; that is late by the watermark of the others, not by its own.
    clock.bind(0, 0, 2, Some(&trade(20))).unwrap();
    assert_eq!(send(&mut clock, 61, 1), [Some(at(58)), Some(at(59))]);

    // Watermarks wait for what it alone has sent, as long as that takes.
    clock.bind(0, 0, 3, Some(&trade_of(2, 80))).unwrap();
    assert_eq!(send(&mut clock, 90, 1), [Some(at(78)), Some(at(88))]);
    assert_eq!(send(&mut clock, 200, 1), [Some(at(78)), Some(at(198))]);
    assert_eq!(send(&mut clock, 210, 2), [Some(at(208)), Some(at(208))], "1 sends 2 as well");

    // Nobody is live.
    assert_eq!(clock.close(at(9_000), true).watermarks, [Some(at(208)), Some(at(208))]);
}

/// Hours of event time pass in a moment, so what a slow thread brings a minute later must not be late.
#[test]
fn one_that_back_fills_is_not_silent_before_it_has_caught_up() {
    let back_fills = || SourceTiming {
        coverage: Coverage::Any,
        is_awaited: true,
        back_fills: true,
        ..timing(1)
    };
    let mut clock = started(vec![back_fills(), back_fills()]);
    for source in [0, 1] {
        clock.bind(source, 0, 1, Some(&trade(1))).unwrap();
    }
    clock.close(at(1), true);
    let send = |clock: &mut CommitClock, source, secs, now| {
        clock.bind(source, 0, 2, Some(&trade(secs))).unwrap();
        clock.close(at(now), true).watermarks
    };
    assert_eq!(send(&mut clock, 1, 60, 60), [Some(at(-1)), Some(at(-1))], "0 is waited for");
    assert_eq!(send(&mut clock, 0, 59, 61), [Some(at(57)), Some(at(57))]);
    drain(&mut clock, 0, 62..=62);
    drain(&mut clock, 1, 62..=62);
    assert_eq!(clock.close(at(62), true).watermarks, [Some(at(57)), Some(at(58))]);
    assert_eq!(send(&mut clock, 1, 100, 100), [Some(at(98)), Some(at(98))], "now 0 is silent");
}

#[test]
fn a_part_of_its_own_is_waited_for() {
    let mut clock = started(vec![timing(1), timing(1)]);
    clock.bind(0, 0, 1, Some(&trade(1))).unwrap();
    clock.bind(1, 0, 1, Some(&trade(500))).unwrap();
    assert_eq!(clock.close(at(501), true).watermarks, [Some(at(-1)), Some(at(498))]);
}

#[test]
fn a_time_ahead_is_refused_and_moves_nothing() {
    let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(100));
    let rejection = clock.bind(0, 0, 1, Some(&trade(111))).unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::TimeAhead);
    assert_eq!(
        rejection.detail,
        "event time 1970-01-01T00:01:51Z is past 1970-01-01T00:01:50Z, 10s ahead of the system's time (`job.max_clock_ahead`)"
    );
    assert_eq!(clock.close(at(120), true).watermarks, [Some(EventTime::NEVER)]);
    // The bound moves with the commit before, so now it fits.
    clock.bind(0, 0, 2, Some(&trade(111))).unwrap();

    let mut clock = CommitClock::new(vec![timing(1)], Ahead::NotAfter(at(50)), at(0));
    assert!(clock.bind(0, 0, 1, Some(&trade(50))).is_ok());
    assert!(clock.bind(0, 0, 2, Some(&trade(51))).is_err());
}

#[test]
fn what_is_said_of_accounts_is_bound_and_moves_no_watermark() {
    let bust = |secs| {
        let of = FillRef { portfolio: PortfolioId::of("p"), id: TradeId::Number(1) };
        InputEvent::Account(AccountEvent::Bust { of, side: Side::Unknown, time: Some(at(secs)) })
    };
    let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(100));
    clock.bind(0, 0, 1, Some(&trade(90))).unwrap();
    clock.bind(0, 0, 2, Some(&bust(105))).unwrap();
    let rejection = clock.bind(0, 0, 3, Some(&bust(111))).unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::TimeAhead);
    let binding = clock.close(at(101), true);
    assert_eq!((binding.watermarks, binding.positions), (vec![Some(at(88))], vec![vec![3]]));
    assert_eq!(clock.newest(), at(90));
}

#[test]
fn the_systems_time_never_goes_back_and_historic_sources_have_no_mark() {
    let historic = SourceTiming { historic: true, ..timing(1) };
    let mut clock = CommitClock::new(vec![historic], Ahead::OfSystem(Span::secs(10)), at(100));
    clock.bind(0, 0, 1, Some(&trade(3))).unwrap();
    let binding = clock.close(at(90), false);
    assert_eq!((binding.at, binding.watermarks), (at(100), vec![None]));
}
