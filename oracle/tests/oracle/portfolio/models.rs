//! Fair values, from input and computed.

use market::{BarState, CandleKey, InstrumentId, ModelId, Price};
use oracle::portfolio::{EdgeRow, IndicatorNumber};

use super::vocabulary::*;

fn edge(scenario: &Scenario, model: &str) -> Option<EdgeRow> {
    scenario.shows().edges.get(&(InstrumentId::of("A"), ModelId::of(model))).copied()
}

#[test]
fn an_edge_in_hundredths_of_basis_points() {
    let scenario = Scenario::new().apply(fair("quant", Some(101), "10:00:00")).closes("A", 100);
    let row = edge(&scenario, "quant").unwrap();
    assert_eq!((row.fair, row.mark, row.time), (Price(101), Some(Price(100)), at("10:00:00")));
    assert_eq!((row.edge, row.basis_points), (Some(1), Some(10_000)));
    // A third of the mark, halves to even, and a mark below zero.
    assert_eq!(edge(&scenario.closes("A", 3), "quant").unwrap().basis_points, Some(32_666_667));
    let below = Scenario::new().apply(fair("quant", Some(-49), "10:00:00")).closes("A", -50);
    assert_eq!(edge(&below, "quant").unwrap().basis_points, Some(20_000));
    let nothing = edge(&below.closes("A", 0), "quant").unwrap();
    assert_eq!((nothing.edge, nothing.basis_points), (Some(-49), None));
}

#[test]
fn without_a_mark_there_is_only_the_fair_value() {
    let row = edge(&Scenario::new().apply(fair("quant", Some(5), "10:00:00")), "quant").unwrap();
    assert_eq!((row.fair, row.mark, row.edge, row.basis_points), (Price(5), None, None, None));
}

#[test]
fn each_model_has_its_own_and_the_latest_counts() {
    let scenario = Scenario::new()
        .apply(fair("quant", Some(7), "10:01:00"))
        .apply(fair("quant", Some(6), "10:00:00"))
        .apply(fair("sales", Some(9), "10:00:00"));
    assert_eq!(edge(&scenario, "quant").unwrap().fair, Price(7));
    assert_eq!(edge(&scenario, "sales").unwrap().fair, Price(9));
    let scenario = scenario.apply(fair("quant", None, "10:01:00"));
    assert_eq!(edge(&scenario, "quant"), None);
    assert!(edge(&scenario, "sales").is_some());
}

#[test]
fn a_computed_value_is_the_newest_number_at_the_price_scale() {
    let computed = |number: f64| {
        let mut scenario = Scenario::new().bar("A", "1m", "10:00:00", (0, 2), BarState::Open);
        for (frame, open, number) in
            [("5m", "10:05:00", number), ("5m", "10:00:00", 1.0), ("1m", "10:07:00", 2.0)]
        {
            let key = CandleKey {
                instrument: InstrumentId::of("A"),
                timeframe: timeframe(frame),
                open_time: at(open),
            };
            let number = IndicatorNumber { spec: scaled(2, 0, "USD", 1).spec, number };
            scenario.facts.numbers.insert((ModelId::of("computed"), key), number);
        }
        // Input under its name does not count.
        let scenario = scenario.apply(fair("computed", Some(5), "11:00:00"));
        edge(&scenario, "computed").map(|row| (row.fair.0, row.time))
    };
    let at_its_bar = |fair| Some((fair, at("10:05:00")));
    assert_eq!(computed(12.34), at_its_bar(1_234));
    assert_eq!(computed(0.125), at_its_bar(12));
    assert_eq!(computed(-0.375), at_its_bar(-38));
    assert_eq!(computed(-92_233_720_368_547_758.08), at_its_bar(i64::MIN));
    for no_price in [f64::NAN, f64::INFINITY, 92_233_720_368_547_758.08, -1e300] {
        assert_eq!(computed(no_price), None, "{no_price}");
    }
}
