//! What a mark and rates make of what is held.

use std::collections::BTreeSet;

use market::{Contract, Currency, InstrumentId, Price};

use super::PositionQuestion;
use crate::portfolio::config::{Direction, RateSource, Route};
use crate::portfolio::fills::PortfolioLine;
use crate::portfolio::money::Rate;
use crate::portfolio::position_history::Held;
use crate::portfolio::row::{BaseAmounts, Position};
use crate::portfolio::value::paid;

/// A step of the way from the quote currency to the base currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLeg {
    /// What says the price; fixed ones have no instrument.
    pub source: RateSource,
    /// Whether amounts are divided by it, and not multiplied.
    pub divides: bool,
    /// The price; none if the instrument has no mark.
    pub price: Option<Price>,
}

impl PositionQuestion<'_> {
    /// The row of what is held at a mark; `mark` gives those of pairs.
    pub fn value(
        &self,
        contract: Contract,
        held: &Held,
        mark: Option<Price>,
        pair_mark: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Option<Position> {
        let line = PortfolioLine { contract, held: Some(held.clone()), target: None };
        let rate = |currency| self.rate(currency, &pair_mark);
        let paid = paid(&line, rate);
        Position::of(&line, mark, rate(contract.quote), &paid)
    }

    /// The way from a currency to the base currency of the portfolio; none if there is none.
    pub fn route(
        &self,
        from: Currency,
        pair_mark: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Option<Vec<RouteLeg>> {
        let route = self.config.route(from, self.config.account(self.portfolio).currency)?;
        let prices = marks(&route, &pair_mark);
        let legs = route.iter().zip(prices).map(|(step, mark)| {
            let price = match step.source {
                RateSource::Mark { .. } => mark,
                RateSource::Fixed { price, .. } => Some(price),
            };
            RouteLeg { source: step.source, divides: step.direction == Direction::Under, price }
        });
        Some(legs.collect())
    }

    /// The instruments whose marks decide rates of a position.
    pub fn pairs(&self, contract: Contract, held: &Held) -> BTreeSet<InstrumentId> {
        let base = self.config.account(self.portfolio).currency;
        let others = held.other_fees.iter().map(|(currency, _)| *currency);
        let routes = others.chain([contract.quote]).filter_map(|of| self.config.route(of, base));
        routes.flat_map(|route| route.iter().filter_map(|s| s.pair()).collect::<Vec<_>>()).collect()
    }

    /// Profit at the rate of now of amounts that are at the native scale: value less basis, and realised.
    pub fn profit_at(
        &self,
        then: &Position,
        pair_mark: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Option<i128> {
        let rate = self.rate(then.contract.quote, &pair_mark)?;
        let native = then.contract.native_scale();
        let value = rate.convert(then.value?, native)?;
        let basis = rate.convert(then.basis, native)?;
        value.checked_sub(basis)?.checked_add(rate.convert(then.realised, native)?)
    }

    fn rate(
        &self,
        from: Currency,
        pair_mark: &impl Fn(InstrumentId) -> Option<Price>,
    ) -> Option<Rate> {
        let route = self.config.route(from, self.config.account(self.portfolio).currency)?;
        Rate::of(&route, &marks(&route, pair_mark))
    }
}

/// The marks of the pairs on a route; none of fixed ones.
fn marks(route: &Route, mark: &impl Fn(InstrumentId) -> Option<Price>) -> Vec<Option<Price>> {
    route.iter().map(|step| step.pair().and_then(mark)).collect()
}

impl BaseAmounts {
    /// Realised and unrealised profit.
    pub fn profit(&self) -> Option<i128> {
        self.realised.checked_add(self.unrealised)
    }
}
