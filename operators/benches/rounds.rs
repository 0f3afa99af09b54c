//! What a changed base bar costs roll-ups and signals at the end of a round.
//!
//! `cargo bench -p operators --bench rounds`: one shard of 200 instruments driven by plain calls, in each round one bar
//! of each instrument changes: the newest one, one that is appended, one of 5,000 bars ago. Medians of some rounds, ns
//! of the thread's time per bar. Roll-ups to 5m 15m 1h 4h 1d are timed beside the same unions over plain vectors, each
//! larger bar made anew of the next smaller ones; eight rules (two thresholds, a breakout, five patterns) beside
//! nothing.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use market::{
    Bar, BarState, Calendars, Candle, CandleKey, Commit, EventTime, InstrumentId, InstrumentSpec,
    OrderKey, Price, RuleId, SourceId, Timeframe,
};
use operators::signals::{Condition, Direction, PATTERNS, Rule, Series, Settle};
use operators::{
    BarChange, CommitContext, Core, ReadFrom, Rollup, RollupConfig, RollupIn, RulesInForce,
    SignalIn, Signals, SourceSet, Watermarks,
};

const INSTRUMENTS: u64 = 200;
const BARS: i64 = 10_000;
const ROUNDS: i64 = 60;
const BACK: i64 = 5_000;
const MINUTE: i64 = 60_000_000_000;
const LARGER: [(&str, i64); 5] = [("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1_440)];

/// Which bar changes in a round.
type Which = fn(i64) -> i64;

const LOADS: [(&str, Which); 3] =
    [("newest", |_| BARS - 1), ("appended", |round| BARS + round), ("5,000 back", |_| BARS - BACK)];

fn candle(index: i64, seed: i64) -> Arc<Candle> {
    let (time, noise) = (EventTime(index * MINUTE), (index * 7_919 + seed * 104_729) % 1_000);
    let mut bar = Bar::empty(InstrumentSpec::DEFAULT, EventTime(time.0 + MINUTE));
    let order = |sequence| OrderKey { time, sequence, number: Some(sequence) };
    bar.open = Some((order(0), Price(100_000 + noise)));
    bar.close = Some((order(1), Price(100_500 - noise)));
    bar.high = Some(Price(101_000 + noise));
    bar.low = Some(Price(99_000 - noise));
    bar.volume = 10 + i128::from(noise);
    bar.notional = bar.volume * 100_000;
    bar.trades = 2;
    Arc::new(Candle { bar, state: BarState::Final, revision: 0, cause: None })
}

fn changed(instrument: u64, index: i64, seed: i64) -> Arc<BarChange> {
    let (instrument, open_time) = (InstrumentId(instrument), EventTime(index * MINUTE));
    let key = CandleKey { instrument, timeframe: Timeframe::MINUTE, open_time };
    // What it was is looked at only for whether its values differ.
    let before = Some(candle(index, seed - 1));
    Arc::new(BarChange { key, before, after: Some(candle(index, seed)), cause: None })
}

fn context(commit: u64, rules: &RulesInForce) -> CommitContext {
    let watermarks = Watermarks::none(1);
    CommitContext {
        commit: Commit(commit),
        at: EventTime(commit as i64),
        round: true,
        round_watermarks: watermarks.clone(),
        watermarks,
        read_from: ReadFrom::default(),
        saves: 0..0,
        rules: rules.clone(),
    }
}

/// The median time of a round per bar, after all bars have come.
fn ours<C: Core>(
    mut core: C,
    rules: &RulesInForce,
    wrap: impl Fn(Arc<BarChange>) -> C::In,
    bar: Which,
) -> f64 {
    let (mut out, mut inbox) = (Vec::new(), Vec::new());
    for instrument in 0..INSTRUMENTS {
        inbox.extend((0..BARS).map(|index| wrap(changed(instrument, index, 0))));
        core.commit(&context(instrument, rules), &mut inbox, &mut out);
        out.clear();
    }
    let rounds = (0..ROUNDS).map(|round| {
        inbox.extend((0..INSTRUMENTS).map(|own| wrap(changed(own, bar(round), round + 1))));
        let begun = Instant::now();
        core.commit(&context(INSTRUMENTS + round as u64, rules), &mut inbox, &mut out);
        black_box(&mut out).clear();
        begun.elapsed().as_nanos() as f64 / INSTRUMENTS as f64
    });
    median(rounds.collect())
}

/// The same roll-ups over plain vectors.
fn plain(bar: Which) -> f64 {
    let empty = || Bar::empty(InstrumentSpec::DEFAULT, EventTime(0));
    let mut all: Vec<[Vec<Bar>; 6]> = (0..INSTRUMENTS)
        .map(|_| {
            std::array::from_fn(|level| {
                let length = if level == 0 { 1 } else { LARGER[level - 1].1 };
                let bars = 0..(BARS + ROUNDS) / length + 1;
                bars.map(|at| if level == 0 { candle(at, 0).bar } else { empty() }).collect()
            })
        })
        .collect();
    let rounds = (0..ROUNDS).map(|round| {
        let at = bar(round);
        let now = candle(at, round + 1).bar;
        let begun = Instant::now();
        for levels in &mut all {
            levels[0][at as usize] = now;
            let mut below = 1;
            for (level, (_, length)) in LARGER.iter().enumerate() {
                let (smaller, larger) = levels.split_at_mut(level + 1);
                let (first, parts) = (at / length * (length / below), length / below);
                let mut union = empty();
                let parts = smaller[level].iter().skip(first as usize).take(parts as usize);
                parts.for_each(|part| union.merge(part));
                larger[0][(at / length) as usize] = union;
                below = *length;
            }
        }
        black_box(&mut all);
        begun.elapsed().as_nanos() as f64 / INSTRUMENTS as f64
    });
    median(rounds.collect())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn rules() -> Arc<[Rule]> {
    let threshold =
        |level, direction| Condition::Threshold { series: Series::Close, level, direction };
    let conditions = [
        threshold(0.0001, Direction::Above),
        threshold(0.0002, Direction::Below),
        Condition::Breakout { bars: 20, direction: Direction::Above },
    ];
    let patterns = PATTERNS.iter().take(5).map(Condition::Candlestick);
    let rules = conditions.into_iter().chain(patterns).enumerate().map(|(at, condition)| Rule {
        id: RuleId(at as u16),
        name: format!("rule {at}"),
        since: Commit(0),
        instruments: Vec::new(),
        timeframes: Vec::new(),
        settle: Settle::AtOnce,
        condition,
    });
    rules.collect()
}

fn main() {
    let frames: Vec<Timeframe> = LARGER.iter().map(|(name, _)| name.parse().unwrap()).collect();
    let rollups = RollupConfig::new(Timeframe::MINUTE, &frames, Calendars::utc()).unwrap();
    let (rollups, rules, none) =
        (Arc::new(rollups), RulesInForce::new(rules()), RulesInForce::default());
    println!("| bar that changes | roll-ups, ns | plain, ns | signals, ns |");
    println!("|---|---:|---:|---:|");
    for (name, bar) in LOADS {
        let mut shard = Rollup::new(Arc::clone(&rollups));
        let seen = |own| RollupIn::SourceSeen(InstrumentId(own), SourceSet::of(SourceId(0)));
        shard.commit(
            &context(0, &none),
            &mut (0..INSTRUMENTS).map(seen).collect(),
            &mut Vec::new(),
        );
        let ladder = ours(shard, &none, RollupIn::Bar, bar);
        let watch = ours(Signals::new(Arc::default()), &rules, SignalIn::Bar, bar);
        println!("| {name} | {ladder:.0} | {:.0} | {watch:.0} |", plain(bar));
    }
}
