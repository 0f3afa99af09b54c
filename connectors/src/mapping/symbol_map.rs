//! From a feed's symbols to instruments.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use market::{
    Calendar, Catalog, IdScope, InstrumentId, InstrumentSpec, RejectionReason, UnknownNames,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::DecodeError;

/// What a decoder has to know of an instrument: 24 bytes, copied from a reader's own table, so that no
/// lock is taken for a symbol that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedInstrument {
    /// Its id.
    pub id: InstrumentId,
    /// Scales and calendar.
    pub spec: InstrumentSpec,
    /// Whether prices at or below zero are legal.
    pub negative_prices: bool,
    /// The space of its trades' ids.
    pub scope: IdScope,
}

/// An instrument that was found, and what the catalog does not know of it.
pub(super) struct LookedUp {
    pub(super) mapped: MappedInstrument,
    pub(super) unknown: Option<Box<UnknownNames>>,
}

/// Finds instruments by symbol. A clone has a table of its own.
#[derive(Clone)]
pub struct SymbolMap {
    catalog: Arc<Catalog>,
    scope: Option<IdScope>,
    /// Whether ids are contiguous; none if records have no ids.
    contiguous: Option<bool>,
    name: Name,
    /// The configured table, and what the template has found that is registered; bounded by the catalog, since one
    /// symbol is one instrument.
    known: HashMap<Box<[u8]>, MappedInstrument, Seeded>,
}

/// How a symbol that is not in the table becomes an instrument.
#[derive(Clone)]
enum Name {
    /// It need not: one instrument for all.
    Constant(MappedInstrument),
    /// Text before and after the symbol.
    Template(Arc<str>, Arc<str>),
    /// It does not.
    None,
}

impl SymbolMap {
    pub(super) fn check(
        instrument: Option<&str>,
        id_scope: Option<&str>,
        contiguous: Option<bool>,
        symbols: &BTreeMap<String, String>,
        catalog: Arc<Catalog>,
    ) -> Result<SymbolMap, String> {
        let known = HashMap::with_hasher(Seeded::new());
        let mut symbol_map =
            SymbolMap { catalog, scope: None, contiguous, name: Name::None, known };
        symbol_map.scope = id_scope.map(|name| symbol_map.scope_named(name)).transpose()?;
        symbol_map.name = match instrument {
            None if symbols.is_empty() => {
                return Err("`instrument` is missing: a name such as \"bitmex:XBTUSD\", a template such as \"binance:{symbol}\", or a table `symbols`".to_owned());
            }
            None => Name::None,
            Some(text) => match template(text)? {
                Some((before, after)) => {
                    // Now, so that sources which disagree are refused before they start.
                    if let Some((venue, _)) = before.split_once(':').filter(|_| id_scope.is_none())
                    {
                        symbol_map.scope_named(venue)?;
                    }
                    Name::Template(Arc::from(before), Arc::from(after))
                }
                None if symbols.is_empty() => Name::Constant(symbol_map.register(text)?),
                None => {
                    return Err(format!(
                        "`instrument` is \"{text}\" for every record, which leaves nothing to the table `symbols`; keep one, or write a template such as \"venue:{{symbol}}\""
                    ));
                }
            },
        };
        for (symbol, name) in symbols {
            let mapped = symbol_map.register(name)?;
            symbol_map.known.insert(Box::from(symbol.as_bytes()), mapped);
        }
        Ok(symbol_map)
    }

    /// Whether records must carry a symbol.
    pub fn is_by_symbol(&self) -> bool {
        !matches!(self.name, Name::Constant(_))
    }

    /// The calendar of an instrument.
    pub(super) fn calendar(&self, mapped: MappedInstrument) -> &Calendar {
        self.catalog.calendars.get(mapped.spec.calendar)
    }

    /// The one instrument, if it is the same for every record.
    pub(super) fn constant(&self) -> Option<MappedInstrument> {
        match self.name {
            Name::Constant(mapped) => Some(mapped),
            _ => None,
        }
    }

    /// The instrument of `symbol`; `column` is named in the error.
    pub(super) fn find(
        &mut self,
        symbol: &str,
        column: &dyn std::fmt::Display,
    ) -> Result<LookedUp, DecodeError> {
        if let Some(mapped) = self.known(symbol.as_bytes()) {
            return Ok(LookedUp { mapped, unknown: None });
        }
        let Name::Template(before, after) = &self.name else {
            return Err(DecodeError::value(
                RejectionReason::UnknownSymbol,
                column,
                symbol,
                &"is not in the table of symbols",
            ));
        };
        let found = self
            .look_up(&format!("{before}{symbol}{after}"))
            .map_err(|problem| DecodeError::new(RejectionReason::BadInstrument, problem))?;
        if found.unknown.is_none() {
            self.known.insert(Box::from(symbol.as_bytes()), found.mapped);
        }
        Ok(found)
    }

    /// The instrument of a symbol that was found before and is registered.
    pub(super) fn known(&self, symbol: &[u8]) -> Option<MappedInstrument> {
        self.known.get(symbol).copied()
    }

    /// Registers what was found; returns whether there was room for it.
    pub(super) fn register_found(&self, unknown: &UnknownNames) -> bool {
        self.catalog.register(unknown).is_ok()
    }

    /// An instrument that the configuration names.
    fn register(&self, name: &str) -> Result<MappedInstrument, String> {
        let LookedUp { mapped, unknown } = self.look_up(name)?;
        if let Some(unknown) = unknown {
            self.catalog.register(&unknown).map_err(|e| e.to_string())?;
        }
        Ok(mapped)
    }

    /// An instrument by name.
    fn look_up(&self, name: &str) -> Result<LookedUp, String> {
        let found = self.catalog.find(name).map_err(|e| e.to_string())?;
        let instrument = found.instrument;
        let venue = instrument.name.split(':').next().unwrap_or_default();
        let (scope, is_registered) = match (self.scope, self.contiguous) {
            (Some(scope), _) => (scope, true),
            (None, None) => (IdScope::of(venue), true),
            (None, Some(contiguous)) => {
                self.catalog.scopes.check(venue, contiguous).map_err(|e| e.to_string())?
            }
        };
        let new_scope = self.contiguous.filter(|_| !is_registered);
        let new_scope = new_scope.map(|contiguous| (Arc::from(venue), contiguous));
        let mapped = MappedInstrument {
            id: instrument.id,
            spec: instrument.spec,
            negative_prices: instrument.negative_prices,
            scope,
        };
        let unknown = UnknownNames {
            instrument: (!found.is_registered).then_some(instrument),
            scope: new_scope,
            ..UnknownNames::default()
        };
        Ok(LookedUp { mapped, unknown: unknown.boxed() })
    }

    /// A space of ids by name. Sources that share one must agree on it; without ids there is nothing to
    /// agree on.
    fn scope_named(&self, name: &str) -> Result<IdScope, String> {
        match self.contiguous {
            Some(contiguous) => {
                self.catalog.scopes.resolve(name, contiguous).map_err(|e| e.to_string())
            }
            None => Ok(IdScope::of(name)),
        }
    }
}

/// Hashes symbols by XXH3 with a seed of this process: as quick as short keys allow, and nobody outside knows which symbols collide.
#[derive(Clone)]
struct Seeded(u64);

impl Seeded {
    fn new() -> Seeded {
        Seeded(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Seeded {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(self.0)
    }
}

/// The seed, then the hash of what was written.
struct Hash(u64);

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, len: usize) {
        self.0 ^= len as u64; // of a slice, before its bytes
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The texts before and after `{symbol}`; none if `text` is no template.
pub(crate) fn template(text: &str) -> Result<Option<(&str, &str)>, String> {
    let parts = text.split_once("{symbol}");
    let (before, after) = parts.unwrap_or((text, ""));
    if before.contains(['{', '}']) || after.contains(['{', '}']) {
        return Err(format!(
            "`instrument` is \"{text}\"; a template holds {{symbol}} once and no other braces"
        ));
    }
    Ok(parts)
}
