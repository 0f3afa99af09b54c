//! The table `sinks`.

use market::Commit;

use rows::{Cell, Column, ColumnType, Row, View, ViewKind, count, key, value};

/// The status of the delivery of a view to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRow<'a> {
    /// The sink's name.
    pub name: &'a str,
    /// The view.
    pub view: &'static str,
    /// The sink's kind.
    pub kind: &'a str,
    /// `running`, `waiting`, `retrying`, `failed` or `ended`.
    pub state: &'static str,
    /// The commit up to which everything has been delivered.
    pub commit: Option<Commit>,
    /// Batches delivered.
    pub batches: u64,
    /// Changes delivered.
    pub rows: u64,
    /// Failed attempts.
    pub retries: u64,
    /// Snapshots that were sent because changes were no longer retained.
    pub resyncs: u64,
    /// Messages sent, by sinks that notify.
    pub messages: u64,
    /// Changes that will never be delivered; they are dead letters.
    pub rejected: u64,
    /// Changes that were not told: too old, or they take back what nobody was told.
    pub skipped: u64,
    /// Changes beyond the bound of messages per minute.
    pub held_back: u64,
    /// The cause of the last failed attempt.
    pub last_error: Option<&'a str>,
}

impl Row for SinkRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("name", ColumnType::Text, "name of the sink"),
        key("view", ColumnType::Text, "the view that is delivered"),
        value("kind", ColumnType::Text, "kind of the sink"),
        value(
            "state",
            ColumnType::Word(&["running", "waiting", "retrying", "failed", "ended"]),
            "running; waiting: for more than 3 s the sink has neither taken nor refused its batch; retrying: the current batch could not be delivered and is retried; failed: nothing \
             more is delivered; ended",
        ),
        value(
            "commit",
            ColumnType::Unsigned,
            "commit up to which everything had been delivered at the end of the round",
        )
        .nullable(),
        count(
            "batches",
            "batches",
            "batches delivered; one is the net change of a round or several",
        ),
        count("rows", "changes", "changes delivered"),
        count("retries", "attempts", "failed attempts"),
        count(
            "resyncs",
            "snapshots",
            "snapshots that were sent because changes were no longer retained",
        ),
        count("messages", "messages", "messages sent; 0 of sinks that do not notify"),
        count(
            "rejected",
            "changes",
            "changes that the other side refused, or did not take for too long: see the view `dead_letters`",
        ),
        count(
            "skipped",
            "changes",
            "changes that were not told: too old, or they take back what nobody was told",
        ),
        count(
            "held_back",
            "changes",
            "changes beyond the bound of messages per minute; a message tells how many",
        ),
        value("last_error", ColumnType::Text, "cause of the last failed attempt").nullable(),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Text(self.name.to_owned()),
            Cell::Text(self.view.to_owned()),
            Cell::Text(self.kind.to_owned()),
            Cell::Word(self.state),
            self.commit.map_or(Cell::Null, |commit| Cell::Unsigned(commit.0)),
            Cell::Unsigned(self.batches),
            Cell::Unsigned(self.rows),
            Cell::Unsigned(self.retries),
            Cell::Unsigned(self.resyncs),
            Cell::Unsigned(self.messages),
            Cell::Unsigned(self.rejected),
            Cell::Unsigned(self.skipped),
            Cell::Unsigned(self.held_back),
            self.last_error.map_or(Cell::Null, |error| Cell::Text(error.to_owned())),
        ]);
    }
}

/// The table `sinks`.
pub const SINKS: View = View {
    name: "sinks",
    kind: ViewKind::Keyed,
    columns: SinkRow::COLUMNS,
    doc: "the progress and state of each delivery of a view to a sink, per round",
    history: false,
    recorded: false,
};
