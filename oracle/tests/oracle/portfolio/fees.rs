//! Fees that are paid in another currency than the instrument is quoted in.

use market::{AccountEvent, Fill};
use oracle::portfolio::{FeeRow, Unpriced};

use super::vocabulary::*;

/// The fill with a fee in thousandths of a coin.
fn paid(thousandths: i64, currency: &str, fill: Fill) -> Fill {
    Fill { fee: thousandths * 1_000_000, fee_currency: money(currency), ..fill }
}

/// Ten bought at 100 for 75 thousandths of a BNB, then at 110. A BNB costs 600 dollars.
fn scenario(capital: i128) -> Scenario {
    Scenario::with_capital(capital).fills(paid(75, "BNB", buy(1, 10, 100))).closes("A", 110)
}

#[test]
fn a_fee_in_bnb_counts_in_dollars() {
    let scenario = scenario(1_000).fills(paid(250, "USD", buy(2, 1, 110)));
    let scenario = scenario.pair("BNB/USD", Some((600, 0)));
    assert_eq!(scenario.fees("A", "BNB"), Some(FeeRow { fees: 75_000_000, worth: Ok(45 * ONE) }));
    let dollars = FeeRow { fees: 250_000_000, worth: Ok(250_000_000) };
    assert_eq!(scenario.fees("A", "USD"), Some(dollars));
    assert_eq!(scenario.position("A").fees, Some(250_000_000), "in the quote currency");
    assert_eq!(scenario.in_dollars("A").fees, Some(45_250_000_000));
    let row = scenario.portfolio();
    let amounts = row.amounts.unwrap();
    assert_eq!((amounts.fees, row.unpriced_fees), (Some(45_250_000_000), 0));
    assert_eq!((amounts.unrealised, amounts.pnl), (100 * ONE, Some(54_750_000_000)));
    assert_eq!(amounts.equity, Some(1_054_750_000_000));
}

#[test]
fn the_rate_of_a_fee_goes_over_third_currencies_and_pence() {
    // 500 pence are 5 pounds, 6.25 dollars; 0.01 BNB are 5 USDT, of which one costs 0.9990 dollars.
    let scenario = scenario(0)
        .fills(paid(500_000, "GBX", buy(2, 1, 110)))
        .fills(paid(10, "BNB", of("B", whole("EUR"), buy(3, 1, 50))))
        .closes("B", 50)
        .pair("EUR/USD", Some((11, 1)))
        .pair("BNB/USDT", Some((500, 0)))
        .pair("USDT/USD", Some((9_990, 4)))
        .pair("GBP/USD", Some((125, 2)))
        .fixed("GBP/GBX", 100, 0);
    assert_eq!(scenario.fees("A", "GBX").unwrap().worth, Ok(6_250_000_000));
    assert_eq!(scenario.fees("B", "BNB").unwrap().worth, Ok(4_995_000_000));
    assert_eq!(scenario.in_dollars("A").fees, Some(37_462_500_000 + 6_250_000_000));
    assert_eq!(scenario.in_dollars("B").fees, Some(4_995_000_000));
}

#[test]
fn a_fee_without_a_rate_is_unknown_and_not_zero() {
    for capital in [0, 1_000] {
        let scenario = scenario(capital).fills(of("B", whole("USD"), buy(2, 1, 100)));
        let scenario = scenario.closes("B", 100);
        let unknown = FeeRow { fees: 75_000_000, worth: Err(Unpriced::NoRate) };
        assert_eq!(scenario.fees("A", "BNB"), Some(unknown));
        let base = scenario.in_dollars("A");
        assert_eq!((base.value, base.unrealised, base.fees), (1_100 * ONE, 100 * ONE, None));
        let row = scenario.portfolio();
        assert_eq!((row.unpriced, row.unpriced_fees), (0, 1));
        let amounts = row.amounts.unwrap();
        assert_eq!((amounts.net, amounts.unrealised), (1_200 * ONE, 100 * ONE));
        assert_eq!((amounts.fees, amounts.pnl, amounts.equity), (None, None, None));
        // Weights are shares of equity if there is capital, else of what is held.
        assert_eq!(scenario.drift("B").weight, (capital == 0).then_some(83_333_333));
        // A pair that has never traded, or not above 0, is no rate either.
        for mark in [None, Some((0, 0))] {
            let pair = self::scenario(capital).pair("BNB/USD", mark);
            assert_eq!(pair.fees("A", "BNB"), Some(unknown));
        }
    }
}

#[test]
fn corrections_and_busts_restate_fees() {
    let rates = |scenario: Scenario| scenario.pair("BNB/USD", Some((600, 0)));
    let correct = |fill| rates(scenario(0).apply(AccountEvent::Correct(fill)));
    let less = correct(paid(25, "BNB", buy(1, 10, 100)));
    assert_eq!(less.in_dollars("A").fees, Some(15 * ONE));
    let dollars = correct(paid(40_000, "USD", buy(1, 10, 100)));
    assert_eq!((dollars.fees("A", "BNB"), dollars.in_dollars("A").fees), (None, Some(40 * ONE)));
    let moved = correct(paid(75, "BNB", of("B", whole("USD"), buy(1, 10, 100))));
    // An instrument and its fee go together.
    assert_eq!(moved.fees("A", "BNB"), None);
    assert_eq!(rates(scenario(0)).apply(bust(1)).shows().fees.len(), 0);
    // A rebate of as much leaves nothing to convert.
    let none = scenario(0).fills(paid(-75, "BNB", buy(2, 1, 100)));
    assert_eq!((none.fees("A", "BNB"), none.in_dollars("A").fees), (None, Some(0)));
}

#[test]
fn fees_show_also_if_the_position_is_unpriced() {
    let unseen = Scenario::new()
        .fills(paid(10, "BNB", of("B", whole("EUR"), buy(1, 1, 50))))
        .pair("BNB/USD", Some((600, 0)));
    assert_eq!(unseen.fees("B", "BNB").unwrap().worth, Ok(6 * ONE));
    assert_eq!(unseen.position("B").base, Err(Unpriced::NoMark));
    let row = unseen.portfolio();
    assert_eq!((row.unpriced, row.unpriced_fees, row.amounts), (1, 0, None));
}

#[test]
fn fees_that_do_not_fit_make_the_position_overflow() {
    // 2^63 at nine decimals, times 2^62 and 2^62 without any.
    let huge = Fill { fee: i64::MAX, fee_currency: money("BNB"), ..buy(1, 10, 100) };
    let scenario = Scenario::new()
        .fills(huge)
        .closes("A", 110)
        .pair("BNB/AAA", Some((1 << 62, 0)))
        .pair("AAA/USD", Some((1 << 62, 0)));
    assert_eq!(scenario.fees("A", "BNB").unwrap().worth, Err(Unpriced::Overflow));
    assert_eq!(scenario.position("A").base, Err(Unpriced::Overflow));
    // Also beside one that has no rate.
    let both = scenario.fills(paid(1, "CHF", buy(2, 1, 100)));
    assert_eq!(both.position("A").base, Err(Unpriced::Overflow));
}
