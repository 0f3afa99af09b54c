//! The operator: gathers the changes of bars in a round and brings the lines up to date at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{Candle, CandleKey, InstrumentId, Shard, Timeframe};
use serde::de::Error;

use super::config::IndicatorsConfig;
use super::series::{IndicatorSeries, SeriesState, series_of};
use super::value::IndicatorOut;
use crate::context::CommitContext;
use crate::keyed::{Core, Sharded};
use crate::output::BarChange;

/// One shard of the indicators.
pub struct Indicators {
    config: Arc<IndicatorsConfig>,
    all_series: BTreeMap<(InstrumentId, Timeframe), IndicatorSeries>,
    /// Changes of bars in this round; the last of each bar counts.
    changed: Vec<Arc<BarChange>>,
    bytes: usize,
}

/// What is saved. The labels name the indicators of the states.
type Saved = (
    Vec<String>,
    BTreeMap<(InstrumentId, Timeframe), SeriesState>,
    BTreeMap<CandleKey, Option<Arc<Candle>>>,
);

impl Indicators {
    /// An empty shard.
    pub fn new(config: Arc<IndicatorsConfig>) -> Indicators {
        Indicators { config, all_series: BTreeMap::new(), changed: Vec::new(), bytes: 0 }
    }
}

impl Sharded for Arc<BarChange> {
    fn shard(&self) -> Shard {
        self.key.instrument.shard()
    }
}

impl Core for Indicators {
    type In = Arc<BarChange>;
    type Out = IndicatorOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<Arc<BarChange>>,
        out: &mut Vec<IndicatorOut>,
    ) {
        self.changed.append(records);
        if !context.round {
            return;
        }
        let mut all = std::mem::take(&mut self.changed);
        all.sort_by_key(|change| change.key); // stable: of each bar the last remains the last
        let last = |of_bar: &'_ [Arc<BarChange>]| of_bar.last().map(Arc::clone);
        let changed = all.chunk_by(|a, b| a.key == b.key).filter_map(last);
        let mut changed = changed.peekable();
        while let Some(first) = changed.peek() {
            let at = series_of(&first.key);
            let series = self
                .all_series
                .entry(at)
                .or_insert_with(|| IndicatorSeries::new(Arc::clone(&self.config), at.0, at.1));
            let of_series: Vec<Arc<BarChange>> =
                std::iter::from_fn(|| changed.next_if(|change| series_of(&change.key) == at))
                    .collect();
            let edits =
                of_series.iter().map(|change| (change.key.open_time, change.after.as_deref()));
            series.apply(edits, out);
            let grown = series.grown();
            self.bytes = self.bytes.saturating_add_signed(grown);
        }
        drop(changed);
        all.clear();
        self.changed = all;
    }

    fn restate(&self, out: &mut Vec<IndicatorOut>) {
        self.all_series.values().for_each(|series| series.restate(out));
    }

    fn show(&self, context: &CommitContext, out: &mut Vec<IndicatorOut>) {
        let shows = |of: &(InstrumentId, Timeframe)| context.rules.shows(of.0, of.1);
        let mut rows = Vec::new();
        for (_, series) in self.all_series.iter().filter(|(of, _)| shows(of)) {
            series.restate(&mut rows);
            out.extend(rows.drain(..).map(|row| match row {
                IndicatorOut::Restored(key, numbers) => IndicatorOut::Shown(key, numbers),
                other => other,
            }));
        }
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let all_series = self.all_series.iter().map(|(at, series)| Ok((*at, series.encode()?)));
        let changed =
            self.changed.iter().map(|change| (change.key, change.after.clone())).collect();
        let saved: Saved = (self.config.labels(), all_series.collect::<Result<_, _>>()?, changed);
        postcard::to_stdvec(&saved)
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        let (labels, all_series, changed): Saved = postcard::from_bytes(state)?;
        // By name: the configuration may list indicators in another order, and some no longer. States of one that is new
        // would have to be made from bars which are not kept here.
        let places = self.config.labels().into_iter().map(|label| {
            let place = labels.iter().position(|saved| *saved == label);
            place.ok_or_else(|| Error::custom(format!("it has no states of indicator {label}")))
        });
        let places: Vec<usize> = places.collect::<Result<_, postcard::Error>>()?;
        let changed = changed.into_iter().map(|(key, after)| {
            Arc::new(BarChange { key, before: None, after, cause: None }) // only the last counts
        });
        self.changed = changed.collect();
        self.all_series.clear();
        self.bytes = 0;
        for ((instrument, timeframe), state) in all_series {
            let mut series = IndicatorSeries::new(Arc::clone(&self.config), instrument, timeframe);
            series.decode(&state, &places)?;
            self.bytes = self.bytes.saturating_add_signed(series.grown());
            self.all_series.insert((instrument, timeframe), series);
        }
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        let gathered = self.changed.len() * size_of::<BarChange>();
        (self.all_series.len(), self.bytes + gathered)
    }
}
