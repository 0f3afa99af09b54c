//! One indicator over the bars of one line, and what a change of bars recomputes.
//!
//! Everything before the first changed bar stays. From there on states are computed anew until they have
//! settled ([`Settling`]) behind the last changed bar, or until the next one.

use market::{Bar, BarState, Calendars, Candle, EventTime};

use super::input::{Input, Units};
use super::series_window::SeriesWindow;
use super::step::{Row, Settling, Step};
use crate::heap;

/// A bar as it is after a round, and whether it is open: none if it has no row any more.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    pub(super) open_time: EventTime,
    pub(super) bar: Option<(&'a Bar, bool)>,
}

/// A [`Step`] with its states, whatever their type.
pub trait Column: Send {
    /// Brings the column to the bars after `edits`, which are in order of time, and puts the outputs of every
    /// bar that may have others now into the window.
    fn apply(
        &mut self,
        units: Units,
        calendars: &Calendars,
        edits: &[Edit<'_>],
        window: &mut SeriesWindow,
    );

    /// Puts in every output.
    fn restate(&self, units: Units, window: &mut SeriesWindow);

    /// How many outputs it has.
    fn outputs(&self) -> usize;

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
    rows: Vec<RowOf<T>>,
    /// The rows that move, as they were; empty between calls.
    tail: Vec<RowOf<T>>,
}

/// How many of the newest bars are looked at one by one before all are searched.
const NEWEST: usize = 8;

/// A row of the column of a step.
type RowOf<T> = Row<<T as Step>::Input, <T as Step>::State>;

impl<'a> Edit<'a> {
    pub(super) fn new(open_time: EventTime, candle: Option<&'a Candle>) -> Edit<'a> {
        let whole = candle.filter(|candle| candle.state != BarState::Partial);
        let bar = whole.map(|candle| (&candle.bar, candle.state == BarState::Open));
        Edit { open_time, bar }
    }

    /// What an indicator sees of the bar now, and whether it is open; none if it takes no part.
    fn input<I: Input>(&self, calendars: &Calendars) -> Option<(I, bool)> {
        let (bar, peek) = self.bar?;
        I::of(self.open_time, bar, calendars).map(|input| (input, peek))
    }
}

impl<T: Step> Rows<T> {
    pub(super) fn new(step: T) -> Rows<T> {
        Rows { step, rows: Vec::new(), tail: Vec::new() }
    }

    /// Index of the first row at or after `time`.
    fn position(&self, time: EventTime) -> usize {
        // Nearly always one of the newest, which are at hand; a search through all of them is not.
        let newest = self.rows.len().saturating_sub(NEWEST);
        match self.rows[newest..].iter().rposition(|row| row.open_time < time) {
            Some(before) => newest + before + 1,
            None => self.rows[..newest].partition_point(|row| row.open_time < time),
        }
    }

    /// The row of a bar whose input and peek are these now, after the rows of `past`; `before` is its row
    /// so far, if it had one. Puts it into the window if its
    /// outputs may differ.
    #[expect(clippy::too_many_arguments, reason = "all that a row is made of")]
    fn row(
        &self,
        units: Units,
        past: &[RowOf<T>],
        before: Option<&RowOf<T>>,
        open_time: EventTime,
        (input, peek): (T::Input, bool),
        settling: &mut Settling,
        window: &mut SeriesWindow,
    ) -> RowOf<T> {
        let state = match before.filter(|before| before.input == input) {
            Some(before) if settling.is_settled() => before.state,
            Some(before) => {
                let state = self.step.step(units, past, input);
                settling.bar_unchanged(state == before.state);
                state
            }
            None => {
                settling.bar_changed();
                self.step.step(units, past, input)
            }
        };
        let after = Row { open_time, peek, input, state };
        if before.is_none_or(|before| before.state != state || before.peek != peek) {
            self.put_outputs(units, &after, window);
        }
        after
    }

    /// Computes states anew in place, from index `at` on until they settle or the bar is at or after
    /// `limit`; gives the index of the first bar that is.
    fn settle(
        &mut self,
        units: Units,
        mut at: usize,
        limit: EventTime,
        settling: &mut Settling,
        window: &mut SeriesWindow,
    ) -> usize {
        while let Some(before) = self.rows.get(at).copied() {
            if before.open_time >= limit {
                break;
            }
            if settling.is_settled() {
                return self.position(limit);
            }
            let unchanged = (before.input, before.peek);
            let past = &self.rows[..at];
            self.rows[at] =
                self.row(units, past, Some(&before), before.open_time, unchanged, settling, window);
            at += 1;
        }
        at
    }

    /// Takes over the rows of `tail` before `limit`, computing states anew until they settle; gives the
    /// rest of the tail.
    fn carry_over<'t>(
        &mut self,
        units: Units,
        mut tail: &'t [RowOf<T>],
        limit: EventTime,
        settling: &mut Settling,
        window: &mut SeriesWindow,
    ) -> &'t [RowOf<T>] {
        while let Some((before, rest)) = tail.split_first() {
            if before.open_time >= limit {
                break;
            }
            if settling.is_settled() {
                let kept = tail.partition_point(|row| row.open_time < limit);
                self.rows.extend_from_slice(&tail[..kept]);
                return &tail[kept..];
            }
            let unchanged = (before.input, before.peek);
            let open_time = before.open_time;
            let row =
                self.row(units, &self.rows, Some(before), open_time, unchanged, settling, window);
            self.rows.push(row);
            tail = rest;
        }
        tail
    }

    /// The bars change in number, from index `at` on.
    fn merge(
        &mut self,
        units: Units,
        calendars: &Calendars,
        at: usize,
        edits: &[Edit<'_>],
        settling: &mut Settling,
        window: &mut SeriesWindow,
    ) {
        let mut old = std::mem::take(&mut self.tail);
        old.extend(self.rows.drain(at..));
        let mut tail = &old[..];
        for edit in edits {
            tail = self.carry_over(units, tail, edit.open_time, settling, window);
            let before = tail.first().filter(|row| row.open_time == edit.open_time);
            if before.is_some() {
                tail = &tail[1..];
            }
            match edit.input::<T::Input>(calendars) {
                Some(now) => {
                    let open_time = edit.open_time;
                    let row = self.row(units, &self.rows, before, open_time, now, settling, window);
                    self.rows.push(row);
                }
                None if before.is_some() => {
                    settling.bar_changed();
                    window.take_out(edit.open_time, self.outputs());
                }
                None => {}
            }
        }
        self.carry_over(units, tail, EventTime::END, settling, window);
        old.clear();
        self.tail = old;
    }

    /// Puts the outputs of a bar into the window.
    fn put_outputs(&self, units: Units, row: &RowOf<T>, window: &mut SeriesWindow) {
        match self.step.read(units, &row.state) {
            Some(outputs) => window.put(row.open_time, row.peek, outputs.as_ref()),
            None => window.take_out(row.open_time, self.outputs()),
        }
    }
}

impl<T: Step> Column for Rows<T> {
    fn apply(
        &mut self,
        units: Units,
        calendars: &Calendars,
        edits: &[Edit<'_>],
        window: &mut SeriesWindow,
    ) {
        let Some(first) = edits.first() else {
            return;
        };
        let mut settling = Settling::settled(self.step.looks_back());
        let mut at = self.position(first.open_time);
        // 1. In place, as long as edits change a bar that there is or append one.
        for (index, edit) in edits.iter().enumerate() {
            at = self.settle(units, at, edit.open_time, &mut settling, window);
            let before = self.rows.get(at).copied();
            let known = before.filter(|row| row.open_time == edit.open_time);
            let now = match edit.input::<T::Input>(calendars) {
                Some(now) if known.is_some() || before.is_none() => now,
                None if known.is_none() => continue,
                // 2. From the first that puts one in or takes one out, all rows move.
                _ => {
                    return self.merge(
                        units,
                        calendars,
                        at,
                        &edits[index..],
                        &mut settling,
                        window,
                    );
                }
            };
            let (past, open_time) = (&self.rows[..at], edit.open_time);
            let row = self.row(units, past, known.as_ref(), open_time, now, &mut settling, window);
            match known {
                Some(_) => self.rows[at] = row,
                None => self.rows.push(row),
            }
            at += 1;
        }
        self.settle(units, at, EventTime::END, &mut settling, window);
    }

    fn restate(&self, units: Units, window: &mut SeriesWindow) {
        self.rows.iter().for_each(|row| self.put_outputs(units, row, window));
    }

    fn outputs(&self) -> usize {
        // They are an array of them.
        size_of::<T::Outputs>() / size_of::<f64>()
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&self.rows)
    }

    fn decode(&mut self, states: &[u8]) -> Result<(), postcard::Error> {
        self.rows = postcard::from_bytes(states)?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let (rows, tail) = (self.rows.capacity(), self.tail.capacity());
        heap::allocated(size_of::<Rows<T>>())
            + heap::vec::<RowOf<T>>(rows)
            + heap::vec::<RowOf<T>>(tail)
    }
}

#[cfg(test)]
mod tests;
