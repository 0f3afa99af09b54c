//! The view `drift`.

use std::sync::Arc;

use market::WEIGHT_SCALE;
use operators::heap;
use operators::portfolio::{Drift, PositionKey};

use super::cells::{MONEY, WEIGHT, decimal, money};
use super::kinds::{KeyPrefix, KeyedView};
use super::positions::PositionsView;
use rows::{
    Cell, Column, ColumnType, Dimension, Labels, QUANTITY, Unit, View, ViewKind, key, value,
};

/// The view `drift`: the weight of an instrument in a portfolio, and its target.
pub struct DriftView;

const COLUMNS: &[Column] = &[
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    value("weight", WEIGHT, "share of the portfolio, 1 being all of it; empty if unpriced")
        .unit(Unit::Ratio)
        .nullable(),
    value("target", WEIGHT, "target share; empty if the portfolio has no targets")
        .unit(Unit::Ratio)
        .nullable(),
    value("drift", WEIGHT, "weight less target").unit(Unit::Ratio).nullable(),
    value("trade_value", MONEY, "what to buy (above 0) or sell to close it, in the base currency")
        .unit(Unit::Base)
        .nullable(),
    value("trade_quantity", QUANTITY, "the same in units of the instrument, towards zero")
        .nullable(),
];

impl KeyedView for DriftView {
    type Key = PositionKey;
    type Value = Arc<Drift>;
    const VIEW: View = View {
        name: "drift",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "weights of positions, how far they are from their targets, and the trades that close that",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = PositionsView::ORDER;

    fn shared_bytes(_drift: &Arc<Drift>) -> usize {
        heap::shared::<Drift>()
    }

    fn prefix(key: &PositionKey) -> KeyPrefix {
        PositionsView::prefix(key)
    }

    fn lowest(prefix: KeyPrefix) -> PositionKey {
        PositionsView::lowest(prefix)
    }

    fn cells(
        key: &PositionKey,
        drift: &Arc<Drift>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        into.extend([
            Cell::Portfolio(key.portfolio),
            Cell::Instrument(key.instrument),
            decimal(drift.weight, WEIGHT_SCALE),
            decimal(drift.target.map(i128::from), WEIGHT_SCALE),
            decimal(drift.drift, WEIGHT_SCALE),
            money(drift.trade_value),
            decimal(drift.trade_quantity, drift.quantity_scale),
        ]);
    }
}
