//! The values of rows.

use market::{
    Currency, EventTime, IdScope, InstrumentId, ModelId, PortfolioId, Timeframe, TradeId,
};

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// No value.
    Null,
    /// A count, or a number without scale.
    Unsigned(u64),
    /// A number that names something: an id, or a place in a partition. A string in JSON, whose numbers many programs round
    /// beyond 2⁵³.
    Identifier(u64),
    /// `mantissa · 10⁻ˢᶜᵃˡᵉ`, exact.
    Decimal {
        /// The digits.
        mantissa: i128,
        /// The decimals.
        scale: u8,
    },
    /// A floating-point number, by its bits; made by [`Cell::number`].
    Number(u64),
    /// An event time; text form: RFC 3339 in UTC.
    Time(EventTime),
    /// An instrument; text form: its name.
    Instrument(InstrumentId),
    /// An id scope; text form: its name.
    IdScope(IdScope),
    /// A timeframe, such as `1m`.
    Timeframe(Timeframe),
    /// A portfolio; text form: its name.
    Portfolio(PortfolioId),
    /// A model of fair values; text form: its name.
    Model(ModelId),
    /// A currency, such as `USD`.
    Currency(Currency),
    /// An id of a trade or fill; text form: as its source wrote it.
    TradeId(TradeId),
    /// One of a few words.
    Word(&'static str),
    /// Any text.
    Text(String),
}

impl Cell {
    /// A floating-point number. If it is not finite, its text form is empty.
    pub fn number(number: f64) -> Cell {
        Cell::Number(number.to_bits())
    }
}
