//! The trade ledger: owns ids, tombstones and trades of each instrument, and folds the base bars.
//!
//! * **Key**: instrument. **Input**: [`Record`]s of closed commits. **Output**: [`LedgerOut`].
//! * **Meaning**: `docs/semantics.md`, sections on acceptance, trades, conflicts, gaps, bars and outliers.
//! * **State bound**: trades whose latest bar ended within `correction_horizon` of the instrument's
//!   watermark, every base bar, and at most `gaps_max` gaps per instrument and id scope; [`Core::size`]
//!   tells the bytes, the caller holds the budget.
//! * **Cost**: O(log n) a record. A bar folds its trades anew once in a commit in which a trade left it.
//!   Medians for outliers are taken about once per new bar and changed close, not per record.
//!
//! This is the obvious form, on ordered maps.

mod bars;
mod book;
mod gaps;
mod outliers;
mod trades;

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{Calendars, InstrumentId, Record, Span, Statement, Timeframe};

use crate::context::CommitContext;
use crate::deadlines::Deadlines;
use crate::keyed::Core;
use crate::output::{LedgerOut, Tally, Verdict};
use book::Book;

pub use outliers::OutlierRule;

/// How the ledger judges.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// Length of base bars.
    pub base: Timeframe,
    /// The job's calendars.
    pub calendars: Calendars,
    /// Trades older than this before the watermark are refused; at most `correction_horizon`.
    pub reject_after: Span,
    /// How long single trades, ids and tombstones are kept before the watermark.
    pub correction_horizon: Span,
    /// How many gaps are kept apart per instrument and id scope; at least 1.
    pub gaps_max: usize,
    /// Which prices are far away from recent ones.
    pub outliers: OutlierRule,
}

/// One shard of the ledger.
pub struct Ledger {
    config: Arc<LedgerConfig>,
    books: BTreeMap<InstrumentId, Book>,
    deadlines: Deadlines,
    /// Whether it puts out what it accepts.
    tells: bool,
    bytes: usize,
    ids: usize,
}

impl Ledger {
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
    pub fn new(config: Arc<LedgerConfig>) -> Ledger {
        Ledger {
            config,
            books: BTreeMap::new(),
            deadlines: Deadlines::default(),
            tells: false,
            bytes: 0,
            ids: 0,
        }
    }

    /// The same, that puts out what it accepts ([`LedgerOut::Told`]) if `tells`.
    #[must_use]
    pub fn telling(self, tells: bool) -> Ledger {
        Ledger { tells, ..self }
    }
}

impl Core for Ledger {
    type In = Record;
    type Out = LedgerOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<Record>,
        out: &mut Vec<LedgerOut>,
    ) {
        let mut due = self.deadlines.take_due(&context.marks);
        records.sort_unstable_by_key(|record| (record.event.instrument(), record.origin));
        let mut tallies: BTreeMap<_, u64> = BTreeMap::new();
        let mut told = Vec::with_capacity(if self.tells { records.len() } else { 0 });
        let tells = self.tells;
        let mut tally = |record: &Record, verdict: Verdict| {
            *tallies.entry((record.origin.source, verdict)).or_default() += 1;
            if tells && verdict.tells() {
                told.push(Statement::of(record));
            }
        };

        let groups = records.chunk_by(|a, b| a.event.instrument() == b.event.instrument());
        for group in groups {
            let instrument = group[0].event.instrument();
            due.remove(&instrument);
            self.commit_book(instrument, context, group, &mut tally, out);
        }
        for instrument in due {
            self.commit_book(instrument, context, &[], &mut tally, out);
        }
        out.extend(tallies.into_iter().map(|((source, verdict), records)| {
            LedgerOut::Tally(Tally { source, verdict, records })
        }));
        if !told.is_empty() {
            out.push(LedgerOut::Told(Arc::new(told)));
        }
        records.clear();
    }

    fn restate(&self, out: &mut Vec<LedgerOut>) {
        self.books.values().for_each(|book| book.restate(self.config.base, out));
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&self.books)
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        self.books = postcard::from_bytes(state)?;
        self.books.values_mut().for_each(|book| book.restored(&self.config));
        self.bytes = self.books.values().map(Book::bytes).sum();
        self.ids = self.books.values().map(Book::ids).sum();
        for (instrument, book) in &self.books {
            // Looked at in the first commit after the restore, which also finds what is overdue.
            let first = market::EventTime::NEVER;
            self.deadlines.set(*instrument, &book.clock, Some(first), first);
        }
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.books.len(), self.bytes)
    }

    fn ids(&self) -> usize {
        self.ids
    }
}

impl Ledger {
    fn commit_book(
        &mut self,
        instrument: InstrumentId,
        context: &CommitContext,
        records: &[Record],
        tally: &mut impl FnMut(&Record, Verdict),
        out: &mut Vec<LedgerOut>,
    ) {
        let config = Arc::clone(&self.config);
        let book = self.books.entry(instrument).or_insert_with(|| Book::new(instrument));
        let (bytes_before, ids_before) = (book.bytes(), book.ids());
        book.commit(&config, context, records, tally, out);
        self.bytes = (self.bytes + book.bytes()).saturating_sub(bytes_before);
        self.ids = (self.ids + book.ids()).saturating_sub(ids_before);
        let due = book.next_deadline(config.correction_horizon);
        let watermark = book.clock.watermark(&context.marks);
        self.deadlines.set(instrument, &book.clock, due, watermark);
    }
}
