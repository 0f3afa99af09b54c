//! A portfolio: sums over its positions, its weights, and the trades that its targets ask for.

use ethnum::I256;
use market::{Contract, Price, WEIGHT_SCALE};

use super::config::Account;
use super::money::{Rate, fit, rhe};
use super::row::{Drift, Portfolio, PortfolioAmounts, Position};

/// What the lines of a portfolio come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    /// The row; none without a position.
    pub(super) row: Option<Portfolio>,
    /// What shares are shares of.
    pub(super) whole: Option<i128>,
}

/// A line's share of its portfolio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a> {
    pub(super) contract: &'a Contract,
    pub(super) position: Option<&'a Position>,
    /// The wish; none if the portfolio has no wish at all.
    pub(super) target: Option<i64>,
    pub(super) mark: Option<Price>,
    pub(super) rate: Option<Rate>,
}

/// Of a portfolio with these positions.
pub(super) fn totals<'a>(
    account: &Account,
    positions: impl Iterator<Item = &'a Position>,
) -> Totals {
    let (mut open, mut unpriced, mut count) = (0, 0, 0_u64);
    let [mut long, mut short, mut realised, mut unrealised, mut fees] = [I256::ZERO; 5];
    for position in positions {
        count += 1;
        open += u64::from(position.is_open());
        let Ok(base) = position.base else {
            unpriced += 1;
            continue;
        };
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
    let amounts = || {
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
    };
    let (currency, amounts) = (account.currency, amounts());
    let row = Portfolio { currency, open, unpriced, amounts };
    let whole = amounts.map(|it| if account.capital != 0 { it.equity } else { it.gross });
    Totals { row: (count > 0).then_some(row), whole }
}

impl Share<'_> {
    /// The row of drift in a portfolio that is worth `whole`.
    pub(super) fn drift(&self, whole: Option<i128>) -> Drift {
        let Share { contract, target, .. } = *self;
        let open = self.position.filter(|position| position.is_open());
        let value = open.map_or(Some(0), |position| Some(position.base.ok()?.value));
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
            let mark = self.mark.filter(|mark| mark.0 > 0)?;
            let one = i128::from(mark.0) * i128::from(contract.multiplier);
            self.rate?.units(trade, one, contract.terms.notional_scale())
        });
        let quantity_scale = contract.terms.quantity_scale;
        Drift { weight, target, drift, trade_value, trade_quantity, quantity_scale }
    }
}
