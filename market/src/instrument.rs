//! Instruments: configured names, their specs, and the catalog that knows them all.
//!
//! An instrument is a name such as `binance:BTCUSDT` or `us:AAPL`. The same symbol on two products
//! (`binance:BTCUSDT`, `binance-usdm:BTCUSDT`) is two instruments. On the hot path an instrument is
//! its [`InstrumentId`], eight bytes that are the same in every process and after every restart.

use std::sync::{Arc, PoisonError, RwLock};

use crate::calendar::Calendars;
use crate::contract::{Contract, Currency, InstrumentSpec, Multiplier};
use crate::decimal::SCALE_MAX;
use crate::id::{InstrumentId, ModelId, PortfolioId};
use crate::id_texts::IdTexts;
use crate::names::{NameCount, Names, is_name};
use crate::places::{HasName, NoPlace, Places};
use crate::scopes::IdScopes;

/// One instrument as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Its id, from the name.
    pub id: InstrumentId,
    /// Its name, `venue:SYMBOL`.
    pub name: Arc<str>,
    /// Scales and calendar.
    pub spec: InstrumentSpec,
    /// What prices are in, such as `USD`; empty when not configured.
    pub quote: Arc<str>,
    /// How many units of the underlying one unit of quantity represents.
    pub multiplier: Multiplier,
    /// Whether it is an inverse contract: worth so much of the prices' currency, and settled in another one. What a
    /// holding of it is worth is not known here.
    pub is_inverse: bool,
    /// Whether prices at or below zero are legal, as in some futures.
    pub negative_prices: bool,
}

/// InstrumentSpec for all instruments whose name fits a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentRule {
    /// A name in which each `*` matches any text, also none.
    pub pattern: String,
    /// Scales and calendar.
    pub spec: InstrumentSpec,
    /// See [`Instrument::quote`].
    pub quote: Arc<str>,
    /// See [`Instrument::multiplier`].
    pub multiplier: Multiplier,
    /// See [`Instrument::is_inverse`]; none if the name says it.
    pub inverse: Option<bool>,
    /// See [`Instrument::negative_prices`].
    pub negative_prices: bool,
}

/// Why a name was not taken into the catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Two names hash to one id.
    #[error("instrument `{name}` has the same id as `{other}`; rename one of them")]
    Collision {
        /// The new name.
        name: String,
        /// The name that has the id.
        other: Arc<str>,
    },
    /// The catalog is full.
    #[error(
        "instrument `{name}` is one more than the {limit} that `limits.instruments` allows (--max-instruments)"
    )]
    Full {
        /// The new name.
        name: String,
        /// Its bound.
        limit: usize,
    },
    /// Names are 1 to 128 visible ASCII characters.
    #[error("`{name}` is not an instrument name (1 to 128 visible ASCII characters)")]
    BadName {
        /// The text.
        name: String,
    },
}

/// An instrument as it was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is, or would be.
    pub instrument: Arc<Instrument>,
    /// Whether it is registered.
    pub is_registered: bool,
}

/// Every name that the configuration or a bound row has: instruments with the rules that give new ones their
/// specs, portfolios, and models of fair values.
///
/// Bounded by the limits it is made with. Shared by decoders and readers, which look up, and by the thread that binds
/// rows, which registers.
pub struct Catalog {
    rules: Vec<InstrumentRule>,
    /// The names of the id scopes of their trades.
    pub scopes: IdScopes,
    /// What sources wrote of ids that travel as hashes.
    pub ids: IdTexts,
    /// What the specs of instruments name by number.
    pub calendars: Calendars,
    places: RwLock<Places<InstrumentId, Arc<Instrument>>>,
    /// The portfolios.
    pub portfolios: Names<PortfolioId>,
    /// The models of fair values.
    pub models: Names<ModelId>,
}

impl HasName for Arc<Instrument> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl Instrument {
    /// What has to be known to value a holding of it; none without a configured quote currency. That of an inverse
    /// contract says nothing.
    pub fn contract(&self) -> Option<Contract> {
        let quote = Currency::of(&self.quote)?;
        Some(Contract { spec: self.spec, quote, multiplier: self.multiplier })
    }
}

impl InstrumentRule {
    /// The rule that fits every name, with [`InstrumentSpec::DEFAULT`].
    pub fn any() -> InstrumentRule {
        InstrumentRule {
            pattern: "*".to_owned(),
            spec: InstrumentSpec::DEFAULT,
            quote: Arc::from(""),
            multiplier: Multiplier::ONE,
            inverse: None,
            negative_prices: false,
        }
    }

    /// Whether the spec can be computed with.
    pub fn check(&self) -> Result<(), String> {
        for (scale, what) in
            [(self.spec.price_scale, "price"), (self.spec.quantity_scale, "quantity")]
        {
            if scale > SCALE_MAX {
                return Err(format!("{what} scale {scale} is above {SCALE_MAX} decimals"));
            }
        }
        if !self.quote.is_empty() && Currency::of(&self.quote).is_none() {
            return Err(format!(
                "quote `{}` is not a currency (1 to 8 of A–Z and 0–9, such as USD or USDT)",
                self.quote
            ));
        }
        Ok(())
    }
}

impl Catalog {
    /// How many portfolios it holds unless it is configured otherwise.
    pub const PORTFOLIOS: usize = 10_000;
    /// How many models it holds unless it is configured otherwise.
    pub const MODELS: usize = 256;
    /// How many bytes of texts of ids it holds unless it is configured otherwise.
    pub const ID_TEXT_BYTES: usize = 128 << 20;

    /// A catalog that gives a new name the spec of the first rule that fits it, else those of
    /// [`InstrumentRule::any`], and holds at most `limit` instruments, [`Catalog::PORTFOLIOS`],
    /// [`Catalog::MODELS`] and [`Catalog::ID_TEXT_BYTES`].
    pub fn new(rules: Vec<InstrumentRule>, limit: usize) -> Catalog {
        Catalog {
            rules,
            scopes: IdScopes::default(),
            ids: IdTexts::with_bytes(Catalog::ID_TEXT_BYTES),
            calendars: Calendars::utc(),
            places: RwLock::new(Places::new(limit)),
            portfolios: Names::new(Catalog::PORTFOLIOS),
            models: Names::new(Catalog::MODELS),
        }
    }

    /// With room for so many portfolios and models.
    #[must_use]
    pub fn with_room_for(self, portfolios: usize, models: usize) -> Catalog {
        Catalog { portfolios: Names::new(portfolios), models: Names::new(models), ..self }
    }

    /// With room for so many bytes of texts of ids.
    #[must_use]
    pub fn with_id_text_bytes(self, bytes: usize) -> Catalog {
        Catalog { ids: IdTexts::with_bytes(bytes), ..self }
    }

    /// With the calendars that specs name; UTC alone without.
    #[must_use]
    pub fn with_calendars(self, calendars: Calendars) -> Catalog {
        Catalog { calendars, ..self }
    }

    /// The instrument of this name, which is registered if it is new.
    ///
    /// ```
    /// # use market::{CalendarId, Catalog, InstrumentId};
    /// let catalog = Catalog::new(Vec::new(), 100);
    /// let btc = catalog.resolve("binance:BTCUSDT").unwrap();
    /// assert_eq!(btc.id, InstrumentId::of("binance:BTCUSDT"));
    /// assert_eq!(catalog.get(btc.id).unwrap().name, btc.name);
    /// ```
    pub fn resolve(&self, name: &str) -> Result<Arc<Instrument>, CatalogError> {
        let Found { instrument, is_registered } = self.find(name)?;
        if !is_registered {
            self.insert(&instrument)?;
        }
        Ok(instrument)
    }

    /// The instrument of this name, which is not registered if it is new.
    ///
    /// ```
    /// # use market::{Catalog, InstrumentId};
    /// let catalog = Catalog::new(Vec::new(), 100);
    /// let btc = catalog.find("binance:BTCUSDT").unwrap();
    /// assert_eq!(btc.instrument.id, InstrumentId::of("binance:BTCUSDT"));
    /// assert!(!btc.is_registered && catalog.get(btc.instrument.id).is_none());
    /// ```
    pub fn find(&self, name: &str) -> Result<Found, CatalogError> {
        let id = InstrumentId::of(name);
        if let Some(known) = self.get(id) {
            let instrument = same_name(known, name)?;
            return Ok(Found { instrument, is_registered: true });
        }
        if !is_name(name) {
            return Err(CatalogError::BadName { name: name.chars().take(160).collect() });
        }
        Ok(Found { instrument: Arc::new(self.describe(id, name)), is_registered: false })
    }

    /// The instrument of this id, if it has been registered.
    pub fn get(&self, id: InstrumentId) -> Option<Arc<Instrument>> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Registers an instrument that was found.
    pub(crate) fn insert(&self, instrument: &Arc<Instrument>) -> Result<(), CatalogError> {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let registered = places.register(instrument.id, Arc::clone(instrument));
        registered.map_err(|why| no_place(&instrument.name, why))
    }

    /// Holds a place for an instrument that was found.
    pub(crate) fn take_place(&self, instrument: &Arc<Instrument>) -> Result<(), CatalogError> {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let held = places.hold(instrument.id, Arc::clone(instrument));
        held.map_err(|why| no_place(&instrument.name, why))
    }

    /// Gives a place back that was held.
    pub(crate) fn give_back(&self, id: InstrumentId) {
        self.places.write().unwrap_or_else(PoisonError::into_inner).release(id);
    }

    /// The name of this id; ids that were never registered show as hexadecimal.
    pub fn name(&self, id: InstrumentId) -> Arc<str> {
        self.get(id).map_or_else(|| Arc::from(format!("{id:?}")), |i| Arc::clone(&i.name))
    }

    /// All registered instruments, by name.
    pub fn all(&self) -> Vec<Arc<Instrument>> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = places.all().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The decimals of prices and of sizes of all registered instruments, by name.
    pub fn scales(&self) -> Vec<(String, u8, u8)> {
        let all = self.all().into_iter();
        all.map(|own| (own.name.to_string(), own.spec.price_scale, own.spec.quantity_scale))
            .collect()
    }

    /// How many instruments, portfolios and models there are, and how many there may be.
    pub fn name_counts(&self) -> [NameCount; 3] {
        let (used, limit) = self.places.read().unwrap_or_else(PoisonError::into_inner).taken();
        let bound = "`limits.instruments` (--max-instruments)";
        let instruments = NameCount { what: "instrument", bound, used, limit };
        [instruments, self.portfolios.count(), self.models.count()]
    }

    fn describe(&self, id: InstrumentId, name: &str) -> Instrument {
        let any = InstrumentRule::any();
        let rule = self.rules.iter().find(|rule| fits(&rule.pattern, name)).unwrap_or(&any);
        Instrument {
            id,
            name: Arc::from(name),
            spec: rule.spec,
            quote: Arc::clone(&rule.quote),
            multiplier: rule.multiplier,
            is_inverse: rule.inverse.unwrap_or_else(|| is_inverse(name, &rule.quote)),
            negative_prices: rule.negative_prices,
        }
    }
}

/// Whether a name says that its prices are not in the configured quote currency, but that currency in another:
/// `BTCUSD` with BTC.
fn is_inverse(name: &str, quote: &str) -> bool {
    const QUOTES: [&str; 12] =
        ["USD", "USDT", "USDC", "BUSD", "FDUSD", "EUR", "GBP", "JPY", "KRW", "TRY", "BRL", "AUD"];
    let symbol = name.rsplit(':').next().unwrap_or_default();
    let rest = symbol.strip_prefix(quote).filter(|_| !quote.is_empty()).unwrap_or_default();
    let rest = rest.trim_start_matches(['-', '_', '/']);
    let other = rest.split(['-', '_', '/', '.']).next().unwrap_or_default();
    QUOTES.contains(&other) && other != quote
}

fn same_name(known: Arc<Instrument>, name: &str) -> Result<Arc<Instrument>, CatalogError> {
    if *known.name == *name {
        Ok(known)
    } else {
        let other = Arc::clone(&known.name);
        Err(CatalogError::Collision { name: name.to_owned(), other })
    }
}

fn no_place(name: &str, why: NoPlace) -> CatalogError {
    let name = name.to_owned();
    match why {
        NoPlace::Taken(other) => CatalogError::Collision { name, other },
        NoPlace::Full(limit) => CatalogError::Full { name, limit },
    }
}

/// Whether `name` fits `pattern`, in which each `*` matches any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| fits(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CalendarId;

    #[test]
    fn the_first_fitting_rule_gives_the_spec() {
        let coarse = InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(1) };
        let rule =
            InstrumentRule { pattern: "us:*".to_owned(), spec: coarse, ..InstrumentRule::any() };
        let catalog = Catalog::new(vec![rule, InstrumentRule::any()], 10);
        assert_eq!(catalog.resolve("us:AAPL").unwrap().spec, coarse);
        assert_eq!(catalog.resolve("binance:BTCUSDT").unwrap().spec, InstrumentSpec::DEFAULT);
    }

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("a:*", "a:B", true),
            ("a:*", "b:B", false),
            ("*USDT", "x:BTCUSDT", true),
            ("*USDT", "x:USDTBTC", false),
            ("x:*-*", "x:A-B", true),
            ("x", "x", true),
            ("x", "xy", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_inverse_contracts() {
        for (name, quote, want) in [
            ("inv:BTCUSD", "BTC", true),
            ("deribit:BTC-USD", "BTC", true),
            ("x:ETHUSD_PERP", "ETH", true),
            ("x:BTCUSDT", "USDT", false),
            ("x:BTCUSD", "USD", false),
            ("x:USDC-USD", "USD", false),
            ("us:USDU", "USD", false),
            ("x:BTCUSD", "", false),
            ("x:BTC", "BTC", false),
        ] {
            assert_eq!(is_inverse(name, quote), want, "{name} {quote}");
        }
    }

    #[test]
    fn bounds_hold() {
        let catalog = Catalog::new(Vec::new(), 1);
        catalog.resolve("a").unwrap();
        catalog.resolve("a").unwrap();
        assert!(matches!(catalog.resolve("b"), Err(CatalogError::Full { limit: 1, .. })));
        let [instruments, ..] = catalog.name_counts();
        assert_eq!((instruments.what, instruments.used, instruments.limit), ("instrument", 1, 1));
        assert!(matches!(catalog.resolve(""), Err(CatalogError::BadName { .. })));
        assert!(matches!(catalog.resolve("two words"), Err(CatalogError::BadName { .. })));
    }
}
