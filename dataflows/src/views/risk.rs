//! The view `risk`. `docs/portfolios.md` defines the numbers.

use market::PortfolioId;
use operators::portfolio::{Measures, Risk, RiskKey};

use super::kinds::{KeyPrefix, KeyedView};
use rows::{Cell, Column, ColumnType, Dimension, Labels, Unit, View, ViewKind, count, key, value};

/// The view `risk`: measures of risk of a portfolio or of a position.
pub struct RiskView;

const COLUMNS: &[Column] = &[
    key("portfolio", ColumnType::Portfolio, "name of the portfolio"),
    key(
        "instrument",
        ColumnType::Instrument,
        "name of the instrument; empty for the whole portfolio",
    )
    .nullable(),
    count("excluded", "positions", "open positions that could not be revalued"),
    count("changes", "changes", "changes from bar to bar that were evaluated"),
    value(
        "volatility",
        ColumnType::Number,
        "standard deviation of the changes, in the base currency",
    )
    .unit(Unit::Base)
    .nullable(),
    value(
        "var_parametric",
        ColumnType::Number,
        "value at risk of one bar if changes are normally distributed around 0",
    )
    .unit(Unit::Base)
    .nullable(),
    value("var_historical", ColumnType::Number, "value at risk of one bar as the changes were")
        .unit(Unit::Base)
        .nullable(),
    value("drawdown", ColumnType::Number, "largest fall from a value to a later one")
        .unit(Unit::Base)
        .nullable(),
    value(
        "beta",
        ColumnType::Number,
        "relative change for one of the benchmark; empty without a benchmark",
    )
    .unit(Unit::Ratio)
    .nullable(),
];

impl KeyedView for RiskView {
    type Key = RiskKey;
    type Value = Risk;
    const VIEW: View = View {
        name: "risk",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "risk of portfolios and of their positions, revalued over closed bars",
        history: false,
        recorded: true,
    };
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio];

    fn prefix(key: &RiskKey) -> KeyPrefix {
        [key.portfolio.0, 0, 0]
    }

    fn lowest([portfolio, ..]: KeyPrefix) -> RiskKey {
        RiskKey { portfolio: PortfolioId(portfolio), instrument: None }
    }

    fn cells(key: &RiskKey, risk: &Risk, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        into.extend([
            Cell::Portfolio(key.portfolio),
            key.instrument.map_or(Cell::Null, Cell::Instrument),
            Cell::Unsigned(risk.excluded),
            Cell::Unsigned(risk.changes),
        ]);
        let Measures { volatility, var_parametric, var_historical, drawdown, beta } = risk.measures;
        let measures = [volatility, var_parametric, var_historical, drawdown, beta];
        into.extend(measures.map(|measure| measure.map_or(Cell::Null, |m| Cell::number(m.0))));
    }
}
