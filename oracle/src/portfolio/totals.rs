//! Sums over positions: section *Portfolios*.

use std::collections::{BTreeMap, BTreeSet};

use market::{InstrumentId, PortfolioId};
use num_bigint::BigInt;

use super::bigint::fit;
use super::config::Config;
use super::of_portfolio;
use super::rows::{BaseAmounts, PortfolioAmounts, PortfolioRow, PositionRow};

/// A row for every portfolio with a position.
pub(super) fn portfolios(
    config: &Config,
    positions: &BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
) -> BTreeMap<PortfolioId, PortfolioRow> {
    let ids: BTreeSet<PortfolioId> = positions.keys().map(|(portfolio, _)| *portfolio).collect();
    let row = |id: PortfolioId| {
        let own = of_portfolio(positions, id);
        PortfolioRow {
            currency: config.portfolio(id).currency,
            open: own.values().filter(|row| row.quantity != 0).count() as u64,
            unpriced: own.values().filter(|row| row.base.is_err()).count() as u64,
            unpriced_fees: own.values().filter(|row| lacks_fees(row)).count() as u64,
            amounts: amounts(config.portfolio(id).capital, &own),
        }
    };
    ids.into_iter().map(|id| (id, row(id))).collect()
}

/// Whether it is priced, but for what its fees come to.
fn lacks_fees(row: &PositionRow) -> bool {
    row.base.is_ok_and(|base| base.fees.is_none())
}

/// The amounts of a portfolio with these positions, which may be none at all.
pub(super) fn amounts(
    capital: i128,
    positions: &BTreeMap<InstrumentId, &PositionRow>,
) -> Option<PortfolioAmounts> {
    let priced: Vec<BaseAmounts> = positions.values().filter_map(|row| row.base.ok()).collect();
    if priced.is_empty() && !positions.is_empty() {
        return None;
    }
    let sum = |part: fn(&BaseAmounts) -> BigInt| priced.iter().map(part).sum::<BigInt>();
    let realised = sum(|p| p.realised.into());
    let unrealised = sum(|p| p.unrealised.into());
    let fees: Option<BigInt> = priced.iter().map(|p| p.fees.map(BigInt::from)).sum();
    let pnl = fees.as_ref().map(|fees| &realised + &unrealised - fees);
    let equity = pnl.as_ref().map(|pnl| pnl + capital);
    // Outside: it does not fit. Inside: it is not known.
    let known = |sum: Option<BigInt>| match sum {
        Some(sum) => fit(&sum).map(Some),
        None => Some(None),
    };
    Some(PortfolioAmounts {
        net: fit(&sum(|p| p.value.into()))?,
        long: fit(&sum(|p| p.value.max(0).into()))?,
        short: fit(&sum(|p| p.value.min(0).into()))?,
        gross: fit(&sum(|p| p.value.unsigned_abs().into()))?,
        realised: fit(&realised)?,
        unrealised: fit(&unrealised)?,
        fees: known(fees)?,
        pnl: known(pnl)?,
        equity: known(equity)?,
    })
}
