//! Views as clients see them: columns, cells, the interface that reads them, and their text forms.
//!
//! A leaf on `market`: who publishes rows implements [`ViewReader`], who serves, delivers or writes them calls it, and
//! neither knows the other. Every representation of a row derives from its [`Column`]s and [`Cell`]s.
//!
//! Reading order: `column` (types and units) → `row` (cells) → `view` (a named output) → `row_filter` → `reader` (the interface) → `explanation` (why a row is what it is) → `text`
//! (JSON and CSV) → `readers` (the threads that read for clients).

mod candle_row;
mod cell;
mod column;
mod comparison;
mod const_text;
mod explanation;
mod labels;
pub mod priority;
mod reader;
pub mod readers;
mod row;
mod row_filter;
pub mod suggestions;
mod text;
mod view;

pub use candle_row::CandleRow;
pub use cell::Cell;
pub use column::{Column, ColumnType, NOTIONAL, PRICE, QUANTITY, Scale, Unit, count, key, value};
pub use comparison::{Comparator, Comparison};
pub use const_text::are_equal;
pub use explanation::{
    ExplainQuestion, Explained, ExplainedKey, Explainer, Explanation, ExplanationPart, PartRows,
    RowChange,
};
pub use labels::{Labels, PartitionNames, RuleNames};
pub use reader::{
    AsOf, CandlePage, Change, Changes, Cut, Frontier, Page, ReadError, ReadFuture, Scan, Snapshot,
    SnapshotPart, ViewReader,
};
pub use row::Row;
pub use row_filter::{Dimension, KeyRange, RowFilter};
pub use text::{
    cell_json, cell_text, csv_cell, csv_writer, plain_text, row_json, write_csv_header,
    write_csv_row,
};
pub use view::{OPEN_TIME, View, ViewKind, ViewList};
