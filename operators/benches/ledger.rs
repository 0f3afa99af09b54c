//! What a record costs the ledger and its slow twin, what a retained trade takes, and how long the longest
//! commits are.
//!
//! `cargo bench -p operators --bench ledger`: one shard driven by plain calls, CPU time of the thread. Bytes are
//! those that the ledger accounts for by the capacities of its structures, less those of an instrument
//! and its bars, per trade that may still be corrected; of the first load also how much the process grew (later
//! ones use memory that it has already). With the argument
//! `sustained`, 100,000 records a second for some minutes of event time in commits of 5 ms, 1 % of them
//! corrections of old trades, and the CPU time of commits.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::sync::Arc;
use std::time::Instant;

use market::{
    Calendars, Commit, Event, EventTime, IdScope, InstrumentId, InstrumentSpec, NameOrder, Origin,
    PartitionId, Price, Quantity, Record, Side, SourceId, Span, Timeframe, Trade, TradeId, Updates,
};
use operators::{
    CommitContext, Core, Ledger, LedgerConfig, LedgerOut, OutlierRule, PlainLedger, ReadFrom,
    RulesInForce, Watermarks,
};

const RECORDS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// What is different about a load, per thousand records.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    symbols: u64,
    /// How many of a thousand are of the first symbol.
    hot: u64,
    copies: u64,
    late: u64,
    corrections: u64,
    /// Of how many trades back a correction or cancel may be.
    back: u64,
    cancels: u64,
    hashed: bool,
    /// Records per second of event time, and per commit.
    rate: u64,
    commit: u64,
}

const IN_ORDER: Load = Load {
    name: "in order",
    symbols: 200,
    hot: 0,
    copies: 0,
    late: 0,
    corrections: 0,
    back: 400_000,
    cancels: 0,
    hashed: false,
    rate: 5_000,
    commit: 10_000,
};

const LOADS: &[Load] = &[
    IN_ORDER,
    Load { name: "one symbol", symbols: 1, ..IN_ORDER },
    Load { name: "every trade twice", copies: 500, ..IN_ORDER },
    Load { name: "1 in 10 late", late: 100, ..IN_ORDER },
    Load { name: "1 in 100 corrects a close", corrections: 10, back: 1, ..IN_ORDER },
    Load { name: "1 in 100 corrects, old", corrections: 10, ..IN_ORDER },
    Load { name: "1 in 100 cancels, old", cancels: 10, ..IN_ORDER },
    Load { name: "hashed ids", hashed: true, ..IN_ORDER },
    Load { name: "9 in 10 on one symbol", hot: 900, ..IN_ORDER },
    Load { name: "10,000 symbols", symbols: 10_000, ..IN_ORDER },
];

/// Makes the records of a load.
struct Venue {
    load: Load,
    dice: u64,
    ids: Vec<u64>,
    prices: Vec<i64>,
    recent: Vec<Trade>,
    /// Where the next is stored, once the first `kept` are.
    next: usize,
    kept: usize,
    position: u64,
    number: u64,
}

impl Venue {
    fn new(load: Load, kept: usize) -> Venue {
        let ids = vec![1_000_000; load.symbols as usize];
        let prices = vec![4_200_000; load.symbols as usize];
        Venue {
            load,
            dice: 7,
            ids,
            prices,
            recent: Vec::new(),
            next: 0,
            kept,
            position: 0,
            number: 0,
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        let factor = 6_364_136_223_846_793_005;
        self.dice = self.dice.wrapping_mul(factor).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % n
    }

    fn back(&mut self, most: u64) -> Option<Trade> {
        let back = 1 + self.below(most.min(self.recent.len().max(1) as u64)) as usize;
        let at = (self.next + self.recent.len()).checked_sub(back)?;
        self.recent.get(at % self.recent.len().max(1)).copied()
    }

    fn event(&mut self) -> Event {
        let Load { copies, late, corrections, cancels, back, rate, hot, symbols, .. } = self.load;
        let what = self.below(1_000);
        if let Some(old) = self.back(if what < copies { 50 } else { back }) {
            if what < copies {
                return Event::New(old);
            }
            if what < copies + corrections {
                let price = Price(old.price.0 + 7);
                return Event::Correct { of: old.name(), with: Trade { price, ..old } };
            }
            if what < copies + corrections + cancels {
                return Event::Cancel { of: old.name(), time: Some(old.time) };
            }
        }
        let symbol = if self.below(1_000) < hot { 0 } else { self.below(symbols) } as usize;
        self.ids[symbol] += 1;
        self.prices[symbol] += self.below(21) as i64 - 10;
        self.number += 1;
        let now = 1_700_000_000 * SECOND + self.number * SECOND / rate;
        let behind = if self.below(1_000) < late { self.below(5 * SECOND) } else { 0 };
        let id = self.ids[symbol];
        let trade = Trade {
            instrument: InstrumentId((symbol as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            spec: InstrumentSpec::DEFAULT,
            scope: IdScope(5),
            id: match self.load.hashed {
                true => TradeId::of(&format!("{symbol}-{id}")),
                false => TradeId::Number(id),
            },
            time: EventTime(((now - behind) / 1_000 * 1_000) as i64),
            sequence: id,
            is_positional: false,
            price: Price(self.prices[symbol]),
            quantity: Quantity(1 + self.below(100_000) as i64),
            side: [Side::Buy, Side::Sell][self.below(2) as usize],
            updates: Updates::ALL,
        };
        if self.recent.len() < self.kept {
            self.recent.push(trade);
        } else {
            self.recent[self.next] = trade;
            self.next = (self.next + 1) % self.kept;
        }
        Event::New(trade)
    }

    fn commit(&mut self, number: u64) -> (CommitContext, Vec<Record>) {
        let now = 1_700_000_000 * SECOND + self.number * SECOND / self.load.rate;
        let records = (0..self.load.commit).map(|_| {
            self.position += 1;
            let (source, position) = (SourceId(0), self.position);
            let origin = Origin {
                rank: 0,
                order: NameOrder::default(),
                source,
                partition: PartitionId(0),
                position,
            };
            Record { origin, event: self.event() }
        });
        let records = records.collect();
        let watermarks = Watermarks::new([Some(EventTime((now - 5 * SECOND) as i64))]);
        let context = CommitContext {
            commit: Commit(number),
            at: EventTime(now as i64),
            round: true,
            round_watermarks: watermarks.clone(),
            watermarks,
            read_from: ReadFrom::default(),
            saves: 0..0,
            rules: RulesInForce::default(),
        };
        (context, records)
    }
}

fn config(horizon: Span) -> Arc<LedgerConfig> {
    Arc::new(LedgerConfig {
        base: Timeframe::MINUTE,
        calendars: Calendars::utc(),
        reject_after: horizon,
        correction_horizon: horizon,
        gaps_max: 10_000,
        outliers: OutlierRule { bars: 30, deviations: 10, floor_bps: 50 },
    })
}

/// CPU time of this thread in ns; on systems that do not report it, time.
fn cpu() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = text.and_then(|text| text.split(' ').next()?.parse().ok());
    spent.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed().as_nanos() as f64)
}

/// Bytes of memory that the process has; 0 on systems that do not report it.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4_096.0
}

/// What a load costs a ledger: ns a record, then bytes a retained id accounted for, then as the process grew.
fn run(load: Load, mut ledger: impl Core<In = Record, Out = LedgerOut>, empty: f64) -> [f64; 3] {
    let mut venue = Venue::new(load, 400_000);
    let mut out = Vec::new();
    let mut spent = 0.0;
    let before = resident();
    for number in 0..RECORDS / load.commit {
        let (context, mut records) = venue.commit(number);
        let start = cpu();
        ledger.commit(&context, &mut records, &mut out);
        spent += cpu() - start;
        out.clear();
    }
    let grown = resident() - before - (venue.recent.capacity() * size_of::<Trade>()) as f64;
    let ids = ledger.ids() as f64;
    [spent / RECORDS as f64, (ledger.size().1 as f64 - empty) / ids, grown / ids]
}

/// What instruments and bars take without trades: a load of as many, with one trade in each bar.
fn empty(load: Load) -> f64 {
    let minutes = RECORDS / load.rate / 60 + 1;
    let (rate, commit) = (load.symbols.max(60) / 60, load.symbols);
    let mut venue = Venue::new(Load { rate, commit, hot: 0, copies: 0, ..load }, 1);
    let mut ledger = Ledger::new(config(Span::secs(1)));
    for number in 0..minutes {
        let (context, mut records) = venue.commit(number);
        ledger.commit(&context, &mut records, &mut Vec::new());
    }
    ledger.size().1 as f64
}

fn sustained() {
    let (minutes, rate, commit) = (4, 100_000, 500);
    for (name, symbols, hot) in [("200 symbols", 200, 0), ("9 in 10 on one", 200, 900)] {
        let load =
            Load { symbols, hot, corrections: 10, back: 5_000_000, rate, commit, ..IN_ORDER };
        let mut ledger = Ledger::new(config(Span::secs(60)));
        let mut venue = Venue::new(load, 5_000_000);
        let mut times: Vec<f64> = Vec::new();
        let mut most = 0;
        for number in 0..minutes * 60 * rate / commit {
            let (context, mut records) = venue.commit(number);
            let mut out = Vec::new();
            let start = cpu();
            ledger.commit(&context, &mut records, &mut out);
            times.push((cpu() - start) / 1e6);
            most = most.max(ledger.ids());
        }
        let sum: f64 = times.iter().sum();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!(
            "{name}: CPU ms a commit p50 {:.2}, p99 {:.2}, p99.9 {:.2}, most {:.2}; \
             {:.0} ns a record; {most} trades retained at most",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            sum * 1e6 / (times.len() as f64 * commit as f64),
        );
    }
}

fn main() {
    if std::env::args().any(|word| word == "sustained") {
        return sustained();
    }
    println!(
        "{:>28}{:>10}{:>10}{:>8}{:>12}{:>10}",
        "ns a record", "fast", "slow", "ratio", "bytes", "process"
    );
    for (number, load) in LOADS.iter().enumerate() {
        let horizon = config(Span::secs(86_400));
        let [fast, bytes, process] = run(*load, Ledger::new(Arc::clone(&horizon)), empty(*load));
        let [slow, ..] = run(*load, PlainLedger::new(horizon), 0.0);
        let process = if number == 0 { format!("{process:.1}") } else { String::new() };
        println!(
            "{:>28}{fast:>10.0}{slow:>10.0}{:>8.1}{bytes:>12.1}{process:>10}",
            load.name,
            slow / fast
        );
    }
}
