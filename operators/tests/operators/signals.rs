//! Signals beside their slow twin: at the end of every round, every rule is judged at every bar from
//! scratch, and the rows must be those that follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{
    Bar, BarState, CalendarId, Candle, CandleKey, Commit, EventTime, InstrumentId, InstrumentSpec,
    OrderKey, Price, RuleId, SeriesId, Timeframe,
};
use operators::indicators::Reading;
use operators::signals::{
    Condition, Direction, PATTERNS, Point, Raising, Rule, Series, Settle, Signal, SignalKey,
    SignalOut,
};
use operators::{
    Alert, AlertKey, BarChange, CommitContext, Core, ReadFrom, SignalIn, Signals, Watermarks,
};
use proptest::prelude::*;

const INSTRUMENT: InstrumentId = InstrumentId(7);
const TERMS: InstrumentSpec =
    InstrumentSpec { price_scale: 1, quantity_scale: 0, calendar: CalendarId(0) };
const BARS: i64 = 12;

/// What may happen to a bar between two rounds.
#[derive(Clone, Debug)]
enum Step {
    Bar { slot: i64, prices: [i64; 4], has: (bool, bool), is_final: bool },
    Gone { slot: i64 },
    Value { slot: i64, series: u16, value: Option<i8> },
    EndCommit,
    EndRound,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = 0..BARS;
    let price = 90..110_i64;
    let part = prop::bool::weighted(0.85);
    let step = prop_oneof![
        6 => (slot.clone(), [price.clone(), price.clone(), price.clone(), price], (part, part), any::<bool>())
            .prop_map(|(slot, prices, has, is_final)| Step::Bar { slot, prices, has, is_final }),
        1 => slot.clone().prop_map(|slot| Step::Gone { slot }),
        4 => (slot, 0..2_u16, any::<Option<i8>>())
            .prop_map(|(slot, series, value)| Step::Value { slot, series, value }),
        1 => Just(Step::EndCommit),
        3 => Just(Step::EndRound),
    ];
    prop::collection::vec(step, 1..120)
}

fn rules() -> Arc<[Rule]> {
    let conditions = [
        Condition::Cross {
            left: Series::Close,
            right: Series::Value(SeriesId(0)),
            direction: Direction::Above,
        },
        Condition::Cross {
            left: Series::Value(SeriesId(1)),
            right: Series::Value(SeriesId(0)),
            direction: Direction::Below,
        },
        Condition::Threshold { series: Series::Close, level: 10.0, direction: Direction::Above },
        Condition::Threshold {
            series: Series::Value(SeriesId(1)),
            level: -3.0,
            direction: Direction::Below,
        },
        Condition::Threshold { series: Series::Volume, level: 100.0, direction: Direction::Above },
        Condition::Cross { left: Series::High, right: Series::Volume, direction: Direction::Below },
        Condition::Breakout { bars: 3, direction: Direction::Above },
        Condition::Breakout { bars: 1, direction: Direction::Below },
    ];
    let patterns = PATTERNS.iter().map(Condition::Candlestick);
    let rules =
        conditions.into_iter().chain(patterns).enumerate().map(|(number, condition)| Rule {
            id: RuleId(number as u16),
            name: format!("rule {number}"),
            instruments: Vec::new(),
            timeframes: vec![Timeframe::MINUTE],
            settle: if number % 2 == 0 { Settle::AtOnce } else { Settle::OnFinal },
            condition,
        });
    rules.collect()
}

fn open_time(slot: i64) -> EventTime {
    EventTime(slot * 60_000_000_000)
}

fn candle(slot: i64, [a, b, c, d]: [i64; 4], has: (bool, bool), is_final: bool) -> Candle {
    let order = |sequence| OrderKey { time: open_time(slot), sequence, number: Some(sequence) };
    let mut bar = Bar::empty(TERMS, open_time(slot + 1));
    bar.open = has.0.then_some((order(0), Price(a)));
    bar.close = has.0.then_some((order(1), Price(b)));
    bar.high = has.1.then_some(Price(a.max(b).max(c)));
    bar.low = has.1.then_some(Price(a.min(b).min(d)));
    bar.volume = i128::from(a);
    bar.trades = 2;
    let state = if is_final { BarState::Final } else { BarState::Open };
    Candle { bar, state, revision: 0, cause: None }
}

/// All input so far, and the alerts that follow from it.
#[derive(Default)]
struct Twin {
    bars: BTreeMap<i64, Candle>,
    values: BTreeMap<(i64, u16), f64>,
    alerts: BTreeMap<AlertKey, Alert>,
    signals: BTreeMap<SignalKey, Signal>,
}

impl Twin {
    fn round(&mut self, rules: &[Rule], commit: Commit) {
        let points: Vec<(i64, Point)> = self
            .bars
            .iter()
            .filter_map(|(slot, candle)| {
                let values = (0..2).map(|series| self.values.get(&(*slot, series)).copied());
                Point::of(candle, values.collect()).map(|point| (*slot, point))
            })
            .collect();
        self.signals.clear();
        for rule in rules {
            let mut held = Vec::new();
            for slot in 0..BARS {
                let all: Vec<_> = points.iter().filter(|(_, point)| has_all(rule, point)).collect();
                let window: Vec<&Point> = match all.iter().position(|(at, _)| *at == slot) {
                    Some(last) => all[..=last].iter().map(|(_, point)| point).collect(),
                    None => Vec::new(),
                };
                let from = window.len().saturating_sub(rule.looks_back() + 1);
                let holds = rule.holds(&window[from..]);
                if holds {
                    held.push(slot);
                }
                let own = points.iter().find(|(at, _)| *at == slot);
                let settled = own.is_some_and(|(_, point)| point.is_final);
                let key = AlertKey {
                    instrument: INSTRUMENT,
                    timeframe: Timeframe::MINUTE,
                    open_time: open_time(slot),
                    rule: rule.id,
                };
                match self.alerts.get_mut(&key) {
                    Some(alert) => {
                        if alert.raised != holds {
                            alert.changes += 1;
                            alert.last = commit;
                        }
                        if holds && !alert.raised {
                            alert.raising = raising(rule, own, commit);
                        }
                        (alert.raised, alert.settled) = (holds, settled);
                    }
                    None if holds => {
                        let (first, last) = (commit, commit);
                        let raising = raising(rule, own, commit);
                        let alert =
                            Alert { raised: true, settled, first, last, changes: 1, raising };
                        self.alerts.insert(key, alert);
                    }
                    None => {}
                }
            }
            let Some((newest, _)) = self.bars.last_key_value() else { continue };
            let signal = Signal {
                newest: open_time(*newest),
                holds: held.last() == Some(newest),
                last_held: held.last().map(|slot| open_time(*slot)),
                standing: held.len() as u64,
            };
            let (instrument, timeframe) = (INSTRUMENT, Timeframe::MINUTE);
            let key = SignalKey { instrument, timeframe, rule: rule.id };
            self.signals.insert(key, signal);
        }
    }
}

/// What is so when a rule comes to hold at a bar.
fn raising(rule: &Rule, bar: Option<&(i64, Point)>, commit: Commit) -> Raising {
    let (_, point) = bar.unwrap();
    let value = match &rule.condition {
        Condition::Cross { left: series, .. } | Condition::Threshold { series, .. } => {
            series.at(point).map(Reading)
        }
        Condition::Breakout { .. } | Condition::Candlestick(_) => None,
    };
    let close = point.ends.map(|(_, close)| (close, point.price_scale));
    Raising { at: time_of(commit.0), close, value }
}

/// Whether a bar has all that a rule looks at.
fn has_all(rule: &Rule, point: &Point) -> bool {
    let has = |series: &Series| match series {
        Series::Open | Series::Close => point.ends.is_some(),
        Series::High | Series::Low => point.reach.is_some(),
        Series::Value(series) => point.values[usize::from(series.0)].is_some(),
        Series::Volume | Series::Number(_) => true,
    };
    match &rule.condition {
        Condition::Cross { left, right, .. } => has(left) && has(right),
        Condition::Threshold { series, .. } => has(series),
        Condition::Breakout { .. } | Condition::Candlestick(_) => {
            point.ends.is_some() && point.reach.is_some()
        }
    }
}

/// The system time of a commit.
fn time_of(commit: u64) -> EventTime {
    EventTime(1_000_000_000 + 7 * commit as i64)
}

fn context(commit: u64, round: bool) -> CommitContext {
    let watermarks = Watermarks::none(1);
    CommitContext {
        commit: Commit(commit),
        at: time_of(commit),
        round,
        round_watermarks: watermarks.clone(),
        watermarks,
        read_from: ReadFrom::default(),
        saves: 0..0,
    }
}

proptest! {
    #[test]
    fn alerts_are_what_judging_everything_from_scratch_gives(steps in steps(), restart in 0..20_u64) {
        let rules = rules();
        let mut signals = Signals::new(Arc::clone(&rules));
        let mut twin = Twin::default();
        let mut rows: BTreeMap<AlertKey, Alert> = BTreeMap::new();
        let mut statuses: BTreeMap<SignalKey, Signal> = BTreeMap::new();
        let (mut commit, mut inbox) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Bar { slot, prices, has, is_final } => {
                    let after = candle(slot, prices, has, is_final);
                    let before = twin.bars.insert(slot, after);
                    let key = CandleKey {
                        instrument: INSTRUMENT,
                        timeframe: Timeframe::MINUTE,
                        open_time: open_time(slot),
                    };
                    let (before, after) = (before.map(Arc::new), Some(Arc::new(after)));
                    let change = BarChange { key, before, after, cause: None };
                    inbox.push(SignalIn::Bar(Arc::new(change)));
                }
                Step::Gone { slot } => {
                    let Some(before) = twin.bars.remove(&slot) else { continue };
                    let key = CandleKey {
                        instrument: INSTRUMENT,
                        timeframe: Timeframe::MINUTE,
                        open_time: open_time(slot),
                    };
                    let before = Some(Arc::new(before));
                    let change = BarChange { key, before, after: None, cause: None };
                    inbox.push(SignalIn::Bar(Arc::new(change)));
                }
                Step::Value { slot, series, value } => {
                    let value = value.map(f64::from);
                    match value {
                        Some(value) => twin.values.insert((slot, series), value),
                        None => twin.values.remove(&(slot, series)),
                    };
                    let (timeframe, open_time) = (Timeframe::MINUTE, open_time(slot));
                    let instrument = INSTRUMENT;
                    let series = SeriesId(series);
                    inbox.push(SignalIn::Value { instrument, timeframe, open_time, series, value });
                }
                Step::EndCommit | Step::EndRound => {
                    let round = matches!(step, Step::EndRound);
                    let mut out = Vec::new();
                    signals.commit(&context(commit, round), &mut inbox, &mut out);
                    for change in out.iter().copied().filter_map(SignalOut::signal) {
                        prop_assert_eq!(statuses.remove(&change.key), change.before);
                        prop_assert_ne!(change.before, change.after, "not a net change");
                        change.after.map(|after| statuses.insert(change.key, after));
                    }
                    for change in out.into_iter().filter_map(SignalOut::alert) {
                        prop_assert_eq!(rows.get(&change.key).copied(), change.before);
                        prop_assert_ne!(change.before, Some(change.after), "not a net change");
                        rows.insert(change.key, change.after);
                    }
                    if round {
                        twin.round(&rules, Commit(commit));
                        prop_assert_eq!(&rows, &twin.alerts);
                        prop_assert_eq!(&statuses, &twin.signals);
                    }
                    if commit == restart {
                        let state = signals.encode().unwrap();
                        signals = Signals::new(Arc::clone(&rules));
                        signals.decode(&state).unwrap();
                        let mut rows = Vec::new();
                        signals.restate(&mut rows);
                        let signals = rows.iter().filter_map(|change| change.signal());
                        let signals = signals.map(|change| (change.key, change.after.unwrap())).collect();
                        prop_assert_eq!(&statuses, &signals);
                        let rows = rows.iter().filter_map(|change| change.alert());
                        let rows: BTreeMap<_, _> = rows.map(|c| (c.key, c.after)).collect();
                        prop_assert_eq!(&rows, &rows);
                    }
                    commit += 1;
                }
            }
        }
    }
}
