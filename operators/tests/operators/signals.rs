//! Signals beside their slow twin: at the end of every round, every rule that there is then is judged at every bar from
//! scratch, and the rows must be those that follow. Rules come, change and go meanwhile, and alerts are acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{
    Bar, BarState, CalendarId, Candle, CandleKey, Commit, EventTime, InstrumentId, InstrumentSpec,
    OrderKey, Price, RuleId, Timeframe,
};
use operators::numbers::{Numbers, Reading};
use operators::signals::{
    Condition, Direction, PATTERNS, Point, Raising, Rule, Series, Settle, Signal, SignalKey,
    SignalOut,
};
use operators::{
    Acknowledged, Acknowledgement, Alert, AlertKey, BarChange, CommitContext, Core, ReadFrom,
    RulesInForce, SignalIn, Signals, Watermarks,
};
use proptest::prelude::*;

const INSTRUMENT: InstrumentId = InstrumentId(7);
const TERMS: InstrumentSpec =
    InstrumentSpec { price_scale: 1, quantity_scale: 0, calendar: CalendarId(0) };
const BARS: i64 = 12;
/// So many numbers of rules.
const RULES: u16 = 24;

/// What may happen to a bar between two rounds.
#[derive(Clone, Debug)]
enum Step {
    Bar {
        slot: i64,
        prices: [i64; 4],
        has: (bool, bool),
        is_final: bool,
    },
    Gone {
        slot: i64,
    },
    Value {
        slot: i64,
        series: u16,
        value: Option<i8>,
    },
    /// Instead of a rule with this number, if there is one: a rule from the list.
    Put {
        rule: u16,
        kind: usize,
    },
    Delete {
        rule: u16,
    },
    Acknowledge {
        slot: i64,
        rule: u16,
        note: u8,
    },
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
        4 => (slot.clone(), 0..2_u16, any::<Option<i8>>())
            .prop_map(|(slot, series, value)| Step::Value { slot, series, value }),
        1 => (0..RULES, 0..64_usize).prop_map(|(rule, kind)| Step::Put { rule, kind }),
        1 => (0..RULES).prop_map(|rule| Step::Delete { rule }),
        2 => (slot, 0..RULES, 0..2_u8)
            .prop_map(|(slot, rule, note)| Step::Acknowledge { slot, rule, note }),
        1 => Just(Step::EndCommit),
        3 => Just(Step::EndRound),
    ];
    prop::collection::vec(step, 1..120)
}

/// Rules of all kinds; every seventh does not watch the bars.
fn kinds() -> Vec<Rule> {
    let conditions = [
        Condition::Cross {
            left: Series::Close,
            right: Series::Slot(0),
            direction: Direction::Above,
        },
        Condition::Cross {
            left: Series::Slot(1),
            right: Series::Slot(0),
            direction: Direction::Below,
        },
        Condition::Threshold { series: Series::Close, level: 10.0, direction: Direction::Above },
        Condition::Threshold { series: Series::Slot(1), level: -3.0, direction: Direction::Below },
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
            since: Commit(0),
            instruments: Vec::new(),
            timeframes: vec![if number % 7 == 6 { Timeframe::DAY } else { Timeframe::MINUTE }],
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
    rules: BTreeMap<RuleId, Rule>,
    acknowledged: Vec<Acknowledgement>,
    alerts: BTreeMap<AlertKey, Alert>,
    signals: BTreeMap<SignalKey, Signal>,
}

impl Twin {
    fn numbers(&self, slot: i64) -> Option<Numbers> {
        let value = |series| self.values.get(&(slot, series)).copied().map(Reading);
        Numbers::new(&[0, 1].map(|series| value(series).unwrap_or(Reading::ABSENT)), false)
    }

    fn round(&mut self, commit: Commit) {
        let points = self.bars.iter();
        let points = points
            .filter_map(|(slot, candle)| Some((*slot, Point::of(candle, self.numbers(*slot))?)));
        let points: Vec<(i64, Point)> = points.collect();
        self.signals.clear();
        for Acknowledgement { key, acknowledged } in std::mem::take(&mut self.acknowledged) {
            if let Some(alert) = self.alerts.get_mut(&key).filter(|alert| alert.raised) {
                alert.acknowledged = Some(acknowledged);
            }
        }
        self.end_rules(commit);
        let watching = |rule: &&Rule| rule.applies_to(INSTRUMENT, Timeframe::MINUTE);
        let rules: Vec<Rule> = self.rules.values().filter(watching).cloned().collect();
        for rule in &rules {
            self.judge(rule, &points, commit);
        }
    }

    /// Withdraws the alerts of rules that are gone, or do not watch the bars any more.
    fn end_rules(&mut self, commit: Commit) {
        for (key, alert) in &mut self.alerts {
            let rule = self.rules.get(&key.rule);
            let watches = rule.is_some_and(|rule| rule.applies_to(key.instrument, key.timeframe));
            if alert.raised && !watches {
                (alert.raised, alert.last, alert.changes) = (false, commit, alert.changes + 1);
            }
        }
    }

    fn judge(&mut self, rule: &Rule, points: &[(i64, Point)], commit: Commit) {
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
            let key = alert_key(slot, rule.id);
            match self.alerts.get_mut(&key) {
                Some(alert) => {
                    if alert.raised != holds {
                        alert.changes += 1;
                        alert.last = commit;
                    }
                    if holds && !alert.raised {
                        alert.raising = raising(rule, own, commit);
                        alert.acknowledged = None;
                    }
                    (alert.raised, alert.settled) = (holds, settled);
                }
                None if holds => {
                    let (first, last, acknowledged) = (commit, commit, None);
                    let (raised, changes, raising) = (true, 1, raising(rule, own, commit));
                    let alert =
                        Alert { raised, settled, first, last, changes, raising, acknowledged };
                    self.alerts.insert(key, alert);
                }
                None => {}
            }
        }
        let Some((newest, _)) = self.bars.last_key_value() else { return };
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

fn alert_key(slot: i64, rule: RuleId) -> AlertKey {
    let (instrument, timeframe) = (INSTRUMENT, Timeframe::MINUTE);
    AlertKey { instrument, timeframe, open_time: open_time(slot), rule }
}

fn candle_key(slot: i64) -> CandleKey {
    let (instrument, timeframe) = (INSTRUMENT, Timeframe::MINUTE);
    CandleKey { instrument, timeframe, open_time: open_time(slot) }
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
        Series::Slot(slot) => point.numbers.as_ref().is_some_and(|all| all.get(*slot).is_some()),
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

fn context(commit: u64, round: bool, rules: RulesInForce) -> CommitContext {
    let watermarks = Watermarks::none(1);
    CommitContext {
        commit: Commit(commit),
        at: time_of(commit),
        round,
        round_watermarks: watermarks.clone(),
        watermarks,
        read_from: ReadFrom::default(),
        saves: 0..0,
        rules,
    }
}

/// The operator beside its twin, and the rows that it has put out.
struct Stage {
    signals: Signals,
    labels: Arc<[String]>,
    twin: Twin,
    rows: BTreeMap<AlertKey, Alert>,
    statuses: BTreeMap<SignalKey, Signal>,
    in_force: RulesInForce,
    commit: u64,
    inbox: Vec<SignalIn>,
    put: Vec<RuleId>,
    are_rules_new: bool,
}

impl Stage {
    fn new() -> Stage {
        let labels: Arc<[String]> = ["a".to_owned(), "b".to_owned()].into();
        Stage {
            signals: Signals::new(Arc::clone(&labels)),
            labels,
            twin: Twin::default(),
            rows: BTreeMap::new(),
            statuses: BTreeMap::new(),
            in_force: RulesInForce::default(),
            commit: 0,
            inbox: Vec::new(),
            put: Vec::new(),
            are_rules_new: false,
        }
    }

    /// Something changes; it reaches the signals only if there are rules, or will be in this commit.
    fn change(&mut self, step: &Step) {
        match *step {
            Step::Bar { slot, prices, has, is_final } => {
                let after = candle(slot, prices, has, is_final);
                let before = self.twin.bars.insert(slot, after).map(Arc::new);
                let (key, after) = (candle_key(slot), Some(Arc::new(after)));
                let change = BarChange { key, before, after, cause: None };
                self.inbox.push(SignalIn::Bar(Arc::new(change)));
            }
            Step::Gone { slot } => {
                let Some(before) = self.twin.bars.remove(&slot) else { return };
                let (key, before) = (candle_key(slot), Some(Arc::new(before)));
                let change = BarChange { key, before, after: None, cause: None };
                self.inbox.push(SignalIn::Bar(Arc::new(change)));
            }
            Step::Value { slot, series, value } => {
                match value.map(f64::from) {
                    Some(value) => self.twin.values.insert((slot, series), value),
                    None => self.twin.values.remove(&(slot, series)),
                };
                self.inbox.push(SignalIn::Numbers(candle_key(slot), self.twin.numbers(slot)));
            }
            Step::Put { rule, kind } => {
                let kinds = kinds();
                let kind = kinds[kind % kinds.len()].clone();
                let (id, since) = (RuleId(rule), Commit(self.commit));
                self.twin.rules.insert(id, Rule { id, since, ..kind });
                self.put.push(id);
                self.are_rules_new = true;
            }
            Step::Delete { rule } => {
                self.twin.rules.remove(&RuleId(rule));
                self.put.retain(|id| id.0 != rule);
                self.are_rules_new = true;
            }
            Step::Acknowledge { slot, rule, note } => {
                let (by, note) = ("somebody".to_owned(), "n".repeat(note.into()));
                let acknowledged = Arc::new(Acknowledged { at: time_of(self.commit), by, note });
                let key = alert_key(slot, RuleId(rule));
                self.twin.acknowledged.push(Acknowledgement { key, acknowledged });
            }
            Step::EndCommit | Step::EndRound => {}
        }
    }

    /// Ends a commit; `acknowledged` of the twin have so many of commits before in this round.
    fn end(&mut self, round: bool, before: usize) -> Result<(), TestCaseError> {
        if std::mem::take(&mut self.are_rules_new) {
            let rules: Vec<Rule> = self.twin.rules.values().cloned().collect();
            self.in_force = RulesInForce::new(rules);
        }
        let put = std::mem::take(&mut self.put).into_iter();
        let put: Arc<[Rule]> = put.map(|id| self.twin.rules[&id].clone()).collect();
        let acknowledged = self.twin.acknowledged[before..].into();
        let rules = RulesInForce { put, acknowledged, ..self.in_force.clone() };
        if self.twin.rules.is_empty() {
            self.inbox.clear();
        }
        if rules.shows(INSTRUMENT, Timeframe::MINUTE) {
            let bars = self.twin.bars.iter();
            let bars = bars.map(|(at, bar)| SignalIn::ShownBar(candle_key(*at), Arc::new(*bar)));
            self.inbox.extend(bars);
            let numbers = (0..BARS).filter_map(|at| Some((candle_key(at), self.twin.numbers(at)?)));
            self.inbox.extend(numbers.map(|(key, numbers)| SignalIn::ShownNumbers(key, numbers)));
        }
        let mut out = Vec::new();
        self.signals.commit(&context(self.commit, round, rules), &mut self.inbox, &mut out);
        for change in out.iter().cloned().filter_map(SignalOut::signal) {
            prop_assert_eq!(self.statuses.remove(&change.key), change.before);
            prop_assert_ne!(change.before, change.after, "not a net change");
            change.after.map(|after| self.statuses.insert(change.key, after));
        }
        for change in out.into_iter().filter_map(SignalOut::alert) {
            prop_assert_eq!(self.rows.get(&change.key), change.before.as_ref());
            prop_assert_ne!(change.before.as_ref(), Some(&change.after), "not a net change");
            self.rows.insert(change.key, change.after);
        }
        if round {
            self.twin.round(Commit(self.commit));
            prop_assert_eq!(&self.rows, &self.twin.alerts);
            prop_assert_eq!(&self.statuses, &self.twin.signals);
        }
        self.commit += 1;
        Ok(())
    }

    /// Goes on with another operator that has the state of this one.
    fn restart(&mut self) -> Result<(), TestCaseError> {
        let state = self.signals.encode().unwrap();
        self.signals = Signals::new(Arc::clone(&self.labels));
        self.signals.decode(&state).unwrap();
        let mut out = Vec::new();
        self.signals.restate(&mut out);
        let statuses = out.iter().cloned().filter_map(SignalOut::signal);
        let statuses = statuses.map(|change| (change.key, change.after.unwrap())).collect();
        prop_assert_eq!(&self.statuses, &statuses);
        let rows = out.into_iter().filter_map(SignalOut::alert);
        let rows = rows.map(|change| (change.key, change.after)).collect();
        prop_assert_eq!(&self.rows, &rows);
        Ok(())
    }
}

/// Plays some steps; the state is saved and restored after some commit.
fn play(first: &[Step], steps: &[Step], restart: u64) -> Result<(), TestCaseError> {
    let (mut stage, mut acknowledged) = (Stage::new(), 0);
    for step in first.iter().chain(steps) {
        stage.change(step);
        if let Step::EndCommit | Step::EndRound = step {
            stage.end(matches!(step, Step::EndRound), acknowledged)?;
            acknowledged = stage.twin.acknowledged.len();
            if stage.commit == restart {
                stage.restart()?;
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn alerts_are_what_judging_everything_from_scratch_gives(
        steps in steps(),
        restart in 0..20_u64,
    ) {
        let all = (0..kinds().len()).map(|kind| Step::Put { rule: kind as u16, kind });
        play(&all.collect::<Vec<_>>(), &steps, restart)?;
    }

    #[test]
    fn so_are_those_of_rules_that_come_and_go(
        steps in prop::collection::vec(steps(), 1..5),
        restart in 0..20_u64,
    ) {
        play(&[], &steps.concat(), restart)?;
    }
}
