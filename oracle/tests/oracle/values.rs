//! Which trades survive, and what bars they make: every rule that needs no history.

use super::vocabulary::*;
use market::{
    Bar, Calendar, Calendars, CandleKey, Event, Price, Quantity, Record, Side, Trade, Updates,
};
use oracle::set::{survivors, value_bars};

/// Events reported in this order by one source.
fn surviving(events: &[market::Event]) -> Vec<Trade> {
    let records: Vec<_> = (0..).zip(events).map(|(at, e)| record(at, *e)).collect();
    let all = survivors(&records);
    for seed in 0..10 {
        let shuffled = oracle::random::shuffle(&records, seed);
        assert_eq!(survivors(&shuffled), all, "order does not matter");
    }
    all
}

#[test]
fn a_trade_reported_twice_is_one() {
    let a = trade(1, "10:00:00", 100);
    assert_eq!(surviving(&[new(a), new(a)]), [a]);
}

#[test]
fn a_correction_replaces_and_a_chain_is_one_trade() {
    let (a, b, c) =
        (trade(1, "10:00:00", 100), trade(2, "10:00:00", 101), trade(3, "10:07:00", 102));
    let last = Trade { sequence: 11, ..c };
    assert_eq!(surviving(&[correct(2, 11, c), new(a), correct(1, 10, b)]), [last]);
    // The highest sequence wins, also if it is not the end of the chain.
    let middle = Trade { sequence: 12, ..b };
    assert_eq!(surviving(&[correct(2, 11, c), new(a), correct(1, 12, b)]), [middle]);
}

#[test]
fn corrections_of_one_sequence_are_decided_by_origin() {
    let a = trade(1, "10:00:00", 100);
    let mut by_rank_0 = record_by(5, 9, correct(1, 10, trade(1, "10:00:00", 105)));
    by_rank_0.origin.rank = 0;
    let mut by_rank_1 = record_by(0, 0, correct(1, 10, trade(1, "10:00:00", 106)));
    by_rank_1.origin.rank = 1;
    let [survivor] = survivors(&[record(0, new(a)), by_rank_1, by_rank_0])[..] else {
        panic!("one trade")
    };
    assert_eq!(survivor.price, Price(105));
}

#[test]
fn corrections_without_sequences_are_decided_by_their_places() {
    let a = trade(1, "10:00:00", 100);
    let placed = |price| {
        let with = Trade { sequence: 1, is_positional: true, ..trade(1, "10:00:00", price) };
        Event::Correct { of: a.name(), with }
    };
    let price = |records: &[Record]| survivors(records)[0].price.0;
    // Of one partition the last counts, whatever order they arrive in.
    let (first, last) = (record(3, placed(105)), record(4, placed(106)));
    for records in [[record(0, new(a)), first, last], [last, first, record(9, new(a))]] {
        assert_eq!(price(&records), 106);
    }
    // The better provider counts more, and a sequence more than any place.
    let mut better = record_by(0, 1, placed(107));
    better.origin.rank = 0;
    let by_rank_1 = |mut record: Record| {
        record.origin.rank = 1;
        record
    };
    let others = [by_rank_1(first), by_rank_1(last)];
    assert_eq!(price(&[record(0, new(a)), others[0], others[1], better]), 107);
    let mut numbered = record_by(7, 8, correct(1, 0, trade(1, "10:00:00", 108)));
    numbered.origin.rank = 2;
    assert_eq!(price(&[record(0, new(a)), better, numbered, others[1]]), 108);
}

#[test]
fn a_cancel_of_any_id_ends_the_whole_chain() {
    let (a, b) = (trade(1, "10:00:00", 100), trade(2, "10:00:00", 101));
    for id in [1, 2] {
        assert_eq!(surviving(&[new(a), correct(1, 10, b), cancel(id)]), []);
    }
    // A repeated original does not revive it, under neither id.
    assert_eq!(surviving(&[new(a), cancel(1), new(a), correct(1, 10, b), new(b)]), []);
}

#[test]
fn a_repeated_original_does_not_undo_a_correction() {
    let a = trade(1, "10:00:00", 100);
    let b = trade(1, "10:00:00", 200);
    let corrected = Trade { sequence: 10, ..b };
    assert_eq!(surviving(&[new(a), correct(1, 10, b), new(a)]), [corrected]);
}

#[test]
fn a_correction_without_a_trade_shows_nothing() {
    assert_eq!(surviving(&[correct(1, 10, trade(1, "10:00:00", 100))]), []);
}

#[test]
fn two_providers_that_disagree_are_decided_by_rank() {
    let good = trade(1, "10:00:00", 100);
    let bad = trade(1, "10:00:00", 999);
    let mut second = record_by(0, 0, new(bad));
    second.origin.rank = 1; // a lower source, but a worse provider
    let mut first = record_by(7, 50, new(good));
    first.origin.rank = 0;
    assert_eq!(survivors(&[second, first]), [good]);
}

fn only_bar(trades: &[Trade]) -> Option<Bar> {
    let records: Vec<_> = (0..).zip(trades).map(|(at, t)| record(at, new(*t))).collect();
    let bars = value_bars(&records, &[timeframe("1m")], &Calendars::utc());
    assert!(bars.len() < 2);
    bars.into_values().next()
}

#[test]
fn a_bar_of_trades_in_the_venues_order() {
    let mut trades = [
        trade(1, "10:00:30", 105), // last by sequence within the time
        trade(2, "10:00:10", -3),
        trade(3, "10:00:30", 110),
        trade(4, "10:00:00", 100), // exactly at the open of the bar
    ];
    trades[0].sequence = 9;
    trades[0].side = Side::Buy;
    trades[0].quantity = Quantity(4);
    trades[1].quantity = Quantity(0);
    trades[2].side = Side::Sell;
    let bar = only_bar(&trades).unwrap();
    assert_eq!((bar.open.unwrap().1, bar.close.unwrap().1), (Price(100), Price(105)));
    assert_eq!((bar.high, bar.low), (Some(Price(110)), Some(Price(-3))));
    assert_eq!((bar.volume, bar.trades), (6, 4));
    assert_eq!(bar.notional, 4 * 105 + 110 + 100);
    assert_eq!((bar.buy_volume, bar.buy_notional), (4, 420));
    assert_eq!(bar.end_time, at("10:01:00"));
}

#[test]
fn ids_decide_between_equal_times_and_sequences() {
    let mut trades = [trade(2, "10:00:00", 102), trade(1, "10:00:00", 101)];
    trades.iter_mut().for_each(|t| t.sequence = 5);
    let bar = only_bar(&trades).unwrap();
    assert_eq!((bar.open.unwrap().1, bar.close.unwrap().1), (Price(101), Price(102)));
}

#[test]
fn a_trade_updates_only_what_it_may() {
    let mut odd_lot = trade(1, "10:00:00", 500);
    odd_lot.updates = Updates::VOLUME;
    let mut official = trade(2, "10:00:05", 90);
    official.updates = Updates::OPEN_CLOSE;
    let bar = only_bar(&[odd_lot, official]).unwrap();
    assert_eq!((bar.high, bar.low, bar.trades, bar.volume), (None, None, 1, 1));
    assert_eq!(bar.open, bar.close);

    let mut nothing = trade(3, "10:00:00", 1);
    nothing.updates = Updates::NONE;
    assert_eq!(only_bar(&[nothing]), None);
}

#[test]
fn the_day_that_clocks_go_forward_has_23_hours_in_new_york() {
    let calendars =
        Calendars::new(vec![Calendar::UTC, Calendar::named("America/New_York").unwrap()]).unwrap();
    let mut early = trade(1, "00:00:00", 100);
    early.spec.calendar = market::CalendarId(1);
    early.time = instant("2024-03-10T05:00:00Z"); // midnight
    let mut late = Trade { id: market::TradeId::Number(2), ..early };
    late.time = instant("2024-03-11T03:59:59Z");
    let mut next = Trade { id: market::TradeId::Number(3), ..early };
    next.time = instant("2024-03-11T04:00:00Z"); // the next midnight
    let records = [record(0, new(early)), record(1, new(late)), record(2, new(next))];
    let bars = value_bars(&records, &[timeframe("1m"), timeframe("1d")], &calendars);
    let day = bars[&CandleKey {
        instrument: early.instrument,
        timeframe: timeframe("1d"),
        open_time: early.time,
    }];
    assert_eq!((day.trades, day.end_time), (2, next.time));
    assert_eq!(bars.len(), 3 + 2);
}
