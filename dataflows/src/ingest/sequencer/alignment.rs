//! Alignment: of sources that each have a part, none is read further ahead in event time than others that catch up.
//! Pure: the present is an argument.

use std::time::{Duration, Instant};

use market::{EventTime, Span};

/// Which sources are held, since others are behind them.
///
/// A source holds others only while it brings rows and has not come to its end: while rows of it wait, and from its last
/// row on for [`HOLDS_FOR`] at most, and not if it was found drained since. So nobody waits for one that is silent, lost or paused.
pub(super) struct Alignment {
    /// How far ahead in event time a source may be read.
    span: Span,
    /// By number; none for sources that take no part.
    sources: Vec<Option<Aligned>>,
}

/// How long a source that brings nothing holds others.
pub(super) const HOLDS_FOR: Duration = Duration::from_secs(1);

struct Aligned {
    newest: EventTime,
    /// When a row came of it last; none if it was at its end since.
    row_at: Option<Instant>,
    is_held: bool,
}

impl Alignment {
    /// Of the sources that take part, by number. They begin to be read at `now`: what has brought no row yet, and was not
    /// at its end, holds others as if it had just brought one.
    pub(super) fn new(span: Span, takes_part: &[bool], now: Instant) -> Alignment {
        let is_needed = takes_part.iter().filter(|takes_part| **takes_part).count() > 1;
        let aligned = || Aligned { newest: EventTime::NEVER, row_at: Some(now), is_held: false };
        let sources = takes_part.iter().map(|part| (*part && is_needed).then(aligned));
        Alignment { span, sources: sources.collect() }
    }

    /// Whether a source may be held, and hold others.
    pub(super) fn takes_part(&self, source: usize) -> bool {
        self.sources[source].is_some()
    }

    /// Rows of a source came at `now`, up to this event time.
    pub(super) fn note_rows(&mut self, source: usize, newest: EventTime, now: Instant) {
        if let Some(own) = &mut self.sources[source] {
            own.newest = own.newest.max(newest);
            own.row_at = Some(now);
        }
    }

    /// Events of a source wait at `now`: if it brings rows, it still does, however long they wait for their turn.
    pub(super) fn note_waiting(&mut self, source: usize, now: Instant) {
        let row_at = self.sources[source].as_mut().and_then(|own| own.row_at.as_mut());
        row_at.into_iter().for_each(|at| *at = now);
    }

    /// A source had nothing left to read, ended, or is paused.
    pub(super) fn note_end(&mut self, source: usize) {
        if let Some(own) = &mut self.sources[source] {
            own.row_at = None;
        }
    }

    /// Whether a source is held.
    pub(super) fn is_held(&self, source: usize) -> bool {
        self.sources[source].as_ref().is_some_and(|own| own.is_held)
    }

    /// Decides anew at `now`; gives the sources that are held from now on, or not any more.
    pub(super) fn align(&mut self, now: Instant) -> Vec<usize> {
        let brings = |own: &&Aligned| own.row_at.is_some_and(|at| now < at + HOLDS_FOR);
        let catching_up = self.sources.iter().flatten().filter(brings);
        let least = catching_up.map(|own| own.newest).min();
        let limit =
            least.filter(|_| self.span != Span::FOREVER).map(|least| least.after(self.span));
        let mut changed = Vec::new();
        for (source, own) in self.sources.iter_mut().enumerate() {
            let Some(own) = own else { continue };
            let is_held = limit.is_some_and(|limit| own.newest > limit);
            if std::mem::replace(&mut own.is_held, is_held) != is_held {
                changed.push(source);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mins: i64) -> EventTime {
        EventTime(mins * 60_000_000_000)
    }

    #[test]
    fn the_fast_wait_for_the_slow_while_these_bring_rows() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut alignment = Alignment::new(Span::secs(3_600), &[true, true, true, false], start);
        alignment.note_rows(0, at(0), start);
        alignment.note_end(2);
        alignment.note_rows(1, at(60), start);
        alignment.note_rows(3, at(900), start);
        assert!(alignment.align(start).is_empty(), "an hour is allowed, and 3 takes no part");
        alignment.note_rows(1, at(61), start);
        assert_eq!(alignment.align(start), [1]);
        assert!(alignment.is_held(1) && !alignment.is_held(0) && !alignment.is_held(3));
        alignment.note_rows(0, at(2), after(500));
        assert_eq!(alignment.align(after(500)), [1], "it has come nearer");

        // One that is silent, or at its end, is not waited for.
        alignment.note_rows(1, at(90), after(600));
        assert_eq!(alignment.align(after(600)), [1]);
        assert!(alignment.align(after(1_499)).is_empty());
        assert_eq!(alignment.align(after(1_500)), [1]);
        alignment.note_rows(0, at(3), after(2_000));
        assert_eq!(alignment.align(after(2_000)), [1]);
        alignment.note_end(0);
        assert_eq!(alignment.align(after(2_000)), [1]);
        assert!(!alignment.is_held(1));
    }

    /// Else one would be read far ahead while the thread of another begins.
    #[test]
    fn one_that_was_not_heard_of_yet_is_waited_for() {
        let start = Instant::now();
        let mut alignment = Alignment::new(Span::secs(60), &[true, true], start);
        assert!(alignment.align(start).is_empty());
        alignment.note_rows(0, at(0), start);
        assert_eq!(alignment.align(start), [0]);
        let second = start + HOLDS_FOR;
        assert_eq!(alignment.align(second), [0], "it is silent");
        alignment.note_rows(1, at(0), second);
        assert!(alignment.align(second).is_empty());
    }

    /// What holds up the sequencer is no silence of a source.
    #[test]
    fn one_whose_rows_wait_for_their_turn_is_not_silent() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut alignment = Alignment::new(Span::secs(60), &[true, true], start);
        alignment.note_rows(0, at(0), start);
        alignment.note_rows(1, at(5), start);
        assert_eq!(alignment.align(start), [1]);
        alignment.note_waiting(0, after(5_000));
        assert!(alignment.align(after(5_900)).is_empty(), "1 is held as before");
        assert_eq!(alignment.align(after(6_000)), [1]);
        // At its end it brings nothing, whatever waits.
        alignment.note_rows(0, at(1), after(6_000));
        assert_eq!(alignment.align(after(6_000)), [1]);
        alignment.note_end(0);
        alignment.note_waiting(0, after(6_000));
        assert_eq!(alignment.align(after(6_000)), [1]);
    }

    #[test]
    fn nobody_is_held_alone_or_without_a_span() {
        let now = Instant::now();
        for (span, parts) in [(Span::secs(1), [true, false]), (Span::FOREVER, [true, true])] {
            let mut alignment = Alignment::new(span, &parts, now);
            alignment.note_rows(0, at(500), now);
            alignment.note_rows(1, at(0), now);
            assert!(alignment.align(now).is_empty());
        }
    }

    /// Whatever comes, somebody can be read: the one that is furthest behind of those that bring rows is not held.
    #[test]
    fn somebody_is_always_read() {
        let start = Instant::now();
        let mut alignment = Alignment::new(Span::secs(60), &[true; 4], start);
        let mut number = 1_u64;
        for step in 0..5_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let source = (number >> 33) as usize % 4;
            let now = start + Duration::from_millis(step * 100);
            match (number >> 40) % 5 {
                0 => alignment.note_end(source),
                _ if !alignment.is_held(source) => {
                    alignment.note_rows(source, at((number >> 45) as i64 % 500), now);
                }
                _ => {}
            }
            alignment.align(now);
            assert!((0..4).any(|source| !alignment.is_held(source)), "step {step}");
        }
    }
}
