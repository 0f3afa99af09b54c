//! The row of the view `sinks`.

use market::Commit;

use super::row::{Cell, Column, Row, key, value};

/// How the delivery of a view to a sink goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRow<'a> {
    /// The sink's name.
    pub name: &'a str,
    /// The view.
    pub view: &'static str,
    /// The sink's kind.
    pub kind: &'a str,
    /// `running`, `retrying`, `failed` or `ended`.
    pub state: &'static str,
    /// The commit up to which everything has been delivered.
    pub commit: Option<Commit>,
    /// Batches delivered.
    pub batches: u64,
    /// Changes delivered.
    pub rows: u64,
    /// Tries that did not go well.
    pub retries: u64,
    /// Snapshots because changes were no longer kept.
    pub resyncs: u64,
    /// Why the last such try did not.
    pub last_error: Option<&'a str>,
}

impl Row for SinkRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("name", "name of the sink"),
        key("view", "the view whose changes it is given"),
        value("kind", "kind of the sink"),
        value(
            "state",
            "running; retrying: the batch at hand could not be delivered and is tried again; failed: nothing \
             more is delivered; ended",
        ),
        value("commit", "commit up to which everything had been delivered at the end of the round"),
        value("batches", "batches delivered; one is the net change of a round or several"),
        value("rows", "changes delivered"),
        value("retries", "tries that did not go well"),
        value("resyncs", "times that it began anew, being further behind than changes are kept"),
        value("last_error", "why the last try that did not go well did not"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Text(self.name.to_owned()),
            Cell::Word(self.view),
            Cell::Text(self.kind.to_owned()),
            Cell::Word(self.state),
            self.commit.map_or(Cell::Null, |commit| Cell::Unsigned(commit.0)),
            Cell::Unsigned(self.batches),
            Cell::Unsigned(self.rows),
            Cell::Unsigned(self.retries),
            Cell::Unsigned(self.resyncs),
            self.last_error.map_or(Cell::Null, |error| Cell::Text(error.to_owned())),
        ]);
    }
}
