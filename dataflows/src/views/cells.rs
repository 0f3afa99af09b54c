//! Cells and column types that several views have.

use market::{InstrumentSpec, MONEY_SCALE, Price, Quantity, TradeId, WEIGHT_SCALE};

use rows::{Cell, ColumnType, Scale};

/// An amount of money in some currency.
pub(super) const MONEY: ColumnType = ColumnType::Decimal(Scale::Fixed(MONEY_SCALE));
/// A part of a portfolio.
pub(super) const WEIGHT: ColumnType = ColumnType::Decimal(Scale::Fixed(WEIGHT_SCALE));

pub(super) fn decimal(mantissa: Option<i128>, scale: u8) -> Cell {
    mantissa.map_or(Cell::Null, |mantissa| Cell::Decimal { mantissa, scale })
}

pub(super) fn money(mantissa: Option<i128>) -> Cell {
    decimal(mantissa, MONEY_SCALE)
}

pub(super) fn price_cell(price: Price, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: price.0.into(), scale: spec.price_scale }
}

pub(super) fn quantity_cell(quantity: Quantity, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: quantity.0.into(), scale: spec.quantity_scale }
}

pub(super) fn id_cell(id: TradeId) -> Cell {
    Cell::TradeId(id)
}
