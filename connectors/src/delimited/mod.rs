//! Delimited text: from lines to fields, as RFC 4180 has it and as feeds write it.
//!
//! Not by the `csv` crate, which would take all that follows a quote that is never closed into memory
//! and one record; the tests hold this reading equal to its.
//!
//! Reading order: [`CsvConfig`] (as written) → [`Dialect`] (as used; lines to records) → [`Fields`] (of a record).

mod config;
mod dialect;
mod fields;
#[cfg(test)]
mod tests;

/// What a message adds of a refused record of several lines: they are one, as a quote has it that may be a mistake.
pub(crate) fn is_joined(first: u64, last: u64) -> String {
    format!(
        "; lines {first} to {last} are one row, since a quote that is opened on the first is closed on the last"
    )
}

pub use config::CsvConfig;
pub(crate) use dialect::is_tsv;
pub use dialect::{Dialect, Header};
pub use fields::Fields;
