//! One indicator over the bars of one line: a state per bar, and what a change of bars recomputes.
//!
//! Bars are *x₁ … xₙ* in order of time, those without a needed field left out. An indicator is a
//! function `step` with *sᵢ = step(the bars and states before i, xᵢ)* and a function `read` that makes
//! outputs of *sᵢ* alone. It says how far back `step` looks: at most *w* bars and *d* states.
//!
//! When bars change, everything before the first changed bar stays. From there on states are computed anew
//! until, past the last changed bar, *w* unchanged bars have gone by and the last *d* states are bit for
//! bit those of before: from there on every later step would read what it had read before.

use market::{Bar, BarState, Calendars, Candle, EventTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::input::{Input, Units};
use super::value::{IndicatorChange, IndicatorKey, IndicatorOut, IndicatorValue, Reading};

/// How an indicator is computed, bar by bar.
pub(super) trait Step: Clone + Send + Sync + 'static {
    /// What it sees of a bar.
    type Input: Input;
    /// What it knows after a bar. Equal states must be equal bit for bit ([`Reading`]).
    type State: Copy + Eq + Send + Serialize + DeserializeOwned + 'static;
    /// Its outputs, an array.
    type Outputs: AsRef<[f64]>;

    /// How far back [`Self::step`] looks.
    fn looks_back(&self) -> LookBack;

    /// The state after a bar. `past` holds all bars before it, the newest last; nothing further back than
    /// [`Self::looks_back`] may matter, also not whether there is a bar.
    fn step(
        &self,
        units: Units,
        past: &[Row<Self::Input, Self::State>],
        now: Self::Input,
    ) -> Self::State;

    /// The outputs in a state; none before the first.
    fn read(&self, units: Units, state: &Self::State) -> Option<Self::Outputs>;
}

/// How many bars and states before the one at hand a step may read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookBack {
    pub(super) bars: usize,
    pub(super) states: usize,
}

/// A bar that takes part, and the state after it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Row<I, S> {
    pub(super) open_time: EventTime,
    peek: bool,
    pub(super) input: I,
    pub(super) state: S,
}

/// A bar as it is after a round: none if it has no row any more.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    pub(super) open_time: EventTime,
    pub(super) bar: Option<(Bar, bool)>,
}

/// Where a column's outputs go: the rest of their key, and the output.
pub struct Sink<'a> {
    pub(super) key: IndicatorKey,
    pub(super) out: &'a mut Vec<IndicatorOut>,
}

/// A [`Step`] with its states, whatever their type.
pub trait Column: Send {
    /// Brings the column to the bars after `edits`, which are in order of time, and puts out every output
    /// that changed.
    fn apply(&mut self, units: Units, calendars: &Calendars, edits: &[Edit], sink: &mut Sink<'_>);

    /// Puts out every output.
    fn restate(&self, units: Units, sink: &mut Sink<'_>);

    /// The states.
    fn encode(&self) -> Result<Vec<u8>, postcard::Error>;

    /// Takes the states that [`Self::encode`] gave.
    fn decode(&mut self, states: &[u8]) -> Result<(), postcard::Error>;

    /// About how many bytes it retains.
    fn bytes(&self) -> usize;
}

/// The column of a step.
pub(super) struct Rows<T: Step> {
    step: T,
    rows: Vec<Row<T::Input, T::State>>,
    /// The rows from the first edit on, as they were; empty between calls.
    tail: Vec<Row<T::Input, T::State>>,
}

/// How sure it is that later states are as they were.
struct Settling {
    look_back: LookBack,
    unchanged_bars: usize,
    equal_states: usize,
}

impl Edit {
    pub(super) fn new(open_time: EventTime, candle: Option<&Candle>) -> Edit {
        let bar = candle.map(|candle| (candle.bar, candle.state == BarState::Open));
        Edit { open_time, bar }
    }
}

impl Settling {
    fn settled(look_back: LookBack) -> Settling {
        Settling { look_back, unchanged_bars: look_back.bars, equal_states: look_back.states }
    }

    fn is_settled(&self) -> bool {
        self.unchanged_bars >= self.look_back.bars && self.equal_states >= self.look_back.states
    }

    fn bar_changed(&mut self) {
        (self.unchanged_bars, self.equal_states) = (0, 0);
    }

    fn bar_unchanged(&mut self, equal_state: bool) {
        self.unchanged_bars += 1;
        self.equal_states = if equal_state { self.equal_states + 1 } else { 0 };
    }
}

impl<T: Step> Rows<T> {
    pub(super) fn new(step: T) -> Rows<T> {
        Rows { step, rows: Vec::new(), tail: Vec::new() }
    }

    /// Index of the first row at or after `time`.
    fn position(&self, time: EventTime) -> usize {
        match self.rows.last() {
            Some(last) if last.open_time >= time => {
                self.rows.partition_point(|row| row.open_time < time)
            }
            _ => self.rows.len(),
        }
    }

    /// Takes over the rows of `tail` before `limit`, computing states anew until they settle; gives the
    /// rest of the tail.
    fn carry_over<'t>(
        &mut self,
        units: Units,
        mut tail: &'t [Row<T::Input, T::State>],
        limit: Option<EventTime>,
        settling: &mut Settling,
        sink: &mut Sink<'_>,
    ) -> &'t [Row<T::Input, T::State>] {
        while let Some((before, rest)) = tail.split_first() {
            if limit.is_some_and(|limit| before.open_time >= limit) {
                break;
            }
            if settling.is_settled() {
                let kept = match limit {
                    Some(limit) => tail.partition_point(|row| row.open_time < limit),
                    None => tail.len(),
                };
                self.rows.extend_from_slice(&tail[..kept]);
                return &tail[kept..];
            }
            self.redo(units, before, before.peek, settling, sink);
            tail = rest;
        }
        tail
    }

    /// Appends a row whose input is as it was.
    fn redo(
        &mut self,
        units: Units,
        before: &Row<T::Input, T::State>,
        peek: bool,
        settling: &mut Settling,
        sink: &mut Sink<'_>,
    ) {
        let state = if settling.is_settled() {
            before.state
        } else {
            let state = self.step.step(units, &self.rows, before.input);
            settling.bar_unchanged(state == before.state);
            state
        };
        let after = Row { peek, state, ..*before };
        self.rows.push(after);
        if state != before.state || peek != before.peek {
            self.say(units, Some(before), Some(&after), sink);
        }
    }

    /// Puts out what differs between two rows of one bar.
    fn say(
        &self,
        units: Units,
        before: Option<&Row<T::Input, T::State>>,
        after: Option<&Row<T::Input, T::State>>,
        sink: &mut Sink<'_>,
    ) {
        let Some(open_time) = after.or(before).map(|row| row.open_time) else {
            return;
        };
        let outputs = |row: &Row<T::Input, T::State>| self.step.read(units, &row.state);
        let (outputs_before, outputs_after) = (before.and_then(outputs), after.and_then(outputs));
        let value = |row: Option<&Row<T::Input, T::State>>, outputs: &Option<T::Outputs>, index| {
            let value: f64 = *outputs.as_ref()?.as_ref().get(index)?;
            Some(IndicatorValue { value: Reading(value), peek: row?.peek })
        };
        let any = outputs_after.as_ref().or(outputs_before.as_ref());
        for index in 0..any.map_or(0, |outputs| outputs.as_ref().len()) {
            let before = value(before, &outputs_before, index);
            let after = value(after, &outputs_after, index);
            if before != after {
                let key = IndicatorKey { open_time, output: index as u8, ..sink.key };
                sink.out.push(IndicatorOut::Changed(IndicatorChange { key, before, after }));
            }
        }
    }
}

impl<T: Step> Column for Rows<T> {
    fn apply(&mut self, units: Units, calendars: &Calendars, edits: &[Edit], sink: &mut Sink<'_>) {
        let Some(first) = edits.first() else {
            return;
        };
        let mut old = std::mem::take(&mut self.tail);
        old.extend(self.rows.drain(self.position(first.open_time)..));
        let mut tail = &old[..];
        let mut settling = Settling::settled(self.step.looks_back());

        for Edit { open_time, bar } in edits {
            tail = self.carry_over(units, tail, Some(*open_time), &mut settling, sink);
            let before = tail.first().filter(|row| row.open_time == *open_time);
            if before.is_some() {
                tail = &tail[1..];
            }
            let after = bar.as_ref().and_then(|(bar, peek)| {
                T::Input::of(*open_time, bar, calendars).map(|input| (input, *peek))
            });
            match (before, after) {
                (None, None) => {}
                (Some(before), Some((input, peek))) if before.input == input => {
                    self.redo(units, before, peek, &mut settling, sink);
                }
                (before, Some((input, peek))) => {
                    settling.bar_changed();
                    let state = self.step.step(units, &self.rows, input);
                    let after = Row { open_time: *open_time, peek, input, state };
                    self.rows.push(after);
                    self.say(units, before, Some(&after), sink);
                }
                (before, None) => {
                    settling.bar_changed();
                    self.say(units, before, None, sink);
                }
            }
        }
        self.carry_over(units, tail, None, &mut settling, sink);
        old.clear();
        self.tail = old;
    }

    fn restate(&self, units: Units, sink: &mut Sink<'_>) {
        for row in &self.rows {
            let Some(outputs) = self.step.read(units, &row.state) else {
                continue;
            };
            for (index, value) in outputs.as_ref().iter().enumerate() {
                let key =
                    IndicatorKey { open_time: row.open_time, output: index as u8, ..sink.key };
                let value = IndicatorValue { value: Reading(*value), peek: row.peek };
                sink.out.push(IndicatorOut::Restored(key, value));
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&self.rows)
    }

    fn decode(&mut self, states: &[u8]) -> Result<(), postcard::Error> {
        self.rows = postcard::from_bytes(states)?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let rows = self.rows.capacity() + self.tail.capacity();
        size_of::<Rows<T>>() + rows * size_of::<Row<T::Input, T::State>>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use market::{IdScope, InstrumentId, OrderKey, Price, Terms, Timeframe, TradeId};

    use super::super::input::Close;
    use super::*;

    /// The sum of the last three closes, or of halves of all closes, and how often it was computed.
    #[derive(Clone)]
    struct Counted {
        window: bool,
        steps: Arc<AtomicUsize>,
    }

    impl Step for Counted {
        type Input = Close;
        type State = i64;
        type Outputs = [f64; 1];

        fn looks_back(&self) -> LookBack {
            match self.window {
                true => LookBack { bars: 2, states: 0 },
                false => LookBack { bars: 0, states: 1 },
            }
        }

        fn step(&self, _: Units, past: &[Row<Close, i64>], now: Close) -> i64 {
            self.steps.fetch_add(1, Ordering::Relaxed);
            let window = past.iter().rev().take(2).map(|row| row.input.0).sum::<i64>();
            let halves = past.last().map_or(0, |row| row.state / 2);
            now.0 + if self.window { window } else { halves }
        }

        fn read(&self, _: Units, state: &i64) -> Option<[f64; 1]> {
            Some([*state as f64])
        }
    }

    /// How many steps, and how many changes, it takes to apply edits to a hundred bars.
    fn cost(window: bool, edits: &[(i64, Option<i64>, bool)]) -> (usize, usize) {
        let steps = Arc::new(AtomicUsize::new(0));
        let mut column = Rows::new(Counted { window, steps: Arc::clone(&steps) });
        let mut apply = |edits: &[(i64, Option<i64>, bool)]| {
            let key = IndicatorKey {
                instrument: InstrumentId(1),
                timeframe: Timeframe::MINUTE,
                open_time: EventTime(0),
                indicator: 0,
                output: 0,
            };
            let edits: Vec<Edit> = edits
                .iter()
                .map(|(at, close, peek)| {
                    let order = OrderKey {
                        time: EventTime(*at),
                        sequence: 0,
                        scope: IdScope(0),
                        id: TradeId::Number(0),
                    };
                    let mut bar = Bar::empty(Terms::DEFAULT, EventTime(at + 1));
                    bar.close = close.map(|close| (order, Price(close)));
                    Edit { open_time: EventTime(*at), bar: close.map(|_| (bar, *peek)) }
                })
                .collect();
            let mut out = Vec::new();
            let units = Units::of(Terms::DEFAULT);
            let mut sink = Sink { key, out: &mut out };
            column.apply(units, &Calendars::utc(), &edits, &mut sink);
            out.len()
        };
        let bars: Vec<_> = (0..100).map(|at| (at * 10, Some(1_000 + at), false)).collect();
        assert_eq!(apply(&bars), 100);
        let before = steps.load(Ordering::Relaxed);
        let changes = apply(edits);
        (steps.load(Ordering::Relaxed) - before, changes)
    }

    #[test]
    fn a_change_costs_what_it_can_reach_and_no_more() {
        for (edits, window) in [
            // A changed, an inserted and a removed bar: those whose window they are or were in.
            (&[(500, Some(7), false)][..], (3, 3)),
            (&[(505, Some(7), false)], (3, 3)),
            (&[(500, None, false)], (2, 3)),
            // Two changes far apart: nothing between them.
            (&[(100, Some(7), false), (900, Some(7), false)], (6, 6)),
            // Only the state of the bar: no step at all. Nothing new: nothing said.
            (&[(500, Some(1_050), true)], (0, 1)),
            (&[(500, Some(1_050), false)], (0, 0)),
            (&[(505, None, false)], (0, 0)),
            (&[(1_000, Some(7), false)], (1, 1)),
        ] {
            assert_eq!(cost(true, edits), window, "window, {edits:?}");
            // A recurrence goes on until the change has worn off: a thousand, halved.
            let (steps, changes) = cost(false, edits);
            assert!(steps <= changes + edits.len() && steps <= 13 * edits.len(), "{edits:?}");
        }
    }
}
