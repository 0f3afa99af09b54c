//! What fills make of a position.

use market::{AccountEvent, Fill, InstrumentId, TradeId};

use super::vocabulary::*;

#[test]
fn two_buys_and_a_sale_of_a_part() {
    let scenario = Scenario::after(&[buy(1, 10, 100), buy(2, 10, 110), sell(3, 5, 120)], 130);
    let row = scenario.position("A");
    // 20 cost 2100, so 5 cost 525 and were sold for 600.
    assert_eq!(scenario.holding(), (15, 2_100 - 525, 600 - 525));
    assert_eq!((row.average, row.fills), (Some(105), 3));
    assert_eq!((row.value, row.unrealised), (Some(1_950), Some(375)));
    let base = scenario.in_dollars("A");
    assert_eq!((base.value, base.basis), (1_950 * ONE, 1_575 * ONE));
    assert_eq!((base.realised, base.unrealised, base.fees), (75 * ONE, 375 * ONE, Some(0)));
}

#[test]
fn a_sale_of_more_than_is_held_turns_the_position_round() {
    let scenario = Scenario::after(&[buy(1, 10, 100), sell(2, 15, 120)], 110);
    assert_eq!(scenario.holding(), (-5, -600, 200));
    let row = scenario.position("A");
    assert_eq!((row.average, row.value, row.unrealised), (Some(120), Some(-550), Some(50)));
    assert_eq!(row.fills, 2, "one of them counted as two only while folding");
}

#[test]
fn a_short_position_and_a_rebate() {
    let rebate = Fill { fee: -2_000_000_000, ..sell(1, 10, 100) };
    let scenario = Scenario::after(&[rebate, buy(2, 4, 90)], 95);
    // 4 of 10 were sold for 400 and bought back for 360; 6 sold for 600 would cost 570.
    assert_eq!(scenario.holding(), (-6, -600, 40));
    let base = scenario.in_dollars("A");
    assert_eq!((base.unrealised, base.fees), (30 * ONE, Some(-2 * ONE)));
    let amounts = scenario.portfolio().amounts.unwrap();
    assert_eq!((amounts.pnl, amounts.equity), (Some(72 * ONE), Some(72 * ONE)));
    assert_eq!((amounts.net, amounts.long, amounts.short), (-570 * ONE, 0, -570 * ONE));
    assert_eq!(amounts.gross, 570 * ONE);
}

#[test]
fn halves_of_the_smallest_unit_go_to_the_even_one() {
    // Half of a basis of 3 is 2, and half of one of 5 is 2 as well.
    let three = Scenario::after(&[buy(1, 1, 1), buy(2, 1, 2), sell(3, 1, 2)], 0);
    assert_eq!(three.holding(), (1, 1, 0));
    let five = Scenario::after(&[buy(1, 1, 1), buy(2, 1, 4), sell(3, 1, 2)], 0);
    assert_eq!(five.holding(), (1, 3, 0));
    // A short position mirrors a long one.
    let short = Scenario::after(&[sell(1, 1, 1), sell(2, 1, 4), buy(3, 1, 2)], 0);
    assert_eq!(short.holding(), (-1, -3, 0));
    // The average of 1 and 4 is 2, that of 1 and 2 as well.
    assert_eq!(Scenario::after(&[buy(1, 1, 1), buy(2, 1, 4)], 0).position("A").average, Some(2));
    assert_eq!(Scenario::after(&[buy(1, 1, 1), buy(2, 1, 2)], 0).position("A").average, Some(2));
}

#[test]
fn a_position_that_was_closed_keeps_its_row() {
    let scenario = Scenario::after(&[buy(1, 10, 100), sell(2, 10, 90)], 500);
    let row = scenario.position("A");
    assert_eq!(scenario.holding(), (0, 0, -100));
    assert_eq!((row.average, row.value, row.unrealised), (None, Some(0), Some(0)));
    let portfolio = scenario.portfolio();
    assert_eq!((portfolio.open, portfolio.unpriced), (0, 0));
    assert_eq!(portfolio.amounts.unwrap().pnl, Some(-100 * ONE));
}

#[test]
fn fills_count_in_the_order_of_time_sequence_and_origin_not_of_ids() {
    let late = Fill { time: at("09:00:00"), ..sell(3, 5, 120) };
    let scenario = Scenario::after(&[buy(1, 10, 100), buy(2, 10, 110), late], 130);
    // Sold first: short 5 at 120, bought back at 100, the other 5 bought at 100.
    assert_eq!(scenario.holding(), (15, 500 + 1_100, 100));
    let one_time = |fill: Fill| Fill { time: at("10:00:00"), ..fill };
    let numbered = |sequence, fill: Fill| Fill { sequence, ..one_time(fill) };
    let rows = [buy(9, 10, 100), buy(2, 10, 120), sell(1, 10, 130)];
    assert_eq!(Scenario::after(&rows.map(one_time), 0).holding(), (10, 1_100, 200));
    let turned = [rows[0], rows[2], rows[1]];
    assert_eq!(Scenario::after(&turned.map(one_time), 0).holding(), (10, 1_200, 300));
    let told = [numbered(1, rows[0]), numbered(3, rows[2]), numbered(2, rows[1])];
    let told = Scenario::after(&told, 0);
    assert_eq!(told.holding(), (10, 1_100, 200));
    // A correction keeps the place of its fill, whatever its own sequence says.
    let really = Fill { sequence: 7, ..numbered(2, buy(2, 10, 140)) };
    assert_eq!(told.apply(AccountEvent::Correct(really)).holding(), (10, 1_200, 100));
}

#[test]
fn a_bust_takes_a_fill_out_of_the_middle() {
    let fills = [buy(1, 10, 100), buy(2, 10, 110), sell(3, 5, 120)];
    let scenario = Scenario::after(&fills, 130).apply(bust(2));
    assert_eq!(scenario.holding(), (5, 500, 100));
    let nothing = scenario.apply(bust(1)).apply(bust(3));
    assert_eq!(nothing.shows().positions.len(), 0, "no fill survives");
    // Neither a correction nor the fill itself brings it back.
    let again = Scenario::after(&fills, 130).apply(bust(2)).fills(fills[1]);
    let again = again.apply(AccountEvent::Correct(Fill { sequence: 9, ..fills[1] }));
    assert_eq!(again.holding(), (5, 500, 100));
}

#[test]
fn a_correction_moves_a_fill_to_another_instrument() {
    let really = of("B", whole("USD"), Fill { sequence: 2, ..buy(1, 10, 50) });
    let older = Fill { sequence: 1, ..buy(1, 99, 99) };
    let scenario = Scenario::new()
        .apply(AccountEvent::Correct(really))
        .apply(AccountEvent::Correct(older))
        .closes("B", 60);
    assert_eq!(scenario.shows().positions.len(), 0, "it waits for its fill");
    let scenario = scenario.fills(buy(1, 10, 100));
    let positions = scenario.shows().positions;
    assert!(positions.keys().eq([&(super::vocabulary::portfolio_id(), InstrumentId::of("B"))]));
    assert_eq!(scenario.in_dollars("B").unrealised, 100 * ONE);
}

#[test]
fn a_fill_reported_twice_is_one_and_the_first_is_kept() {
    let scenario = Scenario::after(&[buy(1, 10, 100), buy(1, 10, 100), buy(1, 10, 999)], 100);
    assert_eq!(scenario.holding(), (10, 1_000, 0));
    // The id of one portfolio has no meaning in another.
    let mut other = buy(1, 1, 1);
    other.name.portfolio = market::PortfolioId::of("another fund");
    assert_eq!(scenario.fills(other).holding(), (10, 1_000, 0));
}

#[test]
fn contracts_stand_for_many_units() {
    // Two futures of 50 index points each, bought at 4500.25, are at 4501.00.
    let future = scaled(2, 0, "USD", 50);
    let scenario = Scenario::new().fills(of("ES", future, buy(1, 2, 450_025))).bar(
        "ES",
        "1m",
        "10:00:00",
        (450_100, 2),
        market::BarState::Open,
    );
    let row = scenario.position("ES");
    assert_eq!((row.basis, row.average), (Some(45_002_500), Some(450_025)));
    assert_eq!((row.value, row.unrealised), (Some(45_010_000), Some(7_500)));
    assert_eq!(scenario.in_dollars("ES").unrealised, 75 * ONE);
}

#[test]
fn ids_of_text_and_numbers_are_different_fills() {
    let mut text = buy(1, 1, 1);
    text.name.id = TradeId::Text(1);
    assert_eq!(Scenario::after(&[buy(1, 1, 1), text], 1).holding(), (2, 2, 0));
}
