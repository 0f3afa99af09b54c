//! The row of the view `gaps`.

use market::{Gap, GapKey};

use rows::{Cell, Column, ColumnType, Row, count, key, value};

/// One gap with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapRow<'a> {
    /// The key of the gap.
    pub key: &'a GapKey,
    /// The gap itself.
    pub gap: &'a Gap,
}

impl Row for GapRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("id_scope", ColumnType::IdScope, "name of the space of ids"),
        key("first_id", ColumnType::Unsigned, "lowest id that is missing"),
        value("last_id", ColumnType::Unsigned, "highest id that is missing"),
        count(
            "missing",
            "ids",
            "number of missing ids; of merged gaps fewer than from first to last",
        ),
        value(
            "from_time",
            ColumnType::Time,
            "event time of the trade with the id before the first missing one",
        ),
        value(
            "to_time",
            ColumnType::Time,
            "event time of the trade with the id after the last missing one",
        ),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Instrument(self.key.instrument),
            Cell::IdScope(self.key.scope),
            Cell::Unsigned(self.key.first_id),
            Cell::Unsigned(self.gap.last_id),
            Cell::Unsigned(self.gap.missing),
            Cell::Time(self.gap.from_time),
            Cell::Time(self.gap.to_time),
        ]);
    }
}
