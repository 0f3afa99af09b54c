//! The core of valuation: values every line at its mark and rate, and sums portfolios. Pure; one per worker.
//!
//! * **Input**: the changes of a round, net: lines of this worker's portfolios, marks of all instruments.
//! * **Output**: [`Rows`], net and in the order in which arrangements keep them: of all tables that marks reach, and
//!   what risk has to know.
//! * **Cost**: a mark, one step per line that holds its instrument or is converted by it, then a pass over the lines
//!   of each of their portfolios. What did not change costs nothing.
//! * **State bound**: below a kilobyte per line that there ever was, a mark per instrument. Never saved: a round with
//!   all lines and marks that exist makes the rows that exist.

mod account_state;
mod conversion;
mod operator;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use market::{Contract, InstrumentId, PortfolioId, Price};
use serde::{Deserialize, Serialize};

use super::config::{PortfolioConfig, Route, RouteStep, Routes};
use super::fills::PortfolioLine;
use super::row::{Drift, FeeKey, FeeTotal, Portfolio, Position, PositionKey};
use crate::arrange::Update;
use crate::heap;
use crate::time::Time;

use account_state::AccountState;
pub(super) use operator::{ValuedRows, value_positions};

/// A line is this now, or is no more.
pub(super) type LineChange = (PositionKey, Option<PortfolioLine>);

/// The mark of an instrument is this now.
pub(super) type MarkChange = (InstrumentId, Option<Price>);

/// What a worker knows of its portfolios. One per worker, not per shard: marks go to all workers, and each shard would
/// keep and look up every mark.
pub(super) struct Valuation {
    config: Arc<PortfolioConfig>,
    routes: Routes,
    accounts: Vec<AccountState>,
    numbers: HashMap<PortfolioId, usize>,
    quotes: HashMap<InstrumentId, Quote>,
    /// Account states that changed in this round so far.
    dirty: Vec<usize>,
}

/// An instrument's mark, and who has to do with it.
#[derive(Default)]
struct Quote {
    mark: Option<Price>,
    /// Lines of it.
    lines: Vec<Place>,
    /// Lines that it converts.
    converted_lines: Vec<Place>,
}

/// Where a line is, for ever: so holders are found without a search. The fills behind it are never forgotten either.
#[derive(Clone, Copy)]
struct Place {
    account: usize,
    line: usize,
}

/// A position that is open and priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Holding {
    pub(super) portfolio: PortfolioId,
    pub(super) quantity: i128,
    pub(super) contract: Contract,
}

/// Changes of rows.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) positions: Vec<Update<PositionKey, Arc<Position>>>,
    pub(super) fees: Vec<Update<FeeKey, FeeTotal>>,
    pub(super) portfolios: Vec<Update<PortfolioId, Portfolio>>,
    pub(super) drift: Vec<Update<PositionKey, Arc<Drift>>>,
    /// Which positions are open.
    pub(super) open: Vec<Update<PortfolioId, InstrumentId>>,
    /// Which of them are priced. Watermarks move them only where they make a position priced or not.
    pub(super) priced: Vec<Update<InstrumentId, Holding>>,
}

impl Valuation {
    /// A valuation without portfolios.
    pub(super) fn new(config: Arc<PortfolioConfig>) -> Valuation {
        let (accounts, dirty) = (Vec::new(), Vec::new());
        let routes = Routes::new(Arc::clone(&config));
        Valuation {
            config,
            routes,
            accounts,
            numbers: HashMap::new(),
            quotes: HashMap::new(),
            dirty,
        }
    }

    /// Applies what a round changed; puts out at its time what differs from what was put out before. Of two
    /// changes of one line or mark the last one counts.
    pub(super) fn round(
        &mut self,
        time: Time,
        lines: &[LineChange],
        marks: &[MarkChange],
        out: &mut Rows,
    ) {
        marks.iter().for_each(|(instrument, mark)| self.apply_mark(*instrument, *mark));
        lines.iter().for_each(|(key, line)| self.apply_line(*key, line));
        self.dirty.sort_unstable_by_key(|account| self.accounts[*account].portfolio());
        for account in self.dirty.drain(..) {
            self.accounts[account].settle(time, out);
        }
    }

    /// Portfolios, and how many bytes they retain. It takes a line to have a place in each of the lists of its quotes.
    pub(super) fn size(&self) -> (usize, usize) {
        let lines: usize = self.accounts.iter().map(|account| account.lines()).sum();
        let bytes = self.accounts.iter().map(AccountState::bytes).sum::<usize>()
            + heap::vec::<AccountState>(self.accounts.capacity())
            + heap::hash::<InstrumentId, Quote>(self.quotes.len())
            + 2 * lines * size_of::<Place>();
        (self.accounts.len(), bytes)
    }

    fn apply_mark(&mut self, instrument: InstrumentId, mark: Option<Price>) {
        let quote = self.quotes.entry(instrument).or_default();
        quote.mark = mark;
        for place in &quote.lines {
            if self.accounts[place.account].set_mark(place.line, mark) {
                self.dirty.push(place.account);
            }
        }
        for place in &quote.converted_lines {
            if self.accounts[place.account].set_pair(place.line, instrument, mark) {
                self.dirty.push(place.account);
            }
        }
    }

    fn apply_line(&mut self, key: PositionKey, line: &Option<PortfolioLine>) {
        let PositionKey { portfolio, instrument } = key;
        let number = self.account(portfolio);
        let account = &mut self.accounts[number];
        let (at, is_new) = account.place(instrument);
        let place = Place { account: number, line: at };
        if account.set_line(at, line.clone()) {
            self.dirty.push(number);
        }
        // From here on it is dirty already, if it matters.
        if is_new {
            let quote = self.quotes.entry(instrument).or_default();
            quote.lines.push(place);
            account.set_mark(at, quote.mark);
        }
        let Some(line) = line else { return };
        let route = self.routes.of(portfolio, line.contract.quote);
        if account.set_route(at, route) {
            convert(&mut self.quotes, account, place, route);
        }
        for (currency, _) in line.held.iter().flat_map(|held| &held.other_fees) {
            let route = self.routes.of(portfolio, *currency);
            if account.set_fee_route(at, *currency, route) {
                convert(&mut self.quotes, account, place, route);
            }
        }
    }

    /// The index of a portfolio's account state.
    fn account(&mut self, portfolio: PortfolioId) -> usize {
        match self.numbers.entry(portfolio) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.accounts.push(AccountState::new(portfolio, self.config.account(portfolio)));
                *new.insert(self.accounts.len() - 1)
            }
        }
    }
}

/// From now on the pairs of this route convert the line at this place.
fn convert(
    quotes: &mut HashMap<InstrumentId, Quote>,
    account: &mut AccountState,
    place: Place,
    route: Option<&Route>,
) {
    for pair in route.into_iter().flat_map(|route| route.iter()).filter_map(RouteStep::pair) {
        let quote = quotes.entry(pair).or_default();
        // Several of its currencies may go over one pair.
        if account.conversions_over(place.line, pair) == 1 {
            quote.converted_lines.push(place);
        }
        account.set_pair(place.line, pair, quote.mark);
    }
}
