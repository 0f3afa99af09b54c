//! What a line is worth: its position beside a mark and a rate.

use ethnum::I256;
use market::{Currency, MONEY_SCALE, Price};

use super::fills::PortfolioLine;
use super::money::{Rate, fit, rhe};
use super::position_history::Held;
use super::row::{BaseAmounts, FeeTotal, Position, Unpriced};

/// What a line has paid in a currency.
pub(super) type Paid = (Currency, FeeTotal);

impl Position {
    /// The row of a line; none without a position.
    pub(super) fn of(
        line: &PortfolioLine,
        mark: Option<Price>,
        rate: Option<Rate>,
        paid: &[Paid],
    ) -> Option<Position> {
        let PortfolioLine { contract, held, .. } = line;
        let (contract, held) = (*contract, held.as_ref()?);
        let Held { quantity, fills, basis, realised, fees, .. } = *held;
        // Prices are 64 bits wide, and this is one of those paid or between them.
        let average = contract.units(quantity);
        let average = average.and_then(|units| fit(rhe(basis, 1, 0, units)?));
        let mut row = Position {
            contract,
            quantity,
            fills,
            basis,
            realised,
            fees,
            average,
            // What the mark and the rate decide.
            value: None,
            unrealised: None,
            mark: None,
            base: Err(Unpriced::NoMark),
        };
        row.see(mark);
        row.base = row.priced(rate, paid);
        Some(row)
    }

    /// The row at another mark, and at the rate and with the fees that it has.
    pub(super) fn marked(
        mut self,
        mark: Option<Price>,
        rate: Option<Rate>,
        paid: &[Paid],
    ) -> Position {
        let was = self.base;
        self.see(mark);
        self.base = match (was, self.value, rate) {
            // Basis, realised profit and fees are converted already.
            (Ok(was), Some(value), Some(rate)) => {
                let native = self.contract.native_scale();
                let value = self.unrealised.and_then(|_| rate.convert(value, native));
                let base = value.and_then(|value| {
                    let unrealised = value.checked_sub(was.basis)?;
                    Some(BaseAmounts { value, unrealised, ..was })
                });
                base.ok_or(Unpriced::Overflow)
            }
            _ => self.priced(rate, paid),
        };
        self
    }

    /// Whether it is not flat.
    pub(super) fn is_open(&self) -> bool {
        self.quantity != 0
    }

    fn see(&mut self, mark: Option<Price>) {
        self.mark = mark;
        self.value = self.market_value();
        self.unrealised = self.value.and_then(|value| value.checked_sub(self.basis));
    }

    /// At the native scale; none without a mark, unless flat, or if it does not fit.
    fn market_value(&self) -> Option<i128> {
        if self.quantity == 0 {
            return Some(0);
        }
        // Price and multiplier are 64 and 32 bits wide: a product that does not fit is no value.
        let per_unit = i128::from(self.mark?.0) * i128::from(self.contract.multiplier.mantissa());
        self.quantity.checked_mul(per_unit)
    }

    /// The amounts in the base currency, from what is known at the native scale.
    fn priced(&self, rate: Option<Rate>, paid: &[Paid]) -> Result<BaseAmounts, Unpriced> {
        if self.quantity != 0 && self.mark.is_none() {
            return Err(Unpriced::NoMark);
        }
        let rate = rate.ok_or(Unpriced::NoRate)?;
        let fees = worth(paid)?;
        let amounts = || {
            let (native, _) = (self.contract.native_scale(), self.unrealised?);
            let value = rate.convert(self.value?, native)?;
            let basis = rate.convert(self.basis, native)?;
            Some(BaseAmounts {
                value,
                basis,
                realised: rate.convert(self.realised, native)?,
                unrealised: value.checked_sub(basis)?,
                fees,
            })
        };
        amounts().ok_or(Unpriced::Overflow)
    }
}

/// What a line has paid besides, by currency and in their order; `rate` is that from a currency to the base currency.
pub(super) fn paid(line: &PortfolioLine, rate: impl Fn(Currency) -> Option<Rate>) -> Vec<Paid> {
    let Some(held) = &line.held else { return Vec::new() };
    let quote = (line.contract.quote, held.fees);
    let lesser = held.other_fees.partition_point(|(currency, _)| *currency < quote.0);
    let (lesser, greater) = held.other_fees.split_at(lesser);
    let own = (quote.1 != 0).then_some(&quote);
    let all = lesser.iter().chain(own).chain(greater).map(|(currency, fees)| {
        let rate = rate(*currency).ok_or(Unpriced::NoRate);
        let worth = |rate: Rate| rate.convert(*fees, MONEY_SCALE).ok_or(Unpriced::Overflow);
        (*currency, FeeTotal { fees: *fees, worth: rate.and_then(worth) })
    });
    all.collect()
}

/// What fees come to in the base currency: nobody knows if one of them has no rate.
fn worth(paid: &[Paid]) -> Result<Option<i128>, Unpriced> {
    let (mut sum, mut is_known) = (I256::ZERO, true);
    for (_, total) in paid {
        match total.worth {
            // There are fewer currencies than it takes to leave 256 bits.
            Ok(worth) => sum += I256::from(worth),
            Err(Unpriced::Overflow) => return Err(Unpriced::Overflow),
            Err(Unpriced::NoRate | Unpriced::NoMark) => is_known = false,
        }
    }
    match is_known {
        true => fit(sum).map(Some).ok_or(Unpriced::Overflow),
        false => Ok(None),
    }
}
