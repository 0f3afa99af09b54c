//! The rows of the views `portfolios` and `risk`.

use market::PortfolioId;
use operators::portfolio::{Measures, Portfolio, PortfolioAmounts, Risk, RiskKey};

use crate::publish::keyed_rows::{KeyPrefix, Keyed};
use crate::views::{PortfolioRow, RiskRow};
use rows::{Cell, Dimension, Labels, Row};

/// The view `portfolios`.
pub struct Portfolios;

/// The view `risk`.
pub struct Risks;

impl Keyed for Portfolios {
    type Key = PortfolioId;
    type Value = Portfolio;
    const VIEW: &'static str = "portfolios";
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
        let amounts = |amounts: PortfolioAmounts| {
            let PortfolioAmounts { net, long, short, gross, realised, unrealised, .. } = amounts;
            let PortfolioAmounts { fees, pnl, equity, .. } = amounts;
            [net, long, short, gross, realised, unrealised, fees, pnl, equity]
        };
        let row = PortfolioRow {
            portfolio: *key,
            currency: portfolio.currency,
            open: portfolio.open,
            unpriced: portfolio.unpriced,
            amounts: portfolio.amounts.map(amounts),
        };
        row.cells(into);
    }
}

impl Keyed for Risks {
    type Key = RiskKey;
    type Value = Risk;
    const VIEW: &'static str = "risk";
    const ORDER: &'static [Dimension] = &[Dimension::Portfolio];

    fn prefix(key: &RiskKey) -> KeyPrefix {
        [key.portfolio.0, 0, 0]
    }

    fn lowest([portfolio, ..]: KeyPrefix) -> RiskKey {
        RiskKey { portfolio: PortfolioId(portfolio), instrument: None }
    }

    fn cells(key: &RiskKey, risk: &Risk, _part: usize, _labels: &Labels, into: &mut Vec<Cell>) {
        let Measures { volatility, var_parametric, var_historical, drawdown, beta } = risk.measures;
        let measures = [volatility, var_parametric, var_historical, drawdown, beta];
        let row = RiskRow {
            portfolio: key.portfolio,
            instrument: key.instrument,
            excluded: risk.excluded,
            changes: risk.changes,
            measures: measures.map(|measure| measure.map(|reading| reading.0)),
        };
        row.cells(into);
    }
}
