//! Weights, targets and the trades that close the gap.

use market::{AccountEvent, BarState};

use super::words::*;

const WHOLE: i128 = 1_000_000_000;

#[test]
fn half_of_the_portfolio_where_a_quarter_is_wished() {
    let desk = Desk::with_capital(1_000)
        .fills(buy(1, 5, 100))
        .closes("A", 100)
        .closes("B", 30)
        .hears(target("A", 250, "10:00:00"))
        .hears(target("B", 500, "10:00:00"));
    let row = desk.drift("A");
    assert_eq!((row.weight, row.target), (Some(WHOLE / 2), Some(250_000_000)));
    assert_eq!(row.drift, Some(WHOLE / 4));
    // 250 dollars are two and a half shares.
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-250 * ONE), Some(-2)));
    let row = desk.drift("B");
    assert_eq!((row.weight, row.drift), (Some(0), Some(-WHOLE / 2)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(500 * ONE), Some(16)));
}

#[test]
fn what_is_held_and_not_wished_is_to_be_sold() {
    let desk = Desk::with_capital(1_000).fills(buy(1, 5, 100)).closes("A", 100);
    let row = desk.drift("A");
    assert_eq!((row.weight, row.target, row.drift), (Some(WHOLE / 2), None, None));
    assert_eq!((row.trade_value, row.trade_quantity), (None, None));
    let desk = desk.hears(target("B", 100, "10:00:00"));
    let row = desk.drift("A");
    assert_eq!((row.target, row.drift), (Some(0), Some(WHOLE / 2)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-500 * ONE), Some(-5)));
    // Nobody knows what one of B is worth.
    let row = desk.drift("B");
    assert_eq!((row.trade_value, row.trade_quantity), (Some(100 * ONE), None));
}

#[test]
fn without_capital_weights_are_shares_of_gross() {
    let desk = Desk::new()
        .fills(buy(1, 3, 100))
        .closes("A", 100)
        .fills(of("B", whole("USD"), sell(2, 1, 100)))
        .closes("B", 100);
    assert_eq!(desk.drift("A").weight, Some(750_000_000));
    assert_eq!(desk.drift("B").weight, Some(-250_000_000));
}

#[test]
fn a_portfolio_that_holds_nothing_yet_buys_for_its_capital() {
    let desk = Desk::with_capital(1_000).hears(target("A", -300, "10:00:00")).closes("A", 7);
    let row = desk.drift("A");
    assert_eq!((row.weight, row.drift), (Some(0), Some(300_000_000)));
    assert_eq!((row.trade_value, row.trade_quantity), (Some(-300 * ONE), Some(-42)));
    assert_eq!(desk.shows().portfolios.len(), 0);
    // Without a capital there is nothing to take a share of.
    let row = Desk::new().hears(target("A", 300, "10:00:00")).closes("A", 7).drift("A");
    assert_eq!((row.weight, row.target, row.drift), (None, Some(300_000_000), None));
    assert_eq!((row.trade_value, row.trade_quantity), (None, None));
}

#[test]
fn losses_beyond_the_capital_leave_no_weights() {
    let desk = Desk::with_capital(100).fills(buy(1, 5, 100)).closes("A", 80);
    assert_eq!(desk.portfolio().amounts.unwrap().equity, 0);
    assert_eq!(desk.drift("A").weight, None);
    assert_eq!(desk.closes("A", 81).drift("A").weight, Some(405 * WHOLE / 5));
}

#[test]
fn the_wish_said_last_counts_and_may_be_taken_back() {
    let AccountEvent::Target(mut back) = target("A", 0, "10:02:00") else { unreachable!() };
    back.weight = None;
    let desk = Desk::with_capital(1_000)
        .hears(target("A", 250, "10:01:00"))
        .hears(target("A", 500, "10:00:00"));
    assert_eq!(desk.drift("A").target, Some(250_000_000));
    let desk = desk.hears(target("A", 750, "10:01:00"));
    assert_eq!(desk.drift("A").target, Some(750_000_000), "of one time, the higher position");
    assert_eq!(desk.hears(AccountEvent::Target(back)).shows().drift.len(), 0);
}

#[test]
fn a_flat_position_without_a_rate_weighs_nothing() {
    let fills = [buy(1, 1, 100), sell(2, 1, 100)].map(|fill| of("A", whole("EUR"), fill));
    let desk = Desk::with_capital(1_000).hears_all(fills.map(AccountEvent::Fill));
    assert_eq!(desk.shows().drift.len(), 0, "neither open nor wished");
    let desk = desk.hears(target("A", 500, "10:00:00"));
    assert_eq!(desk.drift("A").weight, Some(0));
    assert_eq!(desk.drift("A").trade_value, Some(500 * ONE));
    // An open one without a rate weighs nobody knows what.
    let desk = desk.fills(of("A", whole("EUR"), buy(3, 1, 100))).closes("A", 100);
    let row = desk.drift("A");
    assert_eq!((row.weight, row.target, row.trade_value), (None, Some(500_000_000), None));
}

#[test]
fn trades_in_other_currencies_and_fractions() {
    // A tenth of a thousand dollars, in lots of 0.01 contracts for 50 units at 2.00 euros or yen.
    let wish = |quote: &str| {
        let AccountEvent::Target(mut wish) = target("A", 100, "10:00:00") else { unreachable!() };
        wish.contract = scaled(2, 2, quote, 50);
        let desk = Desk::with_capital(1_000).hears(AccountEvent::Target(wish));
        desk.bar("A", "1m", "10:00:00", (200, 2), BarState::Open)
    };
    let lots = |desk: Desk| desk.drift("A").trade_quantity;
    assert_eq!(lots(wish("USD")), Some(100));
    // One lot is worth a euro, or 1.25 dollars.
    assert_eq!(lots(wish("EUR").pair("EUR/USD", Some((125, 2)))), Some(80));
    // One lot is worth a yen, or 1/150 dollars.
    assert_eq!(lots(wish("JPY").pair("USD/JPY", Some((150, 0)))), Some(15_000));
    assert_eq!(lots(wish("JPY")), None);
    // At a price of nothing or less there is no such number.
    for price in [0, -200] {
        let desk = wish("USD").bar("A", "1m", "10:00:00", (price, 2), BarState::Open);
        assert_eq!((desk.drift("A").trade_value, lots(desk)), (Some(100 * ONE), None));
    }
}
