//! Columns of views: name, type, unit and meaning. They are constants, declared once per view.

use std::fmt;

use crate::cell::Cell;

/// A column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name, in JSON and CSV.
    pub name: &'static str,
    /// The type of its cells.
    pub column_type: ColumnType,
    /// The unit of its numbers; none of names, times, words and texts.
    pub unit: Option<Unit>,
    /// Whether a cell may have no value.
    pub is_nullable: bool,
    /// Whether it is part of the key. Two rows of a keyed view never agree in all key columns.
    pub is_key: bool,
    /// Its meaning.
    pub doc: &'static str,
}

/// The type of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// A whole number from 0 on, of at most 64 bits.
    Unsigned,
    /// A whole number of at most 64 bits that names something: an id, or a place in a partition. A string in JSON.
    Identifier,
    /// An exact decimal number.
    Decimal(Scale),
    /// A floating-point number.
    Number,
    /// An event time.
    Time,
    /// The name of an instrument.
    Instrument,
    /// The name of an id scope.
    IdScope,
    /// A timeframe.
    Timeframe,
    /// The name of a portfolio.
    Portfolio,
    /// The name of a model.
    Model,
    /// A currency.
    Currency,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

/// Where the number of decimals of a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// The decimals of the prices of the row's instrument.
    Price,
    /// The decimals of the quantities of the row's instrument.
    Quantity,
    /// The decimals of price × quantity of the row's instrument: the sum of both.
    Notional,
    /// Always this number.
    Fixed(u8),
}

/// The unit of the numbers in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// The quote currency of the row's instrument, for one unit of it.
    Price,
    /// Units of the row's instrument.
    Quantity,
    /// The quote currency of the row's instrument.
    Quote,
    /// The base currency of the row's portfolio.
    Base,
    /// The currency that the row names.
    Named,
    /// Seconds.
    Seconds,
    /// Hundredths of a percent.
    BasisPoints,
    /// A part of a whole that is 1, or a factor.
    Ratio,
    /// A number of these.
    Count(&'static str),
}

/// A price, with the decimals of its instrument.
pub const PRICE: ColumnType = ColumnType::Decimal(Scale::Price);
/// A quantity, with the decimals of its instrument.
pub const QUANTITY: ColumnType = ColumnType::Decimal(Scale::Quantity);
/// Price × quantity, with the decimals of both.
pub const NOTIONAL: ColumnType = ColumnType::Decimal(Scale::Notional);

/// A key column. Prices, quantities and notionals have their unit.
pub const fn key(name: &'static str, column_type: ColumnType, doc: &'static str) -> Column {
    Column { is_key: true, ..value(name, column_type, doc) }
}

/// A column that is not part of the key. Prices, quantities and notionals have their unit.
pub const fn value(name: &'static str, column_type: ColumnType, doc: &'static str) -> Column {
    let unit = match column_type {
        PRICE => Some(Unit::Price),
        QUANTITY => Some(Unit::Quantity),
        NOTIONAL => Some(Unit::Quote),
        _ => None,
    };
    Column { name, column_type, unit, is_nullable: false, is_key: false, doc }
}

/// A column with the number of some things. It is not part of the key.
pub const fn count(name: &'static str, of: &'static str, doc: &'static str) -> Column {
    value(name, ColumnType::Unsigned, doc).unit(Unit::Count(of))
}

impl Column {
    /// The same column in a unit.
    #[must_use]
    pub const fn unit(self, unit: Unit) -> Column {
        Column { unit: Some(unit), ..self }
    }

    /// The same column, whose cells may have no value.
    #[must_use]
    pub const fn nullable(self) -> Column {
        Column { is_nullable: true, ..self }
    }

    /// Whether a cell may stand in this column.
    pub fn admits(&self, cell: &Cell) -> bool {
        match (self.column_type, cell) {
            (_, Cell::Null) => self.is_nullable,
            (ColumnType::Decimal(Scale::Fixed(decimals)), Cell::Decimal { scale, .. }) => {
                decimals == *scale
            }
            (ColumnType::Word(words), Cell::Word(word)) => words.contains(word),
            (ColumnType::Unsigned, Cell::Unsigned(_))
            | (ColumnType::Identifier, Cell::Identifier(_))
            | (ColumnType::Decimal(_), Cell::Decimal { .. })
            | (ColumnType::Number, Cell::Number(_))
            | (ColumnType::Time, Cell::Time(_))
            | (ColumnType::Instrument, Cell::Instrument(_))
            | (ColumnType::IdScope, Cell::IdScope(_))
            | (ColumnType::Timeframe, Cell::Timeframe(_))
            | (ColumnType::Portfolio, Cell::Portfolio(_))
            | (ColumnType::Model, Cell::Model(_))
            | (ColumnType::Currency, Cell::Currency(_))
            | (ColumnType::Text, Cell::Text(_) | Cell::TradeId(_)) => true,
            _ => false,
        }
    }
}

impl ColumnType {
    /// Its name, such as `decimal`.
    pub const fn name(self) -> &'static str {
        match self {
            ColumnType::Unsigned => "unsigned",
            ColumnType::Identifier => "identifier",
            ColumnType::Decimal(_) => "decimal",
            ColumnType::Number => "number",
            ColumnType::Time => "time",
            ColumnType::Instrument => "instrument",
            ColumnType::IdScope => "id_scope",
            ColumnType::Timeframe => "timeframe",
            ColumnType::Portfolio => "portfolio",
            ColumnType::Model => "model",
            ColumnType::Currency => "currency",
            ColumnType::Word(_) => "word",
            ColumnType::Text => "text",
        }
    }

    /// Of a decimal number, where the number of its decimals comes from.
    pub const fn scale(self) -> Option<Scale> {
        if let ColumnType::Decimal(scale) = self { Some(scale) } else { None }
    }

    /// The possible words; none if any text is possible.
    pub const fn words(self) -> Option<&'static [&'static str]> {
        if let ColumnType::Word(words) = self { Some(words) } else { None }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scale::Price => f.write_str("price"),
            Scale::Quantity => f.write_str("quantity"),
            Scale::Notional => f.write_str("notional"),
            Scale::Fixed(decimals) => write!(f, "{decimals}"),
        }
    }
}

impl Unit {
    /// Its name, such as `quote currency`.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Price => "quote currency per unit",
            Unit::Quantity => "units",
            Unit::Quote => "quote currency",
            Unit::Base => "base currency",
            Unit::Named => "currency of the row",
            Unit::Seconds => "seconds",
            Unit::BasisPoints => "basis points",
            Unit::Ratio => "ratio",
            Unit::Count(of) => of,
        }
    }
}
