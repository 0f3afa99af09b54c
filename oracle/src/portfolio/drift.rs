//! How far portfolios are from their targets: section *Weights and drift*.

use std::collections::{BTreeMap, BTreeSet};

use market::{Contract, InstrumentId, PortfolioId, Target, WEIGHT_SCALE};
use num_bigint::BigInt;

use super::bigint::{Fraction, fit};
use super::prices::Prices;
use super::rows::{DriftRow, PositionRow};
use super::{of_portfolio, totals};

/// A row for every portfolio and instrument with an open position or a target.
pub(super) fn drift(
    prices: &Prices<'_>,
    positions: &BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
    targets: &BTreeMap<(PortfolioId, InstrumentId), (Target, i64)>,
) -> BTreeMap<(PortfolioId, InstrumentId), DriftRow> {
    let open = positions.iter().filter(|(_, row)| row.quantity != 0).map(|(key, _)| *key);
    let keys: BTreeSet<(PortfolioId, InstrumentId)> = open.chain(targets.keys().copied()).collect();
    let row = |key: (PortfolioId, InstrumentId)| {
        let position = positions.get(&key).filter(|row| row.quantity != 0);
        let target = targets.get(&key);
        let has_targets = targets.keys().any(|(portfolio, _)| *portfolio == key.0);
        let contract =
            position.map(|row| row.contract).or(target.map(|(target, _)| target.contract));
        let mut row = DriftRow {
            weight: None,
            target: target.map(|(_, weight)| *weight).or(has_targets.then_some(0)),
            drift: None,
            trade_value: None,
            trade_quantity: None,
        };
        // Nothing more follows from a position that is unpriced.
        if let Some(value) = position.map_or(Some(0), |row| Some(row.base.ok()?.value)) {
            let whole = whole(prices, positions, key.0);
            weigh(prices, key, value, whole, contract, &mut row);
        }
        row
    };
    keys.into_iter().map(|key| (key, row(key))).collect()
}

/// *D*, if it is above 0.
fn whole(
    prices: &Prices<'_>,
    positions: &BTreeMap<(PortfolioId, InstrumentId), PositionRow>,
    portfolio: PortfolioId,
) -> Option<i128> {
    let capital = prices.config.portfolio(portfolio).capital;
    let amounts = totals::amounts(capital, &of_portfolio(positions, portfolio))?;
    let whole = if capital != 0 { amounts.equity? } else { amounts.gross };
    (whole > 0).then_some(whole)
}

/// Fills in what depends on the weight.
fn weigh(
    prices: &Prices<'_>,
    (portfolio, instrument): (PortfolioId, InstrumentId),
    value: i128,
    whole: Option<i128>,
    contract: Option<Contract>,
    row: &mut DriftRow,
) {
    let one = BigInt::from(10).pow(WEIGHT_SCALE.into());
    let Some(whole) = whole.map(BigInt::from) else { return };
    row.weight = fit(&Fraction::of(value * &one, whole.clone()).rounded());
    let (Some(weight), Some(target)) = (row.weight, row.target) else { return };
    row.drift = fit(&(BigInt::from(weight) - target));
    let trade = Fraction::of(target * whole, one).rounded() - value;
    row.trade_value = fit(&trade);
    if let (Some(contract), Some(_)) = (contract, row.trade_value) {
        row.trade_quantity = units(prices, portfolio, instrument, contract, trade);
    }
}

/// How many smallest units of quantity are worth this value, towards zero.
fn units(
    prices: &Prices<'_>,
    portfolio: PortfolioId,
    instrument: InstrumentId,
    contract: Contract,
    value: BigInt,
) -> Option<i128> {
    let mark = prices.mark(instrument)?.price.0;
    let rate = prices.rate(contract.quote, prices.config.portfolio(portfolio).currency)?;
    if mark <= 0 {
        return None;
    }
    let one = BigInt::from(mark) * contract.multiplier.mantissa();
    let worth = rate.worth(one, contract.native_scale());
    fit(&Fraction::of(value, BigInt::from(1)).over(worth).towards_zero())
}
