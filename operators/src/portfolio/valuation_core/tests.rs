//! The valuation beside its obvious form: all rows of all lines, made anew after every round.

use std::collections::BTreeMap;
use std::fmt::Debug;

use market::{CalendarId, Currency, InstrumentSpec, Timeframe};
use proptest::prelude::*;

use super::*;
use crate::portfolio::config::{Account, Confidence, Pair, RateSource, RiskConfig};
use crate::portfolio::money::Rate;
use crate::portfolio::position_history::Held;
use crate::portfolio::totals::{Share, Sums};
use crate::portfolio::value::paid;

const INSTRUMENTS: u64 = 6;
/// Quoted in dollars: the price of a euro.
const PAIR: u64 = 4;
/// Quoted in dollars: the price of a BNB.
const FEE_PAIR: u64 = 3;

#[derive(Clone, Debug)]
enum InputChange {
    Line {
        portfolio: u64,
        instrument: u64,
        held: Option<(i128, i128)>,
        fees: [i128; 4],
        target: Option<i64>,
    },
    Mark {
        instrument: u64,
        mark: Option<i64>,
    },
}

/// All rows that there are.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    positions: BTreeMap<PositionKey, Position>,
    fees: BTreeMap<FeeKey, FeeTotal>,
    portfolios: BTreeMap<PortfolioId, Portfolio>,
    drift: BTreeMap<PositionKey, Drift>,
    open: BTreeMap<(PortfolioId, InstrumentId), ()>,
    priced: BTreeMap<(InstrumentId, PortfolioId), Holding>,
}

fn currency(name: &str) -> Currency {
    Currency::of(name).unwrap()
}

/// Portfolios 0 in dollars, 1 in euros with capital, 2 in a currency that nothing converts.
fn config() -> Arc<PortfolioConfig> {
    let (usd, eur) = (currency("USD"), currency("EUR"));
    let account = |currency, capital| Account { currency, capital, benchmark: None };
    Arc::new(PortfolioConfig {
        base: Timeframe::MINUTE,
        default_currency: currency("CHF"),
        accounts: BTreeMap::from([
            (PortfolioId(0), account(usd, 0)),
            (PortfolioId(1), account(eur, 1_000_000_000_000)),
        ]),
        pairs: [(eur, PAIR), (currency("BNB"), FEE_PAIR)]
            .map(|(base, pair)| Pair {
                base,
                quote: usd,
                source: RateSource::Mark {
                    instrument: InstrumentId(pair),
                    spec: InstrumentSpec { price_scale: 2, ..InstrumentSpec::DEFAULT },
                },
            })
            .into(),
        ids_by_side: true,
        risk: RiskConfig { timeframe: Timeframe::MINUTE, bars: 3, confidence: Confidence::P95 },
        computed: Vec::new(),
    })
}

/// Odd instruments are quoted in euros.
fn contract(instrument: u64) -> Contract {
    let quote = currency(if instrument % 2 == 1 { "EUR" } else { "USD" });
    let spec = InstrumentSpec {
        price_scale: 2,
        quantity_scale: instrument as u8,
        calendar: CalendarId(0),
    };
    Contract { spec, quote, multiplier: (1 + instrument as u32).into() }
}

fn amounts() -> impl Strategy<Value = i128> {
    let far = prop::sample::select(vec![1 << 62, 1 << 100, i128::MAX, i128::MIN + 1]);
    prop_oneof![1 => Just(0), 6 => -10_000_i128..10_000, 1 => far]
}

/// In each of the currencies of fees; mostly nothing, and seldom what does not fit.
fn fees() -> impl Strategy<Value = [i128; 4]> {
    let fee = prop_oneof![
        16 => Just(0),
        6 => -50_000_000_i128..5_000_000_000,
        1 => Just(i128::MAX),
    ];
    [fee.clone(), fee.clone(), fee.clone(), fee]
}

fn input() -> impl Strategy<Value = InputChange> {
    let mark = prop_oneof![5 => 1..500_i64, 1 => -5..5_i64, 1 => Just(i64::MAX)];
    let held = (amounts(), amounts());
    prop_oneof![
        (
            0..3_u64,
            0..INSTRUMENTS,
            prop::option::of(held),
            fees(),
            prop::option::of(-5..1_000_000_000_i64)
        )
            .prop_map(|(portfolio, instrument, held, fees, target)| InputChange::Line {
                portfolio,
                instrument,
                held,
                fees,
                target
            }),
        (0..INSTRUMENTS, prop::option::weighted(0.8, mark))
            .prop_map(|(instrument, mark)| InputChange::Mark { instrument, mark }),
    ]
}

fn line(
    instrument: u64,
    held: Option<(i128, i128)>,
    fees: [i128; 4],
    target: Option<i64>,
) -> Option<PortfolioLine> {
    let contract = contract(instrument);
    // In the order of currencies. BNB is converted over two pairs, and nothing converts CHF.
    let paid = ["BNB", "CHF", "EUR", "USD"].map(currency).into_iter().zip(fees);
    let (quote, others): (Vec<_>, Vec<_>) = paid.partition(|(paid, _)| *paid == contract.quote);
    let held = held.map(|(quantity, basis)| Held {
        quantity,
        fills: 1,
        basis,
        realised: basis / 3,
        fees: quote[0].1,
        other_fees: others.into_iter().filter(|(_, fees)| *fees != 0).collect(),
    });
    let is_one = held.is_some() || target.is_some();
    is_one.then_some(PortfolioLine { contract, held, target })
}

/// What the rows are if nothing is remembered.
fn anew(
    config: &PortfolioConfig,
    lines: &BTreeMap<PositionKey, PortfolioLine>,
    marks: &BTreeMap<InstrumentId, Price>,
) -> Tables {
    let mut tables = Tables::default();
    for portfolio in (0..3).map(PortfolioId) {
        let of_portfolio = || lines.iter().filter(|(key, _)| key.portfolio == portfolio);
        let base = config.account(portfolio).currency;
        let rate_from = |currency| {
            let route = config.route(currency, base)?;
            let mark = |step: &RouteStep| marks.get(&step.pair()?).copied();
            Rate::of(&route, &route.iter().map(mark).collect::<Vec<_>>())
        };
        let mut sums = Sums::default();
        for (key, line) in of_portfolio() {
            let mark = marks.get(&key.instrument).copied();
            let paid = paid(line, rate_from);
            let rate = rate_from(line.contract.quote);
            let Some(row) = Position::of(line, mark, rate, &paid) else { continue };
            for (currency, total) in paid {
                let key = FeeKey { portfolio, instrument: key.instrument, currency };
                tables.fees.insert(key, total);
            }
            sums.add(&row);
            tables.positions.insert(*key, row);
            if row.is_open() {
                tables.open.insert((portfolio, key.instrument), ());
                let Position { quantity, contract, .. } = row;
                if row.base.is_ok() {
                    let holding = Holding { portfolio, quantity, contract };
                    tables.priced.insert((key.instrument, portfolio), holding);
                }
            }
        }
        let (row, whole) = sums.totals(&config.account(portfolio));
        tables.portfolios.extend(row.map(|row| (portfolio, row)));
        let has_targets = of_portfolio().any(|(_, line)| line.target.is_some());
        for (key, line) in of_portfolio() {
            let position = tables.positions.get(key);
            if line.target.is_some() || position.is_some_and(Position::is_open) {
                let share = Share {
                    contract: &line.contract,
                    position,
                    target: line.target.or(has_targets.then_some(0)),
                    mark: marks.get(&key.instrument).copied(),
                    rate: rate_from(line.contract.quote),
                };
                tables.drift.insert(*key, share.drift(whole));
            }
        }
    }
    tables
}

/// Applies net changes: rows that go were there, and nothing comes as it went.
fn apply<K: Ord + Copy + Debug, V: PartialEq + Copy + Debug>(
    rows: &mut BTreeMap<K, V>,
    changes: impl Iterator<Item = ((K, V), Time, i64)>,
    at: Time,
) {
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by_key(|((key, _), _, diff)| (*key, *diff));
    let mut gone = None;
    for ((key, row), time, diff) in changes {
        assert_eq!(time, at);
        if diff == -1 {
            assert_eq!(rows.remove(&key), Some(row));
            gone = Some((key, row));
        } else {
            assert_eq!((diff, rows.insert(key, row)), (1, None), "{key:?}");
            assert_ne!(gone, Some((key, row)), "it went and came");
        }
    }
}

fn own<K, V: Copy>(((key, row), time, diff): Update<K, Arc<V>>) -> Update<K, V> {
    ((key, *row), time, diff)
}

impl Tables {
    fn apply(&mut self, time: Time, rows: &mut Rows) {
        assert!(
            rows.positions.is_sorted() && rows.portfolios.is_sorted() && rows.drift.is_sorted()
        );
        assert!(rows.fees.is_sorted());
        apply(&mut self.fees, rows.fees.drain(..), time);
        apply(&mut self.positions, rows.positions.drain(..).map(own), time);
        apply(&mut self.portfolios, rows.portfolios.drain(..), time);
        apply(&mut self.drift, rows.drift.drain(..).map(own), time);
        let open = rows.open.drain(..).map(|(row, time, diff)| ((row, ()), time, diff));
        apply(&mut self.open, open, time);
        let priced = rows.priced.drain(..).map(|((instrument, row), time, diff)| {
            (((instrument, row.portfolio), row), time, diff)
        });
        apply(&mut self.priced, priced, time);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_round_leaves_the_rows_that_all_lines_and_marks_make(
        rounds in prop::collection::vec(prop::collection::vec(input(), 0..8), 1..12),
    ) {
        let config = config();
        let mut valuation = Valuation::new(Arc::clone(&config));
        let (mut lines, mut marks) = (BTreeMap::new(), BTreeMap::new());
        let (mut rows, mut tables) = (Rows::default(), Tables::default());
        for (time, round) in (1..).zip(rounds) {
            let (mut new_lines, mut new_marks): (Vec<LineChange>, Vec<MarkChange>) = Default::default();
            for input in round {
                match input {
                    InputChange::Line { portfolio, instrument, held, fees, target } => {
                        let portfolio = PortfolioId(portfolio);
                        let line = line(instrument, held, fees, target);
                        let key = PositionKey { portfolio, instrument: InstrumentId(instrument) };
                        match &line {
                            Some(line) => lines.insert(key, line.clone()),
                            None => lines.remove(&key),
                        };
                        new_lines.push((key, line));
                    }
                    InputChange::Mark { instrument, mark } => {
                        let (instrument, mark) = (InstrumentId(instrument), mark.map(Price));
                        match mark {
                            Some(mark) => marks.insert(instrument, mark),
                            None => marks.remove(&instrument),
                        };
                        new_marks.push((instrument, mark));
                    }
                }
            }
            valuation.round(time, &new_lines, &new_marks, &mut rows);
            tables.apply(time, &mut rows);
            prop_assert_eq!(&tables, &anew(&config, &lines, &marks));
        }

        // As after a restore: one round of all that there is makes what there is.
        let all: Vec<_> = lines.iter().map(|(key, line)| (*key, Some(line.clone()))).collect();
        let marks: Vec<_> = marks.iter().map(|(key, mark)| (*key, Some(*mark))).collect();
        let mut restored = Tables::default();
        Valuation::new(config).round(7, &all, &marks, &mut rows);
        restored.apply(7, &mut rows);
        prop_assert_eq!(restored, tables);
    }
}
