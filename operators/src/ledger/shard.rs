//! One shard of the ledger: its instruments, and which of them a commit must look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{AcceptedEvent, EventTime, InstrumentId, Record, SourceId, Span, Timeframe};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LedgerConfig;
use crate::context::{CommitContext, InstrumentClock};
use crate::deadlines::Deadlines;
use crate::keyed::Core;
use crate::output::{Judged, LedgerOut, OutcomeCounts, RecordOutcome};

/// Everything that a ledger holds of one instrument, and what a commit does to it.
pub trait InstrumentLedger: Serialize + DeserializeOwned + 'static {
    /// The state before the first record.
    fn new(instrument: InstrumentId) -> Self;

    /// Its sources and watermark.
    fn clock(&self) -> &InstrumentClock;

    /// Applies `records`, sorted by origin; may be none, then only time passes.
    fn commit(
        &mut self,
        config: &LedgerConfig,
        context: &CommitContext,
        records: &[Record],
        count: &mut impl FnMut(&Record, Judged),
        out: &mut Vec<LedgerOut>,
    );

    /// The watermark at which this state must be looked at, even if no record comes.
    fn next_deadline(&self, horizon: Span) -> Option<EventTime>;

    /// Puts out every row that exists.
    fn restate(&self, base: Timeframe, out: &mut Vec<LedgerOut>);

    /// Rebuilds what is not saved from what is.
    fn restored(&mut self, config: &LedgerConfig);

    /// How many ids are known, tombstones included.
    fn ids(&self) -> usize;

    /// About how many bytes it retains.
    fn bytes(&self) -> usize;
}

/// The instruments of one shard.
pub struct LedgerShard<B> {
    config: Arc<LedgerConfig>,
    instruments: BTreeMap<InstrumentId, B>,
    deadlines: Deadlines,
    /// Whether it puts out what it accepts.
    emits_accepted: bool,
    totals: OutcomeTotals,
    bytes: usize,
    ids: usize,
}

impl<B: InstrumentLedger> LedgerShard<B> {
    /// An empty shard.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use market::{Calendars, Span, Timeframe};
    /// use operators::{Ledger, LedgerConfig, OutlierRule};
    /// let ledger = Ledger::new(Arc::new(LedgerConfig {
    ///     base: Timeframe::MINUTE,
    ///     calendars: Calendars::utc(),
    ///     reject_after: Span::secs(3_600),
    ///     correction_horizon: Span::secs(86_400),
    ///     gaps_max: 10_000,
    ///     outliers: OutlierRule { bars: 30, deviations: 10, floor_bps: 50 },
    /// }));
    /// ```
    pub fn new(config: Arc<LedgerConfig>) -> LedgerShard<B> {
        LedgerShard {
            config,
            instruments: BTreeMap::new(),
            deadlines: Deadlines::default(),
            emits_accepted: false,
            totals: OutcomeTotals::default(),
            bytes: 0,
            ids: 0,
        }
    }

    /// The same, that puts out what it accepts ([`LedgerOut::Accepted`]) if `emits_accepted`.
    #[must_use]
    pub fn emitting_accepted(self, emits_accepted: bool) -> LedgerShard<B> {
        LedgerShard { emits_accepted, ..self }
    }

    fn commit_instrument(
        &mut self,
        instrument: InstrumentId,
        context: &CommitContext,
        records: &[Record],
        count: &mut impl FnMut(&Record, Judged, EventTime),
        out: &mut Vec<LedgerOut>,
    ) {
        let config = &*self.config;
        let state = self.instruments.entry(instrument).or_insert_with(|| B::new(instrument));
        let (bytes_before, ids_before) = (state.bytes(), state.ids());
        let at = state.clock().watermark(&context.watermarks);
        let mut count = |record: &Record, judged: Judged| count(record, judged, at);
        state.commit(config, context, records, &mut count, out);
        self.bytes = (self.bytes + state.bytes()).saturating_sub(bytes_before);
        self.ids = (self.ids + state.ids()).saturating_sub(ids_before);
        let due = state.next_deadline(config.correction_horizon);
        let watermark = state.clock().watermark(&context.watermarks);
        self.deadlines.set(instrument, state.clock(), due, watermark);
    }
}

impl<B: InstrumentLedger> Core for LedgerShard<B> {
    type In = Record;
    type Out = LedgerOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<Record>,
        out: &mut Vec<LedgerOut>,
    ) {
        let mut due = self.deadlines.take_due(&context.watermarks);
        if records.is_empty() && due.is_empty() {
            return;
        }
        // A feed's records of one instrument are in order already, most of the time.
        let order = |record: &Record| (record.event.instrument(), record.origin);
        if !records.is_sorted_by_key(order) {
            records.sort_unstable_by_key(order);
        }
        let mut totals = std::mem::take(&mut self.totals);
        let emits_accepted = self.emits_accepted;
        let mut accepted = Vec::with_capacity(if emits_accepted { records.len() } else { 0 });
        let mut count = |record: &Record, judged: Judged, watermark: EventTime| {
            totals.count(record.origin.source, judged.outcome);
            if emits_accepted && judged.is_accepted_event() {
                accepted.push(AcceptedEvent::of(record, watermark));
            }
        };

        let groups = records.chunk_by(|a, b| a.event.instrument() == b.event.instrument());
        for group in groups {
            let instrument = group[0].event.instrument();
            due.remove(&instrument);
            self.commit_instrument(instrument, context, group, &mut count, out);
        }
        for instrument in due {
            self.commit_instrument(instrument, context, &[], &mut count, out);
        }
        totals.put_out(out);
        self.totals = totals;
        if !accepted.is_empty() {
            out.push(LedgerOut::Accepted(Arc::new(accepted)));
        }
        records.clear();
    }

    fn restate(&self, out: &mut Vec<LedgerOut>) {
        self.instruments.values().for_each(|state| state.restate(self.config.base, out));
    }

    fn show(&self, context: &CommitContext, out: &mut Vec<LedgerOut>) {
        let base = self.config.base;
        let shown = self.instruments.iter().filter(|(id, _)| context.rules.shows(**id, base));
        let mut rows = Vec::new();
        for (_, state) in shown {
            state.restate(base, &mut rows);
            out.extend(rows.drain(..).filter_map(LedgerOut::shown));
        }
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&self.instruments)
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        self.instruments = postcard::from_bytes(state)?;
        self.instruments.values_mut().for_each(|state| state.restored(&self.config));
        self.bytes = self.instruments.values().map(B::bytes).sum();
        self.ids = self.instruments.values().map(B::ids).sum();
        for (instrument, state) in &self.instruments {
            // Looked at in the first commit after the restore, which also finds what is overdue.
            let first = EventTime::NEVER;
            self.deadlines.set(*instrument, state.clock(), Some(first), first);
        }
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.instruments.len(), self.bytes)
    }

    fn ids(&self) -> usize {
        self.ids
    }
}

/// What became of the records of a commit, by source in the order of their numbers; of one source there
/// are many in a row.
#[derive(Default)]
struct OutcomeTotals {
    sources: BTreeMap<SourceId, [u64; RecordOutcome::ALL.len()]>,
    last: Option<(SourceId, RecordOutcome)>,
    of_last: u64,
}

impl OutcomeTotals {
    fn count(&mut self, source: SourceId, outcome: RecordOutcome) {
        if self.last != Some((source, outcome)) {
            self.settle();
            self.last = Some((source, outcome));
        }
        self.of_last += 1;
    }

    fn settle(&mut self) {
        if let Some((source, outcome)) = self.last.take() {
            let of_source = self.sources.entry(source).or_default();
            of_source[outcome as usize] += std::mem::take(&mut self.of_last);
        }
    }

    /// Puts out what was counted, and begins anew.
    fn put_out(&mut self, out: &mut Vec<LedgerOut>) {
        self.settle();
        for (source, counts) in std::mem::take(&mut self.sources) {
            for (outcome, records) in RecordOutcome::ALL.into_iter().zip(counts) {
                if records > 0 {
                    out.push(LedgerOut::Counts(OutcomeCounts { source, outcome, records }));
                }
            }
        }
    }
}
