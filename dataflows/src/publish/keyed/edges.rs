//! The rows of the view `edges`.

use market::{InstrumentId, ModelId};
use operators::portfolio::{Edge, EdgeKey};

use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::EdgeRow;
use rows::{Cell, Dimension, Labels, Row};

/// The view `edges`.
pub struct Edges;

impl Keyed for Edges {
    type Key = EdgeKey;
    type Value = Edge;
    const VIEW: &'static str = "edges";
    const ORDER: &'static [Dimension] = &[Dimension::Instrument];

    fn prefix(key: &EdgeKey) -> KeyPrefix {
        [key.instrument.0, 0, 0]
    }

    fn lowest([instrument, ..]: KeyPrefix) -> EdgeKey {
        EdgeKey { instrument: InstrumentId(instrument), model: ModelId(0) }
    }

    fn cells(key: &EdgeKey, edge: &Edge, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        let row = EdgeRow {
            instrument: key.instrument,
            model: key.model,
            spec: edge.spec,
            time: edge.time,
            fair: edge.fair,
            mark: edge.mark,
            edge: edge.edge,
            basis_points: edge.basis_points,
        };
        row.cells(into);
    }
}
