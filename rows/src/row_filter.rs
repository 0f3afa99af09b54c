//! Selects rows of a view.

use market::{Commit, EventTime, IdScope, InstrumentId, ModelId, PortfolioId, Timeframe};

use crate::cell::Cell;
use crate::comparison::Comparison;
use crate::text::plain_text;
use crate::view::View;

/// Conditions on the rows of a view. The default selects all rows.
///
/// Every condition must hold. A row without the column of a condition does not match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowFilter {
    /// One of these instruments.
    pub instruments: Option<Vec<InstrumentId>>,
    /// Rows that name an instrument, where a view also has others.
    pub with_instrument: bool,
    /// One of these portfolios.
    pub portfolios: Option<Vec<PortfolioId>>,
    /// One of these timeframes.
    pub timeframes: Option<Vec<Timeframe>>,
    /// Rows whose [time](View::time_column) is this one or later.
    pub from: Option<EventTime>,
    /// Rows whose time is before this one.
    pub to: Option<EventTime>,
    /// Rows of commits after this one, by the [commit of a row](View::commit_column).
    pub after: Option<Commit>,
    /// Rows of commits up to this one.
    pub through: Option<Commit>,
    /// By number of a column: the texts that it may have.
    pub texts: Vec<(usize, Vec<String>)>,
    /// Bounds of columns.
    pub comparisons: Vec<Comparison>,
}

/// The dimensions by which keys of views are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// An instrument.
    Instrument,
    /// A portfolio.
    Portfolio,
    /// A timeframe.
    Timeframe,
    /// When a bar opens.
    OpenTime,
}

/// The selected values of a dimension, as ordinals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRange {
    /// From the first to the second, both included.
    Between(u64, u64),
    /// These, ascending.
    OneOf(Vec<u64>),
}

impl Dimension {
    /// The ordinal of a time. Ordinals have the order of times.
    pub fn of_time(time: EventTime) -> u64 {
        time.0.cast_unsigned() ^ (1 << 63)
    }

    /// The time of an ordinal.
    pub fn time(ordinal: u64) -> EventTime {
        EventTime((ordinal ^ (1 << 63)).cast_signed())
    }
}

impl KeyRange {
    /// All values.
    pub const ANY: KeyRange = KeyRange::Between(0, u64::MAX);

    /// Selects nothing outside of these any more, both included.
    pub fn narrow(&mut self, least: u64, most: u64) {
        match self {
            KeyRange::Between(from, to) => {
                (*from, *to) = ((*from).max(least), (*to).min(most));
            }
            KeyRange::OneOf(ordinals) => ordinals.retain(|one| (least..=most).contains(one)),
        }
    }

    /// The least selected ordinal at or after this one.
    pub fn next(&self, ordinal: u64) -> Option<u64> {
        match self {
            KeyRange::Between(least, most) => {
                Some(ordinal.max(*least)).filter(|next| *next <= *most)
            }
            KeyRange::OneOf(ordinals) => {
                ordinals.get(ordinals.partition_point(|one| *one < ordinal)).copied()
            }
        }
    }
}

impl RowFilter {
    /// Everything of one instrument.
    pub fn of_instrument(instrument: InstrumentId) -> RowFilter {
        RowFilter { instruments: Some(vec![instrument]), ..RowFilter::default() }
    }

    /// The same, of one timeframe only.
    #[must_use]
    pub fn of_timeframe(self, timeframe: Timeframe) -> RowFilter {
        RowFilter { timeframes: Some(vec![timeframe]), ..self }
    }

    /// The same, of bars that open at or after `from` and before `to` only.
    #[must_use]
    pub fn opening(self, from: Option<EventTime>, to: Option<EventTime>) -> RowFilter {
        RowFilter { from, to, ..self }
    }

    /// The instrument, if exactly one is selected.
    pub fn instrument(&self) -> Option<InstrumentId> {
        only(&self.instruments)
    }

    /// The timeframe, if exactly one is selected.
    pub fn timeframe(&self) -> Option<Timeframe> {
        only(&self.timeframes)
    }

    /// Whether rows of a commit are selected.
    pub fn has_commit(&self, commit: Commit) -> bool {
        self.after.is_none_or(|after| commit > after)
            && self.through.is_none_or(|through| commit <= through)
    }

    /// The selected values of a dimension.
    pub fn key_range(&self, dimension: Dimension) -> KeyRange {
        match dimension {
            Dimension::Instrument => one_of(&self.instruments, |instrument| instrument.0),
            Dimension::Portfolio => one_of(&self.portfolios, |portfolio| portfolio.0),
            Dimension::Timeframe => one_of(&self.timeframes, |frame| u64::from(frame.secs())),
            Dimension::OpenTime => {
                let from = self.from.map_or(0, Dimension::of_time);
                match self.to.map(Dimension::of_time) {
                    None => KeyRange::Between(from, u64::MAX),
                    Some(0) => KeyRange::OneOf(Vec::new()),
                    Some(to) => KeyRange::Between(from, to - 1),
                }
            }
        }
    }

    /// Whether a row of `view` matches.
    pub fn fits(&self, view: &View, cells: &[Cell]) -> bool {
        let (mut instrument, mut portfolio) =
            (self.instruments.is_none() && !self.with_instrument, self.portfolios.is_none());
        let (mut timeframe, mut time) =
            (self.timeframes.is_none(), self.from.is_none() && self.to.is_none());
        if !time && let Some(Cell::Time(at)) = view.time_column().and_then(|at| cells.get(at)) {
            time = self.from.is_none_or(|from| *at >= from) && self.to.is_none_or(|to| *at < to);
        }
        for cell in cells {
            match cell {
                Cell::Instrument(id) => instrument |= has(&self.instruments, id),
                Cell::Portfolio(id) => portfolio |= has(&self.portfolios, id),
                Cell::Timeframe(frame) => timeframe |= has(&self.timeframes, frame),
                _ => {}
            }
        }
        let commit = match (self.after, self.through) {
            (None, None) => true,
            _ => view.commit_of(cells).is_some_and(|commit| self.has_commit(commit)),
        };
        instrument
            && portfolio
            && timeframe
            && time
            && commit
            && self.comparisons.iter().all(|comparison| comparison.holds(cells))
            && self.texts.iter().all(|(column, texts)| match cells.get(*column) {
                Some(Cell::TradeId(id)) => texts.iter().any(|text| id.is_called(text)),
                Some(Cell::Model(id)) => texts.iter().any(|text| ModelId::of(text) == *id),
                Some(Cell::IdScope(id)) => {
                    texts.iter().any(|text| IdScope::of(text) == id.contiguous(false))
                }
                Some(cell) => plain_text(cell).is_some_and(|text| texts.contains(&text)),
                None => false,
            })
    }
}

fn only<T: Copy>(values: &Option<Vec<T>>) -> Option<T> {
    values.as_ref().and_then(|values| match values[..] {
        [only] => Some(only),
        _ => None,
    })
}

fn has<T: PartialEq>(values: &Option<Vec<T>>, value: &T) -> bool {
    values.as_ref().is_none_or(|values| values.contains(value))
}

fn one_of<T: Copy>(values: &Option<Vec<T>>, ordinal: impl Fn(T) -> u64) -> KeyRange {
    match values {
        None => KeyRange::ANY,
        Some(values) => {
            let mut ordinals: Vec<u64> = values.iter().map(|value| ordinal(*value)).collect();
            ordinals.sort_unstable();
            ordinals.dedup();
            KeyRange::OneOf(ordinals)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_of_times_are_in_their_order() {
        let times = [EventTime::NEVER, EventTime(-1), EventTime(0), EventTime(1), EventTime::END];
        let ordinals: Vec<u64> = times.map(Dimension::of_time).to_vec();
        assert!(ordinals.is_sorted());
        assert_eq!(ordinals.iter().map(|o| Dimension::time(*o)).collect::<Vec<_>>(), times);
    }

    #[test]
    fn the_next_allowed_value() {
        let some = KeyRange::OneOf(vec![3, 7]);
        assert_eq!([0, 3, 4, 8].map(|o| some.next(o)), [Some(3), Some(3), Some(7), None]);
        let between = KeyRange::Between(3, 7);
        assert_eq!([0, 5, 8].map(|o| between.next(o)), [Some(3), Some(5), None]);
        let none = RowFilter { to: Some(EventTime(i64::MIN)), ..RowFilter::default() };
        assert_eq!(none.key_range(Dimension::OpenTime).next(0), None);
    }
}
