//! A portfolio: sums over its positions, its weights, and the trades that its targets ask for.

use ethnum::I256;
use market::{Contract, Price, WEIGHT_SCALE};

use super::config::Account;
use super::money::{Rate, fit, rhe};
use super::row::{Drift, Portfolio, PortfolioAmounts, Position};

/// Sums over positions of a portfolio, exact whatever they come to.
#[derive(Default)]
pub(super) struct Sums {
    positions: u64,
    open: u64,
    unpriced: u64,
    unpriced_fees: u64,
    long: I256,
    short: I256,
    realised: I256,
    unrealised: I256,
    fees: I256,
}

/// A line's share of its portfolio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a> {
    pub(super) contract: &'a Contract,
    pub(super) position: Option<&'a Position>,
    /// The target; none if the portfolio has no target at all.
    pub(super) target: Option<i64>,
    pub(super) mark: Option<Price>,
    pub(super) rate: Option<Rate>,
}

impl Sums {
    pub(super) fn add(&mut self, position: &Position) {
        self.positions += 1;
        self.open += u64::from(position.is_open());
        let Ok(base) = &position.base else {
            self.unpriced += 1;
            return;
        };
        // Sums of 128-bit numbers: no memory holds as many as it takes to leave 256 bits.
        if base.value > 0 {
            self.long += I256::from(base.value)
        } else {
            self.short += I256::from(base.value)
        }
        self.realised += I256::from(base.realised);
        self.unrealised += I256::from(base.unrealised);
        match base.fees {
            Some(fees) => self.fees += I256::from(fees),
            None => self.unpriced_fees += 1,
        }
    }

    /// The row of a portfolio with these positions, if there are any; and what its shares are shares of.
    pub(super) fn totals(&self, account: &Account) -> (Option<Portfolio>, Option<i128>) {
        let Sums { long, short, realised, unrealised, fees, .. } = *self;
        let pnl = realised + unrealised - fees;
        // Outside: it does not fit. Inside: it is not known.
        let known = |sum| if self.unpriced_fees == 0 { fit(sum).map(Some) } else { Some(None) };
        let amounts = || {
            // Of positions none of which is priced, nothing is known: that is not 0.
            if self.positions > 0 && self.unpriced == self.positions {
                return None;
            }
            Some(PortfolioAmounts {
                net: fit(long + short)?,
                long: fit(long)?,
                short: fit(short)?,
                gross: fit(long - short)?,
                realised: fit(realised)?,
                unrealised: fit(unrealised)?,
                fees: known(fees)?,
                pnl: known(pnl)?,
                equity: known(I256::from(account.capital) + pnl)?,
            })
        };
        let (currency, amounts) = (account.currency, amounts());
        let Sums { open, unpriced, unpriced_fees, .. } = *self;
        let row = Portfolio { currency, open, unpriced, unpriced_fees, amounts };
        let whole = |it: PortfolioAmounts| {
            if account.capital != 0 { it.equity } else { Some(it.gross) }
        };
        let whole = amounts.and_then(whole);
        ((self.positions > 0).then_some(row), whole)
    }
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
            let target_value = rhe(whole?, i128::from(target?), -i32::from(WEIGHT_SCALE), 1)?;
            fit(target_value - I256::from(value?))
        });
        let trade_quantity = trade_value.and_then(|trade| {
            let mark = self.mark.filter(|mark| mark.0 > 0)?;
            let one = i128::from(mark.0) * i128::from(contract.multiplier.mantissa());
            self.rate?.units(trade, one, contract.native_scale())
        });
        let quantity_scale = contract.spec.quantity_scale;
        Drift { weight, target, drift, trade_value, trade_quantity, quantity_scale }
    }
}
