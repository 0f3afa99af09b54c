//! The answer to a request that posts rows.

use serde::Serialize;

use crate::problem::ROWS_REFUSED;
use node_api::ingest::{FIELD_MAX, RowFault};

/// The answer after rows were taken.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    /// Whether any row was rejected: what a client looks at that does not look at each row.
    pub(super) has_errors: bool,
    pub(super) errors: Vec<RowError<'a>>,
    /// The number of rejected rows that are not listed; they are dead letters like the others.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) errors_left_out: usize,
    pub(super) completion_token: Option<String>,
    /// Whether the disk has their commit.
    pub(super) durable: bool,
    /// Whether views contain them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visible: Option<bool>,
    /// The same by its former name, if it was asked for by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) processed: Option<bool>,
}

/// The answer of which every row was refused: a problem that says, too, what became of them.
#[derive(Serialize)]
pub(super) struct AllRefused<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    pub(super) status: u16,
    pub(super) detail: &'static str,
    pub(super) instance: &'static str,
    pub(super) code: &'static str,
    pub(super) retryable: bool,
    #[serde(flatten)]
    pub(super) answer: Answer<'a>,
}

impl<'a> AllRefused<'a> {
    pub(super) fn of(answer: Answer<'a>) -> AllRefused<'a> {
        AllRefused {
            kind: "/docs/problems/rows-refused",
            title: ROWS_REFUSED.title,
            status: ROWS_REFUSED.status.as_u16(),
            detail: "no row was taken; all are dead letters",
            instance: "/api/streaming/process",
            code: ROWS_REFUSED.name,
            retryable: false,
            answer,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RowError<'a> {
    pub(super) row: usize,
    pub(super) pointer: String,
    pub(super) code: &'static str,
    pub(super) detail: &'a str,
}

impl RowError<'_> {
    pub(super) fn of(fault: &RowFault) -> RowError<'_> {
        let RowFault { row, code, detail, .. } = fault;
        RowError { row: *row, pointer: pointer(fault), code, detail }
    }
}

/// `#/body/3/price`: rows from 0; fields as written, escaped as in JSON pointers.
pub(super) fn pointer(RowFault { row, field, .. }: &RowFault) -> String {
    if field.is_empty() {
        return format!("#/body/{row}");
    }
    let field: String = field.chars().take(FIELD_MAX).collect();
    format!("#/body/{row}/{}", field.replace('~', "~0").replace('/', "~1"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}
