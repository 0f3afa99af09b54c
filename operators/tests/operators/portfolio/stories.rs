//! Scenarios of one portfolio.

use market::{EventTime, Fill, InstrumentId, ModelId, PortfolioId, Price};
use operators::portfolio::{Confidence, EdgeKey, Fault, RiskKey, Unpriced};

use super::scenario::*;

fn quantity_basis_realised(rows: &super::stage::Rows, what: &str) -> (i128, i128, i128) {
    let row = &rows.positions[&of(what)];
    (row.quantity, row.basis, row.realised)
}

#[test]
fn bought_added_reduced_and_turned_around() {
    let rows = Scenario::new()
        .round([filled(1, 1, "A", 10, 100), closes("A", 0, 110, 0)])
        .round([filled(2, 2, "A", 5, 130)])
        .round([filled(3, 3, "A", -4, 120)])
        .round([filled(4, 4, "A", -20, 140)])
        .rows();
    let folded: Vec<_> = rows.iter().map(|rows| quantity_basis_realised(rows, "A")).collect();
    // Four of fifteen cost 1 650 · 4 / 15 = 440; then eleven are sold, and nine that are not there.
    assert_eq!(folded, [(10, 1_000, 0), (15, 1_650, 0), (11, 1_210, 40), (-9, -1_260, 370)]);
    let last = &rows[3].positions[&of("A")];
    assert_eq!((last.fills, last.average), (4, Some(140)));
    assert_eq!((last.value, last.unrealised), (Some(-990), Some(270)));
    let amounts = rows[3].portfolios[&PortfolioId::of("fund")].amounts.unwrap();
    assert_eq!(amounts.pnl, Some(640 * ONE));
    assert_eq!((amounts.net, amounts.gross, amounts.long), (-990 * ONE, 990 * ONE, 0));
}

#[test]
fn a_fill_that_did_not_happen_is_taken_out_of_the_middle() {
    let rows = Scenario::new()
        .round([
            filled(1, 1, "A", 10, 100),
            filled(2, 2, "A", 10, 200),
            filled(3, 3, "A", -10, 180),
        ])
        .round([busted(2)])
        .round([filled(2, 2, "A", 10, 200)])
        .rows();
    assert_eq!(quantity_basis_realised(&rows[0], "A"), (10, 1_500, 300));
    assert_eq!(quantity_basis_realised(&rows[1], "A"), (0, 0, 800));
    assert_eq!(rows[1].positions[&of("A")].average, None);
    assert_eq!(rows[2].positions, rows[1].positions, "it does not come back");
}

#[test]
fn a_correction_moves_a_fill_to_another_instrument() {
    let rows = Scenario::new()
        .round([filled(1, 1, "A", 10, 100), filled(2, 2, "A", 1, 50)])
        .round([corrected(fill(1, 1, "B", 10, 7), 2)])
        // An older correction that comes later changes nothing.
        .round([corrected(fill(1, 1, "C", 10, 8), 1)])
        .round([corrected(fill(2, 5, "B", 1, 9), 1)])
        .rows();
    assert_eq!(quantity_basis_realised(&rows[1], "A"), (1, 50, 0));
    assert_eq!(quantity_basis_realised(&rows[1], "B"), (10, 70, 0));
    assert_eq!(rows[2].positions, rows[1].positions);
    assert_eq!(rows[3].positions.keys().collect::<Vec<_>>(), [&of("B")]);
    assert_eq!(quantity_basis_realised(&rows[3], "B"), (11, 79, 0));
    // Other fills of the place from which one moves away stay, also at the same time.
    assert_eq!(rows[3].portfolios[&PortfolioId::of("fund")].open, 1);
}

#[test]
fn a_correction_may_come_before_its_fill() {
    let early = corrected(fill(1, 1, "A", 3, 100), 1);
    let rows = Scenario::new()
        .round([early, busted(2)])
        .round([filled(1, 1, "A", 9, 100), filled(2, 1, "A", 1, 1)])
        .round([])
        .rows();
    assert!(rows[0].positions.is_empty());
    let faults: Vec<_> = rows[0].faults.iter().map(|row| (row.fill.id, row.fault)).collect();
    let number = |number| fill(number, 1, "A", 1, 1).name.id;
    assert_eq!(faults, [(number(1), Fault::Unmatched), (number(2), Fault::Unmatched)]);
    assert_eq!(quantity_basis_realised(&rows[1], "A"), (3, 300, 0));
    assert!(rows[1].faults.is_empty() && rows[2].faults.is_empty());
}

#[test]
fn copies_that_disagree_are_logged_once() {
    let (first, other) = (fill(1, 1, "A", 3, 100), fill(1, 1, "A", 4, 100));
    let again = |fill: Fill| Step::Record(market::AccountEvent::Fill(fill));
    let rows = Scenario::new()
        .round([again(first)])
        .round([again(other)])
        .round([again(other), again(first)])
        .rows();
    assert_eq!(quantity_basis_realised(&rows[2], "A"), (3, 300, 0));
    let faults: Vec<usize> = rows.iter().map(|rows| rows.faults.len()).collect();
    assert_eq!(faults, [0, 1, 0]);
    assert_eq!(rows[1].faults[0].fault, Fault::Conflict { kept: first, dropped: other });
}

#[test]
fn a_rate_that_moves_moves_what_is_held_in_that_currency() {
    let euros = |number, what: &str, quantity, price| {
        let contract = in_currency("EUR");
        let fill = Fill { contract, ..fill(number, 1, what, quantity, price) };
        Step::Record(market::AccountEvent::Fill(fill))
    };
    let rows = Scenario::new()
        .pair("EUR", "USD")
        .round([euros(1, "SAP", 10, 100), filled(2, 1, "A", 1, 50)])
        .round([closes("SAP", 1, 110, 0), closes("A", 1, 60, 0)])
        .round([closes("EUR/USD", 1, 12_500, 4)])
        .round([closes("EUR/USD", 2, 8_000, 4)])
        .round([vanishes("EUR/USD", 2), vanishes("EUR/USD", 1)])
        .rows();
    let scenario = PortfolioId::of("fund");
    let base = |at: usize| rows[at].positions[&of("SAP")].base.map(|base| base.value / ONE);
    assert_eq!(
        (0..5).map(base).collect::<Vec<_>>(),
        [Err(Unpriced::NoMark), Err(Unpriced::NoRate), Ok(1_375), Ok(880), Err(Unpriced::NoRate)]
    );
    let unpriced: Vec<u64> = rows.iter().map(|rows| rows.portfolios[&scenario].unpriced).collect();
    assert_eq!(unpriced, [2, 1, 0, 0, 1]);
    let net = |at: usize| rows[at].portfolios[&scenario].amounts.map(|amounts| amounts.net / ONE);
    assert_eq!(
        (0..5).map(net).collect::<Vec<_>>(),
        [None, Some(60), Some(1_435), Some(940), Some(60)]
    );
    assert!(rows[2..].iter().all(|later| later.positions[&of("A")] == rows[1].positions[&of("A")]));
}

#[test]
fn a_fee_in_bnb_moves_with_its_rate_and_its_correction() {
    let paid = |number, quantity, thousandths: i64, paid: &str| Fill {
        fee: thousandths * 1_000_000,
        fee_currency: currency(paid),
        ..fill(number, 1, "A", quantity, 100)
    };
    let again = |fill: Fill| Step::Record(market::AccountEvent::Fill(fill));
    let rows = Scenario::new()
        .pair("BNB", "USD")
        .round([again(paid(1, 10, 75, "BNB")), closes("A", 1, 100, 0)])
        .round([closes("BNB/USD", 1, 600, 0)])
        .round([closes("BNB/USD", 2, 400, 0), again(paid(2, -10, 500, "USD"))])
        .round([corrected(paid(1, 10, 75_000, "USD"), 1)])
        .round([corrected(paid(1, 10, 75, "CHF"), 2)])
        .round([busted(1)])
        .rows();
    let fees = |at: usize| -> Vec<_> {
        let rows = rows[at].fees.iter();
        rows.map(|(key, row)| (key.currency.to_string(), row.fees, row.worth)).collect()
    };
    let (bnb, usd) = ("BNB".to_owned(), "USD".to_owned());
    let no_rate = Err(Unpriced::NoRate);
    assert_eq!(fees(0), [(bnb.clone(), 75_000_000, no_rate)]);
    assert_eq!(fees(1), [(bnb.clone(), 75_000_000, Ok(45 * ONE))]);
    let half = (usd.clone(), 500_000_000, Ok(ONE / 2));
    assert_eq!(fees(2), [(bnb, 75_000_000, Ok(30 * ONE)), half.clone()]);
    assert_eq!(fees(3), [(usd, 75_500_000_000, Ok(75_500_000_000))]);
    assert_eq!(fees(4), [("CHF".to_owned(), 75_000_000, no_rate), half.clone()]);
    assert_eq!(fees(5), [half]);
    let amounts = |at: usize| rows[at].portfolios[&PortfolioId::of("fund")].amounts.unwrap();
    let equity: Vec<_> = (0..6).map(|at| amounts(at).equity).collect();
    let known = |thousandths: i128| Some(-thousandths * (ONE / 1_000));
    assert_eq!(equity, [None, known(45_000), known(30_500), known(75_500), None, known(500)]);
    assert_eq!(amounts(0).net, 1_000 * ONE, "what is known stays");
}

#[test]
fn nothing_is_lost_at_the_bounds_of_numbers() {
    // The largest fills that are taken, at prices and quantities that divide badly.
    let (most, price) = (i64::MAX / (1 << 31), 18_446_744_000_000_000);
    let bought = |number: u64, quantity: i64| filled(number, number as i64, "A", quantity, price);
    let outputs = [
        bought(1, most),
        filled(2, 2, "A", most - 1, -price),
        bought(3, -most / 3),
        filled(4, 4, "A", -most / 7, price - 7),
        bought(5, most),
        filled(6, 6, "A", -most, -price),
        filled(7, 7, "A", -most, price / 3),
        filled(8, 8, "A", i64::MAX, 1),
    ];
    let rows = Scenario::new().round(outputs.clone()).round([closes("A", 1, i64::MAX, 0)]).rows();
    let moved: i128 = outputs
        .iter()
        .map(|step| match step {
            Step::Record(market::AccountEvent::Fill(fill)) => {
                i128::from(fill.quantity) * i128::from(fill.price.0)
            }
            _ => 0,
        })
        .sum();
    let (_, basis, realised) = quantity_basis_realised(&rows[0], "A");
    assert_eq!(basis - realised, moved);
    // So much at that price is more than 128 bits at nine decimals hold.
    assert_eq!(rows[1].positions[&of("A")].base, Err(Unpriced::Overflow));
    let scenario = &rows[1].portfolios[&PortfolioId::of("fund")];
    assert_eq!((scenario.open, scenario.unpriced), (1, 1));
    assert_eq!(scenario.amounts, None, "left out and counted, and nothing else is there");
}

#[test]
fn trades_that_close_the_drift() {
    let half = 500_000_000;
    let rows = Scenario::new()
        .capital(10_000 * ONE, None)
        .round([filled(1, 1, "A", 60, 100), closes("A", 1, 100, 0), closes("B", 1, 70, 0)])
        .round([targeted("B", 1, Some(half))])
        .round([targeted("A", 1, Some(half))])
        // One that is older than what is known changes nothing; one without weight takes it back.
        .round([targeted("A", 0, Some(0))])
        .round([targeted("A", 2, None), targeted("B", 2, None)])
        .rows();
    let drift = |at: usize, what: &str| {
        let row = &rows[at].drift[&of(what)];
        (row.weight, row.target, row.trade_value.map(|value| value / ONE), row.trade_quantity)
    };
    let weight = |millis: i128| Some(millis * 1_000_000);
    assert_eq!(drift(0, "A"), (weight(600), None, None, None));
    assert_eq!(drift(1, "A"), (weight(600), Some(0), Some(-6_000), Some(-60)));
    assert_eq!(drift(1, "B"), (weight(0), Some(half), Some(5_000), Some(71)));
    assert_eq!(drift(2, "A"), (weight(600), Some(half), Some(-1_000), Some(-10)));
    assert_eq!(rows[3].drift, rows[2].drift);
    assert_eq!(rows[4].drift, rows[0].drift);
}

#[test]
fn edges_follow_marks_and_models() {
    let rows = Scenario::new()
        .computed("sma")
        .round([thought("A", "analyst", 1, Some(110)), thought("A", "sma", 1, Some(5))])
        .round([trades("A", 1, 100)])
        .round([trades("A", 1, 120), thought("A", "analyst", 0, Some(1))])
        .round([thought("A", "analyst", 2, None)])
        .rows();
    let key = EdgeKey { instrument: InstrumentId::of("A"), model: ModelId::of("analyst") };
    let edge = |at: usize| rows[at].edges.get(&key).map(|row| (row.edge, row.basis_points));
    assert_eq!(edge(0), Some((None, None)));
    assert_eq!(edge(1), Some((Some(10), Some(100_000))));
    assert_eq!(edge(2), Some((Some(-10), Some(-83_333))));
    assert_eq!(rows[2].edges[&key].fair, Price(110));
    assert_eq!(rows[2].edges[&key].time, EventTime(60_000_000_000));
    assert!(rows[3].edges.is_empty(), "and input cannot set a computed model");
}

/// Holds ten of A and minus one of B, which close so in four minutes.
fn risky(confidence: f64) -> Scenario {
    let minute = |minute, a, b, market| {
        [closes("A", minute, a, 0), closes("B", minute, b, 0), closes("M", minute, market, 0)]
    };
    Scenario::new()
        .capital(0, Some("M"))
        .confidence(confidence)
        .round([filled(1, 1, "A", 10, 100), filled(2, 1, "B", -1, 100)])
        .round(minute(1, 1, 1, 1))
        .round(minute(2, 100, 50, 1_000))
        .round(minute(3, 104, 60, 1_040))
        .round(minute(4, 98, 50, 980))
        .round(minute(5, 99, 49, 990))
        .round([trades("A", 6, 1)])
}

fn of_portfolio(instrument: Option<&str>) -> RiskKey {
    let portfolio = PortfolioId::of("fund");
    RiskKey { portfolio, instrument: instrument.map(InstrumentId::of) }
}

#[test]
fn risk_revalues_what_is_held_over_the_last_closed_bars() {
    let rows = risky(0.95).rows();
    assert_eq!((rows[0].risk[&of_portfolio(None)].excluded, rows[0].risk.len()), (2, 1));
    let row = rows[5].risk[&of_portfolio(None)];
    // 950, 980, 930, 941: by 30, −50 and 11; the mean is −3, the squares are 1 089, 2 209 and 196.
    assert_eq!((row.excluded, row.changes), (0, 3));
    let volatility = row.measures.volatility.unwrap().0;
    assert_eq!(volatility, ((1_089.0 + 2_209.0 + 196.0) / 2.0_f64).sqrt());
    assert_eq!(row.measures.var_historical.unwrap().0, 50.0);
    assert_eq!(row.measures.drawdown.unwrap().0, 50.0);
    // A moves as the market does, in relative terms.
    let of_a = rows[5].risk[&of_portfolio(Some("A"))].measures;
    assert!((of_a.beta.unwrap().0 - 1.0).abs() < 0.05, "{of_a:?}");
    assert_eq!(rows[6].risk, rows[5].risk, "a bar that is open does not count");
}

#[test]
fn quantiles_are_those_of_the_normal_distribution() {
    for confidence in Confidence::ALL {
        let rows = risky(f64::from(confidence.millionths()) / 1e6).last();
        let measures = rows.risk[&of_portfolio(None)].measures;
        let (parametric, volatility) = (measures.var_parametric, measures.volatility);
        assert_eq!(parametric.unwrap().0, confidence.quantile() * volatility.unwrap().0);
        assert!(confidence.quantile() > 1.28 && confidence.quantile() < 2.58);
        assert_eq!(
            confidence.name().parse::<f64>().unwrap() * 1e6,
            f64::from(confidence.millionths())
        );
    }
}

#[test]
fn a_bar_that_is_restated_restates_risk() {
    let restated = |price| risky(0.95).round([closes("A", 3, price, 0)]).last();
    assert_eq!(restated(104).risk, risky(0.95).last().risk);
    let row = restated(1_000).risk[&of_portfolio(None)];
    assert_eq!(row.measures.drawdown.unwrap().0, 9_940.0 - 930.0);
}

#[test]
fn stories_hold_beside_the_oracle() {
    let scenario = risky(0.99).round([filled(3, 2, "A", -30, 90), targeted("B", 1, Some(1))]);
    let mut fold = oracle::portfolio::commits::Fold::new(scenario.script().config.clone());
    let want = scenario.script().commits.iter().map(|commit| fold.commit(commit));
    super::oracle::assert_same("a fund", &scenario.rows(), &want.collect::<Vec<_>>());
}
