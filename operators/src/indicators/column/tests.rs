//! What changes cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use market::{InstrumentSpec, OrderKey, Price};

use super::*;
use crate::indicators::input::Close;
use crate::indicators::step::LookBack;

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
    let mut window = SeriesWindow::new(1);
    let mut apply = |edits: &[(i64, Option<i64>, bool)]| {
        let bars: Vec<(EventTime, Option<(Bar, bool)>)> = edits
            .iter()
            .map(|(at, close, peek)| {
                let order = OrderKey { time: EventTime(*at), sequence: 0, number: None };
                let mut bar = Bar::empty(InstrumentSpec::DEFAULT, EventTime(at + 1));
                bar.close = close.map(|close| (order, Price(close)));
                (EventTime(*at), close.map(|_| (bar, *peek)))
            })
            .collect();
        let edits = bars.iter().map(|(open_time, bar)| {
            let bar = bar.as_ref().map(|(bar, peek)| (bar, *peek));
            Edit { open_time: *open_time, bar }
        });
        let edits: Vec<Edit<'_>> = edits.collect();
        let (units, mut changes) = (Units::of(InstrumentSpec::DEFAULT), 0);
        window.begin(0);
        column.apply(units, &Calendars::utc(), &edits, &mut window);
        window.emit(|_, _, _| changes += 1);
        changes
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
        // Only the state of the bar: no step at all. Nothing new: nothing emitted.
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
