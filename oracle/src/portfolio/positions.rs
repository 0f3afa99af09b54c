//! What holdings are worth: sections *Positions* and *Marks and rates*.

use std::collections::BTreeMap;

use market::{InstrumentId, PortfolioId};
use num_bigint::BigInt;

use super::bigint::fit;
use super::fees;
use super::holding::Holding;
use super::prices::{Prices, Rate};
use super::rows::{BaseAmounts, PositionRow, Unpriced};

/// A row for every portfolio and instrument with a surviving fill.
pub(super) fn positions(
    prices: &Prices<'_>,
    holdings: &BTreeMap<(PortfolioId, InstrumentId), Holding>,
) -> BTreeMap<(PortfolioId, InstrumentId), PositionRow> {
    let row = |(key, holding): (&(PortfolioId, InstrumentId), &Holding)| {
        // No memory holds so many fills that their quantities do not fit.
        Some((*key, row(prices, key.0, key.1, holding, fit(&holding.quantity)?)))
    };
    holdings.iter().filter_map(row).collect()
}

fn row(
    prices: &Prices<'_>,
    portfolio: PortfolioId,
    instrument: InstrumentId,
    holding: &Holding,
    quantity: i128,
) -> PositionRow {
    let contract = holding.contract;
    let mark = prices.mark(instrument).map(|mark| mark.price);
    let value = match (quantity, mark) {
        (0, _) => Some(BigInt::ZERO),
        (_, mark) => mark.map(|mark| &holding.quantity * mark.0 * contract.multiplier.mantissa()),
    };
    let rate = prices.rate(contract.quote, prices.config.portfolio(portfolio).currency);
    let unrealised = value.as_ref().map(|value| value - &holding.basis);
    PositionRow {
        contract,
        quantity,
        fills: holding.fills,
        basis: fit(&holding.basis),
        realised: fit(&holding.realised),
        value: value.as_ref().and_then(fit),
        unrealised: unrealised.as_ref().and_then(fit),
        fees: fit(holding.fees.get(&contract.quote).unwrap_or(&BigInt::ZERO)),
        average: holding.average().as_ref().and_then(fit),
        mark,
        base: match (value, rate) {
            (None, _) => Err(Unpriced::NoMark),
            (Some(_), None) => Err(Unpriced::NoRate),
            (Some(value), Some(rate)) => fees::worth(prices, portfolio, holding).and_then(|fees| {
                in_base_currency(holding, value, &rate, fees).ok_or(Unpriced::Overflow)
            }),
        },
    }
}

/// The amounts in the base currency, with these fees; none if one of them, or one in the quote currency, does not fit.
fn in_base_currency(
    holding: &Holding,
    value: BigInt,
    rate: &Rate,
    fees: Option<i128>,
) -> Option<BaseAmounts> {
    fit(&holding.basis)?;
    fit(&holding.realised)?;
    fit(&value)?;
    fit(&(&value - &holding.basis))?;

    let native = holding.contract.native_scale();
    let value = rate.worth(value, native).rounded();
    let basis = rate.worth(holding.basis.clone(), native).rounded();
    let realised = rate.worth(holding.realised.clone(), native).rounded();
    Some(BaseAmounts {
        value: fit(&value)?,
        basis: fit(&basis)?,
        realised: fit(&realised)?,
        unrealised: fit(&(value - basis))?,
        fees,
    })
}
