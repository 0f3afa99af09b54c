//! What a round costs when so many symbols tick, and whether what does not tick costs anything.
//!
//! `cargo bench -p operators --bench portfolios`. One worker, CPU time of its thread from a round's input to its
//! last output, median of some samples. Two valuations, by turns: one of 1,000 portfolios with 50 positions each over 10,000
//! symbols, and one that has as many portfolios and symbols again, which nothing ever happens to.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use market::{
    AccountEvent, AccountRecord, Bar, BarState, Candle, CandleKey, Commit, Contract, Currency,
    EventTime, Fill, FillRef, InstrumentId, InstrumentSpec, NameOrder, OrderKey, Origin,
    PartitionId, PortfolioId, Price, SourceId, Target, Timeframe, TradeId,
};
use operators::portfolio::{
    Account, Confidence, Fills, Pair, PortfolioConfig, QuoteIn, Quotes, RateSource, RiskConfig,
    valuation,
};
use operators::{
    BarChange, CommitContext, Gauge, NoStates, ReadFrom, RulesInForce, Watermarks, keyed,
};
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

const PORTFOLIOS: u64 = 1_000;
const POSITIONS: u64 = 50;
const SYMBOLS: u64 = 10_000;
/// Closed bars that risk looks back on.
const BARS: usize = 60;
const SAMPLES: usize = 15;
/// The system counts CPU time every few milliseconds: a sample is as many rounds as take this long, in µs.
const SAMPLE: f64 = 50_000.0;

type Stream<T> = InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<T>>>;

/// One job, and its input so far.
struct PortfolioBench {
    contexts: Stream<Arc<CommitContext>>,
    accounts: Stream<AccountRecord>,
    quotes: Stream<QuoteIn>,
    probe: ProbeHandle<u64>,
    next: u64,
    bars: BTreeMap<CandleKey, Candle>,
    seed: u64,
}

fn dollars() -> Currency {
    Currency::of("USD").unwrap()
}

fn euros() -> Currency {
    Currency::of("EUR").unwrap()
}

/// Every tenth symbol is quoted in euros, of those to which something happens.
fn contract(symbol: u64) -> Contract {
    let is_euro = symbol < SYMBOLS && symbol.is_multiple_of(10);
    let quote = if is_euro { euros() } else { dollars() };
    Contract { spec: InstrumentSpec::DEFAULT, quote, multiplier: market::Multiplier::ONE }
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn symbol(number: u64) -> InstrumentId {
    InstrumentId(spread(number + 1))
}

fn portfolio(number: u64) -> PortfolioId {
    PortfolioId(spread(number + 1))
}

fn pair_instrument() -> InstrumentId {
    InstrumentId::of("EUR/USD")
}

fn pair() -> Pair {
    let source = RateSource::Mark { instrument: pair_instrument(), spec: InstrumentSpec::DEFAULT };
    Pair { base: euros(), quote: dollars(), source }
}

fn config() -> PortfolioConfig {
    let account =
        Account { currency: dollars(), capital: 1_000_000_000_000_000, benchmark: Some(symbol(0)) };
    PortfolioConfig {
        base: Timeframe::MINUTE,
        default_currency: dollars(),
        accounts: (0..2 * PORTFOLIOS).map(|number| (portfolio(number), account)).collect(),
        pairs: vec![pair()],
        ids_by_side: true,
        risk: RiskConfig {
            timeframe: Timeframe::from_secs(3_600).unwrap(),
            bars: BARS,
            confidence: Confidence::P95,
        },
        computed: Vec::new(),
    }
}

impl PortfolioBench {
    fn new(worker: &mut Worker) -> PortfolioBench {
        let config = Arc::new(config());
        let (contexts, accounts, quotes, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (contexts_in, contexts) = scope.new_input::<Vec<Arc<CommitContext>>>();
            let (accounts_in, accounts) = scope.new_input::<Vec<AccountRecord>>();
            let (quotes_in, quotes) = scope.new_input::<Vec<QuoteIn>>();
            let gauge = || Arc::new(Gauge::default());
            let fills = keyed(
                contexts.clone(),
                accounts,
                "fills",
                || Fills::new(true),
                Arc::new(NoStates),
                gauge(),
            );
            let for_quotes = Arc::clone(&config);
            let make = move || Quotes::new(Arc::clone(&for_quotes));
            let quotes =
                keyed(contexts, quotes, "quotes", make, Arc::new(NoStates), gauge()).unwrap();
            let valued = valuation(&config, fills.unwrap(), quotes, Arc::default());
            let done = valued.positions.flat_map(|_| None::<()>);
            let (probe, _) = done
                .concat(valued.portfolios.flat_map(|_| None::<()>))
                .concat(valued.drift.flat_map(|_| None::<()>))
                .concat(valued.risk.flat_map(|_| None::<()>))
                .concat(valued.edges.flat_map(|_| None::<()>))
                .probe();
            (contexts_in, accounts_in, quotes_in, probe)
        });
        PortfolioBench {
            contexts,
            accounts,
            quotes,
            probe,
            next: 0,
            bars: BTreeMap::new(),
            seed: 1,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % below
    }

    /// The portfolios of these numbers hold symbols from `from` on.
    fn fill(&mut self, portfolios: std::ops::Range<u64>, from: u64) {
        for number in portfolios {
            let first = self.random(SYMBOLS);
            for step in 0..POSITIONS {
                let what = from + (first + step * 197) % SYMBOLS;
                let portfolio = portfolio(number);
                let (time, id) = (EventTime(0), TradeId::Number(step));
                let fill = Fill {
                    name: FillRef { portfolio, id },
                    instrument: symbol(what),
                    contract: contract(what),
                    time,
                    sequence: 0,
                    price: Price(100_000_000_000),
                    quantity: 1_000_000_000 + self.random(1_000_000_000) as i64,
                    fee: 1_000_000,
                    fee_currency: contract(what).quote,
                };
                self.send(AccountEvent::Fill(fill));
                if step < 5 {
                    self.send(AccountEvent::Target(Target {
                        portfolio,
                        instrument: symbol(what),
                        contract: contract(what),
                        time,
                        weight: Some(10_000_000),
                    }));
                }
            }
        }
    }

    fn send(&mut self, event: AccountEvent) {
        let position = self.random(u64::MAX >> 1);
        let origin = Origin {
            rank: 0,
            order: NameOrder::default(),
            source: SourceId(0),
            partition: PartitionId(0),
            position,
        };
        self.accounts.send(AccountRecord { origin, event });
    }

    /// The bar of `open_time` seconds shows this close.
    fn bar(&mut self, instrument: InstrumentId, timeframe: Timeframe, at: i64, state: BarState) {
        let time = EventTime(at * 1_000_000_000);
        let mut bar = Bar::empty(InstrumentSpec::DEFAULT, time);
        let price = Price(90_000_000_000 + self.random(20_000_000_000) as i64);
        bar.close = Some((OrderKey { time, sequence: 0, number: None }, price));
        let after = Some(Candle { bar, state, revision: 0, cause: None });
        let key = CandleKey { instrument, timeframe, open_time: time };
        let before = after.and_then(|after| self.bars.insert(key, after));
        let (before, after) = (before.map(Arc::new), after.map(Arc::new));
        self.quotes.send(QuoteIn::Bar(Arc::new(BarChange { key, before, after, cause: None })));
    }

    /// Ends the round; gives the CPU time until all is put out, in µs.
    fn round(&mut self, worker: &mut Worker) -> f64 {
        self.commit(worker, true)
    }

    fn commit(&mut self, worker: &mut Worker, round: bool) -> f64 {
        self.contexts.send(Arc::new(CommitContext {
            commit: Commit(self.next),
            at: EventTime(self.next as i64),
            round,
            watermarks: Watermarks::none(1),
            round_watermarks: Watermarks::none(1),
            read_from: ReadFrom::default(),
            saves: 0..0,
            rules: RulesInForce::default(),
        }));
        self.next += 1;
        let start = cpu();
        self.contexts.advance_to(self.next);
        self.accounts.advance_to(self.next);
        self.quotes.advance_to(self.next);
        worker.step_while(|| self.probe.less_than(&self.next));
        (cpu() - start) / 1e3
    }

    fn set_up(&mut self, worker: &mut Worker, times: u64) {
        self.fill(0..PORTFOLIOS, 0);
        if times == 2 {
            self.fill(PORTFOLIOS..2 * PORTFOLIOS, SYMBOLS);
        }
        let hour = Timeframe::from_secs(3_600).unwrap();
        for bar in 0..=BARS as i64 {
            let all = (0..times * SYMBOLS).map(symbol).chain([pair_instrument()]);
            for instrument in all.collect::<Vec<_>>() {
                self.bar(instrument, hour, bar * 3_600, BarState::Final);
                if bar == 0 {
                    self.bar(instrument, Timeframe::MINUTE, 0, BarState::Open);
                }
            }
            // One round, so that risk is not computed for every one of them.
            self.commit(worker, bar == BARS as i64);
        }
        self.bars.clear();
    }
}

/// CPU time of this thread in ns; on systems that do not report it, time.
fn cpu() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = text.and_then(|text| text.split(' ').next()?.parse().ok());
    spent.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed().as_nanos() as f64)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    timely::execute_directly(|worker| {
        let mut benches = [PortfolioBench::new(worker), PortfolioBench::new(worker)];
        for (bench, times) in benches.iter_mut().zip([1, 2]) {
            bench.set_up(worker, times);
        }
        println!("{:>28}{:>14}{:>14}{:>8}", "CPU µs a round, median", "1×", "2×", "ratio");
        let mut row = |name: String, act: Box<dyn Fn(&mut PortfolioBench)>| {
            let mut times = [Vec::new(), Vec::new()];
            let mut rounds = 1;
            while times[1].len() < SAMPLES {
                let mut sample = [0.0; 2];
                for _ in 0..rounds {
                    for (bench, spent) in benches.iter_mut().zip(&mut sample) {
                        act(bench);
                        *spent += bench.round(worker);
                    }
                }
                if sample[0] < SAMPLE && times[1].is_empty() {
                    rounds *= 2;
                    continue;
                }
                for (times, spent) in times.iter_mut().zip(sample) {
                    times.push(spent / f64::from(rounds));
                }
            }
            let [one, two] = times.map(median);
            println!("{name:>28}{one:>14.1}{two:>14.1}{:>8.2}", two / one);
        };
        row("nothing".to_owned(), Box::new(|_| {}));
        for count in [1, 10, 100, 1_000, 10_000] {
            let name = format!("{count} symbols tick");
            row(
                name,
                Box::new(move |bench| {
                    for number in 0..count {
                        let what = (bench.next * 31 + number) % SYMBOLS;
                        bench.bar(symbol(what), Timeframe::MINUTE, 0, BarState::Open);
                    }
                }),
            );
        }
        row(
            "the currency pair ticks".to_owned(),
            Box::new(|bench| {
                bench.bar(pair_instrument(), Timeframe::MINUTE, 0, BarState::Open);
            }),
        );
        row(
            "1 bar of risk is restated".to_owned(),
            Box::new(|bench| {
                let what = 1 + bench.next % (SYMBOLS - 1);
                bench.bar(
                    symbol(what),
                    Timeframe::from_secs(3_600).unwrap(),
                    36_000,
                    BarState::Revised,
                );
            }),
        );
    });
}
