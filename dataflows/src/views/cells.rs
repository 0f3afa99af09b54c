//! Cells and column types that several views have.

use market::{InstrumentSpec, MONEY_SCALE, Origin, Price, Quantity, TradeId, WEIGHT_SCALE};

use rows::{Cell, Column, ColumnType, Labels, Scale, key};

/// An amount of money in some currency.
pub(crate) const MONEY: ColumnType = ColumnType::Decimal(Scale::Fixed(MONEY_SCALE));
/// A part of a portfolio.
pub(crate) const WEIGHT: ColumnType = ColumnType::Decimal(Scale::Fixed(WEIGHT_SCALE));

/// Where a record came from: with the commit it is the key of what is logged of a record.
pub(crate) const SOURCE: Column = key("source", ColumnType::Text, "name of the source");
/// See [`SOURCE`].
pub(crate) const PARTITION: Column =
    key("partition", ColumnType::Text, "name of the partition, such as the file");
/// See [`SOURCE`].
pub(crate) const POSITION: Column =
    key("position", ColumnType::Identifier, "position in the partition: the line of a file");

/// The cells of [`SOURCE`], [`PARTITION`] and [`POSITION`].
pub(crate) fn origin_cells(origin: Origin, labels: &Labels) -> [Cell; 3] {
    let source = labels.sources.get(usize::from(origin.source.0));
    let name = source.map_or_else(String::new, |(name, _)| name.clone());
    let partition =
        source.map_or_else(String::new, |(_, names)| names.of(origin.partition.0.into()));
    [Cell::Text(name), Cell::Text(partition), Cell::Identifier(origin.position)]
}

pub(crate) fn decimal(mantissa: Option<i128>, scale: u8) -> Cell {
    mantissa.map_or(Cell::Null, |mantissa| Cell::Decimal { mantissa, scale })
}

pub(crate) fn money(mantissa: Option<i128>) -> Cell {
    decimal(mantissa, MONEY_SCALE)
}

pub(crate) fn price_cell(price: Price, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: price.0.into(), scale: spec.price_scale }
}

pub(crate) fn quantity_cell(quantity: Quantity, spec: InstrumentSpec) -> Cell {
    Cell::Decimal { mantissa: quantity.0.into(), scale: spec.quantity_scale }
}

pub(crate) fn id_cell(id: TradeId) -> Cell {
    Cell::TradeId(id)
}
