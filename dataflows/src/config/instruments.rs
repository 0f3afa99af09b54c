//! `[[instrument]]`, and the calendars that they name.

use std::sync::Arc;

use market::{Calendars, InstrumentRule, InstrumentSpec, Multiplier, SharedRegistries};

use super::raw::{RawInstrument, RawJob};
use super::{ConfigError, calendars};

/// The calendars by number, and the rules that refer to them.
pub(super) fn check(
    job: &RawJob,
    instruments: Vec<RawInstrument>,
    made: &calendars::Made,
    registries: &SharedRegistries,
) -> Result<(Calendars, Vec<InstrumentRule>), ConfigError> {
    let numbered = |name: &str, place: &str| {
        let calendar = made.named(name).map_err(ConfigError::at(place))?;
        let id = registries.register_calendar(calendar.name());
        id.map_err(|error| ConfigError::at(place)(error.to_string()))
    };
    let of_job = numbered(&job.calendar, "job.calendar")?;
    let mut rules = Vec::with_capacity(instruments.len() + 1);
    for (index, raw) in instruments.into_iter().enumerate() {
        let place = format!("instrument[{index}] (pattern `{}`)", raw.pattern);
        let calendar = raw.calendar.as_deref().map(|name| numbered(name, &place)).transpose()?;
        let multiplier = Multiplier::parse(&raw.multiplier.to_string());
        let rule = InstrumentRule {
            pattern: raw.pattern,
            spec: InstrumentSpec {
                price_scale: raw.price_decimals,
                quantity_scale: raw.size_decimals,
                calendar: calendar.unwrap_or(of_job),
            },
            quote: Arc::from(raw.quote),
            multiplier: multiplier.map_err(ConfigError::at(place.clone()))?,
            inverse: raw.inverse,
            negative_prices: raw.negative_prices,
        };
        rule.check().map_err(ConfigError::at(place))?;
        rules.push(rule);
    }
    let any = InstrumentRule::any();
    rules.push(InstrumentRule { spec: InstrumentSpec { calendar: of_job, ..any.spec }, ..any });
    let names = registries.with(|registries| registries.calendars.names().to_vec());
    let calendars = names.iter().map(|name| {
        made.named(name).map_err(|problem| {
            let needed = "it must stay configured: bars that were saved or recorded follow it";
            ConfigError::at("calendar")(format!("{problem}; {needed}"))
        })
    });
    let calendars = calendars.collect::<Result<_, _>>()?;
    let calendars = Calendars::new(calendars).map_err(ConfigError::at("instrument"))?;
    let calendars = calendars.with_weeks_from(&job.week_starts);
    let calendars = calendars.map_err(ConfigError::at("job.week_starts"))?;
    Ok((calendars, rules))
}
