//! The row of the view `indicators`.

use market::{EventTime, InstrumentId, Timeframe};

use rows::{Cell, Column, ColumnType, Row, key, value};

/// One number: an output of an indicator at a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IndicatorRow<'a> {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The timeframe of the bar.
    pub timeframe: Timeframe,
    /// When the bar opens.
    pub open_time: EventTime,
    /// The indicator with its parameters, such as `sma20`.
    pub indicator: &'a str,
    /// Which of its outputs.
    pub output: &'a str,
    /// The number.
    pub value: f64,
    /// Whether the bar is still open.
    pub peek: bool,
}

impl Row for IndicatorRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("timeframe", ColumnType::Timeframe, "nominal length of the bar"),
        key("open_time", ColumnType::Time, "first instant of the bar"),
        key("indicator", ColumnType::Text, "name and parameters, such as sma20 or macd12_26_9"),
        key("output", ColumnType::Text, "which of its numbers, such as signal or upper"),
        value(
            "value",
            ColumnType::Number,
            "the number, in the unit that the indicator's definition gives",
        ),
        value(
            "state",
            ColumnType::Word(&["peek", "closed"]),
            "peek while the bar is open, else closed; restated whenever a bar under it is",
        ),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Instrument(self.instrument),
            Cell::Timeframe(self.timeframe),
            Cell::Time(self.open_time),
            Cell::Text(self.indicator.to_owned()),
            Cell::Text(self.output.to_owned()),
            Cell::number(self.value),
            Cell::Word(if self.peek { "peek" } else { "closed" }),
        ]);
    }
}
