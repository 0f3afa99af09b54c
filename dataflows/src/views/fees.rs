//! The view `fees`. `docs/portfolios.md` defines the numbers.

use market::{Currency, InstrumentId, PortfolioId};
use operators::portfolio::{FeeKey, FeeTotal, Unpriced};

use super::cells::{MONEY, money};
use super::kinds::{KeyPrefix, KeyedView};
use rows::{Cell, Column, ColumnType, Dimension, Labels, Unit, View, ViewKind, key, value};

/// The view `fees`: what a portfolio has paid in a currency for fills of an instrument.
pub struct FeesView;

/// Whether fees are converted, or why not.
const STATES: [&str; 3] = ["priced", Unpriced::NoRate.name(), Unpriced::Overflow.name()];

const COLUMNS: &[Column] = &[
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    key("instrument", ColumnType::Instrument, "name of the instrument whose fills cost that"),
    key("currency", ColumnType::Currency, "what the fees were paid in"),
    value("fees", MONEY, "their sum, which is not 0; below 0 for rebates").unit(Unit::Named),
    value(
        "state",
        ColumnType::Word(&STATES),
        "priced, or why there is no base_fees: no_rate, overflow",
    ),
    value("base_fees", MONEY, "the sum in the base currency, at the present rate")
        .unit(Unit::Base)
        .nullable(),
];

impl KeyedView for FeesView {
    type Key = FeeKey;
    type Value = FeeTotal;
    const VIEW: View = View {
        name: "fees",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "what portfolios have paid in fees, by the currency of the fees, per round",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio, Dimension::Instrument];

    fn prefix(key: &FeeKey) -> KeyPrefix {
        [key.portfolio.0, key.instrument.0, 0]
    }

    fn lowest([portfolio, instrument, _]: KeyPrefix) -> FeeKey {
        let (portfolio, instrument) = (PortfolioId(portfolio), InstrumentId(instrument));
        FeeKey { portfolio, instrument, currency: Currency::LOWEST }
    }

    fn cells(key: &FeeKey, total: &FeeTotal, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Portfolio(key.portfolio),
            Cell::Instrument(key.instrument),
            Cell::Currency(key.currency),
            money(Some(total.fees)),
            Cell::Word(total.worth.err().map_or("priced", Unpriced::name)),
            money(total.worth.ok()),
        ]);
    }
}
