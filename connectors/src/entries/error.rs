//! Why a row was refused.

use std::borrow::Cow;

use market::{Rejection, RejectionReason};

use super::fields::Field;

/// Why a row was refused; with the raw input it becomes a [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The kind of reason.
    pub reason: RejectionReason,
    /// The field that is wrong, as it is written; empty if that is the row.
    pub field: Cow<'static, str>,
    /// In words, naming field and value.
    pub detail: String,
    /// What else is wrong with the row, in other fields; these have none themselves.
    pub further: Vec<FieldError>,
}

impl FieldError {
    /// An error of a whole row.
    pub(super) fn of_row(reason: RejectionReason, detail: impl Into<String>) -> FieldError {
        FieldError { reason, field: Cow::Borrowed(""), detail: detail.into(), further: Vec::new() }
    }

    /// An error of a key that is no field.
    pub(super) fn at(
        reason: RejectionReason,
        key: String,
        set: impl Fn(&str) -> String,
    ) -> FieldError {
        let detail = set(&key);
        FieldError { reason, field: Cow::Owned(key), detail, further: Vec::new() }
    }

    /// An error of a field.
    pub(super) fn of(
        reason: RejectionReason,
        field: Field,
        detail: impl Into<String>,
    ) -> FieldError {
        let (field, detail) = (Cow::Borrowed(field.doc().name), detail.into());
        FieldError { reason, field, detail, further: Vec::new() }
    }

    /// The same with what else is wrong, of which each field counts once.
    pub(super) fn with(mut self, others: impl IntoIterator<Item = FieldError>) -> FieldError {
        for other in others {
            let is_known = |known: &FieldError| known.field == other.field;
            if !is_known(&self) && !self.further.iter().any(is_known) {
                self.further.push(other);
            }
        }
        self
    }

    /// With the input that it is about.
    pub fn rejection(self, raw: &[u8]) -> Box<Rejection> {
        Box::new(Rejection::new(self.reason, self.detail, raw))
    }
}

/// `price: "12x" is not a decimal number`
pub(super) fn error(
    reason: RejectionReason,
    field: Field,
    value: &str,
    why: &dyn std::fmt::Display,
) -> FieldError {
    const SHOWN_MAX: usize = 80;
    let cut = value.char_indices().nth(SHOWN_MAX).map(|(at, _)| at);
    let (shown, dots) = cut.map_or((value, ""), |at| (&value[..at], "…"));
    FieldError::of(reason, field, format!("{}: {shown:?}{dots} {why}", field.doc().name))
}

/// A field of words or numbers of which the value is not one that is possible.
pub(super) fn wrong(field: Field, value: &str, why: &dyn std::fmt::Display) -> FieldError {
    error(RejectionReason::BadField, field, value, why)
}
