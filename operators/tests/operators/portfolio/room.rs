//! Arrangements forget: what they hold depends on what there is, not on how often it changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use market::{Commit, Currency, InstrumentId, InstrumentSpec, PortfolioId, Price, Timeframe};
use operators::portfolio::{
    Confidence, FillsOut, Held, PortfolioConfig, PortfolioLine, PositionKey, QuotesOut, RiskConfig,
    valuation,
};
use timely::dataflow::operators::{Input, Probe};

/// Updates that the arrangements of a worker hold, by their operators' numbers.
type Counts = Rc<RefCell<BTreeMap<usize, i64>>>;

fn count(held: &Counts, event: &DifferentialEvent) {
    let mut held = held.borrow_mut();
    match event {
        DifferentialEvent::Batch(batch) => {
            *held.entry(batch.operator).or_default() += batch.length as i64;
        }
        DifferentialEvent::Merge(merge) => {
            if let Some(merged) = merge.complete {
                let before = (merge.length1 + merge.length2) as i64;
                *held.entry(merge.operator).or_default() += merged as i64 - before;
            }
        }
        DifferentialEvent::Drop(dropped) => {
            *held.entry(dropped.operator).or_default() -= dropped.length as i64;
        }
        _ => {}
    }
}

#[test]
fn marks_that_move_for_ever_take_no_more_room() {
    let after = |rounds: u64| {
        timely::execute_directly(move |worker| {
            let held: Counts = Rc::default();
            let counted = Rc::clone(&held);
            worker.log_register().expect("logs").insert::<DifferentialEventBuilder, _>(
                "differential/arrange",
                move |_time, events| {
                    let events = events.iter().flat_map(|events| events.iter());
                    events.for_each(|(_, event)| count(&counted, event));
                },
            );
            let config = Arc::new(PortfolioConfig {
                base: Timeframe::MINUTE,
                default_currency: Currency::of("USD").unwrap(),
                accounts: BTreeMap::new(),
                pairs: Vec::new(),
                ids_by_side: true,
                risk: RiskConfig {
                    timeframe: Timeframe::MINUTE,
                    bars: 10,
                    confidence: Confidence::P95,
                },
                computed: Vec::new(),
            });
            let (mut fills, mut quotes, probe) = worker.dataflow::<u64, _, _>(|scope| {
                let (fills_in, fills) = scope.new_input::<Vec<FillsOut>>();
                let (quotes_in, quotes) = scope.new_input::<Vec<QuotesOut>>();
                let (probe, _) = valuation(&config, fills, quotes, Arc::default()).drift.probe();
                (fills_in, quotes_in, probe)
            });
            let instrument = |number: u64| InstrumentId(number << 40);
            for number in 0..20 {
                let contract = market::Contract {
                    spec: InstrumentSpec::DEFAULT,
                    quote: Currency::of("USD").unwrap(),
                    multiplier: market::Multiplier::ONE,
                };
                let (fees, other_fees) = (0, Vec::new());
                let held = Held { quantity: 5, fills: 1, basis: 3, realised: 0, fees, other_fees };
                let portfolio = PortfolioId(number % 4);
                fills.send(FillsOut::Line {
                    key: PositionKey { portfolio, instrument: instrument(number) },
                    line: Some(PortfolioLine { contract, held: Some(held), target: None }),
                });
            }
            for round in 1..=rounds {
                for number in 0..20 {
                    // Without a mark in every third round: what is priced moves risk.
                    let mark = (round % 3 > 0).then_some(Price((round * 1_000 + number) as i64));
                    quotes.send(QuotesOut::Mark { instrument: instrument(number), mark });
                }
                let Commit(next) = Commit(round).next();
                fills.advance_to(next);
                quotes.advance_to(next);
                worker.step_while(|| probe.less_than(&next));
            }
            worker.log_register().expect("logs").flush();
            let sum: i64 = held.borrow().values().sum();
            sum
        })
    };
    let (few, many) = (after(50), after(2_000));
    assert!(few > 0, "nothing was counted");
    assert!(many < 3 * few, "after 50 rounds {few} updates, after 2,000 {many}");
}
