//! What a line is worth: its position beside a mark and a rate.

use market::{InstrumentId, Price};
use serde::{Deserialize, Serialize};

use super::book::Held;
use super::fills::Line;
use super::money::{Rate, fit, rhe};
use super::row::{BaseAmounts, Position, Unpriced};

/// A line with what values it. Ordered by instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Valued {
    pub(super) instrument: InstrumentId,
    pub(super) line: Line,
    pub(super) mark: Option<Price>,
    pub(super) rate: Option<Rate>,
    /// Of a line without a position, nothing.
    base: Result<BaseAmounts, Unpriced>,
}

impl Valued {
    pub(super) fn new(
        instrument: InstrumentId,
        line: Line,
        mark: Option<Price>,
        rate: Option<Rate>,
    ) -> Valued {
        let base =
            line.held.map_or(Ok(BaseAmounts::default()), |held| price(&line, &held, mark, rate));
        Valued { instrument, line, mark, rate, base }
    }

    /// The position, and its amounts in the base currency; none without a position.
    pub(super) fn held(&self) -> Option<(Held, Result<BaseAmounts, Unpriced>)> {
        self.line.held.map(|held| (held, self.base))
    }

    /// The position, if it is not flat.
    pub(super) fn open(&self) -> Option<(Held, Result<BaseAmounts, Unpriced>)> {
        self.held().filter(|(held, _)| held.quantity != 0)
    }

    /// The row of the position; none without one.
    pub(super) fn position(&self) -> Option<Position> {
        let (held, base) = self.held()?;
        let contract = self.line.contract;
        let value = market_value(&self.line, &held, self.mark);
        // Prices are 64 bits wide, and this is one of those paid or between them.
        let average = held.quantity.checked_mul(i128::from(contract.multiplier));
        let average = average.and_then(|units| fit(rhe(held.basis, 1, 0, units)?));
        Some(Position {
            contract,
            quantity: held.quantity,
            fills: held.fills,
            basis: held.basis,
            realised: held.realised,
            value,
            unrealised: value.and_then(|value| value.checked_sub(held.basis)),
            fees: held.fees,
            average,
            mark: self.mark,
            base,
        })
    }
}

/// At the native scale; none without a mark, unless flat, or if it does not fit.
fn market_value(line: &Line, held: &Held, mark: Option<Price>) -> Option<i128> {
    match mark {
        _ if held.quantity == 0 => Some(0),
        Some(mark) => {
            let per_unit = i128::from(mark.0) * i128::from(line.contract.multiplier);
            fit(rhe(held.quantity, per_unit, 0, 1)?)
        }
        None => None,
    }
}

fn price(
    line: &Line,
    held: &Held,
    mark: Option<Price>,
    rate: Option<Rate>,
) -> Result<BaseAmounts, Unpriced> {
    if held.quantity != 0 && mark.is_none() {
        return Err(Unpriced::NoMark);
    }
    let rate = rate.ok_or(Unpriced::NoRate)?;
    let amounts = || {
        let value = market_value(line, held, mark)?;
        value.checked_sub(held.basis)?;
        let native = line.contract.terms.notional_scale();
        let (value, basis) = (rate.convert(value, native)?, rate.convert(held.basis, native)?);
        Some(BaseAmounts {
            value,
            basis,
            realised: rate.convert(held.realised, native)?,
            unrealised: value.checked_sub(basis)?,
            fees: rate.convert(held.fees, market::MONEY_SCALE)?,
        })
    };
    amounts().ok_or(Unpriced::Overflow)
}
