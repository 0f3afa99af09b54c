//! One instrument and timeframe, watched by all rules that apply.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{Candle, Commit, EventTime, InstrumentId, Numbered, RuleId, Timeframe};
use serde::{Deserialize, Serialize};

use super::condition::Rule;
use super::point::Point;
use super::rule_status::RuleStatus;
use super::{Alert, AlertChange, AlertKey, Raising, SignalIn, SignalKey, SignalOut};
use crate::heap;
use crate::indicators::Reading;

/// The bars of one instrument and timeframe, and the alerts at them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RuleState {
    bars: BTreeMap<EventTime, RuleBar>,
    alerts: BTreeMap<(EventTime, RuleId), Alert>,
    status: RuleStatus,
    /// Bars that changed in this round, or lost or gained a value.
    changed: BTreeSet<EventTime>,
    /// As last returned by [`RuleState::grown`].
    #[serde(skip)]
    bytes: usize,
}

/// One bar: its row and values, and what rules see.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RuleBar {
    candle: Option<Arc<Candle>>,
    /// By [`market::SeriesId`].
    values: Vec<Option<f64>>,
    point: Option<Point>,
}

impl RuleBar {
    /// The bar, if it takes part in a rule.
    fn seen_by(&self, rule: &Rule) -> Option<&Point> {
        self.point.as_ref().filter(|point| rule.takes_part(point))
    }
}

impl RuleState {
    /// Takes what changed; it shows at the end of the round.
    pub(super) fn apply(&mut self, input: SignalIn) {
        let open_time = match input {
            SignalIn::Bar(change) => {
                self.bars.entry(change.key.open_time).or_default().candle.clone_from(&change.after);
                change.key.open_time
            }
            SignalIn::Value { open_time, series, value, .. } => {
                let values = &mut self.bars.entry(open_time).or_default().values;
                let index = series.number();
                if values.len() <= index {
                    values.resize(index + 1, None);
                }
                values[index] = value;
                open_time
            }
        };
        self.changed.insert(open_time);
    }

    /// Ends a round: judges every rule at every bar that it may hold at differently.
    pub(super) fn round(
        &mut self,
        (instrument, timeframe): (InstrumentId, Timeframe),
        rules: &[Rule],
        (commit, at): (Commit, EventTime),
        out: &mut Vec<SignalOut>,
    ) {
        let changed = std::mem::take(&mut self.changed);
        for open_time in &changed {
            if let Some(bar) = self.bars.get_mut(open_time) {
                bar.point = bar.candle.as_ref().and_then(|c| Point::of(c, bar.values.clone()));
                if bar.candle.is_none() && bar.values.iter().all(Option::is_none) {
                    self.bars.remove(open_time);
                }
            }
        }
        let newest = self.newest();
        for rule in rules {
            if !rule.applies_to(instrument, timeframe) {
                continue;
            }
            let number = rule.id;
            for open_time in self.affected(&changed, rule) {
                let holds = rule.holds(&self.window(open_time, rule));
                let point = self.point(open_time);
                let settled = point.is_some_and(|point| point.is_final);
                let before = self.alerts.get(&(open_time, number)).copied();
                let raising = || raising(rule, point, at);
                let Some(after) = next(before, (holds, settled), commit, raising) else { continue };
                self.alerts.insert((open_time, number), after);
                let key = AlertKey { instrument, timeframe, open_time, rule: number };
                self.status.alert(number, open_time, after.raised);
                out.push(SignalOut::Alert(AlertChange { key, before, after, restored: false }));
            }
            let key = SignalKey { instrument, timeframe, rule: number };
            self.status.settle(key, newest, out);
        }
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
            let after = *alert;
            SignalOut::Alert(AlertChange { key, before: None, after, restored: true })
        }));
        self.status.restate((instrument, timeframe), out);
    }

    /// How many bytes more it retains than when this was last asked. Rows of bars belong to those who put them out.
    pub(super) fn grown(&mut self) -> isize {
        let values = self.bars.values().next().map_or(0, |bar| bar.values.capacity());
        let of_point = self.bars.values().next().and_then(|bar| bar.point.as_ref());
        let heap_of_bar = heap::vec::<Option<f64>>(values) + of_point.map_or(0, Point::heap_bytes);
        let bytes = size_of::<RuleState>()
            + heap::btree::<EventTime, RuleBar>(self.bars.len())
            + self.bars.len() * heap_of_bar
            + heap::btree::<(EventTime, RuleId), Alert>(self.alerts.len())
            + self.status.bytes(self.alerts.len());
        bytes as isize - std::mem::replace(&mut self.bytes, bytes) as isize
    }
}

/// What is so at a bar, if its rule comes to hold.
fn raising(rule: &Rule, point: Option<&Point>, at: EventTime) -> Raising {
    let close = point.and_then(|point| Some((point.ends?.1, point.price_scale)));
    let value = point.and_then(|point| rule.compared(point)).map(Reading);
    Raising { at, close, value }
}

/// The state of an alert after a rule was judged; none if nothing changed.
fn next(
    before: Option<Alert>,
    (holds, settled): (bool, bool),
    commit: Commit,
    raising: impl Fn() -> Raising,
) -> Option<Alert> {
    match before {
        None => holds.then_some(Alert {
            raised: true,
            settled,
            first: commit,
            last: commit,
            changes: 1,
            raising: raising(),
        }),
        Some(alert) if alert.raised != holds => Some(Alert {
            raised: holds,
            settled,
            last: commit,
            changes: alert.changes + 1,
            raising: if holds { raising() } else { alert.raising },
            ..alert
        }),
        Some(alert) if alert.settled != settled => Some(Alert { settled, ..alert }),
        Some(_) => None,
    }
}
