//! The vocabulary of Tickweave: what a price, a time, a trade, a candle and a calendar are.
//!
//! A leaf crate: no I/O, no clock, no runtime. Everything here is a value; everything that could be
//! wrong about text from outside is a typed error; nothing rounds and nothing wraps.
//!
//! Reading order: [`decimal`] → [`price`] → [`time`] → [`instrument`] → [`trade`] → [`scopes`] → [`account`] →
//! [`names`] → [`admission`] → [`input_event`] → [`rejection`] → [`calendar`] → [`wall`] → [`candle`] → [`gap`] →
//! [`audit`].

pub mod account;
pub mod admission;
pub mod audit;
pub mod calendar;
pub mod candle;
pub mod decimal;
pub mod gap;
pub mod input_event;
pub mod instrument;
pub mod names;
mod places;
pub mod price;
pub mod rejection;
pub mod scopes;
pub mod time;
pub mod trade;
pub mod wall;

pub use account::{
    AccountEvent, AccountRecord, Contract, Currency, FairValue, Fill, FillRef, MONEY_SCALE,
    ModelId, PortfolioId, Target, WEIGHT_SCALE,
};
pub use admission::{AdmissionError, UnknownNames};
pub use audit::{AcceptedEvent, Conflict, Outlier, Revision, TooLate, Unmatched, UnmatchedReason};
pub use calendar::{
    Bucket, Calendar, Calendars, Holidays, MARKETS, SessionKind, SessionRule, Sessions, Stretch,
    Timeframe, WallClock, Weekdays,
};
pub use candle::{Bar, BarState, Candle, CandleKey, Cause, CauseKind, OrderKey};
pub use decimal::DecimalError;
pub use gap::{Gap, GapKey};
pub use input_event::InputEvent;
pub use instrument::{
    Catalog, CatalogError, Found, Instrument, InstrumentId, InstrumentRule, InstrumentSpec, Shard,
};
pub use names::{Name, NameError, Named, Names};
pub use price::{Price, Quantity};
pub use rejection::{Rejection, RejectionReason};
pub use scopes::{IdScopeError, IdScopes};
pub use time::{Commit, EventTime, Span, TimeError, TimeUnit};
pub use trade::{
    Event, IdScope, Origin, Record, Side, SourceId, Trade, TradeId, TradeRef, Updates,
};
pub use wall::WallDay;
