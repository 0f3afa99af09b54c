//! The core of quotes: prices of instruments from bars, indicators and clients.
//!
//! * **Key**: instrument. **Input**: [`QuoteIn`]. **Output**: [`QuotesOut`], net, at the ends of rounds.
//! * **Meaning**: the mark is the close of the newest base bar that has one; a series is the last
//!   `risk.bars` + 1 closes of closed bars of the risk timeframe; an edge is a fair value beside the mark.
//! * **Cost**: per round and changed instrument, a look at its newest bar and one edge per model; a series is
//!   gathered anew in rounds in which a bar of it changed.
//! * **State bound**: a close per base bar and per bar of the risk timeframe, a number per bar and computed
//!   model. Bars are never dropped, so neither is this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{
    AccountEvent, AccountRecord, BarState, Candle, EventTime, InstrumentId, InstrumentSpec,
    ModelId, Origin, Price, Shard,
};
use serde::{Deserialize, Serialize};

use super::config::{PortfolioConfig, RateSource};
use super::edge::{edge, whole};
use super::row::{Edge, EdgeKey};
use super::series::CloseSeries;
use crate::context::CommitContext;
use crate::heap;
use crate::indicators::IndicatorChange;
use crate::keyed::{Core, Sharded};
use crate::output::BarChange;

/// What quotes are made of.
#[derive(Clone, Debug, PartialEq)]
pub enum QuoteIn {
    /// A bar changed, of any timeframe.
    Bar(Arc<BarChange>),
    /// A number of an indicator changed; few are fair values.
    Number(Box<IndicatorChange>),
    /// A record of accounts; those that are no fair values are ignored.
    Account(Box<AccountRecord>),
}

/// What the core puts out. After a restore, rows are emitted as if they were new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotesOut {
    /// A mark changed.
    Mark {
        /// Of which instrument.
        instrument: InstrumentId,
        /// What it is, if there is one. Differs from what it was.
        mark: Option<Price>,
    },
    /// The last closes changed; rare beside marks, as are edges.
    Closes(Box<ClosesChange>),
    /// A row of edges changed.
    Edge(Box<EdgeChange>),
}

/// The last closes of an instrument changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosesChange {
    /// Of which one.
    pub instrument: InstrumentId,
    /// Whether only those above zero count, as for the rate of a pair.
    pub of_pair: bool,
    /// What they were, if there were any.
    pub before: Option<CloseSeries>,
    /// What they are, if there are any. Differs from `before`.
    pub after: Option<CloseSeries>,
}

/// A row of edges changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeChange {
    /// Which.
    pub key: EdgeKey,
    /// What it was, if there was one.
    pub before: Option<Edge>,
    /// What it is, if there is one. Differs from `before`.
    pub after: Option<Edge>,
}

/// One shard of the quotes.
pub struct Quotes {
    config: Arc<PortfolioConfig>,
    states: BTreeMap<InstrumentId, QuoteState>,
    /// Instruments that changed in this round so far.
    dirty: BTreeSet<InstrumentId>,
    bytes: usize,
}

/// What is known of one instrument.
#[derive(Default, Serialize, Deserialize)]
struct QuoteState {
    spec: Option<InstrumentSpec>,
    /// Closes of base bars.
    base: BTreeMap<EventTime, Price>,
    /// Closes of closed bars of the risk timeframe.
    closed: BTreeMap<EventTime, Price>,
    /// The first bar at which `closed` may differ from what was put out.
    closed_from: Option<EventTime>,
    posted: BTreeMap<ModelId, Posted>,
    /// Numbers of computed models, by bar; in bits, so that every one survives being saved.
    numbers: BTreeMap<ModelId, BTreeMap<EventTime, u64>>,
    emitted: LastEmitted,
}

/// The fair value of a model that counts: the greatest of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Posted {
    time: EventTime,
    position: u64,
    origin: std::cmp::Reverse<Origin>,
    value: Option<Price>,
    spec: InstrumentSpec,
}

/// What was last put out of an instrument.
#[derive(Default, Serialize, Deserialize)]
struct LastEmitted {
    mark: Option<Price>,
    closes: Option<CloseSeries>,
    pair_closes: Option<CloseSeries>,
    edges: BTreeMap<ModelId, Edge>,
}

impl QuoteIn {
    /// The instrument that it speaks of, if any.
    pub fn instrument(&self) -> Option<InstrumentId> {
        match self {
            QuoteIn::Bar(change) => Some(change.key.instrument),
            QuoteIn::Number(change) => Some(change.key.instrument),
            QuoteIn::Account(record) => match &record.event {
                AccountEvent::Fair(fair) => Some(fair.instrument),
                _ => None,
            },
        }
    }
}

impl Sharded for QuoteIn {
    fn shard(&self) -> Shard {
        match self {
            QuoteIn::Bar(change) => change.key.instrument.shard(),
            QuoteIn::Number(change) => change.key.instrument.shard(),
            QuoteIn::Account(record) => record.shard(),
        }
    }
}

impl Quotes {
    /// An empty shard.
    pub fn new(config: Arc<PortfolioConfig>) -> Quotes {
        Quotes { config, states: BTreeMap::new(), dirty: BTreeSet::new(), bytes: 0 }
    }

    fn apply(&mut self, input: &QuoteIn) {
        let Some(instrument) = input.instrument() else { return };
        let state = self.states.entry(instrument).or_default();
        let bytes = state.bytes();
        if state.apply(&self.config, input) {
            self.dirty.insert(instrument);
        }
        self.bytes = self.bytes + state.bytes() - bytes;
    }
}

impl Core for Quotes {
    type In = QuoteIn;
    type Out = QuotesOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<QuoteIn>,
        out: &mut Vec<QuotesOut>,
    ) {
        records.drain(..).for_each(|input| self.apply(&input));
        if !context.round {
            return;
        }
        for instrument in std::mem::take(&mut self.dirty) {
            let Some(state) = self.states.get_mut(&instrument) else { continue };
            let bytes = state.bytes();
            state.emit(instrument, &self.config, out);
            self.bytes = self.bytes + state.bytes() - bytes;
        }
    }

    fn restate(&self, out: &mut Vec<QuotesOut>) {
        self.states.iter().for_each(|(instrument, state)| state.emitted.restate(*instrument, out));
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&(&self.states, &self.dirty))
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        (self.states, self.dirty) = postcard::from_bytes(state)?;
        self.bytes = self.states.values().map(QuoteState::bytes).sum();
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.states.len(), self.bytes)
    }
}

impl QuoteState {
    /// Takes an input; returns whether it can change any output.
    fn apply(&mut self, config: &PortfolioConfig, input: &QuoteIn) -> bool {
        match input {
            QuoteIn::Bar(change) => {
                let BarChange { key, before, after, .. } = &**change;
                let learnt = self.spec.is_none();
                let spec = after.as_ref().or(before.as_ref()).map(|candle| candle.bar.spec);
                self.spec = self.spec.or(spec);
                let close = after.as_ref().and_then(|after| close_of(after));
                // Computed fair values need the scales.
                let mut matters = learnt;
                if key.timeframe == config.base {
                    matters |= set(&mut self.base, key.open_time, close);
                }
                if key.timeframe == config.risk.timeframe {
                    let is_closed = after.as_ref().is_some_and(|after| {
                        !matches!(after.state, BarState::Open | BarState::Partial)
                    });
                    let changed = set(&mut self.closed, key.open_time, close.filter(|_| is_closed));
                    if changed {
                        let from = self.closed_from.map_or(key.open_time, |f| f.min(key.open_time));
                        self.closed_from = Some(from);
                    }
                    matters |= changed;
                }
                matters
            }
            QuoteIn::Number(change) => {
                let key = &change.key;
                let models = config.computed.iter().filter(|fair| {
                    (fair.indicator, fair.output, fair.timeframe)
                        == (key.indicator, key.output, key.timeframe)
                });
                let number = change.after.map(|after| after.value.0.to_bits());
                let mut any = false;
                for fair in models {
                    set(self.numbers.entry(fair.model).or_default(), key.open_time, number);
                    any = true;
                }
                any
            }
            QuoteIn::Account(record) => {
                let AccountEvent::Fair(fair) = &record.event else { return false };
                let is_computed = config.computed.iter().any(|one| one.model == fair.model);
                let posted = Posted {
                    time: fair.time,
                    position: record.origin.position,
                    origin: std::cmp::Reverse(record.origin),
                    value: fair.value,
                    spec: fair.spec,
                };
                let counts =
                    !is_computed && self.posted.get(&fair.model).is_none_or(|one| *one < posted);
                if counts {
                    self.posted.insert(fair.model, posted);
                }
                counts
            }
        }
    }

    /// Puts out what differs from what was put out.
    fn emit(
        &mut self,
        instrument: InstrumentId,
        config: &PortfolioConfig,
        out: &mut Vec<QuotesOut>,
    ) {
        let mark = self.base.last_key_value().map(|(_, price)| *price);
        if mark != self.emitted.mark {
            out.push(QuotesOut::Mark { instrument, mark });
            self.emitted.mark = mark;
        }
        if let Some(from) = self.closed_from.take() {
            let is_pair = config.pairs.iter().any(|pair| {
                matches!(pair.source, RateSource::Mark { instrument: read, .. } if read == instrument)
            });
            let closes = self.closes(config, from, &self.emitted.closes, |_| true);
            let pair_closes = match is_pair {
                true => self.closes(config, from, &self.emitted.pair_closes, |price| price.0 > 0),
                false => None,
            };
            for (of_pair, after) in [(false, closes), (true, pair_closes)] {
                let emitted = match of_pair {
                    true => &mut self.emitted.pair_closes,
                    false => &mut self.emitted.closes,
                };
                if *emitted != after {
                    let before = std::mem::replace(emitted, after.clone());
                    let change = ClosesChange { instrument, of_pair, before, after };
                    out.push(QuotesOut::Closes(Box::new(change)));
                }
            }
        }
        self.emit_edges(instrument, mark, out);
    }

    fn emit_edges(
        &mut self,
        instrument: InstrumentId,
        mark: Option<Price>,
        out: &mut Vec<QuotesOut>,
    ) {
        let posted = self.posted.iter().map(|(model, posted)| {
            let fair = posted.value;
            (*model, fair.map(|fair| edge(posted.spec, posted.time, fair, mark)))
        });
        let computed = self.numbers.iter().map(|(model, numbers)| {
            let newest = numbers.last_key_value().zip(self.spec);
            let edge = newest.and_then(|((time, bits), spec)| {
                let fair = whole(f64::from_bits(*bits), spec)?;
                Some(edge(spec, *time, fair, mark))
            });
            (*model, edge)
        });
        for (model, after) in posted.chain(computed) {
            let emitted = &mut self.emitted.edges;
            let before = match after {
                Some(after) => emitted.insert(model, after),
                None => emitted.remove(&model),
            };
            if before != after {
                let key = EdgeKey { instrument, model };
                out.push(QuotesOut::Edge(Box::new(EdgeChange { key, before, after })));
            }
        }
    }

    /// The last closes that count; before `from` they are as last emitted.
    fn closes(
        &self,
        config: &PortfolioConfig,
        from: EventTime,
        emitted: &Option<CloseSeries>,
        counts: impl Fn(&Price) -> bool,
    ) -> Option<CloseSeries> {
        let most = config.risk.bars.saturating_add(1);
        let emitted = emitted.as_ref().map_or(&[][..], CloseSeries::closes);
        let same = &emitted[..emitted.partition_point(|(time, _)| *time < from)];
        let new = self.closed.range(from..).filter(|(_, price)| counts(price));
        let mut closes = Vec::with_capacity(same.len() + 1);
        closes.extend_from_slice(same);
        closes.extend(new.map(|(time, price)| (*time, *price)));
        if closes.len() >= most || emitted.len() < most {
            closes.drain(..closes.len().saturating_sub(most));
        } else {
            // Some that were emitted are gone: older ones take their places.
            let newest = self.closed.iter().rev().filter(|(_, price)| counts(price));
            closes = newest.take(most).map(|(time, price)| (*time, *price)).collect();
            closes.reverse();
        }
        CloseSeries::new(self.spec?.price_scale, closes)
    }

    fn bytes(&self) -> usize {
        let numbers: usize = self.numbers.values().map(BTreeMap::len).sum();
        let closes = self.base.len() + self.closed.len() + numbers;
        let rows = closes * heap::btree_entry::<EventTime, Price>()
            + self.posted.len() * heap::btree_entry::<ModelId, Posted>()
            + self.emitted.edges.len() * heap::btree_entry::<ModelId, Edge>();
        let series = [&self.emitted.closes, &self.emitted.pair_closes].into_iter().flatten();
        let series: usize = series.map(|series| size_of_val(series.closes())).sum();
        size_of::<QuoteState>() + rows + series
    }
}

impl LastEmitted {
    fn restate(&self, instrument: InstrumentId, out: &mut Vec<QuotesOut>) {
        if self.mark.is_some() {
            out.push(QuotesOut::Mark { instrument, mark: self.mark });
        }
        for (of_pair, series) in [(false, &self.closes), (true, &self.pair_closes)] {
            if series.is_some() {
                let (before, after) = (None, series.clone());
                let change = ClosesChange { instrument, of_pair, before, after };
                out.push(QuotesOut::Closes(Box::new(change)));
            }
        }
        out.extend(self.edges.iter().map(|(model, edge)| {
            let key = EdgeKey { instrument, model: *model };
            QuotesOut::Edge(Box::new(EdgeChange { key, before: None, after: Some(*edge) }))
        }));
    }
}

fn close_of(candle: &Candle) -> Option<Price> {
    candle.bar.close.map(|(_, price)| price)
}

/// Sets or removes; returns whether that changed anything.
fn set<K: Ord, V: Copy + PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> bool {
    match value {
        Some(value) => map.insert(key, value) != Some(value),
        None => map.remove(&key).is_some(),
    }
}
