//! What a history is computed by, and what shows of it.

use std::collections::BTreeMap;

use market::{
    Calendars, Candle, CandleKey, Conflict, EventTime, Gap, GapKey, Outlier, Record, Revision,
    SourceId, Span, Timeframe, TooLate, Unmatched,
};

/// The configuration of a job, fixed before its first commit.
#[derive(Clone, Debug)]
pub struct History {
    /// Ascending; the first is the base, the others are larger and unions of it.
    pub timeframes: Vec<Timeframe>,
    /// The calendars that instruments choose from.
    pub calendars: Calendars,
    /// How far behind the watermark a new trade may be; at most the correction horizon.
    pub reject_after: Span,
    /// How far behind the watermark trades can be corrected.
    pub correction_horizon: Span,
    /// How many gaps of an instrument and scope are kept apart; at least 1.
    pub gaps_max: usize,
    /// Which prices are far away.
    pub far: Far,
    /// The source of what clients send, if there is one.
    pub clients: Option<SourceId>,
    /// From when on sources were read, by number: −∞ from their beginning; none, or beyond the end, where nobody can
    /// know.
    pub read_from: Vec<Option<EventTime>>,
}

/// The three numbers of the definition of *Outliers*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// `bars`; with 0 there are no rows.
    pub bars: usize,
    /// `deviations`.
    pub deviations: u32,
    /// `floor_bps`.
    pub floor_bps: u32,
}

/// What shows after a commit, and what the logs gained in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// All rows of all timeframes; those of larger ones as of the last round.
    pub candles: BTreeMap<CandleKey, Candle>,
    /// All rows.
    pub gaps: BTreeMap<GapKey, Gap>,
    /// Rows of this commit, sorted, as are all the others.
    pub conflicts: Vec<Conflict>,
    /// Rows of this commit.
    pub too_late: Vec<TooLate>,
    /// Rows of this commit.
    pub unmatched: Vec<Unmatched>,
    /// Rows of this commit; those of larger timeframes carry the commit that ended their round.
    pub revisions: Vec<Revision>,
    /// Rows of this commit.
    pub outliers: Vec<Outlier>,
    /// The rows of the trade log, each with the watermark of its instrument in this commit.
    pub accepted: Vec<(Record, EventTime)>,
}
