//! Technical indicators over the bars of every timeframe.
//!
//! * **Key**: instrument and timeframe. **Input**: [`crate::BarChange`]s. **Output**: [`IndicatorOut`], net, at the
//!   ends of rounds.
//! * **Meaning**: each number is a function of the bars that there are, in order of time, and of nothing
//!   else: a bar that is restated, inserted or removed changes exactly the numbers that the definition
//!   requires. The definitions are TA-Lib's (C 0.8, classic mode, unstable period 0) where it has the
//!   indicator: seeds, first value and special cases. Users compare with it, and it is an independent oracle.
//! * **Numbers**: prices are exact mantissas until a formula leaves whole numbers. Window sums are integers;
//!   recurrences are `f64` in one fixed order. Bars without a field that an indicator needs take no part in it.
//! * **State bound**: a row of some 40 to 120 bytes per bar and indicator. Bars are never dropped, so no
//!   state is.
//! * **Cost**: an appended bar is one step per indicator: O(1), or O(period) where highs and lows or deviations
//!   are looked for. A change further back costs a step per bar until states are bit for bit what they
//!   were: a window's length, or for recurrences some hundreds of bars.
//!
//! To add one, write `<name>.rs` and its two lines here.

mod column;
mod config;
mod input;
mod label;
mod operator;
mod series;
mod series_window;
mod smooth;
mod spec;
mod step;
mod textbook;
mod value;
mod window;

mod adx;
mod atr;
mod bb;
mod cci;
mod dema;
mod donchian;
mod ema;
mod keltner;
mod macd;
mod mfi;
mod mom;
mod obv;
mod roc;
mod rsi;
mod sma;
mod stoch;
mod tema;
mod vwap;
mod willr;
mod wma;

pub use crate::numbers::{IndicatorValue, Numbers, Reading};
pub use config::IndicatorsConfig;
pub use label::Indicator;
pub use operator::Indicators;
pub use series::IndicatorSeries;
pub use spec::{IndicatorError, IndicatorSpec, Parameter, Params, Recipe};
pub use value::{IndicatorChange, IndicatorKey, IndicatorOut, NumbersChange};

/// All indicators, by name.
pub const INDICATORS: &[&dyn IndicatorSpec] = &[
    &adx::Spec,
    &atr::Spec,
    &bb::Spec,
    &cci::Spec,
    &dema::Spec,
    &donchian::Spec,
    &ema::Spec,
    &keltner::Spec,
    &macd::Spec,
    &mfi::Spec,
    &mom::Spec,
    &obv::Spec,
    &roc::Spec,
    &rsi::Spec,
    &sma::Spec,
    &stoch::Spec,
    &tema::Spec,
    &vwap::Spec,
    &willr::Spec,
    &wma::Spec,
];
