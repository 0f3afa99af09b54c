//! The vocabulary of Tickweave: what a price, a time, a trade, a candle and a calendar are.
//!
//! A leaf crate: no I/O, no clock, no runtime. Everything here is a value; everything that could be
//! wrong about text from outside is a typed error; nothing rounds and nothing wraps.
//!
//! Reading order: [`decimal`] → [`price`] → [`time`] → [`instrument`] → [`trade`] → [`refusal`] →
//! [`calendar`] → [`wall`] → [`candle`] → [`notice`].

pub mod calendar;
pub mod candle;
pub mod decimal;
pub mod instrument;
pub mod notice;
pub mod price;
pub mod refusal;
pub mod time;
pub mod trade;
pub mod wall;

pub use calendar::{
    Bucket, Calendar, Calendars, Holidays, MARKETS, SessionKind, SessionRule, Sessions, Stretch,
    Timeframe, WallClock, Weekdays,
};
pub use candle::{Bar, BarState, Candle, CandleKey, Cause, CauseKind, OrderKey};
pub use decimal::DecimalError;
pub use instrument::{
    Catalog, CatalogError, Instrument, InstrumentId, InstrumentRule, Shard, Terms,
};
pub use notice::{Conflict, Outlier, Revision, TooLate, Unmatched, UnmatchedReason};
pub use price::{Price, Quantity};
pub use refusal::{Refusal, RefusalReason};
pub use time::{Commit, EventTime, Span, TimeError, TimeUnit};
pub use trade::{
    Event, IdScope, Origin, Record, Side, SourceId, Trade, TradeId, TradeRef, Updates,
};
pub use wall::WallDay;
