//! The row of the view `health`.

use super::row::{Cell, Column, Row, key, value};

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRow<'a> {
    /// What was looked at.
    pub check: &'a str,
    /// `pass`, `warn` or `fail`.
    pub status: &'static str,
    /// Why, for people.
    pub output: &'a str,
}

impl Row for HealthRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("check", "what was looked at, such as `sources`"),
        value("status", "pass, warn or fail"),
        value("output", "why, for people"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Text(self.check.to_owned()),
            Cell::Word(self.status),
            Cell::Text(self.output.to_owned()),
        ]);
    }
}
