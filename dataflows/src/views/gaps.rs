//! The view `gaps`.

use market::{Gap, GapKey, IdScope, InstrumentId};
use operators::{GapChange, GapOut};

use super::kinds::{KeyPrefix, KeyedView, RowChanges, TakeRows};
use rows::{Cell, Column, ColumnType, Dimension, Labels, View, ViewKind, count, key, value};

/// The view `gaps`: missing trades.
pub struct GapsView;

const COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("id_scope", ColumnType::IdScope, "name of the space of ids"),
    key("first_id", ColumnType::Identifier, "lowest id that is missing"),
    value("last_id", ColumnType::Identifier, "highest id that is missing"),
    count("missing", "ids", "number of missing ids; of merged gaps fewer than from first to last"),
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

impl KeyedView for GapsView {
    type Key = GapKey;
    type Value = Gap;
    const VIEW: View = View {
        name: "gaps",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "missing trades: holes in ids that a venue gives out without holes, now",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Instrument];

    fn prefix(key: &GapKey) -> KeyPrefix {
        [key.instrument.0, 0, 0]
    }

    fn lowest([instrument, ..]: KeyPrefix) -> GapKey {
        GapKey { instrument: InstrumentId(instrument), scope: IdScope(0), first_id: 0 }
    }

    fn cells(key: &GapKey, gap: &Gap, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::IdScope(key.scope),
            Cell::Identifier(key.first_id),
            Cell::Identifier(gap.last_id),
            Cell::Unsigned(gap.missing),
            Cell::Time(gap.from_time),
            Cell::Time(gap.to_time),
        ]);
    }
}

impl TakeRows for GapsView {
    type Out = GapOut;

    fn take(out: GapOut, rows: &mut impl RowChanges<GapsView>) {
        match out {
            GapOut::Changed(GapChange { key, before, after }) => rows.change(key, before, after),
            GapOut::Restored(key, gap) => rows.restored(key, gap),
        }
    }
}
