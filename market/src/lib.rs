//! The vocabulary of Tickweave: what a price, a time, a trade, a candle and a calendar are.
//!
//! A leaf crate: no I/O, no clock, no runtime. Everything here is a value; everything that could be
//! wrong about text from outside is a typed error; nothing rounds and nothing wraps.
//!
//! Reading order: [`decimal`] → [`price`] → [`time`] → [`id`] → [`registry`] → [`contract`] → [`names`] → [`scopes`] → [`id_texts`] → [`instrument`] →
//! [`trade`] → [`account`] → [`admission`] → [`input_event`] → [`rejection`] → [`calendar`] → [`wall`] → [`candle`] → [`gap`] →
//! [`audit`].

pub mod account;
pub mod admission;
pub mod audit;
pub mod calendar;
pub mod candle;
pub mod contract;
pub mod decimal;
pub mod gap;
pub mod id;
mod id_period;
pub mod id_texts;
pub mod input_event;
pub mod instrument;
mod leap_seconds;
pub mod names;
mod places;
mod plural;
pub mod price;
mod printable;
pub mod registry;
pub mod rejection;
pub mod scopes;
pub mod time;
pub mod trade;
pub mod updates;
pub mod wall;
mod zone_clock;

pub use account::{
    AccountEvent, AccountRecord, FairValue, Fill, FillRef, MONEY_SCALE, Target, WEIGHT_SCALE,
};
pub use admission::{AdmissionError, UnknownNames};
pub use audit::{
    AcceptedEvent, Conflict, EventTerms, Outlier, Revision, TooLate, Unmatched, UnmatchedReason,
};
pub use calendar::{
    Bucket, Calendar, Calendars, Holidays, MARKETS, MarketCalendar, SessionKind, SessionRule,
    Sessions, Stretch, Timeframe, WallClock, Weekdays,
};
pub use candle::{Bar, BarState, Candle, CandleKey, Cause, CauseKind, OrderKey};
pub use contract::{Contract, Currency, InstrumentSpec, Multiplier};
pub use decimal::DecimalError;
pub use gap::{Gap, GapKey};
pub use id::{
    CalendarId, IdScope, InstrumentId, ModelId, NameOrder, Origin, PartitionId, PortfolioId,
    RuleId, SeriesId, Shard, SourceId, TradeId,
};
pub use id_period::IdPeriod;
pub use id_texts::{IdCollision, IdText, IdTexts};
pub use input_event::InputEvent;
pub use instrument::{Catalog, CatalogError, Found, Instrument, InstrumentRule};
pub use names::{Name, NameCount, NameError, Named, Names};
pub use plural::plural;
pub use price::{Price, Quantity};
pub use printable::printable;
pub use registry::{
    NameRegistry, Numbered, Registries, RegistryError, SharedRegistries, SourceRegistry,
};
pub use rejection::{Rejection, RejectionReason};
pub use scopes::{IdScopeError, IdScopes};
pub use time::{Commit, EventTime, Generation, Span, TimeError, TimeUnit};
pub use trade::{Event, Record, Side, Trade, TradeRef};
pub use updates::{SessionPrint, Updates};
pub use wall::WallDay;
pub use zone_clock::{AmbiguousTime, TimeForms, WallError, WallTime, ZoneClock};
