//! Random scripts: what has to hold of any accounts, and that the scripts reach every rule.

use std::collections::{BTreeMap, BTreeSet};

use market::{AccountEvent, BarState, CandleKey, Fill, Origin, PortfolioId};
use oracle::portfolio::commits::{Fault, Fold, Output};
use oracle::portfolio::random::{Script, Shape, random, rebatch, shuffle};
use oracle::portfolio::{
    BaseAmounts, Facts, PositionRow, Tables, Unpriced, surviving_fills, tables,
};

fn shapes() -> [Shape; 2] {
    [Shape::default(), Shape { extremes: true, ..Shape::default() }]
}

fn scripts(count: u64) -> impl Iterator<Item = Script> {
    (0..count).flat_map(|seed| shapes().map(|shape| random(seed, &shape)))
}

fn run(script: &Script) -> (Vec<Output>, Fold) {
    let mut fold = Fold::new(script.config.clone());
    let outputs = script.commits.iter().map(|commit| fold.commit(commit)).collect();
    (outputs, fold)
}

fn last(outputs: &[Output]) -> &Tables {
    &outputs.last().unwrap().tables
}

#[test]
fn scripts_are_the_same_for_a_seed_and_keep_their_promises() {
    for seed in 0..20 {
        for shape in shapes() {
            let script = random(seed, &shape);
            assert_eq!(script, random(seed, &shape));
            assert!(script.commits.last().unwrap().round);
            let records = script.records();
            let origins: BTreeSet<Origin> = records.iter().map(|r| r.origin).collect();
            assert_eq!(origins.len(), records.len(), "origins are unique");
            for record in records {
                if let AccountEvent::Fill(fill) | AccountEvent::Correct(fill) = record.event {
                    let amount = fill.contract.amount(fill.quantity.into(), fill.price).unwrap();
                    assert!(fill.quantity != 0 && amount.unsigned_abs() < 1 << 96, "{fill:?}");
                }
            }
            for commit in &script.commits {
                let names: BTreeSet<CandleKey> = commit.bars.iter().map(|(key, _)| *key).collect();
                assert_eq!(names.len(), commit.bars.len(), "a bar changes once in a commit");
                let base = |key: &CandleKey| key.timeframe == script.config.base;
                assert!(commit.round || names.iter().all(base), "larger bars wait for the round");
            }
        }
    }
}

#[test]
fn neither_order_nor_commits_matter() {
    for (seed, script) in (0..).zip(scripts(8)) {
        let (outputs, fold) = run(&script);
        let other = rebatch(&script, seed);
        let (others, other_fold) = run(&other);
        assert_eq!(fold.facts().bars, other_fold.facts().bars);
        assert_eq!(last(&outputs), last(&others), "script {seed}");
        let facts = Facts { records: shuffle(&script.records(), seed), ..fold.facts().clone() };
        assert_eq!(*last(&outputs), tables(&script.config, &facts), "script {seed}");
    }
}

#[test]
fn nothing_changes_between_the_ends_of_rounds() {
    for script in scripts(4) {
        let outputs = run(&script).0;
        for (pair, commit) in outputs.windows(2).zip(&script.commits[1..]) {
            if !commit.round {
                assert_eq!(pair[0].tables, pair[1].tables);
                assert_eq!(pair[1].fill_faults, []);
            }
        }
    }
}

#[test]
fn what_was_paid_is_in_the_basis_or_realised() {
    for script in scripts(20) {
        let (outputs, _) = run(&script);
        let mut paid: BTreeMap<_, (i128, i128, u64, i128)> = BTreeMap::new();
        for fill in surviving_fills(&script.records(), script.config.ids_by_side) {
            let sums = paid.entry((fill.name.portfolio, fill.instrument)).or_default();
            sums.0 += i128::from(fill.quantity);
            sums.1 += fill.contract.amount(fill.quantity.into(), fill.price).unwrap();
            sums.2 += 1;
            let quote = fill.fee_currency == fill.contract.quote;
            sums.3 += if quote { i128::from(fill.fee) } else { 0 };
        }
        let record = last(&outputs).positions.iter().map(|(key, row)| {
            let amount = row.basis.unwrap() - row.realised.unwrap();
            (*key, (row.quantity, amount, row.fills, row.fees.unwrap()))
        });
        assert_eq!(record.collect::<BTreeMap<_, _>>(), paid);
    }
}

#[test]
fn a_portfolio_is_the_sum_of_its_priced_positions() {
    for script in scripts(20) {
        let (outputs, _) = run(&script);
        let tables = last(&outputs);
        for (id, row) in &tables.portfolios {
            let own: Vec<&PositionRow> = own(tables, *id).collect();
            let open = own.iter().filter(|row| row.quantity != 0).count() as u64;
            let priced: Vec<_> = own.iter().filter_map(|row| row.base.ok()).collect();
            assert_eq!((row.open, row.unpriced), (open, (own.len() - priced.len()) as u64));
            let Some(amounts) = row.amounts else { continue };
            assert_eq!(amounts.net, priced.iter().map(|p| p.value).sum::<i128>());
            assert_eq!(amounts.net, amounts.long + amounts.short);
            assert_eq!(amounts.gross, amounts.long - amounts.short);
            let unknown = priced.iter().filter(|p| p.fees.is_none()).count() as u64;
            assert_eq!((row.unpriced_fees, amounts.fees.is_none()), (unknown, unknown > 0));
            let profit = |p: &BaseAmounts| Some(p.realised + p.value - p.basis - p.fees?);
            assert_eq!(amounts.pnl, priced.iter().map(profit).sum::<Option<i128>>());
            let capital = script.config.portfolio(*id).capital;
            assert_eq!(amounts.equity, amounts.pnl.map(|pnl| pnl + capital));
        }
        let ids: BTreeSet<PortfolioId> = tables.positions.keys().map(|(id, _)| *id).collect();
        assert!(tables.portfolios.keys().copied().eq(ids));
    }
}

#[test]
fn fees_of_each_currency_are_what_its_fills_say() {
    for script in scripts(20) {
        let (outputs, _) = run(&script);
        let mut paid: BTreeMap<_, i128> = BTreeMap::new();
        for fill in surviving_fills(&script.records(), script.config.ids_by_side) {
            let key = (fill.name.portfolio, fill.instrument, fill.fee_currency);
            *paid.entry(key).or_default() += i128::from(fill.fee);
        }
        paid.retain(|_, fees| *fees != 0);
        let shown = last(&outputs).fees.iter().map(|(key, row)| (*key, row.fees));
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), paid);
        for ((portfolio, instrument), row) in &last(&outputs).positions {
            let Ok(base) = row.base else { continue };
            let own = last(&outputs)
                .fees
                .iter()
                .filter(|((owner, of, _), _)| (owner, of) == (portfolio, instrument));
            let worth = own.map(|(_, row)| row.worth.ok()).sum::<Option<i128>>();
            assert_eq!(base.fees, worth, "a position's fees are the sum of its rows");
        }
    }
}

#[test]
fn weights_of_portfolios_without_capital_add_up_to_one() {
    let mut seen = 0;
    for script in (0..20).map(|seed| random(seed, &Shape::default())) {
        let (outputs, _) = run(&script);
        let tables = last(&outputs);
        for (id, row) in &tables.portfolios {
            let gross = row.amounts.map_or(0, |amounts| amounts.gross);
            if script.config.portfolio(*id).capital == 0 && gross > 0 {
                let rows = tables.drift.iter().filter(|((owner, _), _)| owner == id);
                let sizes: Vec<i128> =
                    rows.filter_map(|(_, row)| row.weight).map(i128::abs).collect();
                let missing = sizes.iter().sum::<i128>() - 1_000_000_000;
                assert!(missing.abs() <= sizes.len() as i128, "each is rounded once");
                seen += 1;
            }
        }
    }
    assert!(seen > 10);
}

fn own(tables: &Tables, id: PortfolioId) -> impl Iterator<Item = &PositionRow> {
    tables.positions.iter().filter(move |((owner, _), _)| *owner == id).map(|(_, row)| row)
}

/// How often each thing shows at the end of a round.
#[derive(Default)]
struct EventCounts(BTreeMap<&'static str, usize>);

impl EventCounts {
    fn add(&mut self, what: &'static str, happens: bool) {
        *self.0.entry(what).or_default() += usize::from(happens);
    }

    fn output(&mut self, output: &Output) {
        for fault in &output.fill_faults {
            self.add("conflicting fill", matches!(fault.fault, Fault::Conflict { .. }));
            self.add("fill unknown", fault.fault == Fault::Unmatched);
        }
        for row in output.tables.positions.values() {
            self.add("long", row.quantity > 0);
            self.add("short", row.quantity < 0);
            self.add("flat after fills", row.quantity == 0 && row.fills > 1);
            self.add("flat and without a rate", row.quantity == 0 && row.base.is_err());
            self.add("priced", row.base.is_ok());
            self.add("no mark", row.base == Err(Unpriced::NoMark));
            self.add("no rate", row.base == Err(Unpriced::NoRate));
            self.add("overflow", row.base == Err(Unpriced::Overflow));
            self.add("overflow in the base currency alone", {
                row.base == Err(Unpriced::Overflow) && row.unrealised.is_some()
            });
            self.add("rebates", row.fees < Some(0));
            self.add("priced but for fees", row.base.is_ok_and(|it| it.fees.is_none()));
        }
        for ((portfolio, instrument, currency), row) in &output.tables.fees {
            let position = &output.tables.positions[&(*portfolio, *instrument)];
            let other = *currency != position.contract.quote;
            self.add("fees in another currency", other && row.worth.is_ok());
            self.add("fees without a rate", row.worth == Err(Unpriced::NoRate));
            self.add("fees of an unpriced position", row.worth.is_ok() && position.base.is_err());
            assert_ne!(row.fees, 0);
        }
        for row in output.tables.portfolios.values() {
            self.add("portfolio overflow", row.amounts.is_none());
            self.add("portfolio with unpriced", row.unpriced > 0);
            self.add("equity below 0", row.amounts.is_some_and(|it| it.equity < Some(0)));
            self.add("portfolio with unknown fees", row.unpriced_fees > 0);
        }
        for (key, row) in &output.tables.drift {
            self.add("weight", row.weight.is_some_and(|weight| weight != 0));
            self.add("no weight", row.weight.is_none());
            self.add("target without a position", {
                row.target.is_some() && !output.tables.positions.contains_key(key)
            });
            self.add("position without a target", row.target == Some(0));
            self.add("no target", row.target.is_none());
            self.add("trade", row.trade_quantity.is_some_and(|quantity| quantity != 0));
            self.add("trade without a quantity", {
                row.trade_value.is_some() && row.trade_quantity.is_none()
            });
        }
        for row in output.tables.edges.values() {
            self.add("edge", row.edge.is_some());
            self.add("edge over nothing", row.edge.is_some() && row.basis_points.is_none());
            self.add("fair value without a mark", row.edge.is_none());
        }
        for row in output.tables.risk.values() {
            self.add("excluded", row.excluded > 0);
            self.add("nothing held", row.portfolio.drawdown.is_none());
            self.add("several held", row.positions.len() > 2);
            self.add("too few changes", row.changes < 2);
            self.add("volatility", row.portfolio.volatility.is_some_and(|it| it > 0.0));
            self.add("historical", row.portfolio.var_historical.is_some_and(|it| it > 0.0));
            self.add("drawdown", row.portfolio.drawdown.is_some_and(|it| it > 0.0));
            self.add("beta", row.portfolio.beta.is_some_and(|it| it != 0.0));
            self.add("no beta", row.portfolio.beta.is_none());
            let measures = row.positions.values().chain([&row.portfolio]);
            for number in measures.flat_map(|it| [it.volatility, it.var_historical, it.beta]) {
                assert!(number.is_none_or(f64::is_finite));
            }
        }
    }
}

#[test]
fn scripts_reach_every_rule() {
    let mut counts = EventCounts::default();
    for script in scripts(25) {
        let outputs = run(&script).0;
        outputs.iter().zip(&script.commits).filter(|(_, it)| it.round).for_each(|(output, _)| {
            counts.output(output);
        });
        let records = script.records();
        let record = |fill: &Fill| records.iter().any(|it| it.event == AccountEvent::Fill(*fill));
        for fill in surviving_fills(&records, script.config.ids_by_side) {
            counts.add("corrected fill", !record(&fill));
            let first = records.iter().find_map(|it| match it.event {
                AccountEvent::Fill(first) if first.name == fill.name => Some(first.instrument),
                _ => None,
            });
            counts.add("fill moved to another instrument", first != Some(fill.instrument));
        }
        for (_, candle) in script.commits.iter().flat_map(|commit| &commit.bars) {
            counts.add("bar goes", candle.is_none());
            counts.add("bar without a close", candle.is_some_and(|it| it.bar.close.is_none()));
            counts.add("bar revised", candle.is_some_and(|it| it.state == BarState::Revised));
        }
    }
    for (what, count) in &counts.0 {
        assert!(*count >= 20, "{what}: {count} times in {:#?}", counts.0);
    }
}
