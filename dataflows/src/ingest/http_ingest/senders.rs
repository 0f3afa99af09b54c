//! Which rows a client may send: those within the limits of its key.

use std::collections::HashSet;

use connectors::entries::BodyRow;
use market::account::AccountEvent;
use market::{InputEvent, InstrumentId, PortfolioId};
use node_api::RowLimits;
use node_api::ingest::PostError;
use serde_json::Value;

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
    for (row, read) in rows.iter().enumerate() {
        let why = match &read.decoded {
            Ok(decoded) => allowed.outside(&decoded.says),
            // Why it cannot be read may say how other instruments are configured.
            Err(_) if !is_named_within(&read.raw, limits) => {
                Some("cannot be read, and does not name what the key is for")
            }
            Err(_) => None,
        };
        if let Some(why) = why {
            return Err(PostError::Forbidden { row, why });
        }
    }
    Ok(())
}

/// Whether a row that cannot be decoded names nothing but what is within `limits`.
fn is_named_within(raw: &[u8], limits: &RowLimits) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(raw) else { return false };
    let named =
        |names: [&str; 2]| names.map(|name| fields.get(name)).into_iter().flatten().collect();
    let instruments: Vec<&Value> = named(["instrument", "symbol"]);
    let portfolios: Vec<&Value> = named(["portfolio", "portfolio"]);
    let is_one = |own: &[String], value: &Value| {
        value.as_str().is_some_and(|text| own.iter().any(|one| one == text))
    };
    let is_within = |own: &Option<Vec<String>>, values: &[&Value]| {
        own.as_ref().is_none_or(|own| values.iter().all(|value| is_one(own, value)))
    };
    let is_about_an_instrument = limits.symbols.is_none() || !instruments.is_empty();
    is_about_an_instrument
        && is_within(&limits.symbols, &instruments)
        && is_within(&limits.portfolios, &portfolios)
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
