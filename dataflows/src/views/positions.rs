//! The view `positions`. `docs/portfolios.md` defines the numbers.

use std::sync::Arc;

use market::{InstrumentId, PortfolioId};
use operators::heap;
use operators::portfolio::{BaseAmounts, Position, PositionKey, Unpriced};

use super::cells::{MONEY, decimal, money, price_cell};
use super::kinds::{KeyPrefix, KeyedView};
use rows::{
    Cell, Column, ColumnType, Dimension, Labels, NOTIONAL, PRICE, QUANTITY, Unit, View, ViewKind,
    count, key, value,
};

/// The view `positions`: a portfolio's holding of an instrument.
pub struct PositionsView;

/// Whether a position is priced, or why not.
const STATES: [&str; 5] = [
    "priced",
    NO_FEE_RATE,
    Unpriced::NoMark.name(),
    Unpriced::NoRate.name(),
    Unpriced::Overflow.name(),
];
/// Priced, but nobody knows what the fees come to.
const NO_FEE_RATE: &str = "no_fee_rate";

const COLUMNS: &[Column] = &[
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    key("instrument", ColumnType::Instrument, "name of the instrument"),
    value("quantity", QUANTITY, "held now: above 0 long, below 0 short"),
    value("average_price", PRICE, "what a unit of the open quantity cost; empty if flat")
        .nullable(),
    value("mark", PRICE, "close of the newest base bar that has one").nullable(),
    value("currency", ColumnType::Currency, "quote currency, in which the next five are"),
    value("basis", NOTIONAL, "what the open quantity cost, signed like it"),
    value("value", NOTIONAL, "market value; empty without a mark").nullable(),
    value("unrealised", NOTIONAL, "value less basis").nullable(),
    value("realised", NOTIONAL, "profit of what was closed, without fees"),
    value("fees", MONEY, "fees that were paid in the quote currency; `fees` has all")
        .unit(Unit::Quote),
    count("fills", "fills", "fills that survive"),
    value(
        "state",
        ColumnType::Word(&STATES),
        "priced; no_fee_rate: priced, but base_fees is unknown; or why there are no amounts in the base currency: no_mark, \
         no_rate, overflow",
    ),
    value("base_value", MONEY, "market value in the portfolio's base currency")
        .unit(Unit::Base)
        .nullable(),
    value("base_basis", MONEY, "basis in the base currency, at the present rate")
        .unit(Unit::Base)
        .nullable(),
    value("base_unrealised", MONEY, "base_value less base_basis").unit(Unit::Base).nullable(),
    value("base_realised", MONEY, "realised profit in the base currency, at the present rate")
        .unit(Unit::Base)
        .nullable(),
    value("base_fees", MONEY, "fees of all currencies in the base currency, at the present rate")
        .unit(Unit::Base)
        .nullable(),
];

impl KeyedView for PositionsView {
    type Key = PositionKey;
    type Value = Arc<Position>;
    const VIEW: View = View {
        name: "positions",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "what portfolios hold, what it cost and what it is worth, per round",
        history: true,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio, Dimension::Instrument];

    fn in_history(_position: &Arc<Position>) -> bool {
        true
    }

    fn shared_bytes(_position: &Arc<Position>) -> usize {
        heap::shared::<Position>()
    }

    fn prefix(key: &PositionKey) -> KeyPrefix {
        [key.portfolio.0, key.instrument.0, 0]
    }

    fn lowest([portfolio, instrument, _]: KeyPrefix) -> PositionKey {
        PositionKey { portfolio: PortfolioId(portfolio), instrument: InstrumentId(instrument) }
    }

    fn cells(
        key: &PositionKey,
        position: &Arc<Position>,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        let spec = position.contract.spec;
        let native = |mantissa| decimal(mantissa, position.contract.native_scale());
        into.extend([
            Cell::Portfolio(key.portfolio),
            Cell::Instrument(key.instrument),
            decimal(Some(position.quantity), spec.quantity_scale),
            decimal(position.average, spec.price_scale),
            position.mark.map_or(Cell::Null, |mark| price_cell(mark, spec)),
            Cell::Currency(position.contract.quote),
            native(Some(position.basis)),
            native(position.value),
            native(position.unrealised),
            native(Some(position.realised)),
            money(Some(position.fees)),
            Cell::Unsigned(position.fills),
            Cell::Word(state(position)),
        ]);
        let base = |BaseAmounts { value, basis, realised, unrealised, fees }: BaseAmounts| {
            [Some(value), Some(basis), Some(unrealised), Some(realised), fees]
        };
        let base = position.base.ok().map(base);
        into.extend((0..5).map(|at| money(base.and_then(|base| base[at]))));
    }
}

fn state(position: &Position) -> &'static str {
    match position.base {
        Ok(BaseAmounts { fees: None, .. }) => NO_FEE_RATE,
        Ok(_) => "priced",
        Err(why) => why.name(),
    }
}
