//! Which prices are far away from recent ones.

use super::vocabulary::*;
use market::{CauseKind, Commit, Event, Outlier, Price, Trade, TradeId, Updates};
use oracle::commits::{History, Output};
use oracle::outliers::Far;

#[test]
fn a_price_is_held_to_the_closes_of_the_minutes_before_its_own() {
    let far = Far { bars: 4, deviations: 3, floor_bps: 100 };
    let mut job = Job::new(History { far, ..patient() });
    // As in the definition.
    let closes = [("10:00:10", 100), ("10:01:10", 102), ("10:02:10", 101), ("10:03:10", 180)];
    let trades: Vec<Event> =
        (1..).zip(closes).map(|(id, (time, price))| new(trade(id, time, price))).collect();
    // In one commit each minute is held to those before it; from the third on these are enough.
    let first = job.apply(&trades, "10:03:10").outliers;
    let fourth = Outlier {
        commit: Commit(0),
        trade: trade(4, "10:03:10", 180),
        kind: CauseKind::Trade,
        median: Price(101),
        deviation: 1,
        bars: 3,
    };
    assert_eq!(first, [fourth]);
    let prices = [97, 98, 104, 105].map(|price| new(trade(price, "10:04:10", price as i64)));
    let record = job.apply(&prices, "10:04:10").outliers;
    let row = |price: i64| Outlier {
        commit: Commit(1),
        trade: trade(price as u64, "10:04:10", price),
        kind: CauseKind::Trade,
        median: Price(101),
        deviation: 1,
        bars: 4,
    };
    assert_eq!(record, [row(97), row(105)]);
    // The minute's own close is not among them, and a copy is not logged again.
    let more = [prices[0], new(trade(9, "10:04:20", 98)), new(trade(10, "10:04:21", 1))];
    assert_eq!(job.apply(&more, "10:04:10").outliers.len(), 1);
    // Two minutes that open before are half of four, one is not.
    let early = [new(trade(11, "10:02:00", 900)), new(trade(12, "10:01:00", 900))];
    let record = job.apply(&early, "10:04:10").outliers;
    let [row] = record[..] else { panic!("one row: {record:?}") };
    assert_eq!((row.trade.id, row.median, row.deviation), (TradeId::Number(11), Price(100), 0));
}

#[test]
fn a_price_is_judged_when_it_begins_to_count() {
    let far = Far { bars: 1, deviations: 1, floor_bps: 100 };
    let mut job = Job::new(History { far, ..patient() });
    job.apply(&[new(trade(1, "10:00:10", -1_000))], "10:00:10");
    let (near, away) = (trade(2, "10:01:10", -1_010), trade(2, "10:01:10", -1_011));
    let outliers = |output: Output| -> Vec<_> {
        output.outliers.iter().map(|row| (row.kind, row.trade.price.0)).collect()
    };
    // Below zero the floor is as wide. Cancelled or corrected at once, a price never counts.
    let at_once = [new(trade(3, "10:01:10", 7)), cancel(3), new(away), correct(2, 9, near)];
    assert_eq!(outliers(job.apply(&at_once, "10:01:10")), []);
    assert_eq!(outliers(job.apply(&[correct(4, 9, trade(4, "10:01:10", 7))], "10:01:10")), []);
    let matched = [new(trade(4, "10:01:10", -1_000)), correct(2, 10, away)];
    let record = outliers(job.apply(&matched, "10:01:10"));
    assert_eq!(record, [(CauseKind::Correction, -1_011), (CauseKind::Correction, 7)]);
    // By another feed, and outranked.
    let again = [correct(2, 10, away), correct(2, 8, trade(2, "10:01:10", 7))];
    assert_eq!(outliers(job.apply(&again, "10:01:10")), []);
    // What sets no price is not judged.
    let volume = Trade { updates: Updates::VOLUME, ..trade(5, "10:01:10", 7) };
    assert_eq!(outliers(job.apply(&[new(volume)], "10:01:10")), []);
}
