//! The row of the view `signals`.

use market::{EventTime, InstrumentId, Timeframe};

use rows::{Cell, Column, ColumnType, Row, count, key, value};

/// The state of a rule at the bars of an instrument and timeframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalRow<'a> {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The timeframe.
    pub timeframe: Timeframe,
    /// The rule's name.
    pub rule: &'a str,
    /// Whether it holds at the newest bar.
    pub holds: bool,
    /// When the newest bar opens.
    pub newest: EventTime,
    /// When the newest bar opens at which it holds; none if there is none.
    pub last_held: Option<EventTime>,
    /// The number of raised alerts.
    pub standing: u64,
}

impl Row for SignalRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("timeframe", ColumnType::Timeframe, "nominal length of the bars"),
        key("rule", ColumnType::Text, "name of the rule"),
        value(
            "holds",
            ColumnType::Word(&["yes", "no"]),
            "yes if the rule holds at the newest bar, else no",
        ),
        value("newest_bar", ColumnType::Time, "first instant of the newest bar that has a row"),
        value(
            "last_held",
            ColumnType::Time,
            "first instant of the newest bar at which the rule holds; empty if none",
        )
        .nullable(),
        count(
            "standing",
            "alerts",
            "number of alerts of the rule that are raised and not withdrawn",
        ),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Instrument(self.instrument),
            Cell::Timeframe(self.timeframe),
            Cell::Text(self.rule.to_owned()),
            Cell::Word(if self.holds { "yes" } else { "no" }),
            Cell::Time(self.newest),
            self.last_held.map_or(Cell::Null, Cell::Time),
            Cell::Unsigned(self.standing),
        ]);
    }
}
