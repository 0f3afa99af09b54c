//! The indicators: beside their definitions, beside TA-Lib and others, and as an operator.

pub(crate) mod bars;
mod labels;
mod operator;
mod published;
mod registry;
mod series;
mod talib;
