//! A portfolio: sums over its positions, its weights, and the trades that its targets ask for.

use ethnum::I256;
use market::WEIGHT_SCALE;
use serde::{Deserialize, Serialize};

use super::config::Account;
use super::money::{fit, rhe};
use super::row::{Drift, Portfolio, PortfolioAmounts};
use super::value::Valued;

/// What comes of the lines of one portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum OfPortfolio {
    /// Its row.
    Totals(Portfolio),
    /// A row of drift.
    Drift(market::InstrumentId, Drift),
}

/// All rows of a portfolio with these lines, which are those it has.
pub(super) fn totals<'a>(
    account: &Account,
    lines: impl Iterator<Item = &'a Valued> + Clone,
    mut put: impl FnMut(OfPortfolio),
) {
    let sums = sums(account, lines.clone());
    let held = lines.clone().filter_map(Valued::held);
    if held.clone().next().is_some() {
        put(OfPortfolio::Totals(Portfolio {
            currency: account.currency,
            open: held.clone().filter(|(held, _)| held.quantity != 0).count() as u64,
            unpriced: held.filter(|(_, base)| base.is_err()).count() as u64,
            amounts: sums,
        }));
    }
    let whole = sums.map(|sums| if account.capital != 0 { sums.equity } else { sums.gross });
    let has_targets = lines.clone().any(|valued| valued.line.target.is_some());
    for valued in lines {
        if valued.open().is_some() || valued.line.target.is_some() {
            put(OfPortfolio::Drift(valued.instrument, drift(valued, whole, has_targets)));
        }
    }
}

/// The sums over the positions that are priced; none if one does not fit.
fn sums<'a>(
    account: &Account,
    lines: impl Iterator<Item = &'a Valued>,
) -> Option<PortfolioAmounts> {
    let [mut long, mut short, mut realised, mut unrealised, mut fees] = [I256::ZERO; 5];
    for base in lines.filter_map(|valued| valued.held()?.1.ok()) {
        // Sums of 128-bit numbers: no memory holds as many as it takes to leave 256 bits.
        let value = I256::from(base.value);
        if base.value > 0 {
            long += value
        } else {
            short += value
        }
        realised += I256::from(base.realised);
        unrealised += I256::from(base.unrealised);
        fees += I256::from(base.fees);
    }
    let pnl = realised + unrealised - fees;
    Some(PortfolioAmounts {
        net: fit(long + short)?,
        long: fit(long)?,
        short: fit(short)?,
        gross: fit(long - short)?,
        realised: fit(realised)?,
        unrealised: fit(unrealised)?,
        fees: fit(fees)?,
        pnl: fit(pnl)?,
        equity: fit(I256::from(account.capital) + pnl)?,
    })
}

/// The row of a line in a portfolio that is worth `whole`.
fn drift(valued: &Valued, whole: Option<i128>, has_targets: bool) -> Drift {
    let target = valued.line.target.or(has_targets.then_some(0));
    let value = valued.open().map_or(Some(0), |(_, base)| Some(base.ok()?.value));
    let whole = whole.filter(|whole| *whole > 0);
    let weight = value
        .zip(whole)
        .and_then(|(value, whole)| fit(rhe(value, 1, i32::from(WEIGHT_SCALE), whole)?));
    let drift =
        weight.zip(target).and_then(|(weight, target)| weight.checked_sub(i128::from(target)));
    let trade_value = weight.and_then(|_| {
        let wished = rhe(whole?, i128::from(target?), -i32::from(WEIGHT_SCALE), 1)?;
        fit(wished - I256::from(value?))
    });
    let trade_quantity = trade_value.and_then(|trade| {
        let mark = valued.mark.filter(|mark| mark.0 > 0)?;
        let contract = valued.line.contract;
        let one = i128::from(mark.0) * i128::from(contract.multiplier);
        valued.rate?.units(trade, one, contract.terms.notional_scale())
    });
    let quantity_scale = valued.line.contract.terms.quantity_scale;
    Drift { weight, target, drift, trade_value, trade_quantity, quantity_scale }
}
