//! The ledger beside its slow twin, where the oracle would take too long: many trades in a bar, so that chunks
//! are packed, tables split, and much is forgotten; states are saved and restored on the way.

use std::sync::Arc;

use super::harness::{Outputs, Rows, configs, contexts};
use market::{
    Calendar, Calendars, Commit, Event, EventTime, Holidays, IdScope, InstrumentId, InstrumentSpec,
    NameOrder, Origin, PartitionId, Price, Quantity, Record, SessionKind, SessionPrint,
    SessionRule, Sessions, Side, SourceId, Span, Timeframe, Trade, TradeId, TradeRef, Updates,
};
use operators::{
    CommitContext, Core, Ledger, LedgerConfig, LedgerOut, OutlierRule, PlainLedger, ReadFrom,
    RulesInForce, Watermarks,
};
use oracle::random::{Script, Shape, random};

/// Both ledgers and what they have put out.
struct Twins {
    config: Arc<LedgerConfig>,
    fast: Ledger,
    slow: PlainLedger,
    rows: Rows,
}

impl Twins {
    fn new(config: Arc<LedgerConfig>) -> Twins {
        Twins {
            fast: Ledger::new(Arc::clone(&config)).emitting_accepted(true),
            slow: PlainLedger::new(Arc::clone(&config)).emitting_accepted(true),
            config,
            rows: Rows::default(),
        }
    }

    /// Has both apply a commit, and compares their outputs.
    fn commit(&mut self, context: &CommitContext, records: &[Record]) {
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        self.fast.commit(context, &mut records.to_vec(), &mut fast);
        self.slow.commit(context, &mut records.to_vec(), &mut slow);
        assert_eq!(others(&fast), others(&slow), "commit {}", context.commit.0);
        let before = std::mem::take(&mut self.rows);
        let after = |out| before.clone().after(Outputs { candles: out, ..Outputs::default() });
        let (fast, slow) = (after(fast), after(slow));
        assert!(fast == slow, "commit {}: {fast:#?} {slow:#?}", context.commit.0);
        self.rows = fast;
        let (kept, needed) = (self.fast.ids(), self.slow.ids());
        assert!(kept >= needed, "commit {}: {kept} ids of {needed}", context.commit.0);
    }

    /// What is forgotten by and by is gone after some commits in which nothing happens.
    fn settle(&mut self, last: &CommitContext) {
        for more in 1..=500 {
            if self.fast.ids() == self.slow.ids() {
                return;
            }
            let commit = Commit(last.commit.0 + more);
            self.commit(&CommitContext { commit, ..last.clone() }, &[]);
        }
        panic!("{} ids are kept of {}", self.fast.ids(), self.slow.ids());
    }

    /// Both go on from their saved states.
    fn restore(&mut self) {
        let fast = self.fast.encode().unwrap();
        self.fast = Ledger::new(Arc::clone(&self.config)).emitting_accepted(true);
        self.fast.decode(&fast).unwrap();
        let slow = self.slow.encode().unwrap();
        self.slow = PlainLedger::new(Arc::clone(&self.config)).emitting_accepted(true);
        self.slow.decode(&slow).unwrap();
        let (mut emitted, mut slow_rows) = (Vec::new(), Vec::new());
        self.fast.restate(&mut emitted);
        self.slow.restate(&mut slow_rows);
        assert_eq!(emitted, slow_rows, "what there is after a restore");
    }
}

/// What [`Rows`] do not hold.
fn others(out: &[LedgerOut]) -> Vec<&LedgerOut> {
    let is_other = |outputs: &&LedgerOut| {
        matches!(
            outputs,
            LedgerOut::Counts(_) | LedgerOut::SourceSeen(..) | LedgerOut::NewestBar(..)
        )
    };
    out.iter().filter(is_other).collect()
}

fn play(script: &Script, restore_each: usize) {
    let (config, _) = configs(script);
    let mut twins = Twins::new(config);
    let contexts = contexts(script, None);
    for (context, commit) in contexts.iter().zip(&script.commits) {
        twins.commit(context, &commit.records);
        if context.commit.0 as usize % restore_each == restore_each - 1 {
            twins.restore();
        }
    }
    if let Some(last) = contexts.get(script.commits.len() - 1) {
        twins.settle(last);
    }
}

#[test]
fn both_say_the_same_of_random_scripts() {
    for seed in 500..540 {
        play(&random(seed, &Shape::default()), 7);
    }
}

#[test]
fn both_say_the_same_of_few_instruments_with_large_commits() {
    for seed in 600..612 {
        let instruments = 1 + seed as usize % 3;
        let shape = Shape { instruments, records_per_commit: 1_500, ..Shape::default() };
        play(&random(seed, &shape), 9);
    }
}

/// A small random number generator, for a load that is larger than a script.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A market whose regular session ends in the middle of the load, with prints up to 3 s after it.
fn market_that_closes() -> Calendars {
    let rule = |kind, opens: &str, closes: &str| SessionRule {
        days: "mon-sun".parse().unwrap(),
        kind,
        opens: opens.parse().unwrap(),
        closes: closes.parse().unwrap(),
    };
    let rules = [
        rule(SessionKind::Regular, "09:00", "22:14"),
        rule(SessionKind::Extended, "22:14", "23:00"),
    ];
    let sessions = Sessions::new("closes", "UTC", &rules, Holidays::default()).unwrap();
    let sessions = sessions.with_close_grace(Span::secs(3)).unwrap();
    Calendars::new(vec![Calendar::with_sessions(sessions)]).unwrap()
}

/// One hot instrument reported by two feeds, one in ten trades of which is late, copied, corrected or cancelled, under
/// ids of each kind; bars of seconds, and a horizon of a few of them. With ids of two kinds the market closes, and one
/// in ten trades is a closing print, or no print of the session that its time lies in.
#[test]
fn both_say_the_same_of_a_load_that_packs_splits_and_forgets() {
    const SECOND: i64 = 1_000_000_000;
    for kind in 0..4 {
        let config = Arc::new(LedgerConfig {
            base: Timeframe::from_secs(1).unwrap(),
            calendars: if kind % 2 == 1 { market_that_closes() } else { Calendars::utc() },
            reject_after: Span::secs(4),
            correction_horizon: Span::secs(6),
            gaps_max: 20,
            outliers: OutlierRule { bars: 5, deviations: 4, floor_bps: 1 },
        });
        let mut twins = Twins::new(config);
        let mut dice = Dice(kind + 1);
        let (mut watermarks, mut positions) = (Watermarks::none(2), [0_u64; 2]);
        let mut emitted: Vec<Trade> = Vec::new();
        for number in 0..60_u64 {
            // The first is at 22:13:54.
            let start = 1_700_000_034 * SECOND + number as i64 * SECOND / 4;
            let mut records = Vec::new();
            for at in 0..700 {
                let id = emitted.len() as u64 + 5;
                let id = match kind {
                    0 => TradeId::Number(id),
                    1 => TradeId::of(&format!("t{id}")),
                    2 => TradeId::Position(id * 37 % 9_000_011),
                    _ => TradeId::of_day(id as i64 / 9_000, id - id / 9_000 * 1_000).unwrap(),
                };
                let fresh = Trade {
                    instrument: InstrumentId(9),
                    spec: InstrumentSpec::DEFAULT,
                    scope: IdScope(4).contiguous(kind % 3 == 0),
                    id,
                    time: EventTime(start + at * SECOND / 2_800),
                    sequence: emitted.len() as u64 + 5,
                    is_positional: kind > 0 && dice.below(3) > 0,
                    price: Price(10_000 + dice.below(40) as i64 - if at == 400 { 900 } else { 0 }),
                    quantity: Quantity(1 + dice.below(9) as i64),
                    side: [Side::Unknown, Side::Buy, Side::Sell][dice.below(3) as usize],
                    updates: if dice.below(30) == 0 { Updates::VOLUME } else { Updates::ALL },
                };
                let print = match dice.below(20) {
                    0 => SessionPrint::Closing,
                    1 => SessionPrint::Ordinary,
                    _ => SessionPrint::Unsaid,
                };
                let fresh = Trade { updates: fresh.updates.of_print(print), ..fresh };
                let back = dice.below(6_000).min(emitted.len() as u64) as usize;
                let old = if back == 0 { fresh } else { emitted[emitted.len() - back] };
                let price = Price(old.price.0 + dice.below(5) as i64 - 2);
                let (feed, event) = match dice.below(100) {
                    0 => (0, Event::Cancel { of: old.name(), time: Some(fresh.time) }),
                    1 => (1, Event::Cancel { of: old.name(), time: None }),
                    2 => (
                        0,
                        Event::Correct {
                            of: old.name(),
                            with: Trade { price, sequence: number, ..old },
                        },
                    ),
                    3 => (0, Event::Correct { of: old.name(), with: fresh }),
                    4 => (1, Event::New(Trade { price, ..old })),
                    5 => (
                        0,
                        Event::New(Trade { time: EventTime(fresh.time.0 - 2 * SECOND), ..fresh }),
                    ),
                    6..9 => (1, Event::New(old)),
                    9..12 => (0, Event::New(old)),
                    12 => continue, // never reported
                    13 => {
                        let of = TradeRef {
                            id: TradeId::Number(u64::MAX - id_number(id)),
                            ..fresh.name()
                        };
                        (1, Event::Cancel { of, time: Some(fresh.time) })
                    }
                    _ => (dice.below(2) as usize, Event::New(fresh)),
                };
                if let Event::New(trade) | Event::Correct { with: trade, .. } = event
                    && trade.id == id
                {
                    emitted.push(trade);
                }
                positions[feed] += 1 + dice.below(3);
                let source = SourceId(feed as u8);
                let origin = Origin {
                    rank: 1 - source.0,
                    order: NameOrder(feed as u32),
                    source,
                    partition: PartitionId(0),
                    position: positions[feed],
                };
                let mut event = event;
                if let Event::New(trade) | Event::Correct { with: trade, .. } = &mut event
                    && trade.is_positional
                {
                    trade.sequence = origin.position;
                }
                records.push(Record { origin, event });
            }
            let context = CommitContext {
                commit: Commit(number),
                at: EventTime(start),
                round: true,
                watermarks: watermarks.clone(),
                round_watermarks: watermarks.clone(),
                read_from: ReadFrom::default(),
                saves: 0..0,
                rules: RulesInForce::default(),
            };
            twins.commit(&context, &records);
            if number % 16 == 15 {
                twins.restore();
            }
            watermarks = Watermarks::new([
                Some(EventTime(start - SECOND)),
                Some(EventTime(start - 2 * SECOND)),
            ]);
        }
        let context = CommitContext {
            commit: Commit(60),
            at: EventTime::END,
            round: true,
            round_watermarks: watermarks,
            watermarks: Watermarks::new([Some(EventTime::END); 2]),
            read_from: ReadFrom::default(),
            saves: 0..0,
            rules: RulesInForce::default(),
        };
        twins.commit(&context, &[]);
        twins.settle(&context);
        assert_eq!(twins.fast.ids(), 0, "what is beyond the horizon is forgotten");
        assert!(twins.rows.revisions.is_empty() && twins.rows.candles.len() > 10);
        // Closing prints come until the load ends, and restate the last bar of their session.
        let closed = EventTime(1_700_000_043 * SECOND);
        let last = twins.rows.candles.values().find(|candle| candle.bar.end_time == closed);
        let revisions = last.map_or(0, |candle| candle.revision);
        assert_eq!(revisions > 10, kind % 2 == 1, "{revisions}");
    }
}

fn id_number(id: TradeId) -> u64 {
    match id {
        TradeId::Number(n) | TradeId::Text(n) | TradeId::Position(n) | TradeId::OfDay(n) => n,
    }
}
