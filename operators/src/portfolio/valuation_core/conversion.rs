//! The rate from a currency to a portfolio's base currency, as the pairs on its route trade.

use market::{InstrumentId, Price};

use crate::heap;
use crate::portfolio::config::Route;
use crate::portfolio::money::Rate;

/// A route, the marks of its pairs, and the rate that they make.
#[derive(Default)]
pub(super) struct Conversion {
    /// None if there is no chain of pairs.
    route: Option<Route>,
    /// Of the steps of the route.
    pair_marks: Vec<Option<Price>>,
    rate: Option<Rate>,
}

impl Conversion {
    /// None without a route, or if a pair on it has no mark above 0.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Sets the route, whose rate is none until its pairs have marks; returns whether that is new.
    pub(super) fn set_route(&mut self, route: Option<&Route>) -> bool {
        let is_new = self.route.as_ref() != route;
        if is_new {
            self.pair_marks = vec![None; route.map_or(0, |route| route.len())];
            self.rate = route.and_then(|route| Rate::of(route, &self.pair_marks));
            self.route = route.cloned();
        }
        is_new
    }

    /// The mark of this pair is this; returns whether it is on the route.
    pub(super) fn set_pair(&mut self, pair: InstrumentId, mark: Option<Price>) -> bool {
        let Some(route) = &self.route else { return false };
        let mut is_on_route = false;
        for (step, known) in route.iter().zip(&mut self.pair_marks) {
            if step.pair() == Some(pair) {
                (*known, is_on_route) = (mark, true);
            }
        }
        if is_on_route {
            self.rate = Rate::of(route, &self.pair_marks);
        }
        is_on_route
    }

    /// Whether this pair is on the route.
    pub(super) fn is_over(&self, pair: InstrumentId) -> bool {
        self.route.iter().flat_map(|route| route.iter()).any(|step| step.pair() == Some(pair))
    }

    /// About how many bytes it retains beside itself; its route is shared.
    pub(super) fn bytes(&self) -> usize {
        heap::vec::<Option<Price>>(self.pair_marks.capacity())
    }
}
