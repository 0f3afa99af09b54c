//! Which rows a client may send: those within the limits of its key.

use std::collections::HashSet;

use connectors::entries::BodyRow;
use market::account::AccountEvent;
use market::{InputEvent, InstrumentId, PortfolioId};
use node_api::RowLimits;
use node_api::ingest::PostError;

/// What the rows of a body may be about; none: anything.
struct Allowed {
    instruments: Option<HashSet<InstrumentId>>,
    portfolios: Option<HashSet<PortfolioId>>,
}

/// Refuses a body of which a row is outside of `limits`. Such a row is no dead letter: it is no fault of the input.
pub(super) fn check(rows: &[BodyRow], limits: &RowLimits) -> Result<(), PostError> {
    if !limits.limits_rows() {
        return Ok(());
    }
    let symbols = limits.symbols.as_ref();
    let portfolios = limits.portfolios.as_ref();
    let allowed = Allowed {
        instruments: symbols.map(|all| all.iter().map(|one| InstrumentId::of(one)).collect()),
        portfolios: portfolios.map(|all| all.iter().map(|one| PortfolioId::of(one)).collect()),
    };
    let decoded = rows.iter().enumerate();
    let decoded = decoded.filter_map(|(row, read)| Some((row, &read.decoded.as_ref().ok()?.says)));
    for (row, event) in decoded {
        if let Some(why) = allowed.outside(event) {
            return Err(PostError::Forbidden { row, why });
        }
    }
    Ok(())
}

impl Allowed {
    /// Why an event is outside; none if it is not.
    fn outside(&self, event: &InputEvent) -> Option<&'static str> {
        let (instrument, portfolio) = match event {
            InputEvent::Market(event) => (Some(event.instrument()), None),
            InputEvent::Account(AccountEvent::Fill(fill)) => {
                (Some(fill.instrument), Some(fill.name.portfolio))
            }
            // What a fill was of before, its name does not say.
            InputEvent::Account(AccountEvent::Correct(fill)) => (None, Some(fill.name.portfolio)),
            InputEvent::Account(AccountEvent::Bust { of, .. }) => (None, Some(of.portfolio)),
            InputEvent::Account(AccountEvent::Target(target)) => {
                (Some(target.instrument), Some(target.portfolio))
            }
            InputEvent::Account(AccountEvent::Fair(fair)) => (Some(fair.instrument), None),
        };
        if let Some(own) = &self.instruments {
            match instrument {
                None => return Some("changes a fill, which may be of any instrument"),
                Some(id) if !own.contains(&id) => return Some("is of another instrument"),
                Some(_) => {}
            }
        }
        let own = self.portfolios.as_ref();
        let is_own = own.zip(portfolio).is_none_or(|(own, id)| own.contains(&id));
        (!is_own).then_some("is of another portfolio")
    }
}
