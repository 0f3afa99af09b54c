//! The bars of one instrument and timeframe under all indicators of a job.

use std::sync::Arc;

use market::{Candle, CandleKey, EventTime, InstrumentId, InstrumentSpec, Timeframe};
use serde::{Deserialize, Serialize};

use super::IndicatorsConfig;
use super::column::{Column, Edit};
use super::input::Units;
use super::sheet::Sheet;
use super::value::{IndicatorOut, NumbersChange};

/// A column per indicator over the bars of one instrument and timeframe.
///
/// Pure and sequential: after any edits, its outputs are a function of the bars that there are.
pub struct Line {
    config: Arc<IndicatorsConfig>,
    instrument: InstrumentId,
    timeframe: Timeframe,
    /// The terms of the first bar; an instrument's never change.
    spec: Option<InstrumentSpec>,
    columns: Vec<Box<dyn Column>>,
    sheet: Sheet,
    /// As last told by [`Line::grown`].
    bytes: usize,
}

/// The states of a line: the terms, and one piece per column.
#[derive(Serialize, Deserialize)]
pub(super) struct LineState {
    spec: Option<InstrumentSpec>,
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
        let sheet = Sheet::new(config.slots());
        Line { config, instrument, timeframe, spec: None, columns, sheet, bytes: 0 }
    }

    /// Brings the line to the bars after `edits`, each a bar by the time at which it opens, or none if it
    /// has no row any more; in order of time, each bar once. Puts out a change per bar whose numbers changed.
    pub fn apply<'a>(
        &mut self,
        edits: impl IntoIterator<Item = (EventTime, Option<&'a Candle>)>,
        out: &mut Vec<IndicatorOut>,
    ) {
        let edits = edits.into_iter().map(|(open_time, candle)| Edit::new(open_time, candle));
        let edits: Vec<Edit<'_>> = edits.collect();
        debug_assert!(edits.is_sorted_by_key(|edit| edit.open_time), "edits are in order of time");
        if self.spec.is_none() {
            self.spec = edits.iter().find_map(|edit| edit.bar).map(|(bar, _)| bar.spec);
        }
        let Some(spec) = self.spec else { return };
        let (units, mut slot) = (Units::of(spec), 0);
        for column in &mut self.columns {
            self.sheet.begin(slot);
            column.apply(units, self.config.calendars(), &edits, &mut self.sheet);
            slot += column.outputs();
        }
        let Line { instrument, timeframe, sheet, .. } = self;
        sheet.tell(|open_time, before, after| {
            let key = CandleKey { instrument: *instrument, timeframe: *timeframe, open_time };
            out.push(IndicatorOut::Changed(NumbersChange { key, before, after }));
        });
    }

    /// Puts out the numbers of every bar.
    pub fn restate(&self, out: &mut Vec<IndicatorOut>) {
        let Line { instrument, timeframe, .. } = *self;
        out.extend(self.sheet.told().map(|(open_time, numbers)| {
            let key = CandleKey { instrument, timeframe, open_time: *open_time };
            IndicatorOut::Restored(key, numbers.clone())
        }));
    }

    pub(super) fn encode(&self) -> Result<LineState, postcard::Error> {
        let columns = self.columns.iter().map(|column| column.encode());
        Ok(LineState { spec: self.spec, columns: columns.collect::<Result<_, _>>()? })
    }

    pub(super) fn decode(&mut self, state: &LineState) -> Result<(), postcard::Error> {
        self.spec = state.spec;
        for (column, state) in self.columns.iter_mut().zip(&state.columns) {
            column.decode(state)?;
        }
        self.remember_what_was_told();
        Ok(())
    }

    /// Fills the sheet with what follows from the states.
    fn remember_what_was_told(&mut self) {
        let Some(spec) = self.spec else { return };
        let (mut slot, sheet) = (0, &mut self.sheet);
        for column in &self.columns {
            sheet.begin(slot);
            column.restate(Units::of(spec), sheet);
            slot += column.outputs();
        }
        sheet.tell(|_, _, _| {});
    }

    /// How many bytes more it retains than when this was last asked, about.
    pub(super) fn grown(&mut self) -> isize {
        let bytes = self.bytes();
        bytes as isize - std::mem::replace(&mut self.bytes, bytes) as isize
    }

    /// About how many bytes the line retains.
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.bytes()).sum();
        size_of::<Line>() + columns + self.sheet.bytes()
    }
}

/// Which line a bar is on.
pub(super) fn line_of(key: &CandleKey) -> (InstrumentId, Timeframe) {
    (key.instrument, key.timeframe)
}
