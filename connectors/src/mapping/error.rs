//! Why a record was refused.

use std::fmt::Display;

use market::{Rejection, RejectionReason};

/// Why a record was refused; with the raw input it becomes a [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The kind of reason.
    pub reason: RejectionReason,
    /// In words, naming column and value.
    pub detail: String,
}

impl DecodeError {
    /// An error in words.
    pub fn new(reason: RejectionReason, detail: impl Into<String>) -> DecodeError {
        let detail = detail.into();
        DecodeError { reason, detail }
    }

    /// `column "price": "12x" is not a decimal number`
    pub fn value(
        reason: RejectionReason,
        column: &dyn Display,
        value: &str,
        problem: &dyn Display,
    ) -> DecodeError {
        const SHOWN_MAX: usize = 80;
        let cut = value.char_indices().nth(SHOWN_MAX).map(|(at, _)| at);
        let (shown, dots) = cut.map_or((value, ""), |at| (&value[..at], "…"));
        DecodeError::new(reason, format!("column {column}: {shown:?}{dots} {problem}"))
    }

    /// Of the row of this number in its message.
    pub(super) fn in_row(self, number: usize) -> DecodeError {
        DecodeError { detail: format!("row {number} of it: {}", self.detail), ..self }
    }

    /// With the input that it is about.
    pub fn of(self, raw: &[u8]) -> Box<Rejection> {
        Box::new(Rejection::new(self.reason, self.detail, raw))
    }
}
