//! The indicators: beside their definitions, beside TA-Lib and others, and as an operator.

mod bars;
mod labels;
mod registry;
