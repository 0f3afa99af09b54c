//! The view `edges`.

use market::{InstrumentId, ModelId};
use operators::portfolio::{Edge, EdgeKey};

use super::cells::{decimal, price_cell};
use super::kinds::{KeyPrefix, KeyedView};
use rows::{
    Cell, Column, ColumnType, Dimension, Labels, PRICE, Scale, Unit, View, ViewKind, key, value,
};

/// The view `edges`: a model's fair value of an instrument.
pub struct EdgesView;

const COLUMNS: &[Column] = &[
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    key("model", ColumnType::Model, "name of the model that gives the fair value"),
    value("time", ColumnType::Time, "when it was posted; of a computed value, when its bar opens"),
    value("fair", PRICE, "fair value of a unit"),
    value("mark", PRICE, "close of the newest base bar that has one").nullable(),
    value("edge", PRICE, "fair less mark").nullable(),
    value("edge_bps", ColumnType::Decimal(Scale::Fixed(2)), "the same in basis points of the mark")
        .unit(Unit::BasisPoints)
        .nullable(),
];

impl KeyedView for EdgesView {
    type Key = EdgeKey;
    type Value = Edge;
    const VIEW: View = View {
        name: "edges",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "fair values, posted or computed, beside the mark",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Instrument];

    fn prefix(key: &EdgeKey) -> KeyPrefix {
        [key.instrument.0, 0, 0]
    }

    fn lowest([instrument, ..]: KeyPrefix) -> EdgeKey {
        EdgeKey { instrument: InstrumentId(instrument), model: ModelId(0) }
    }

    fn cells(key: &EdgeKey, edge: &Edge, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        let scale = edge.spec.price_scale;
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::Model(key.model),
            Cell::Time(edge.time),
            price_cell(edge.fair, edge.spec),
            edge.mark.map_or(Cell::Null, |mark| price_cell(mark, edge.spec)),
            decimal(edge.edge, scale),
            decimal(edge.basis_points, 2),
        ]);
    }
}
