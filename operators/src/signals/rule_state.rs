//! One instrument and timeframe, watched by all rules that apply.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{Candle, Commit, EventTime, InstrumentId, RuleId, Timeframe};
use serde::{Deserialize, Serialize};

use super::judgement::{next, raising};
use super::rule_status::RuleStatus;
use super::{Alert, AlertChange, SignalIn, SignalKey, SignalOut};
use crate::heap;
use crate::numbers::Numbers;
use crate::rules::{Acknowledged, AlertKey, Point, Rule};

/// The bars of one instrument and timeframe, and the alerts at them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RuleState {
    bars: BTreeMap<EventTime, RuleBar>,
    alerts: BTreeMap<(EventTime, RuleId), Alert>,
    status: RuleStatus,
    /// Bars that changed in this round, or lost or gained a number.
    changed: BTreeSet<EventTime>,
    /// The alerts that were acknowledged in this round, in this order.
    acknowledged: Vec<((EventTime, RuleId), Arc<Acknowledged>)>,
    /// Whether bars have come again in this round; their points are to be made.
    #[serde(skip)]
    came_again: bool,
    /// Bytes of what acknowledges alerts.
    note_bytes: usize,
    /// As last returned by [`RuleState::grown`].
    #[serde(skip)]
    bytes: usize,
}

/// One bar: its row and numbers, and what rules see.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RuleBar {
    candle: Option<Arc<Candle>>,
    numbers: Option<Numbers>,
    /// As of the end of the last round.
    #[serde(skip)]
    point: Option<Point>,
}

/// The rules of a round, and which of them are others than in the round before.
pub(super) struct Judged<'a> {
    pub(super) rules: &'a [Rule],
    /// Those that are judged at all bars.
    pub(super) anew: &'a BTreeSet<RuleId>,
    /// Those that are in the list no more.
    pub(super) gone: &'a BTreeSet<RuleId>,
    /// The commit that ends the round.
    pub(super) commit: Commit,
    /// Its system time.
    pub(super) at: EventTime,
}

/// Alerts that were touched in a round, as they were before it.
type Before = BTreeMap<(EventTime, RuleId), Option<Alert>>;

impl RuleBar {
    /// The bar, if it takes part in a rule.
    fn seen_by(&self, rule: &Rule) -> Option<&Point> {
        self.point.as_ref().filter(|point| rule.takes_part(point))
    }

    fn look(&mut self) {
        self.point = self.candle.as_ref().and_then(|bar| Point::of(bar, self.numbers.clone()));
    }
}

impl RuleState {
    /// Takes what changed, which shows at the end of the round, or what exists already.
    pub(super) fn apply(&mut self, input: SignalIn) {
        let open_time = input.key().open_time;
        let is_change = matches!(input, SignalIn::Bar(_) | SignalIn::Numbers(..));
        let bar = self.bars.entry(open_time).or_default();
        match input {
            SignalIn::Bar(change) => bar.candle.clone_from(&change.after),
            SignalIn::Numbers(_, numbers) => bar.numbers = numbers,
            SignalIn::ShownBar(_, candle) => bar.candle = Some(candle),
            SignalIn::ShownNumbers(_, numbers) => bar.numbers = Some(numbers),
        }
        match is_change {
            true => drop(self.changed.insert(open_time)),
            false => self.came_again = true,
        }
    }

    /// Forgets all bars: nobody watches them any more, or they come again. Those that changed in this round are looked
    /// at all the same.
    pub(super) fn forget_bars(&mut self) {
        self.bars.clear();
    }

    /// Somebody acknowledges an alert that is raised; it shows at the end of the round.
    pub(super) fn acknowledge(&mut self, key: AlertKey, acknowledged: &Arc<Acknowledged>) {
        self.acknowledged.push(((key.open_time, key.rule), Arc::clone(acknowledged)));
    }

    /// Ends a round: judges every rule at every bar that it may hold at differently.
    pub(super) fn round(
        &mut self,
        of: (InstrumentId, Timeframe),
        judged: &Judged<'_>,
        out: &mut Vec<SignalOut>,
    ) {
        let changed = self.look_at_bars();
        let newest = self.newest();
        let mut before = Before::new();
        // First: what was acknowledged is what was raised before this round.
        for (at, acknowledged) in std::mem::take(&mut self.acknowledged) {
            if let Some(alert) = self.alerts.get(&at).filter(|alert| alert.raised) {
                let acknowledged = Some(acknowledged);
                self.set(at, Alert { acknowledged, ..alert.clone() }, &mut before);
            }
        }
        for rule in judged.rules {
            let key = SignalKey { instrument: of.0, timeframe: of.1, rule: rule.id };
            let is_anew = judged.anew.contains(&rule.id);
            if rule.applies_to(of.0, of.1) {
                self.judge(rule, (&changed, is_anew), judged, &mut before);
                self.status.settle(key, newest, out);
            } else if is_anew {
                self.end_rule(key, judged.commit, &mut before, out);
            }
        }
        for rule in judged.gone {
            let key = SignalKey { instrument: of.0, timeframe: of.1, rule: *rule };
            self.end_rule(key, judged.commit, &mut before, out);
        }
        self.put_out(of, before, out);
    }

    /// Brings bars up to date with what changed in the round, or has come again; gives those that changed.
    fn look_at_bars(&mut self) -> BTreeSet<EventTime> {
        if std::mem::take(&mut self.came_again) {
            self.bars.values_mut().for_each(RuleBar::look);
        }
        let changed = std::mem::take(&mut self.changed);
        for open_time in &changed {
            if let Some(bar) = self.bars.get_mut(open_time) {
                bar.look();
                if bar.candle.is_none() && bar.numbers.is_none() {
                    self.bars.remove(open_time);
                }
            }
        }
        changed
    }

    /// Judges a rule at the bars that changed and those that look back on them, or with `is_anew` at all.
    fn judge(
        &mut self,
        rule: &Rule,
        (changed, is_anew): (&BTreeSet<EventTime>, bool),
        judged: &Judged<'_>,
        before: &mut Before,
    ) {
        let affected = match is_anew {
            true => self.all(rule.id),
            false => self.affected(changed, rule),
        };
        for open_time in affected {
            let at = (open_time, rule.id);
            let holds = rule.holds(&self.window(open_time, rule));
            let point = self.point(open_time);
            let settled = point.is_some_and(|point| point.is_final);
            let raising = || raising(rule, point, judged.at);
            let after = next(self.alerts.get(&at), (holds, settled), judged.commit, raising);
            if let Some(after) = after {
                self.set(at, after, before);
            }
        }
    }

    /// A rule does not watch these bars any more: its alerts that are raised are withdrawn.
    fn end_rule(
        &mut self,
        key: SignalKey,
        commit: Commit,
        before: &mut Before,
        out: &mut Vec<SignalOut>,
    ) {
        let held: Vec<EventTime> = self.status.held(key.rule).collect();
        for open_time in held {
            let at = (open_time, key.rule);
            if let Some(alert) = self.alerts.get(&at) {
                let (raised, last, changes) = (false, commit, alert.changes + 1);
                self.set(at, Alert { raised, last, changes, ..alert.clone() }, before);
            }
        }
        self.status.end(key, out);
    }

    /// An alert is so from now on.
    fn set(&mut self, at: (EventTime, RuleId), after: Alert, before: &mut Before) {
        let bytes = |alert: &Alert| alert.acknowledged.as_ref().map_or(0, |own| own.bytes());
        self.status.alert(at.1, at.0, after.raised);
        self.note_bytes += bytes(&after);
        let known = self.alerts.insert(at, after);
        self.note_bytes -= known.as_ref().map_or(0, bytes);
        before.entry(at).or_insert(known);
    }

    /// Puts out the net changes of alerts.
    fn put_out(
        &self,
        (instrument, timeframe): (InstrumentId, Timeframe),
        before: Before,
        out: &mut Vec<SignalOut>,
    ) {
        for ((open_time, rule), before) in before {
            let Some(after) = self.alerts.get(&(open_time, rule)) else { continue };
            if before.as_ref() != Some(after) {
                let key = AlertKey { instrument, timeframe, open_time, rule };
                let (after, restored) = (after.clone(), false);
                out.push(SignalOut::Alert(AlertChange { key, before, after, restored }));
            }
        }
    }

    /// All bars that there are, and those at which the rule has an alert.
    fn all(&self, rule: RuleId) -> BTreeSet<EventTime> {
        let alerts = self.alerts.keys().filter(|(_, of)| *of == rule).map(|(open, _)| *open);
        self.bars.keys().copied().chain(alerts).collect()
    }

    /// The newest bar that has a row.
    fn newest(&self) -> Option<EventTime> {
        let mut bars = self.bars.iter().rev();
        bars.find(|(_, bar)| bar.candle.is_some()).map(|(open_time, _)| *open_time)
    }

    /// The bars that changed, and after each as many as look back on it.
    fn affected(&self, changed: &BTreeSet<EventTime>, rule: &Rule) -> BTreeSet<EventTime> {
        let mut affected = BTreeSet::new();
        for open_time in changed {
            affected.insert(*open_time);
            let later =
                self.bars.range((std::ops::Bound::Excluded(open_time), std::ops::Bound::Unbounded));
            let later = later.filter(|(_, bar)| bar.seen_by(rule).is_some());
            affected.extend(later.map(|(open, _)| *open).take(rule.looks_back()));
        }
        affected
    }

    /// The bar at `open_time` and those before it that the rule looks back on, in the order of time; nothing if there is
    /// no bar, or it takes no part.
    fn window(&self, open_time: EventTime, rule: &Rule) -> Vec<&Point> {
        if self.bars.get(&open_time).and_then(|bar| bar.seen_by(rule)).is_none() {
            return Vec::new();
        }
        let bars = self.bars.range(..=open_time).rev().filter_map(|(_, bar)| bar.seen_by(rule));
        let mut window: Vec<&Point> = bars.take(rule.looks_back() + 1).collect();
        window.reverse();
        window
    }

    fn point(&self, open_time: EventTime) -> Option<&Point> {
        self.bars.get(&open_time).and_then(|bar| bar.point.as_ref())
    }

    /// Every row that exists.
    pub(super) fn restate(
        &self,
        (instrument, timeframe): (InstrumentId, Timeframe),
        out: &mut Vec<SignalOut>,
    ) {
        out.extend(self.alerts.iter().map(|((open_time, rule), alert)| {
            let key = AlertKey { instrument, timeframe, open_time: *open_time, rule: *rule };
            let after = alert.clone();
            SignalOut::Alert(AlertChange { key, before: None, after, restored: true })
        }));
        self.status.restate((instrument, timeframe), out);
    }

    /// Makes what is not saved of what is. With `places`, the slots of numbers are those in these places.
    pub(super) fn restored(&mut self, places: Option<&[Option<usize>]>) {
        for bar in self.bars.values_mut() {
            if let (Some(numbers), Some(places)) = (&bar.numbers, places) {
                bar.numbers = numbers.placed(places);
            }
            bar.look();
        }
    }

    /// How many bytes more it retains than when this was last asked. Rows of bars and their numbers belong to those who
    /// put them out.
    pub(super) fn grown(&mut self) -> isize {
        let bytes = size_of::<RuleState>()
            + heap::btree::<EventTime, RuleBar>(self.bars.len())
            + heap::btree::<(EventTime, RuleId), Alert>(self.alerts.len())
            + self.note_bytes
            + self.status.bytes(self.alerts.len());
        bytes as isize - std::mem::replace(&mut self.bytes, bytes) as isize
    }
}
