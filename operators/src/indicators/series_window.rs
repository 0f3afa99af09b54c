//! The numbers of the bars of one series as last emitted, and their pending changes.
//!
//! Columns put their outputs in, one column after the other, each in order of time; then [`SeriesWindow::emit`] emits
//! one change per bar whose numbers differ, however many of them do.

use market::EventTime;

use crate::heap;
use crate::numbers::{Numbers, Reading};

/// A row per bar, a slot per output of each column.
#[derive(Clone, Debug, Default)]
pub struct SeriesWindow {
    width: usize,
    /// The numbers last emitted of each bar that has any, in order of time.
    emitted: Vec<(EventTime, Numbers)>,
    /// Bars that a column put something in for, in order of time.
    drafts: Vec<Draft>,
    /// The slots of drafts.
    slots: Vec<Reading>,
    /// The first slot of the column at hand, and the draft that it is at.
    column: usize,
    at: usize,
}

/// The numbers of a bar as they are going to be.
#[derive(Clone, Copy, Debug)]
struct Draft {
    open_time: EventTime,
    peek: bool,
    /// Where its slots begin.
    slots: usize,
}

impl SeriesWindow {
    /// A window with so many slots per bar.
    pub(super) fn new(width: usize) -> SeriesWindow {
        SeriesWindow { width, ..SeriesWindow::default() }
    }

    /// From now on comes the column whose slots begin here, from its first bar on.
    pub(super) fn begin(&mut self, column: usize) {
        (self.column, self.at) = (column, 0);
    }

    /// The column at hand has these outputs at a bar, which is open if `peek`: not before a bar that it has
    /// put in already.
    pub(super) fn put(&mut self, open_time: EventTime, peek: bool, outputs: &[f64]) {
        let slots = self.draft(open_time, Some(peek));
        for (slot, output) in self.slots[slots..].iter_mut().zip(outputs) {
            *slot = Reading(*output);
        }
    }

    /// The column at hand has none of its `outputs` at a bar (any more).
    pub(super) fn take_out(&mut self, open_time: EventTime, outputs: usize) {
        let slots = self.draft(open_time, None);
        self.slots[slots..][..outputs].fill(Reading::ABSENT);
    }

    /// Where the slots of the column at hand begin in the draft of a bar.
    fn draft(&mut self, open_time: EventTime, peek: Option<bool>) -> usize {
        while self.drafts.get(self.at).is_some_and(|draft| draft.open_time < open_time) {
            self.at += 1;
        }
        if self.drafts.get(self.at).is_none_or(|draft| draft.open_time != open_time) {
            let (slots, emitted) = (self.slots.len(), self.place(open_time).ok());
            let emitted = emitted.map(|at| &self.emitted[at].1);
            let draft = Draft { open_time, peek: emitted.is_some_and(Numbers::is_peek), slots };
            match emitted {
                Some(numbers) => self.slots.extend_from_slice(numbers.slots()),
                None => self.slots.resize(slots + self.width, Reading::ABSENT),
            }
            self.drafts.insert(self.at, draft);
        }
        let draft = &mut self.drafts[self.at];
        draft.peek = peek.unwrap_or(draft.peek);
        draft.slots + self.column
    }

    /// The position of a bar among those emitted, or where it would be inserted.
    fn place(&self, open_time: EventTime) -> Result<usize, usize> {
        match self.emitted.last() {
            Some((last, _)) if *last == open_time => Ok(self.emitted.len() - 1),
            Some((last, _)) if *last > open_time => {
                self.emitted.binary_search_by_key(&open_time, |(open_time, _)| *open_time)
            }
            _ => Err(self.emitted.len()),
        }
    }

    /// Calls `each` with every bar whose numbers differ from those last emitted: before, and now.
    pub(super) fn emit(
        &mut self,
        mut each: impl FnMut(EventTime, Option<Numbers>, Option<Numbers>),
    ) {
        let drafts = std::mem::take(&mut self.drafts);
        for Draft { open_time, peek, slots } in &drafts {
            let slots = &self.slots[*slots..][..self.width];
            let now = || Numbers::new(slots, *peek);
            match self.place(*open_time) {
                Ok(at) if self.emitted[at].1.is(slots, *peek) => {}
                Ok(at) => match now() {
                    Some(numbers) => {
                        let before = std::mem::replace(&mut self.emitted[at].1, numbers.clone());
                        each(*open_time, Some(before), Some(numbers));
                    }
                    None => each(*open_time, Some(self.emitted.remove(at).1), None),
                },
                Err(at) => {
                    if let Some(numbers) = now() {
                        self.emitted.insert(at, (*open_time, numbers.clone()));
                        each(*open_time, None, Some(numbers));
                    }
                }
            }
        }
        self.slots.clear();
        self.drafts = drafts;
        self.drafts.clear();
    }

    /// All numbers last emitted.
    pub(super) fn emitted(&self) -> impl Iterator<Item = &(EventTime, Numbers)> {
        self.emitted.iter()
    }

    /// About how many bytes are retained.
    pub(super) fn bytes(&self) -> usize {
        heap::vec::<(EventTime, Numbers)>(self.emitted.capacity())
            + self.emitted.len() * Numbers::bytes_of(self.width)
            + heap::vec::<Draft>(self.drafts.capacity())
            + heap::vec::<Reading>(self.slots.capacity())
    }
}
