//! Weights, targets and the trades that close the gap.

use market::{AccountEvent, BarState};

use super::vocabulary::*;

const WHOLE: i128 = 1_000_000_000;

#[test]
fn half_of_the_portfolio_where_a_quarter_is_the_target() {
    let scenario = Scenario::with_capital(1_000)
        .fills(buy(1, 5, 100))
        .closes("A", 100)
        .closes("B", 30)
        .apply(target("A", 250, "10:00:00"))
        .apply(target("B", 500, "10:00:00"));
    let row = scenario.drift("A");
    assert_eq!((row.weight, row.target), (Some(WHOLE / 2), Some(250_000_000)));
    assert_eq!(row.drift, Some(WHOLE / 4));
    // 250 dollars are two and a half shares.
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-250 * ONE), Some(-2)));
    let row = scenario.drift("B");
    assert_eq!((row.weight, row.drift), (Some(0), Some(-WHOLE / 2)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(500 * ONE), Some(16)));
}

#[test]
fn what_is_held_without_a_target_is_to_be_sold() {
    let scenario = Scenario::with_capital(1_000).fills(buy(1, 5, 100)).closes("A", 100);
    let row = scenario.drift("A");
    assert_eq!((row.weight, row.target, row.drift), (Some(WHOLE / 2), None, None));
    assert_eq!((row.trade_value, row.trade_quantity), (None, None));
    let scenario = scenario.apply(target("B", 100, "10:00:00"));
    let row = scenario.drift("A");
    assert_eq!((row.target, row.drift), (Some(0), Some(WHOLE / 2)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-500 * ONE), Some(-5)));
    // Nobody knows what one of B is worth.
    let row = scenario.drift("B");
    assert_eq!((row.trade_value, row.trade_quantity), (Some(100 * ONE), None));
}

#[test]
fn without_capital_weights_are_shares_of_gross() {
    let scenario = Scenario::new()
        .fills(buy(1, 3, 100))
        .closes("A", 100)
        .fills(of("B", whole("USD"), sell(2, 1, 100)))
        .closes("B", 100);
    assert_eq!(scenario.drift("A").weight, Some(750_000_000));
    assert_eq!(scenario.drift("B").weight, Some(-250_000_000));
}

#[test]
fn a_portfolio_that_holds_nothing_yet_buys_for_its_capital() {
    let scenario =
        Scenario::with_capital(1_000).apply(target("A", -300, "10:00:00")).closes("A", 7);
    let row = scenario.drift("A");
    assert_eq!((row.weight, row.drift), (Some(0), Some(300_000_000)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-300 * ONE), Some(-42)));
    assert_eq!(scenario.shows().portfolios.len(), 0);
    // Without a capital there is nothing to take a share of.
    let row = Scenario::new().apply(target("A", 300, "10:00:00")).closes("A", 7).drift("A");
    assert_eq!((row.weight, row.target, row.drift), (None, Some(300_000_000), None));
    assert_eq!((row.trade_value, row.trade_quantity), (None, None));
}

#[test]
fn losses_beyond_the_capital_leave_no_weights() {
    let scenario = Scenario::with_capital(100).fills(buy(1, 5, 100)).closes("A", 80);
    assert_eq!(scenario.portfolio().amounts.unwrap().equity, Some(0));
    assert_eq!(scenario.drift("A").weight, None);
    assert_eq!(scenario.closes("A", 81).drift("A").weight, Some(405 * WHOLE / 5));
}

#[test]
fn the_latest_target_counts_and_may_be_taken_back() {
    let AccountEvent::Target(mut back) = target("A", 0, "10:02:00") else { unreachable!() };
    back.weight = None;
    let scenario = Scenario::with_capital(1_000)
        .apply(target("A", 250, "10:01:00"))
        .apply(target("A", 500, "10:00:00"));
    assert_eq!(scenario.drift("A").target, Some(250_000_000));
    let scenario = scenario.apply(target("A", 750, "10:01:00"));
    assert_eq!(scenario.drift("A").target, Some(750_000_000), "of one time, the higher position");
    assert_eq!(scenario.apply(AccountEvent::Target(back)).shows().drift.len(), 0);
}

#[test]
fn a_flat_position_without_a_rate_weighs_nothing() {
    let fills = [buy(1, 1, 100), sell(2, 1, 100)].map(|fill| of("A", whole("EUR"), fill));
    let scenario = Scenario::with_capital(1_000).apply_all(fills.map(AccountEvent::Fill));
    assert_eq!(scenario.shows().drift.len(), 0, "neither open nor targeted");
    let scenario = scenario.apply(target("A", 500, "10:00:00"));
    assert_eq!(scenario.drift("A").weight, None, "a share of nobody knows what");
    let scenario = scenario.fills(of("B", whole("USD"), buy(9, 1, 100))).closes("B", 100);
    assert_eq!(scenario.drift("A").weight, Some(0));
    assert_eq!(scenario.drift("A").trade_value, Some(500 * ONE));
    // An open one without a rate weighs nobody knows what.
    let scenario = scenario.fills(of("A", whole("EUR"), buy(3, 1, 100))).closes("A", 100);
    let row = scenario.drift("A");
    assert_eq!((row.weight, row.target, row.trade_value), (None, Some(500_000_000), None));
}

#[test]
fn trades_in_other_currencies_and_fractions() {
    // A tenth of a thousand dollars, in lots of 0.01 contracts for 50 units at 2.00 euros or yen.
    let target_weight = |quote: &str| {
        let AccountEvent::Target(mut target_weight) = target("A", 100, "10:00:00") else {
            unreachable!()
        };
        target_weight.contract = scaled(2, 2, quote, 50);
        let scenario = Scenario::with_capital(1_000).apply(AccountEvent::Target(target_weight));
        scenario.bar("A", "1m", "10:00:00", (200, 2), BarState::Open)
    };
    let lots = |scenario: Scenario| scenario.drift("A").trade_quantity;
    assert_eq!(lots(target_weight("USD")), Some(100));
    // One lot is worth a euro, or 1.25 dollars.
    assert_eq!(lots(target_weight("EUR").pair("EUR/USD", Some((125, 2)))), Some(80));
    // One lot is worth a yen, or 1/150 dollars.
    assert_eq!(lots(target_weight("JPY").pair("USD/JPY", Some((150, 0)))), Some(15_000));
    assert_eq!(lots(target_weight("JPY")), None);
    // At a price of nothing or less there is no such number.
    for price in [0, -200] {
        let scenario = target_weight("USD").bar("A", "1m", "10:00:00", (price, 2), BarState::Open);
        assert_eq!((scenario.drift("A").trade_value, lots(scenario)), (Some(100 * ONE), None));
    }
}
