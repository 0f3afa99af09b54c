//! Plays commits of accounts and bars through the portfolio operators, under timely, on some workers.
//!
//! What they put out is applied to tables in the oracle's words. On the way it is held to what every output
//! promises: changes are net, fit the rows that are there, and come at the ends of rounds.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use market::{AccountEvent, AccountRecord, Candle, CandleKey, Commit, EventTime, ModelId};
use operators::arrange::Update;
use operators::indicators::{IndicatorChange, IndicatorKey, IndicatorValue, Reading};
use operators::portfolio::{
    Account, ComputedFair, Confidence, Drift, Edge, EdgeKey, Fault, FeeKey, FeeTotal, FillFault,
    Fills, Pair, Portfolio, PortfolioConfig, Position, PositionKey, QuoteIn, Quotes, RateSource,
    Risk, RiskConfig, RiskKey, Unpriced, valuation,
};
use operators::{
    BarChange, CommitContext, Gauge, ReadFrom, RulesInForce, Sharded, StateStore, Watermarks, keyed,
};
use oracle::portfolio as slow;
use oracle::portfolio::commits::{CommitInput, Output};
pub(super) use oracle::portfolio::random::Script;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Input, Inspect, Probe};

use super::super::harness::{Saving, States};

/// What one commit put out.
#[derive(Clone, Debug, Default)]
struct Outputs {
    positions: Vec<Update<PositionKey, Position>>,
    fees: Vec<Update<FeeKey, FeeTotal>>,
    portfolios: Vec<Update<market::PortfolioId, Portfolio>>,
    drift: Vec<Update<PositionKey, Drift>>,
    risk: Vec<Update<RiskKey, Risk>>,
    edges: Vec<Update<EdgeKey, Edge>>,
    faults: Vec<FillFault>,
}

/// The rows that there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) positions: BTreeMap<PositionKey, Position>,
    pub(super) fees: BTreeMap<FeeKey, FeeTotal>,
    pub(super) portfolios: BTreeMap<market::PortfolioId, Portfolio>,
    pub(super) drift: BTreeMap<PositionKey, Drift>,
    pub(super) risk: BTreeMap<RiskKey, Risk>,
    pub(super) edges: BTreeMap<EdgeKey, Edge>,
    /// Of this commit alone.
    pub(super) faults: Vec<FillFault>,
}

/// What a play gave.
pub(super) struct Played {
    /// The rows after each commit.
    pub(super) rows: Vec<Rows>,
    /// Rows that were there when all shards were restored.
    pub(super) restored: Rows,
    states: Arc<States>,
}

/// How to play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) workers: usize,
    /// Orders records within commits.
    pub(super) seed: u64,
    /// Which commits save states.
    pub(super) save: Option<Saving>,
}

impl Manner {
    pub(super) fn on(workers: usize) -> Manner {
        Manner { workers, seed: 0, save: None }
    }
}

/// Plays a script from its first commit.
pub(super) fn play(script: &Script, manner: Manner) -> Played {
    run(script, manner, None, Arc::default())
}

impl Played {
    /// Goes on from the states that this play saved.
    pub(super) fn go_on(&self, script: &Script, saving: Saving, manner: Manner) -> Played {
        run(script, manner, Some(saving), Arc::new(self.states.to_restore()))
    }
}

/// The operators' configuration of a script.
pub(super) fn config(script: &Script) -> PortfolioConfig {
    let slow::Config { base, default_currency, portfolios, pairs, computed, ids_by_side, risk } =
        &script.config;
    let account = |it: &slow::PortfolioConfig| Account {
        currency: it.currency,
        capital: it.capital,
        benchmark: it.benchmark,
    };
    let all = script.commits.iter().flat_map(|commit| &commit.bars);
    let spec: BTreeMap<_, _> =
        all.filter_map(|(key, candle)| Some((key.instrument, candle.as_ref()?.bar.spec))).collect();
    let confidence = Confidence::ALL
        .into_iter()
        .find(|known| (risk.confidence * 1e6).round() as u32 == known.millionths());
    PortfolioConfig {
        base: *base,
        default_currency: *default_currency,
        ids_by_side: *ids_by_side,
        accounts: portfolios.iter().map(|(id, it)| (*id, account(it))).collect(),
        pairs: pairs
            .iter()
            .map(|pair| Pair {
                base: pair.first,
                quote: pair.second,
                source: match pair.source {
                    slow::PairSource::Fixed(price, scale) => RateSource::Fixed { price, scale },
                    slow::PairSource::Mark(instrument) => RateSource::Mark {
                        instrument,
                        // Of a pair that never trades nothing matters.
                        spec: spec
                            .get(&instrument)
                            .copied()
                            .unwrap_or(market::InstrumentSpec::DEFAULT),
                    },
                },
            })
            .collect(),
        risk: RiskConfig {
            timeframe: risk.timeframe,
            bars: risk.bars,
            confidence: confidence.expect("one that is offered"),
        },
        computed: computed
            .iter()
            .enumerate()
            .map(|(number, (model, timeframe))| ComputedFair {
                model: *model,
                indicator: number as u16,
                output: 0,
                timeframe: *timeframe,
            })
            .collect(),
    }
}

/// What the commits give the core of quotes, beside records.
fn quotes(config: &PortfolioConfig, commits: &[CommitInput]) -> Vec<Vec<QuoteIn>> {
    let mut bars: BTreeMap<CandleKey, Candle> = BTreeMap::new();
    let mut numbers: BTreeMap<(ModelId, CandleKey), IndicatorValue> = BTreeMap::new();
    let outputs = commits.iter().map(|commit| {
        let mut outputs = Vec::new();
        for (key, after) in &commit.bars {
            let before = match after {
                Some(after) => bars.insert(*key, *after),
                None => bars.remove(key),
            };
            if before != *after {
                let (before, after) = (before.map(Arc::new), after.map(Arc::new));
                let change = BarChange { key: *key, before, after, cause: None };
                outputs.push(QuoteIn::Bar(Arc::new(change)));
            }
        }
        for ((model, bar), after) in &commit.numbers {
            let after =
                after.map(|after| IndicatorValue { value: Reading(after.number), peek: false });
            let before = match after {
                Some(after) => numbers.insert((*model, *bar), after),
                None => numbers.remove(&(*model, *bar)),
            };
            let of = config.computed.iter().find(|fair| fair.model == *model).expect("known");
            let key = IndicatorKey {
                instrument: bar.instrument,
                timeframe: bar.timeframe,
                open_time: bar.open_time,
                indicator: of.indicator,
                output: of.output,
            };
            if before != after {
                outputs.push(QuoteIn::Number(Box::new(IndicatorChange { key, before, after })));
            }
        }
        outputs
    });
    outputs.collect()
}

pub(super) fn context(
    commits: &[CommitInput],
    number: usize,
    save: Option<Saving>,
) -> Arc<CommitContext> {
    Arc::new(CommitContext {
        commit: Commit(number as u64),
        at: EventTime(number as i64),
        round: commits[number].round,
        watermarks: Watermarks::none(1),
        round_watermarks: Watermarks::none(1),
        read_from: ReadFrom::default(),
        saves: save.map_or(0..0, |save| save.shards(number)),
        rules: RulesInForce::default(),
    })
}

fn run(script: &Script, manner: Manner, restored: Option<Saving>, states: Arc<States>) -> Played {
    let Manner { workers, seed, save } = manner;
    let config = Arc::new(config(script));
    let quotes: Arc<[Vec<QuoteIn>]> = quotes(&config, &script.commits).into();
    let commits: Arc<[CommitInput]> = script.commits.clone().into();
    let outputs: Arc<Mutex<BTreeMap<u64, Outputs>>> = Arc::default();
    let first = restored.map_or(0, |saving| saving.at);
    let whole_from = restored.map_or(0, |saving| saving.last() + 1);

    let (collected, store, played) =
        (Arc::clone(&outputs), Arc::clone(&states), Arc::clone(&commits));
    let guards =
        timely::execute(timely::Config::process(workers), move |worker| {
            let (index, peers) = (worker.index(), worker.peers());
            let (config, outputs) = (Arc::clone(&config), Arc::clone(&outputs));
            let states: Arc<dyn StateStore> = Arc::<States>::clone(&store);
            let (mut contexts_in, mut accounts_in, mut quotes_in, probe) = worker
                .dataflow::<u64, _, _>(|scope| {
                    let (contexts_in, contexts) = scope.new_input::<Vec<Arc<CommitContext>>>();
                    let (accounts_in, accounts) = scope.new_input::<Vec<AccountRecord>>();
                    let (quotes_in, quotes) = scope.new_input::<Vec<QuoteIn>>();
                    let fairs = accounts.clone().flat_map(|record| {
                        let is_fair = matches!(record.event, AccountEvent::Fair(_));
                        is_fair.then(|| QuoteIn::Account(Box::new(record)))
                    });
                    let accounts = accounts.flat_map(|record| {
                        let is_fair = matches!(record.event, AccountEvent::Fair(_));
                        (!is_fair).then_some(record)
                    });
                    let (store, gauge) = (Arc::clone(&states), Arc::<Gauge>::default());
                    let by_side = config.ids_by_side;
                    let make = move || Fills::new(by_side);
                    let fills = keyed(contexts.clone(), accounts, "fills", make, store, gauge);
                    let for_quotes = Arc::clone(&config);
                    let quotes = keyed(
                        contexts,
                        quotes.concat(fairs),
                        "quotes",
                        move || Quotes::new(Arc::clone(&for_quotes)),
                        states,
                        Arc::default(),
                    );
                    let valued =
                        valuation(&config, fills.unwrap(), quotes.unwrap(), Arc::default());
                    let (probe, _) = listen(valued.positions.map(own), &outputs, |outputs| {
                        &mut outputs.positions
                    })
                    .concat(listen(valued.fees, &outputs, |outputs| &mut outputs.fees))
                    .concat(listen(valued.portfolios, &outputs, |outputs| &mut outputs.portfolios))
                    .concat(listen(valued.drift.map(own), &outputs, |outputs| &mut outputs.drift))
                    .concat(listen(valued.risk, &outputs, |outputs| &mut outputs.risk))
                    .concat(listen(valued.edges, &outputs, |outputs| &mut outputs.edges))
                    .concat(listen(valued.faults, &outputs, |outputs| &mut outputs.faults))
                    .probe();
                    (contexts_in, accounts_in, quotes_in, probe)
                });

            for number in first..commits.len() {
                let time = number as u64;
                contexts_in.advance_to(time);
                accounts_in.advance_to(time);
                quotes_in.advance_to(time);
                let records = slow::random::shuffle(&commits[number].records, seed + time);
                for record in records.into_iter().filter(|r| r.shard().worker(peers) == index) {
                    accounts_in.send(record);
                }
                for outputs in quotes[number].iter().filter(|q| q.shard().worker(peers) == index) {
                    quotes_in.send(outputs.clone());
                }
                contexts_in.send(context(&commits, number, save));
                contexts_in.advance_to(time + 1);
                accounts_in.advance_to(time + 1);
                quotes_in.advance_to(time + 1);
                // Sometimes several commits are in flight behind each other.
                if number as u64 % 3 == seed % 3 {
                    worker.step_while(|| probe.less_than(&(time + 1)));
                }
            }
            contexts_in.close();
            accounts_in.close();
            quotes_in.close();
            worker.step_while(|| !probe.done());
        })
        .unwrap();
    guards.join().into_iter().for_each(|worker| worker.unwrap());

    let mut outputs = std::mem::take(&mut *collected.lock().unwrap());
    let restored = (first..whole_from).fold(Rows::default(), |rows, number| {
        rows.after(outputs.remove(&(number as u64)).unwrap_or_default())
    });
    let mut rows = restored.clone();
    let all = (whole_from..played.len()).map(|number| {
        let outputs = outputs.remove(&(number as u64)).unwrap_or_default();
        let in_round = !played[number].round;
        let before = Rows { faults: Vec::new(), ..std::mem::take(&mut rows) };
        rows = before.clone().after(outputs);
        assert!(!in_round || rows == before, "commit {number} ends no round and changed rows");
        rows.clone()
    });
    let all = all.collect();
    assert!(outputs.is_empty(), "output outside the commits: {:?}", outputs.keys());
    Played { rows: all, restored, states }
}

fn own<K, V: Copy>(((key, row), time, diff): Update<K, Arc<V>>) -> Update<K, V> {
    ((key, *row), time, diff)
}

/// Gathers a stream under its commits.
fn listen<'scope, D: Clone + Send + 'static>(
    stream: StreamVec<'scope, u64, D>,
    outputs: &Arc<Mutex<BTreeMap<u64, Outputs>>>,
    of: fn(&mut Outputs) -> &mut Vec<D>,
) -> StreamVec<'scope, u64, ()> {
    let outputs = Arc::clone(outputs);
    let seen = stream.inspect_time(move |time, row| {
        of(outputs.lock().unwrap().entry(*time).or_default()).push(row.clone());
    });
    seen.flat_map(|_| None)
}

impl Rows {
    fn after(mut self, outputs: Outputs) -> Rows {
        apply(&mut self.positions, outputs.positions);
        apply(&mut self.fees, outputs.fees);
        apply(&mut self.portfolios, outputs.portfolios);
        apply(&mut self.drift, outputs.drift);
        apply(&mut self.risk, outputs.risk);
        apply(&mut self.edges, outputs.edges);
        self.faults = outputs.faults;
        self.faults.sort();
        self
    }

    /// The same in the oracle's words.
    pub(super) fn output(&self) -> Output {
        let key = |key: &PositionKey| (key.portfolio, key.instrument);
        let mut risk: BTreeMap<market::PortfolioId, slow::RiskRow> = BTreeMap::new();
        for (key, row) in self.risk.iter().filter(|(key, _)| key.instrument.is_none()) {
            let of_positions = self.risk.iter().filter_map(|(other, row)| {
                let instrument = other.instrument.filter(|_| other.portfolio == key.portfolio)?;
                assert_eq!(row.excluded, 0);
                Some((instrument, measures(row)))
            });
            let row = slow::RiskRow {
                excluded: row.excluded,
                changes: row.changes as usize,
                portfolio: measures(row),
                positions: of_positions.collect(),
            };
            risk.insert(key.portfolio, row);
        }
        assert!(self.risk.keys().all(|key| risk.contains_key(&key.portfolio)), "parts of nothing");
        let faults = self.faults.iter().map(|row| slow::commits::FillFault {
            commit: row.commit,
            fill: row.fill,
            fault: match row.fault {
                Fault::Conflict { kept, dropped } => {
                    slow::commits::Fault::Conflict { kept, dropped }
                }
                Fault::Unmatched => slow::commits::Fault::Unmatched,
            },
        });
        Output {
            tables: slow::Tables {
                positions: self.positions.iter().map(|(k, row)| (key(k), position(row))).collect(),
                fees: self
                    .fees
                    .iter()
                    .map(|(key, row)| ((key.portfolio, key.instrument, key.currency), fees(row)))
                    .collect(),
                portfolios: self.portfolios.iter().map(|(k, r)| (*k, portfolio(r))).collect(),
                drift: self.drift.iter().map(|(k, row)| (key(k), drift(row))).collect(),
                edges: self
                    .edges
                    .iter()
                    .map(|(key, row)| ((key.instrument, key.model), edge(row)))
                    .collect(),
                risk,
            },
            fill_faults: faults.collect(),
        }
    }
}

/// Applies net changes; each must be whole, and fit what is there.
fn apply<K: Ord + Copy + Debug, V: PartialEq + Copy + Debug + Ord>(
    rows: &mut BTreeMap<K, V>,
    mut updates: Vec<Update<K, V>>,
) {
    updates.sort_by_key(|((key, _), _, diff)| (*key, *diff));
    let mut gone = None;
    for ((key, value), _, diff) in updates {
        match diff {
            -1 => {
                assert_eq!(rows.remove(&key), Some(value), "{key:?}: no such row to retract");
                gone = Some((key, value));
            }
            1 => {
                assert_ne!(gone, Some((key, value)), "an equal row went and came");
                assert_eq!(rows.insert(key, value), None, "{key:?}: two rows of one key");
            }
            _ => panic!("{key:?} changes by {diff}"),
        }
    }
}

fn position(row: &Position) -> slow::PositionRow {
    slow::PositionRow {
        contract: row.contract,
        quantity: row.quantity,
        fills: row.fills,
        basis: Some(row.basis),
        realised: Some(row.realised),
        value: row.value,
        unrealised: row.unrealised,
        fees: Some(row.fees),
        average: row.average,
        mark: row.mark,
        base: match row.base {
            Ok(base) => Ok(slow::BaseAmounts {
                value: base.value,
                basis: base.basis,
                realised: base.realised,
                unrealised: base.unrealised,
                fees: base.fees,
            }),
            Err(why) => Err(unpriced(why)),
        },
    }
}

fn fees(row: &FeeTotal) -> slow::FeeRow {
    slow::FeeRow { fees: row.fees, worth: row.worth.map_err(unpriced) }
}

fn unpriced(why: Unpriced) -> slow::Unpriced {
    match why {
        Unpriced::NoMark => slow::Unpriced::NoMark,
        Unpriced::NoRate => slow::Unpriced::NoRate,
        Unpriced::Overflow => slow::Unpriced::Overflow,
    }
}

fn portfolio(row: &Portfolio) -> slow::PortfolioRow {
    slow::PortfolioRow {
        currency: row.currency,
        open: row.open,
        unpriced: row.unpriced,
        unpriced_fees: row.unpriced_fees,
        amounts: row.amounts.map(|it| slow::PortfolioAmounts {
            net: it.net,
            long: it.long,
            short: it.short,
            gross: it.gross,
            realised: it.realised,
            unrealised: it.unrealised,
            fees: it.fees,
            pnl: it.pnl,
            equity: it.equity,
        }),
    }
}

fn drift(row: &Drift) -> slow::DriftRow {
    slow::DriftRow {
        weight: row.weight,
        target: row.target,
        drift: row.drift,
        trade_value: row.trade_value,
        trade_quantity: row.trade_quantity,
    }
}

fn edge(row: &Edge) -> slow::EdgeRow {
    slow::EdgeRow {
        spec: row.spec,
        time: row.time,
        fair: row.fair,
        mark: row.mark,
        edge: row.edge,
        basis_points: row.basis_points,
    }
}

fn measures(row: &Risk) -> slow::Measures {
    let number = |reading: Option<Reading>| reading.map(|reading| reading.0);
    slow::Measures {
        volatility: number(row.measures.volatility),
        var_parametric: number(row.measures.var_parametric),
        var_historical: number(row.measures.var_historical),
        drawdown: number(row.measures.drawdown),
        beta: number(row.measures.beta),
    }
}
