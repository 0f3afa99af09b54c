//! Watermarks, rates and what is left out of sums.

use market::{BarState, CandleKey, InstrumentId, PortfolioId, Price};
use oracle::portfolio::Unpriced;

use super::vocabulary::*;

#[test]
fn the_mark_is_the_newest_close_of_a_base_bar() {
    let scenario = Scenario::after(&[buy(1, 1, 100)], 101)
        .bar("A", "1m", "10:02:00", (103, 0), BarState::Open)
        .bar("A", "1m", "10:01:00", (102, 0), BarState::Final)
        .bar("A", "5m", "10:05:00", (999, 0), BarState::Final);
    assert_eq!(scenario.position("A").mark, Some(Price(103)));
    // A newer bar whose trades may set no close does not count.
    let mut scenario = scenario.bar("A", "1m", "10:03:00", (104, 0), BarState::Open);
    let key = CandleKey {
        instrument: InstrumentId::of("A"),
        timeframe: timeframe("1m"),
        open_time: at("10:03:00"),
    };
    scenario.facts.bars.get_mut(&key).unwrap().bar.close = None;
    assert_eq!(scenario.position("A").mark, Some(Price(103)));
}

#[test]
fn euros_over_a_direct_pair() {
    // 10 shares at 100.00 euros, of which one costs 1.0850 dollars.
    let scenario = Scenario::new()
        .fills(of("SAP", scaled(2, 0, "EUR", 1), buy(1, 10, 9_000)))
        .bar("SAP", "1m", "10:00:00", (10_000, 2), BarState::Open)
        .pair("EUR/USD", Some((10_850, 4)));
    let base = scenario.in_dollars("SAP");
    assert_eq!((base.value, base.basis), (1_085 * ONE, 976_500_000_000));
    assert_eq!(base.unrealised, 108_500_000_000);
    assert_eq!(scenario.position("SAP").value, Some(100_000), "in euros");
}

#[test]
fn yen_over_an_inverse_pair() {
    // A dollar costs 150.00 yen.
    let scenario = Scenario::new()
        .fills(of("7203", whole("JPY"), buy(1, 10, 1_499)))
        .closes("7203", 1_500)
        .pair("USD/JPY", Some((15_000, 2)));
    let base = scenario.in_dollars("7203");
    // 14 990 yen are 99.933333333… dollars; the profit is the difference of what was rounded.
    assert_eq!((base.value, base.basis), (100 * ONE, 99_933_333_333));
    assert_eq!(base.unrealised, 66_666_667);
}

#[test]
fn fees_have_nine_decimals_whatever_the_instrument_has() {
    let mut fill = of("SAP", scaled(2, 3, "EUR", 1), buy(1, 10, 9_000));
    fill.fee = 1_000_000_001;
    let scenario = Scenario::new()
        .fills(fill)
        .bar("SAP", "1m", "10:00:00", (9_000, 2), BarState::Open)
        .pair("EUR/USD", Some((15, 1)));
    // 1.5000000015 is halfway.
    assert_eq!(scenario.in_dollars("SAP").fees, Some(1_500_000_002));
    assert_eq!(scenario.position("SAP").fees, Some(1_000_000_001));
}

#[test]
fn the_first_pair_decides_also_if_it_has_no_mark() {
    let held = || Scenario::new().fills(of("SAP", whole("EUR"), buy(1, 1, 100))).closes("SAP", 100);
    let value = |scenario: Scenario| scenario.position("SAP").base.map(|base| base.value / ONE);
    assert_eq!(value(held()), Err(Unpriced::NoRate));
    assert_eq!(value(held().pair("EUR/GBP", Some((2, 0)))), Err(Unpriced::NoRate));
    let chained = held().pair("EUR/GBP", Some((2, 0))).pair("USD/GBP", Some((5, 1)));
    assert_eq!(value(chained), Ok(400));
    let two = held().pair("EUR/USD", Some((2, 0))).pair("USD/EUR", Some((1, 0)));
    assert_eq!(value(two), Ok(200));
    for mark in [None, Some((0, 0)), Some((-1, 0))] {
        let broken = held().pair("USD/EUR", mark).pair("EUR/USD", Some((2, 0)));
        assert_eq!(value(broken), Err(Unpriced::NoRate));
    }
}

#[test]
fn pence_over_a_fixed_rate_and_a_third_currency() {
    let held =
        || Scenario::new().fills(of("BARC", whole("GBX"), buy(1, 1_000, 310))).closes("BARC", 320);
    let value = |scenario: Scenario| scenario.position("BARC").base.map(|base| base.value);
    let rates =
        |scenario: Scenario| scenario.pair("GBP/USD", Some((125, 2))).fixed("GBP/GBX", 100, 0);
    assert_eq!(value(rates(held())), Ok(4_000 * ONE));
    assert_eq!(value(held().fixed("GBP/GBX", 100, 0)), Err(Unpriced::NoRate));
    // Four steps are too many; the shorter way counts, also if it comes later.
    let far = held()
        .fixed("GBX/AAA", 1, 0)
        .fixed("AAA/BBB", 1, 0)
        .fixed("BBB/CCC", 1, 0)
        .fixed("CCC/USD", 1, 0);
    assert_eq!(value(far), Err(Unpriced::NoRate));
    let near = held().fixed("GBX/AAA", 1, 0).fixed("AAA/BBB", 1, 0).fixed("BBB/USD", 1, 0);
    assert_eq!(value(near), Ok(320_000 * ONE));
    let shorter = held().fixed("GBX/AAA", 1, 0).fixed("AAA/BBB", 1, 0).fixed("BBB/USD", 1, 0);
    assert_eq!(value(rates(shorter)), Ok(4_000 * ONE));
}

#[test]
fn a_portfolio_of_which_nothing_is_priced_has_no_equity() {
    let scenario = Scenario::with_capital(1_000).fills(of("SAP", whole("EUR"), buy(1, 1, 100)));
    let row = scenario.portfolio();
    assert_eq!((row.open, row.unpriced, row.amounts), (1, 1, None));
    let row = scenario.fills(buy(2, 1, 100)).closes("A", 150).portfolio();
    assert_eq!(row.amounts.map(|amounts| amounts.equity), Some(Some(1_050 * ONE)));
}

#[test]
fn portfolios_that_are_not_configured_have_the_default_currency() {
    let mut fill = of("SAP", whole("EUR"), buy(1, 1, 100));
    fill.name.portfolio = PortfolioId::of("somebody");
    let scenario = Scenario::new().fills(fill).closes("SAP", 110);
    let row = scenario.shows().portfolios[&fill.name.portfolio];
    assert_eq!((row.currency, row.amounts.unwrap().equity), (money("EUR"), Some(10 * ONE)));
}

#[test]
fn what_has_no_mark_or_rate_is_left_out_and_counted() {
    let scenario = Scenario::with_capital(1_000)
        .fills(buy(1, 1, 100))
        .closes("A", 150)
        .fills(of("unseen", whole("USD"), buy(2, 1, 100)))
        .fills(of("unseen in euros", whole("EUR"), buy(3, 1, 100)))
        .fills(of("flat in euros", whole("EUR"), buy(4, 1, 100)))
        .fills(of("flat in euros", whole("EUR"), sell(5, 1, 100)))
        .fills(of("flat and unseen", whole("USD"), buy(6, 1, 100)))
        .fills(of("flat and unseen", whole("USD"), sell(7, 1, 101)));
    let why = |instrument| scenario.position(instrument).base.map(|base| base.realised / ONE);
    assert_eq!(why("unseen"), Err(Unpriced::NoMark));
    assert_eq!(why("unseen in euros"), Err(Unpriced::NoMark));
    assert_eq!(why("flat in euros"), Err(Unpriced::NoRate));
    assert_eq!(why("flat and unseen"), Ok(1));
    let row = scenario.portfolio();
    assert_eq!((row.open, row.unpriced), (3, 3));
    assert_eq!(row.amounts.unwrap().equity, Some(1_051 * ONE));
}

#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    // 2⁶² contracts for 2³² units each, bought for next to nothing.
    let huge = scaled(0, 0, "USD", u32::MAX);
    let scenario = Scenario::new()
        .fills(of("huge", huge, buy(1, 1 << 62, 1)))
        .fills(buy(2, 1, 100))
        .closes("A", 100);
    let fits = scenario.closes("huge", 1);
    assert_eq!(fits.position("huge").value, Some((1 << 62) * i128::from(u32::MAX)));
    let beyond = fits.closes("huge", i64::MAX);
    let row = beyond.position("huge");
    assert_eq!((row.value, row.unrealised), (None, None));
    assert_eq!((row.base, row.basis.is_some()), (Err(Unpriced::Overflow), true));
    assert_eq!(beyond.portfolio().amounts.unwrap().net, 100 * ONE);
    // In whole dollars 2¹²⁰ fits, at nine decimals it does not.
    let wide = Scenario::new().fills(of("huge", huge, buy(1, 1 << 62, 1))).closes("huge", 1 << 26);
    let row = wide.position("huge");
    assert_eq!(row.base, Err(Unpriced::Overflow));
    assert!(row.value.is_some() && row.unrealised.is_some());
}

#[test]
fn sums_that_do_not_fit_leave_a_portfolio_without_amounts() {
    // Each is worth 2⁶⁰ · 3 · 2³⁵ · 10⁹, which is about 2¹²⁶·⁵.
    let big = |id| buy(id, 1 << 60, 1);
    let scenario = Scenario::new()
        .fills(big(1))
        .closes("A", 3 << 35)
        .fills(of("B", whole("USD"), big(2)))
        .closes("B", 3 << 35);
    assert!(scenario.position("A").base.is_ok() && scenario.position("B").base.is_ok());
    assert_eq!(scenario.portfolio().amounts, None);
    assert_eq!((scenario.portfolio().open, scenario.portfolio().unpriced), (2, 0));
    assert_eq!(scenario.drift("A").weight, None);
}
