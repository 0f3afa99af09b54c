//! The view `portfolios`. `docs/portfolios.md` defines the numbers.

use market::PortfolioId;
use operators::portfolio::{Portfolio, PortfolioAmounts};

use super::cells::{MONEY, money};
use super::kinds::{KeyPrefix, KeyedView};
use rows::{Cell, Column, ColumnType, Dimension, Labels, Unit, View, ViewKind, count, key, value};

/// The view `portfolios`: the totals of a portfolio.
pub struct PortfoliosView;

const COLUMNS: &[Column] = &[
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    value("currency", ColumnType::Currency, "base currency, in which all amounts are"),
    count("open", "positions", "positions that are not flat"),
    count("unpriced", "positions", "positions that are left out of the amounts"),
    count(
        "unpriced_fees",
        "positions",
        "positions of the others with fees in a currency without a rate: fees, pnl and equity are empty then",
    ),
    value("net", MONEY, "sum of market values").unit(Unit::Base).nullable(),
    value("long", MONEY, "sum of those above 0").unit(Unit::Base).nullable(),
    value("short", MONEY, "sum of those below 0").unit(Unit::Base).nullable(),
    value("gross", MONEY, "sum of them without signs").unit(Unit::Base).nullable(),
    value("realised", MONEY, "profit of what was closed").unit(Unit::Base).nullable(),
    value("unrealised", MONEY, "profit of what is open").unit(Unit::Base).nullable(),
    value("fees", MONEY, "fees of all fills, of all currencies").unit(Unit::Base).nullable(),
    value("pnl", MONEY, "realised and unrealised profit less fees").unit(Unit::Base).nullable(),
    value("equity", MONEY, "capital and pnl").unit(Unit::Base).nullable(),
];

impl KeyedView for PortfoliosView {
    type Key = PortfolioId;
    type Value = Portfolio;
    const VIEW: View = View {
        name: "portfolios",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "value, exposure and profit of portfolios in their base currency, per round",
        history: true,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio];

    fn in_history(_portfolio: &Portfolio) -> bool {
        true
    }

    fn prefix(key: &PortfolioId) -> KeyPrefix {
        [key.0, 0, 0]
    }

    fn lowest([portfolio, ..]: KeyPrefix) -> PortfolioId {
        PortfolioId(portfolio)
    }

    fn cells(
        key: &PortfolioId,
        portfolio: &Portfolio,
        _part: usize,
        _labels: &Labels,
        into: &mut Vec<Cell>,
    ) {
        into.extend([
            Cell::Portfolio(*key),
            Cell::Currency(portfolio.currency),
            Cell::Unsigned(portfolio.open),
            Cell::Unsigned(portfolio.unpriced),
            Cell::Unsigned(portfolio.unpriced_fees),
        ]);
        let amounts = |amounts: PortfolioAmounts| {
            let PortfolioAmounts { net, long, short, gross, realised, unrealised, .. } = amounts;
            let PortfolioAmounts { fees, pnl, equity, .. } = amounts;
            let sums = [net, long, short, gross, realised, unrealised].map(Some);
            [sums.as_slice(), &[fees, pnl, equity]].concat()
        };
        let amounts = portfolio.amounts.map(amounts);
        into.extend((0..9).map(|at| money(amounts.as_ref().and_then(|amounts| amounts[at]))));
    }
}
