//! The rows of the views `positions` and `drift`, keyed by portfolio and instrument.

use std::sync::Arc;

use market::{InstrumentId, PortfolioId};
use operators::portfolio::{BaseAmounts, Drift, Position, PositionKey, Unpriced};

use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::{DriftRow, PositionRow};
use rows::{Cell, Dimension, Labels, Row};

/// The view `positions`.
pub struct Positions;

/// The view `drift`.
pub struct Drifts;

impl Keyed for Positions {
    type Key = PositionKey;
    type Value = Arc<Position>;
    const VIEW: &'static str = "positions";
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio, Dimension::Instrument];

    fn in_history(_position: &Arc<Position>) -> bool {
        true
    }

    fn shared_bytes(_position: &Arc<Position>) -> usize {
        size_of::<Position>()
    }

    fn prefix(key: &PositionKey) -> KeyPrefix {
        [key.portfolio.0, key.instrument.0, 0]
    }

    fn lowest(prefix: KeyPrefix) -> PositionKey {
        lowest(prefix)
    }

    fn cells(
        key: &PositionKey,
        position: &Arc<Position>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        let base = |BaseAmounts { value, basis, realised, unrealised, fees }: BaseAmounts| {
            [value, basis, unrealised, realised, fees]
        };
        let row = PositionRow {
            portfolio: key.portfolio,
            instrument: key.instrument,
            contract: position.contract,
            quantity: position.quantity,
            average: position.average,
            mark: position.mark,
            basis: position.basis,
            value: position.value,
            unrealised: position.unrealised,
            realised: position.realised,
            fees: position.fees,
            fills: position.fills,
            state: position.base.err().map_or("priced", Unpriced::name),
            base: position.base.ok().map(base),
        };
        row.cells(into);
    }
}

impl Keyed for Drifts {
    type Key = PositionKey;
    type Value = Arc<Drift>;
    const VIEW: &'static str = "drift";
    const ORDER: &'static [Dimension] = Positions::ORDER;

    fn shared_bytes(_drift: &Arc<Drift>) -> usize {
        size_of::<Drift>()
    }

    fn prefix(key: &PositionKey) -> KeyPrefix {
        Positions::prefix(key)
    }

    fn lowest(prefix: KeyPrefix) -> PositionKey {
        lowest(prefix)
    }

    fn cells(
        key: &PositionKey,
        drift: &Arc<Drift>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        let row = DriftRow {
            portfolio: key.portfolio,
            instrument: key.instrument,
            weight: drift.weight,
            target: drift.target,
            drift: drift.drift,
            trade_value: drift.trade_value,
            trade_quantity: drift.trade_quantity,
            quantity_scale: drift.quantity_scale,
        };
        row.cells(into);
    }
}

fn lowest([portfolio, instrument, _]: KeyPrefix) -> PositionKey {
    PositionKey { portfolio: PortfolioId(portfolio), instrument: InstrumentId(instrument) }
}
