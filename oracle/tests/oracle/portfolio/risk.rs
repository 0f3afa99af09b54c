//! Risk of small histories.

use market::{BarState, InstrumentId};
use oracle::portfolio::Measures;

use super::vocabulary::*;

fn near(got: Option<f64>, want: f64) {
    let got = got.unwrap();
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{got}, not {want}");
}

/// One share of A, which closed like this.
fn one_share(closes: &[i64]) -> Scenario {
    Scenario::after(&[buy(1, 1, 100)], 100).history("A", closes)
}

#[test]
fn four_closes_of_one_share() {
    // It changes by 10, −11 and 6: by 5/3 on average, with a variance of (746/3)/2.
    let risk = one_share(&[100, 110, 99, 105]).risk();
    assert_eq!((risk.changes, risk.excluded), (3, 0));
    let measures = risk.portfolio;
    near(measures.volatility, (373.0_f64 / 3.0).sqrt());
    near(measures.var_parametric, 1.644_853_626_951_472 * (373.0_f64 / 3.0).sqrt());
    assert_eq!((measures.var_historical, measures.drawdown), (Some(11.0), Some(11.0)));
    assert_eq!(measures.beta, None, "the benchmark has no bars");
    assert_eq!(risk.positions[&InstrumentId::of("A")], measures);
}

#[test]
fn beta_is_per_unit_of_value() {
    // A changes by 10 and −11, the benchmark by 20 % and −10 %: cov 3.15, var 0.045, value 99.
    let scenario = one_share(&[100, 110, 99]).history("benchmark", &[50, 60, 54]);
    near(scenario.risk().portfolio.beta, 70.0 / 99.0);
    // Three shares sold short: as much the other way.
    let short = scenario.fills(sell(2, 4, 100));
    near(short.risk().portfolio.beta, -70.0 / 99.0);
    let dead = one_share(&[100, 110, 99]).history("benchmark", &[50, 50, 50]);
    assert_eq!(dead.risk().portfolio.beta, None);
    let zero = one_share(&[100, 110, 99]).history("benchmark", &[50, 60, 0]);
    assert_eq!(zero.risk().portfolio.beta, None);
}

#[test]
fn one_loss_of_twenty_is_beyond_95_percent() {
    // Twenty changes: −1, −2, …, −20. A twentieth of them is one, exactly.
    let closes: Vec<i64> = (0..=20).map(|n| 1_000 - n * (n + 1) / 2).collect();
    let mut scenario = one_share(&closes);
    scenario.config.risk.bars = 20;
    assert_eq!(scenario.risk().portfolio.var_historical, Some(20.0));
    scenario.config.risk.confidence = 0.94;
    assert_eq!(scenario.risk().portfolio.var_historical, Some(19.0));
    // What only rises has nothing at risk.
    let rises = one_share(&[100, 101, 103]).risk().portfolio;
    assert_eq!((rises.var_historical, rises.drawdown), (Some(0.0), Some(0.0)));
}

#[test]
fn drawdown_is_from_any_earlier_value() {
    let risk = one_share(&[100, 120, 110, 115, 90, 200]).risk();
    assert_eq!(risk.portfolio.drawdown, Some(30.0));
}

#[test]
fn only_the_last_bars_count() {
    let mut scenario = one_share(&[500, 100, 110, 99]);
    scenario.config.risk.bars = 2;
    let risk = scenario.risk();
    assert_eq!((risk.changes, risk.portfolio.drawdown), (2, Some(11.0)));
    scenario.config.risk.bars = 1;
    let only = scenario.risk().portfolio;
    let want = Measures { drawdown: Some(11.0), ..Measures::default() };
    assert_eq!(only, want, "one change gives no spread");
}

#[test]
fn open_bars_do_not_count_and_provisional_ones_do() {
    let scenario = one_share(&[100, 110]);
    let open = scenario.bar("A", "5m", "10:10:00", (500, 0), BarState::Open);
    assert_eq!(open.risk().changes, 1);
    let provisional = open.bar("A", "5m", "10:10:00", (105, 0), BarState::Provisional);
    assert_eq!(provisional.risk().portfolio.drawdown, Some(5.0));
}

#[test]
fn a_grid_of_two_instruments_that_trade_at_different_times() {
    // A: 100, 110, –, 99. B: –, 20, 30, –; before its first close it is worth that.
    let scenario = one_share(&[100, 110])
        .bar("A", "5m", "10:15:00", (99, 0), BarState::Final)
        .fills(of("B", whole("USD"), buy(2, 2, 20)))
        .closes("B", 20)
        .bar("B", "5m", "10:05:00", (20, 0), BarState::Final)
        .bar("B", "5m", "10:10:00", (30, 0), BarState::Revised);
    let risk = scenario.risk();
    // Together 140, 150, 170, 159.
    assert_eq!((risk.changes, risk.portfolio.drawdown), (3, Some(11.0)));
    near(risk.portfolio.volatility, {
        let mean = 19.0 / 3.0;
        let squares = [10.0_f64, 20.0, -11.0].map(|x| (x - mean).powi(2));
        (squares.iter().sum::<f64>() / 2.0).sqrt()
    });
    // B alone on the same grid: 40, 40, 60, 60.
    assert_eq!(risk.positions[&InstrumentId::of("B")].drawdown, Some(0.0));
    near(risk.positions[&InstrumentId::of("B")].volatility, (400.0_f64 / 3.0).sqrt());
}

#[test]
fn rates_move_values_as_well() {
    let held = || {
        Scenario::new()
            .fills(of("SAP", whole("EUR"), buy(1, 1, 100)))
            .closes("SAP", 100)
            .history("SAP", &[100, 100, 100])
    };
    let over = |pair: &str, rates: &[i64]| {
        let scenario = held().pair(pair, Some((2, 0)));
        scenario.history(&format!("{pair} 0"), rates).risk()
    };
    assert_eq!(over("EUR/USD", &[3, 2, 1]).portfolio.drawdown, Some(200.0));
    assert_eq!(over("USD/EUR", &[1, 2, 4]).portfolio.drawdown, Some(75.0));
    // A pair that closes at nothing has no rate.
    assert_eq!(over("USD/EUR", &[1, 0, 4]).portfolio.drawdown, Some(75.0));
    // Without a closed bar of the pair the position cannot be revalued.
    let alone = held().pair("EUR/USD", Some((2, 0))).risk();
    assert_eq!((alone.excluded, alone.changes, alone.positions.len()), (1, 0, 0));
    assert_eq!(alone.portfolio, Measures::default());
}

#[test]
fn units_are_whole_ones() {
    // 1.50 of it, two contracts each, at 10.0 and 12.0.
    let scenario = Scenario::new()
        .fills(of("F", scaled(1, 2, "USD", 2), buy(1, 150, 100)))
        .bar("F", "1m", "10:00:00", (100, 1), BarState::Open)
        .bar("F", "5m", "10:00:00", (120, 1), BarState::Final)
        .bar("F", "5m", "10:05:00", (100, 1), BarState::Final);
    assert_eq!(scenario.risk().portfolio.drawdown, Some(6.0));
}

#[test]
fn a_flat_portfolio_has_no_risk_and_an_unpriced_one_is_excluded() {
    let scenario = one_share(&[100, 110, 99]).fills(sell(2, 1, 100));
    assert!(scenario.shows().risk.is_empty());
    let scenario = scenario.fills(of("B", whole("NOK"), buy(3, 1, 1))).closes("B", 1);
    let risk = scenario.history("B", &[1, 2, 3]).risk();
    assert_eq!((risk.excluded, risk.changes), (1, 0));
}
