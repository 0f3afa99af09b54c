//! The bars of one instrument and timeframe under all indicators of a job.

use std::sync::Arc;

use market::{Candle, CandleKey, EventTime, InstrumentId, InstrumentSpec, Timeframe};
use serde::{Deserialize, Serialize};

use super::column::{Column, Edit};
use super::config::IndicatorsConfig;
use super::input::Units;
use super::series_window::SeriesWindow;
use super::value::{IndicatorOut, NumbersChange};

/// A column per indicator over the bars of one instrument and timeframe.
///
/// Pure and sequential: after any edits, its outputs are a function of the bars that there are.
pub struct IndicatorSeries {
    config: Arc<IndicatorsConfig>,
    instrument: InstrumentId,
    timeframe: Timeframe,
    /// The terms of the first bar; an instrument's never change.
    spec: Option<InstrumentSpec>,
    columns: Vec<Box<dyn Column>>,
    window: SeriesWindow,
    /// As last returned by [`IndicatorSeries::grown`].
    bytes: usize,
}

/// The states of a line: the terms, and one piece per column.
#[derive(Serialize, Deserialize)]
pub(super) struct SeriesState {
    spec: Option<InstrumentSpec>,
    columns: Vec<Vec<u8>>,
}

impl IndicatorSeries {
    /// A line without bars.
    pub fn new(
        config: Arc<IndicatorsConfig>,
        instrument: InstrumentId,
        timeframe: Timeframe,
    ) -> IndicatorSeries {
        let columns = config.indicators().iter().map(|indicator| indicator.column()).collect();
        let window = SeriesWindow::new(config.slots());
        IndicatorSeries { config, instrument, timeframe, spec: None, columns, window, bytes: 0 }
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
            self.window.begin(slot);
            column.apply(units, self.config.calendars(), &edits, &mut self.window);
            slot += column.outputs();
        }
        let IndicatorSeries { instrument, timeframe, window, .. } = self;
        window.emit(|open_time, before, after| {
            let key = CandleKey { instrument: *instrument, timeframe: *timeframe, open_time };
            out.push(IndicatorOut::Changed(NumbersChange { key, before, after }));
        });
    }

    /// Puts out the numbers of every bar.
    pub fn restate(&self, out: &mut Vec<IndicatorOut>) {
        let IndicatorSeries { instrument, timeframe, .. } = *self;
        out.extend(self.window.emitted().map(|(open_time, numbers)| {
            let key = CandleKey { instrument, timeframe, open_time: *open_time };
            IndicatorOut::Restored(key, numbers.clone())
        }));
    }

    pub(super) fn encode(&self) -> Result<SeriesState, postcard::Error> {
        let columns = self.columns.iter().map(|column| column.encode());
        Ok(SeriesState { spec: self.spec, columns: columns.collect::<Result<_, _>>()? })
    }

    /// Takes saved states; `places` says where that of each column is among them.
    pub(super) fn decode(
        &mut self,
        state: &SeriesState,
        places: &[usize],
    ) -> Result<(), postcard::Error> {
        self.spec = state.spec;
        for (column, place) in self.columns.iter_mut().zip(places) {
            let saved = state.columns.get(*place);
            column.decode(saved.ok_or(postcard::Error::DeserializeUnexpectedEnd)?)?;
        }
        self.restore_window();
        Ok(())
    }

    /// Fills the window with the numbers that follow from the states.
    fn restore_window(&mut self) {
        let Some(spec) = self.spec else { return };
        let (mut slot, window) = (0, &mut self.window);
        for column in &self.columns {
            window.begin(slot);
            column.restate(Units::of(spec), window);
            slot += column.outputs();
        }
        window.emit(|_, _, _| {});
    }

    /// How many bytes more it retains than when this was last asked, about.
    pub(super) fn grown(&mut self) -> isize {
        let bytes = self.bytes();
        bytes as isize - std::mem::replace(&mut self.bytes, bytes) as isize
    }

    /// About how many bytes the line retains.
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.bytes()).sum();
        size_of::<IndicatorSeries>() + columns + self.window.bytes()
    }
}

/// Which line a bar is on.
pub(super) fn series_of(key: &CandleKey) -> (InstrumentId, Timeframe) {
    (key.instrument, key.timeframe)
}
