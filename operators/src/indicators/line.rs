//! The bars of one instrument and timeframe under all indicators of a job.

use std::sync::Arc;

use market::{Candle, CandleKey, EventTime, InstrumentId, Terms, Timeframe};
use serde::{Deserialize, Serialize};

use super::IndicatorsConfig;
use super::column::{Column, Edit, Sink};
use super::input::Units;
use super::value::{IndicatorKey, IndicatorOut};

/// A column per indicator over the bars of one instrument and timeframe.
///
/// Pure and sequential: after any edits, its outputs are a function of the bars that there are.
pub struct Line {
    config: Arc<IndicatorsConfig>,
    instrument: InstrumentId,
    timeframe: Timeframe,
    /// The terms of the first bar; an instrument's never change.
    terms: Option<Terms>,
    columns: Vec<Box<dyn Column>>,
    edits: Vec<Edit>,
}

/// The states of a line: the terms, and one piece per column.
#[derive(Serialize, Deserialize)]
pub(super) struct LineState {
    terms: Option<Terms>,
    columns: Vec<Vec<u8>>,
}

impl Line {
    /// A line without bars.
    pub fn new(
        config: Arc<IndicatorsConfig>,
        instrument: InstrumentId,
        timeframe: Timeframe,
    ) -> Line {
        let columns = config.indicators().iter().map(|indicator| indicator.column()).collect();
        Line { config, instrument, timeframe, terms: None, columns, edits: Vec::new() }
    }

    /// Brings the line to the bars after `edits`, each a bar by the time at which it opens, or none if it
    /// has no row any more; in order of time, each bar once. Puts out every number that changed.
    pub fn apply<'a>(
        &mut self,
        edits: impl IntoIterator<Item = (EventTime, Option<&'a Candle>)>,
        out: &mut Vec<IndicatorOut>,
    ) {
        let mut all = std::mem::take(&mut self.edits);
        all.extend(edits.into_iter().map(|(open_time, candle)| Edit::new(open_time, candle)));
        debug_assert!(all.is_sorted_by_key(|edit| edit.open_time), "edits are in order of time");
        if self.terms.is_none() {
            self.terms = all.iter().find_map(|edit| edit.bar).map(|(bar, _)| bar.terms);
        }
        if let Some(terms) = self.terms {
            let units = Units::of(terms);
            for (index, column) in self.columns.iter_mut().enumerate() {
                let key = key(self.instrument, self.timeframe, index);
                column.apply(units, self.config.calendars(), &all, &mut Sink { key, out });
            }
        }
        all.clear();
        self.edits = all;
    }

    /// Puts out every number.
    pub fn restate(&self, out: &mut Vec<IndicatorOut>) {
        let Some(terms) = self.terms else {
            return;
        };
        for (index, column) in self.columns.iter().enumerate() {
            let key = key(self.instrument, self.timeframe, index);
            column.restate(Units::of(terms), &mut Sink { key, out });
        }
    }

    pub(super) fn encode(&self) -> Result<LineState, postcard::Error> {
        let columns = self.columns.iter().map(|column| column.encode());
        Ok(LineState { terms: self.terms, columns: columns.collect::<Result<_, _>>()? })
    }

    pub(super) fn decode(&mut self, state: &LineState) -> Result<(), postcard::Error> {
        self.terms = state.terms;
        for (column, state) in self.columns.iter_mut().zip(&state.columns) {
            column.decode(state)?;
        }
        Ok(())
    }

    /// About how many bytes the line retains.
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.bytes()).sum();
        size_of::<Line>() + columns + self.edits.capacity() * size_of::<Edit>()
    }
}

/// Which line a bar is on.
pub(super) fn line_of(key: &CandleKey) -> (InstrumentId, Timeframe) {
    (key.instrument, key.timeframe)
}

/// The part of a key that a column does not know; it fills in the rest.
fn key(instrument: InstrumentId, timeframe: Timeframe, index: usize) -> IndicatorKey {
    let (open_time, output) = (EventTime::NEVER, 0);
    IndicatorKey { instrument, timeframe, open_time, indicator: index as u16, output }
}
