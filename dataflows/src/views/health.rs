//! The table `health`.

use rows::{Cell, Column, ColumnType, Row, View, ViewKind, key, value};

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRow<'a> {
    /// The name of the check.
    pub check: &'a str,
    /// `pass`, `warn` or `fail`.
    pub status: &'static str,
    /// The reason, in words.
    pub output: &'a str,
}

impl Row for HealthRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("check", ColumnType::Text, "name of the check, such as `sources`"),
        value("status", ColumnType::Word(&["pass", "warn", "fail"]), "pass, warn or fail"),
        value("output", ColumnType::Text, "the reason, in words"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Text(self.check.to_owned()),
            Cell::Word(self.status),
            Cell::Text(self.output.to_owned()),
        ]);
    }
}

/// The table `health`.
pub const HEALTH: View = View {
    name: "health",
    kind: ViewKind::Keyed,
    columns: HealthRow::COLUMNS,
    doc: "the checks of `/health`, per round",
    history: false,
    recorded: false,
};
