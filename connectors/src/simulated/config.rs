//! A simulated venue as its user writes it, and as it is used.

use std::sync::Arc;

use market::{Catalog, EventTime, Span, TimeUnit};
use serde::{Deserialize, Serialize};

use super::backfill::{self, LOTS_OF_MANY_MAX};
use super::params::VenueParams;
use super::provider::TransportFaults;
use super::rng::Probability;
use super::walk::{LOTS_MAX, Listing, STEPS_MAX};
use crate::mapping::symbol_map::template;

/// The keys of a simulated venue, besides those of all sources.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatedConfig {
    /// The seed of everything random.
    pub seed: u64,
    /// A template such as `demo:{symbol}`.
    pub instrument: String,
    /// How many symbols trade, the first ones most: 1 to 10,000. They are called ALFA, BRAVO, …, ZULU,
    /// ALFA2, …
    pub symbols: u32,
    /// How many ticks the venue sends per second, in the mean: 1 to 1,000,000.
    pub ticks_per_second: u32,
    /// After how many ticks it closes, those of the back-fill not counted. Default: never.
    pub ticks: Option<u64>,
    /// When it opens (RFC 3339).
    pub start: String,
    /// For how long before that it tells what was traded, so that there are bars at once: whole minutes up to 7d, and
    /// at most 1,000,000 trades. Each symbol trades in each five minutes, in the last 5 hours in each minute (the five
    /// busiest always), and in the last hour in each five seconds.
    pub backfill: String,
    /// How many providers it has: 1 to 8.
    pub providers: u32,
    /// Which of them this source is, from 1; the first one never errs.
    pub provider: u32,
    /// What goes wrong.
    pub faults: FaultsConfig,
}

/// `[source.faults]`: fractions of all ticks from 0 to 0.1, and times.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultsConfig {
    /// Trades that the venue sends late.
    pub late: f64,
    /// How late at most (most are emitted much sooner): 1ms to 1h.
    pub late_by: String,
    /// Trades that are corrected within half a minute.
    pub corrected: f64,
    /// Trades that are cancelled within half a minute.
    pub cancelled: f64,
    /// Ticks that fall behind their neighbours on the way, by less than 400 ms.
    pub disordered: f64,
    /// Ticks that come twice.
    pub repeated: f64,
    /// Ticks that a provider loses; of two or more, the others bring them.
    pub lost: f64,
    /// Trades that a provider other than the first brings at a wrong price.
    pub conflicting: f64,
    /// How often one of the providers falls silent, in turn; `0s`: never.
    pub outage_every: String,
    /// For how long; less than `outage_every`.
    pub outage_for: String,
}

/// A checked configuration.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) params: VenueParams,
    pub(super) faults: TransportFaults,
    /// From 0.
    pub(super) provider: u32,
    pub(super) providers: u32,
}

impl Default for SimulatedConfig {
    fn default() -> SimulatedConfig {
        SimulatedConfig {
            seed: 1,
            instrument: "demo:{symbol}".to_owned(),
            symbols: 50,
            ticks_per_second: 10_000,
            ticks: None,
            start: "2026-01-05T10:00:00Z".to_owned(),
            backfill: "0s".to_owned(),
            providers: 1,
            provider: 1,
            faults: FaultsConfig::default(),
        }
    }
}

impl Default for FaultsConfig {
    fn default() -> FaultsConfig {
        FaultsConfig {
            late: 0.000_5,
            late_by: "1m".to_owned(),
            corrected: 0.000_5,
            cancelled: 0.000_2,
            disordered: 0.01,
            repeated: 0.001,
            lost: 0.001,
            conflicting: 0.000_01,
            outage_every: "45s".to_owned(),
            outage_for: "3s".to_owned(),
        }
    }
}

impl Plan {
    pub(super) fn check(config: SimulatedConfig, catalog: &Catalog) -> Result<Plan, String> {
        between("symbols", config.symbols, 1, 10_000)?;
        between("ticks_per_second", config.ticks_per_second, 1, 1_000_000)?;
        between("providers", config.providers, 1, 8)?;
        between("provider", config.provider, 1, config.providers)?;
        let backfill = checked_backfill(&config.backfill, config.symbols)?;
        let start = EventTime::parse(&config.start, TimeUnit::Rfc3339)
            .map_err(|error| format!("`start` = \"{}\" {error}", config.start))?;
        let lots_max = if backfill > Span::ZERO { LOTS_OF_MANY_MAX } else { LOTS_MAX };
        let faults = config.faults;
        let params = VenueParams {
            seed: config.seed,
            start,
            ticks_per_second: config.ticks_per_second,
            backfill,
            ticks: config.ticks,
            late: probability("late", faults.late)?,
            late_by: span("late_by", &faults.late_by, Span::millis(1), Span::secs(3_600))?,
            corrected: probability("corrected", faults.corrected)?,
            cancelled: probability("cancelled", faults.cancelled)?,
            listings: listings(&config.instrument, config.symbols, lots_max, catalog)?,
        };
        let day = Span::secs(86_400);
        let outage_every = span("outage_every", &faults.outage_every, Span::ZERO, day)?;
        let outage_for = span("outage_for", &faults.outage_for, Span::ZERO, day)?;
        if outage_every > Span::ZERO && outage_for >= outage_every {
            return Err(format!(
                "`faults.outage_for` = \"{outage_for}\" is not less than `faults.outage_every` = \"{outage_every}\""
            ));
        }
        let faults = TransportFaults {
            lost: probability("lost", faults.lost)?,
            disordered: probability("disordered", faults.disordered)?,
            repeated: probability("repeated", faults.repeated)?,
            conflicting: probability("conflicting", faults.conflicting)?,
            outage_every,
            outage_for,
        };
        Ok(Plan { params, faults, provider: config.provider - 1, providers: config.providers })
    }
}

fn between(key: &str, n: u32, least: u32, most: u32) -> Result<(), String> {
    match (least..=most).contains(&n) {
        true => Ok(()),
        false => Err(format!("`{key}` = {n} is not between {least} and {most}")),
    }
}

/// The most that a fraction of faults may be, so that those of eight providers stay below 1.
const FRACTION_MAX: f64 = 0.1;

fn probability(key: &str, fraction: f64) -> Result<Probability, String> {
    match (0.0..=FRACTION_MAX).contains(&fraction) {
        true => Ok(Probability::new(fraction)),
        false => Err(format!("`faults.{key}` = {fraction} is not between 0 and {FRACTION_MAX}")),
    }
}

fn checked_backfill(text: &str, symbols: u32) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|problem| format!("`backfill`: {problem}"))?;
    let whole = span.as_nanos() % Span::secs(60).as_nanos() == 0;
    if !whole || !(Span::ZERO..=Span::secs(7 * 86_400)).contains(&span) {
        return Err(format!("`backfill` = \"{text}\" is not whole minutes from 0s to 7d"));
    }
    let trades = backfill::trades(span, symbols as usize);
    match trades <= backfill::TRADES_MAX {
        true => Ok(span),
        false => Err(format!(
            "`backfill` = \"{text}\" of {symbols} symbols is {trades} trades, more than {}; have less of either",
            backfill::TRADES_MAX
        )),
    }
}

fn span(key: &str, text: &str, least: Span, most: Span) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|problem| format!("`faults.{key}`: {problem}"))?;
    match (least..=most).contains(&span) {
        true => Ok(span),
        false => Err(format!("`faults.{key}` = \"{span}\" is not between {least} and {most}")),
    }
}

/// Registers every symbol.
fn listings(
    instrument: &str,
    symbols: u32,
    lots_max: i64,
    catalog: &Catalog,
) -> Result<Arc<[Listing]>, String> {
    let Some((before, after)) = template(instrument)? else {
        return Err(format!(
            "`instrument` is \"{instrument}\" for every symbol; write a template such as \"demo:{{symbol}}\""
        ));
    };
    let venue = instrument.split(':').next().unwrap_or_default();
    let scope = catalog.scopes.resolve(venue, true).map_err(|error| error.to_string())?;
    let listing = |number| {
        let name = format!("{before}{}{after}", symbol(number));
        let known = catalog.resolve(&name).map_err(|error| error.to_string())?;
        let spec = known.spec;
        // A step of a cent if there are cents; the size is whole.
        let price_step = 10_i64.checked_pow(u32::from(spec.price_scale.saturating_sub(2)));
        let lot = 10_i64.checked_pow(u32::from(spec.quantity_scale));
        let fits = |price_step: i64, lot: i64| {
            // Corrections add some steps; twice the price leaves room for them.
            let price = market::Price(price_step.checked_mul(2 * STEPS_MAX)?);
            let size = market::Quantity(lot.checked_mul(lots_max)?);
            price.summable(size).then_some((price_step, lot))
        };
        let fit = price_step.zip(lot).and_then(|(price_step, lot)| fits(price_step, lot));
        let Some((price_step, lot)) = fit else {
            return Err(format!(
                "`{name}` has {} decimals of prices and {} of sizes: too many for what trades here; configure fewer for its pattern in `[[instrument]]`",
                spec.price_scale, spec.quantity_scale
            ));
        };
        Ok(Listing { instrument: known.id, spec, scope, price_step, lot })
    };
    (0..symbols).map(listing).collect()
}

/// The words of the spelling alphabet, over and over, the rounds after the first with their number.
fn symbol(number: u32) -> String {
    const WORDS: [&str; 26] = [
        "ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA",
        "JULIETT", "KILO", "LIMA", "MIKE", "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO",
        "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY", "XRAY", "YANKEE", "ZULU",
    ];
    let word = WORDS[number as usize % WORDS.len()];
    match number as usize / WORDS.len() {
        0 => word.to_owned(),
        round => format!("{word}{}", round + 1),
    }
}
