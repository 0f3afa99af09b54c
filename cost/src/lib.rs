//! The same job as one plain loop on one thread: trades that stay exact when they come twice, late, are corrected or
//! cancelled; bars of several timeframes; five indicators; portfolios at their newest marks.
//!
//! What an engineer would write who needs this once, in this process, and nothing else: to measure what the engine
//! costs beyond the job itself (*COST*: McSherry, Isard, Murray, "Scalability! But at what COST?", 2015). And, since it
//! shares nothing with `operators`, a third opinion on the results.
//!
//! It keeps every trade, so that any can be cancelled; emits the net changes of each commit; and keeps the rows in maps
//! to read from.
//!
//! It leaves out what the engine has besides: horizons and watermarks, and with them states, revisions, causes and what
//! is too late; logs, gaps, outliers, alerts, drift and risk; calendars other than UTC; fills that are corrected; saved
//! states; more than one thread.
//!
//! Bounds: 2³¹ trades per instrument, prices below 2⁵⁵ mantissas.
//!
//! Reading order: [`Loop`] → [`trades`] (trades of an instrument) → [`bars`] → [`lines`](mod@lines) (indicators) →
//! [`portfolios`]; [`csv`] reads a file.

pub mod bars;
pub mod csv;
mod ids;
pub mod lines;
pub mod portfolios;
pub mod trades;

use std::collections::HashMap;

use market::{Bar, CandleKey, EventTime, InstrumentId, Record, Timeframe};

use bars::Ladder;
use ids::Fast;
use lines::{IndicatorLine, IndicatorNumbers};
use portfolios::PlainPortfolios;
use trades::InstrumentTrades;

pub use ids::Map;

/// The whole job.
pub struct Loop {
    ladder: Ladder,
    /// Whether there are indicators.
    lines: bool,
    instruments: Vec<InstrumentTrades>,
    /// Per instrument and timeframe.
    all_lines: Vec<Vec<IndicatorLine>>,
    index: HashMap<InstrumentId, u32, Fast>,
    /// Instruments that a record of the commit at hand has changed.
    touched: Vec<u32>,
    portfolios: Option<PlainPortfolios>,
    /// Duplicates so far.
    pub duplicates: u64,
    /// Rows as they are now.
    pub views: Views,
    /// What the last commit changed.
    pub changes: Changes,
}

/// Rows, to read from.
#[derive(Default)]
pub struct Views {
    /// Bars with a trade.
    pub candles: Map<CandleKey, Bar>,
    /// The numbers of bars that have any.
    pub indicators: Map<CandleKey, IndicatorNumbers>,
}

/// A row before and after a commit.
pub type Change<K, R> = (K, Option<R>, Option<R>);

/// The net changes of one commit.
#[derive(Default)]
pub struct Changes {
    /// Of bars.
    pub candles: Vec<Change<CandleKey, Bar>>,
    /// Of indicators.
    pub indicators: Vec<Change<CandleKey, IndicatorNumbers>>,
}

impl Loop {
    /// A loop for these timeframes, ascending, each a part of a day and of the next one.
    pub fn new(timeframes: &[Timeframe]) -> Result<Loop, String> {
        Ok(Loop {
            ladder: Ladder::new(timeframes)?,
            lines: false,
            instruments: Vec::new(),
            all_lines: Vec::new(),
            index: HashMap::default(),
            touched: Vec::new(),
            portfolios: None,
            duplicates: 0,
            views: Views::default(),
            changes: Changes::default(),
        })
    }

    /// With SMA 20, EMA 20, RSI 14, MACD 12/26/9 and Bollinger 20/2 on every timeframe.
    #[must_use]
    pub fn with_indicators(self) -> Loop {
        Loop { lines: true, ..self }
    }

    /// With portfolios.
    #[must_use]
    pub fn with_portfolios(self, portfolios: PlainPortfolios) -> Loop {
        Loop { portfolios: Some(portfolios), ..self }
    }

    /// The portfolios, if there are any.
    pub fn portfolios(&self) -> Option<&PlainPortfolios> {
        self.portfolios.as_ref()
    }

    /// Applies the records of a commit, in any order, and brings all rows up to date.
    pub fn commit(&mut self, records: &[Record]) {
        self.changes.candles.clear();
        self.changes.indicators.clear();
        for record in records {
            let number = self.number_of(record.event.instrument());
            let trades = &mut self.instruments[number as usize];
            if !std::mem::replace(&mut trades.is_dirty, true) {
                self.touched.push(number);
            }
            self.duplicates += u64::from(trades.apply(record));
        }
        let mut touched = std::mem::take(&mut self.touched);
        for number in touched.drain(..) {
            self.settle(number);
        }
        self.touched = touched;
        if let Some(portfolios) = &mut self.portfolios {
            portfolios.settle();
        }
    }

    /// Brings the rows of one instrument up to date.
    fn settle(&mut self, number: u32) {
        let Loop { instruments, all_lines, views, changes, portfolios, ladder, lines, .. } = self;
        let trades = &mut instruments[number as usize];
        trades.is_dirty = false;
        let first = changes.candles.len();
        let (instrument, spec) = (trades.instrument, trades.spec());
        trades.settle(|level, open, bar| {
            let timeframe = ladder.timeframe(level);
            let key = CandleKey { instrument, timeframe, open_time: EventTime(open) };
            let bar = bar.map(Bar::shown);
            let before = match bar {
                Some(bar) => views.candles.insert(key, bar),
                None => views.candles.remove(&key),
            };
            if before != bar {
                changes.candles.push((key, before, bar));
            }
        });
        let changed = &changes.candles[first..];
        if *lines && let Some(spec) = spec {
            for (level, line) in all_lines[number as usize].iter_mut().enumerate() {
                let timeframe = ladder.timeframe(level);
                let own = changed.iter().filter(|(key, ..)| key.timeframe == timeframe);
                line.apply(spec, own, |open, numbers| {
                    let key = CandleKey { instrument, timeframe, open_time: EventTime(open) };
                    let before = match numbers {
                        Some(numbers) => views.indicators.insert(key, numbers),
                        None => views.indicators.remove(&key),
                    };
                    changes.indicators.push((key, before, numbers));
                });
            }
        }
        if let Some(portfolios) = portfolios {
            portfolios.mark(instrument, trades.newest_close());
        }
    }

    fn number_of(&mut self, instrument: InstrumentId) -> u32 {
        let next = self.instruments.len() as u32;
        let number = *self.index.entry(instrument).or_insert(next);
        if number == next {
            self.instruments.push(InstrumentTrades::new(instrument, self.ladder.clone()));
            let levels = self.ladder.levels();
            self.all_lines.push((0..levels).map(|_| IndicatorLine::default()).collect());
        }
        number
    }
}
