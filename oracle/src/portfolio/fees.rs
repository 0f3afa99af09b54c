//! What was paid besides, by currency: section *Fees*.

use std::collections::BTreeMap;

use market::{Currency, InstrumentId, MONEY_SCALE, PortfolioId};
use num_bigint::BigInt;

use super::bigint::fit;
use super::holding::Holding;
use super::prices::Prices;
use super::rows::{FeeRow, Unpriced};

/// A row for every portfolio, instrument and currency in which something was paid.
pub(super) fn fees(
    prices: &Prices<'_>,
    holdings: &BTreeMap<(PortfolioId, InstrumentId), Holding>,
) -> BTreeMap<(PortfolioId, InstrumentId, Currency), FeeRow> {
    let mut all = BTreeMap::new();
    for ((portfolio, instrument), holding) in holdings {
        for (currency, row) in of_holding(prices, *portfolio, holding) {
            all.insert((*portfolio, *instrument, currency), row);
        }
    }
    all
}

/// What a holding's fees come to in the base currency: none if a rate is missing.
pub(super) fn worth(
    prices: &Prices<'_>,
    portfolio: PortfolioId,
    holding: &Holding,
) -> Result<Option<i128>, Unpriced> {
    let rows = of_holding(prices, portfolio, holding);
    if rows.values().any(|row| row.worth == Err(Unpriced::Overflow)) {
        return Err(Unpriced::Overflow);
    }
    let worths: Option<Vec<i128>> = rows.values().map(|row| row.worth.ok()).collect();
    let Some(worths) = worths else { return Ok(None) };
    let sum = worths.into_iter().map(BigInt::from).sum::<BigInt>();
    fit(&sum).map(Some).ok_or(Unpriced::Overflow)
}

fn of_holding(
    prices: &Prices<'_>,
    portfolio: PortfolioId,
    holding: &Holding,
) -> BTreeMap<Currency, FeeRow> {
    let base = prices.config.portfolio(portfolio).currency;
    let row = |(currency, sum): (&Currency, &BigInt)| {
        let worth = match prices.rate(*currency, base) {
            None => Err(Unpriced::NoRate),
            Some(rate) => {
                fit(&rate.worth(sum.clone(), MONEY_SCALE).rounded()).ok_or(Unpriced::Overflow)
            }
        };
        // No memory holds so many fills that their fees do not fit.
        Some((*currency, FeeRow { fees: fit(sum)?, worth }))
    };
    let paid = holding.fees.iter().filter(|(_, sum)| **sum != BigInt::ZERO);
    paid.filter_map(row).collect()
}
