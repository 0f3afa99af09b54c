//! The row of the view `alerts`.

use market::{Commit, EventTime, InstrumentId, Timeframe};

use rows::{Cell, Column, ColumnType, Row, count, key, value};

/// One alert: a rule at a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertRow<'a> {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The timeframe of the bar.
    pub timeframe: Timeframe,
    /// When the bar opens.
    pub open_time: EventTime,
    /// The rule's name.
    pub rule: &'a str,
    /// Whether it is raised; else it was withdrawn.
    pub raised: bool,
    /// Whether the bar was final when this was decided.
    pub settled: bool,
    /// The commit that first raised it.
    pub first: Commit,
    /// The commit that last raised or withdrew it.
    pub last: Commit,
    /// How often it was raised or withdrawn.
    pub changes: u32,
}

impl Row for AlertRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
        key(
            "open_time",
            ColumnType::Time,
            "first instant of the bar at which the rule came to hold",
        ),
        key("rule", ColumnType::Text, "name of the rule"),
        value(
            "state",
            ColumnType::Word(&["raised", "withdrawn"]),
            "raised, or withdrawn when a restatement ended its cause",
        ),
        value(
            "settled",
            ColumnType::Word(&["final", "open"]),
            "final if the bar was final when this was decided, else open",
        ),
        value("first_commit", ColumnType::Unsigned, "commit that first raised it"),
        value("last_commit", ColumnType::Unsigned, "commit that last raised or withdrew it"),
        count("changes", "changes", "how often it was raised or withdrawn"),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Instrument(self.instrument),
            Cell::Timeframe(self.timeframe),
            Cell::Time(self.open_time),
            Cell::Text(self.rule.to_owned()),
            Cell::Word(if self.raised { "raised" } else { "withdrawn" }),
            Cell::Word(if self.settled { "final" } else { "open" }),
            Cell::Unsigned(self.first.0),
            Cell::Unsigned(self.last.0),
            Cell::Unsigned(self.changes.into()),
        ]);
    }
}
