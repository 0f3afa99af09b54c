//! A mapping as it is used: checked once, then trusted.

use std::sync::Arc;

use market::decimal::SCALE_MAX;
use market::{Catalog, IdPeriod};

use super::config::{Column, ColumnsConfig, IdColumns, MappingConfig};
use super::field::Field;
use super::layout::Layout;
use super::numbers::NumberForm;
use super::readings::Readings;
use super::symbol_map::SymbolMap;
use super::times::Times;
use super::units::UnitsConfig;
use super::vocabulary::{self, Kind};
use super::zero_size::ZeroSize;

/// Which column holds what, in which units, of which instrument. Only [`Mapping::check`] makes one.
pub struct Mapping {
    columns: [Option<Column>; Field::COUNT],
    pub(super) units: UnitsConfig,
    pub(super) times: Times,
    pub(super) numbers: NumberForm,
    pub(super) equals: Option<String>,
    /// A feed's own words for kinds; without any, those of the vocabulary.
    pub(super) kinds: Vec<(String, Kind)>,
    pub(super) rows: Vec<String>,
    pub(super) zero_size: ZeroSize,
    pub(super) id_period: IdPeriod,
    pub(super) readings: Readings,
    pub(super) symbol_map: SymbolMap,
}

impl Mapping {
    /// Checks what was written; an error says what it was and what is possible.
    ///
    /// The instruments that the configuration names are registered in `catalog` now, those of a
    /// template when their symbols appear.
    pub fn check(config: MappingConfig, catalog: Arc<Catalog>) -> Result<Mapping, String> {
        check_units(&config.units)?;
        let (times, numbers) = (Times::check(&config.units)?, NumberForm::check(&config.units)?);
        let kinds = check_kinds(&config)?;
        check_fields(&config.columns, &config.units, &kinds)?;
        if config.contiguous_ids && config.columns.id.is_none() {
            return Err(
                "`contiguous_ids` needs `columns.id`: without ids none is missing".to_owned()
            );
        }
        let is_composite = config.columns.id.as_ref().is_some_and(IdColumns::is_composite);
        if config.contiguous_ids && is_composite {
            return Err(
                "`contiguous_ids` needs an id of one column: ids of several are texts, and \
                        texts have no next one"
                    .to_owned(),
            );
        }
        if config.id_period != IdPeriod::Forever {
            if config.columns.id.is_none() {
                return Err(
                    "`id_period` needs `columns.id`: it says when ids begin anew".to_owned()
                );
            }
            if config.contiguous_ids {
                return Err(
                    "`contiguous_ids` needs ids that go on for ever, and `id_period` is another"
                        .to_owned(),
                );
            }
        }
        let symbol_map = SymbolMap::check(
            config.instrument.as_deref(),
            config.id_scope.as_deref(),
            config.columns.id.is_some().then_some(config.contiguous_ids),
            &config.symbols,
            catalog,
        )?;
        check_symbols(&config.columns, &symbol_map, config.readings)?;
        let (only, equals) = config.only.map(|w| (w.column, w.equals)).unzip();
        let c = config.columns;
        let [time, time_of_day] = c.time.all();
        let [id, id_second, id_third] = c.id.map(IdColumns::all).unwrap_or_default();
        Ok(Mapping {
            columns: [
                time,
                Some(c.price),
                Some(c.size),
                c.symbol,
                id,
                id_second,
                id_third,
                c.sequence,
                c.side,
                c.maker,
                c.kind,
                c.of,
                c.of_symbol,
                c.updates,
                time_of_day,
                only,
            ],
            units: config.units,
            times,
            numbers,
            equals: equals.flatten(),
            kinds,
            rows: config.rows,
            zero_size: config.zero_size,
            id_period: config.id_period,
            readings: config.readings,
            symbol_map,
        })
    }

    /// Whether the symbol must come from outside the records, see [`Readings::symbol_is_given`].
    pub fn needs_symbol(&self) -> bool {
        self.readings.symbol_is_given && self.symbol_map.is_by_symbol()
    }

    /// Whether the day must come from outside the records, see [`TimeReading::OfDay`].
    ///
    /// [`TimeReading::OfDay`]: super::readings::TimeReading::OfDay
    pub fn needs_day(&self) -> bool {
        self.readings.time == super::readings::TimeReading::OfDay
    }

    /// The text that the column of `where` must hold, if it must be a certain one.
    pub fn equals(&self) -> Option<&str> {
        self.equals.as_deref()
    }

    /// The column that holds `field`, if one does.
    pub fn column(&self, field: Field) -> Option<&Column> {
        self.columns[field as usize].as_ref()
    }

    /// Whether some field may lie in one of several columns.
    pub(super) fn has_alternatives(&self) -> bool {
        self.columns.iter().flatten().any(|column| column.each().len() > 1)
    }

    /// Where each field's column lies, by asking `find` about each column once. Of columns that may be one of several,
    /// one must be found.
    pub fn lay_out<E>(
        &self,
        mut find: impl FnMut(&Column) -> Result<usize, E>,
    ) -> Result<Layout, E> {
        let mut layout = Layout::default();
        for (field, column) in Field::ALL.into_iter().zip(&self.columns) {
            let mut missing = None;
            for column in column.iter().flat_map(Column::each) {
                match find(column) {
                    Ok(place) => layout.add(field, place),
                    Err(error) => missing = Some(error),
                }
            }
            if let Some(error) = missing.filter(|_| layout.first(field).is_none()) {
                return Err(error);
            }
        }
        Ok(layout)
    }
}

fn check_units(units: &UnitsConfig) -> Result<(), String> {
    for (decimals, key) in
        [(units.price_decimals, "price_decimals"), (units.size_decimals, "size_decimals")]
    {
        if decimals > SCALE_MAX {
            return Err(format!("`units.{key}` is {decimals}, above {SCALE_MAX} decimals"));
        }
    }
    Ok(())
}

/// The words that a feed has for kinds.
fn check_kinds(config: &MappingConfig) -> Result<Vec<(String, Kind)>, String> {
    if !config.kinds.is_empty() && config.columns.kind.is_none() {
        return Err("`kinds` needs `columns.kind`, whose words they are".to_owned());
    }
    let kinds = config.kinds.iter().map(|(word, kind)| {
        let kind =
            vocabulary::meaning(kind).map_err(|why| format!("kinds.{word}: \"{kind}\" {why}"));
        Ok((word.trim().to_owned(), kind?))
    });
    kinds.collect()
}

fn check_fields(
    columns: &ColumnsConfig,
    units: &UnitsConfig,
    kinds: &[(String, Kind)],
) -> Result<(), String> {
    let sides = [
        (columns.side.is_some(), "columns.side"),
        (columns.maker.is_some(), "columns.maker"),
        (units.signed_size, "units.signed_size"),
    ];
    let sides_written: Vec<_> = sides.iter().filter(|(is, _)| *is).map(|(_, k)| *k).collect();
    if sides_written.len() > 1 {
        return Err(format!(
            "`{}` each say who the aggressor was; keep one",
            sides_written.join("` and `")
        ));
    }
    let amends = |(_, kind): &(String, Kind)| matches!(kind, Kind::Correct | Kind::Cancel);
    let may_amend = kinds.is_empty() || kinds.iter().any(amends);
    if columns.kind.is_some() && columns.id.is_none() && may_amend {
        return Err("`columns.kind` needs `columns.id`: corrections and cancels name trades by id"
            .to_owned());
    }
    for (column, key) in [(&columns.of, "of"), (&columns.of_symbol, "of_symbol")] {
        if column.is_some() && columns.kind.is_none() {
            return Err(format!(
                "`columns.{key}` needs `columns.kind`, which distinguishes corrections and cancels from trades"
            ));
        }
    }
    Ok(())
}

fn check_symbols(
    columns: &ColumnsConfig,
    symbol_map: &SymbolMap,
    readings: Readings,
) -> Result<(), String> {
    match (&columns.symbol, symbol_map.is_by_symbol()) {
        // A codec has a column of symbols, wanted or not.
        (Some(_), false) if readings.is_preset => Ok(()),
        (None, true) if readings.symbol_is_given => Ok(()),
        (None, true) => Err("`columns.symbol` (--symbol) is missing: a template or a table of symbols needs it, or \
                             `symbol_from` (--symbol-from), if it is in no column"
            .to_owned()),
        (Some(_), false) => Err(
            "`columns.symbol` is of no use to an instrument that holds for every record; write a template such as instrument = \"venue:{symbol}\", or a table `symbols`".to_owned(),
        ),
        _ if columns.of_symbol.is_some() && !symbol_map.is_by_symbol() => Err(
            "`columns.of_symbol` needs a template or a table of symbols".to_owned(),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What is wrong with a mapping of `columns` besides time, price and size.
    fn problem(instrument: Option<&str>, columns: Value, units: Value, symbols: Value) -> String {
        let mut all = json!({"time": "t", "price": "p", "size": "q"});
        for (field, column) in columns.as_object().unwrap() {
            all[field] = column.clone();
        }
        let columns = serde_json::from_value(all).unwrap();
        let units = serde_json::from_value(units).unwrap();
        let config = MappingConfig {
            instrument: instrument.map(str::to_owned),
            symbols: serde_json::from_value(symbols).unwrap(),
            ..MappingConfig::new(columns, units)
        };
        let catalog = Arc::new(Catalog::new(Vec::new(), 2));
        Mapping::check(config, catalog).err().unwrap_or_default()
    }

    #[test]
    fn mappings_that_share_a_scope_agree_on_its_ids() {
        let catalog = Arc::new(Catalog::new(Vec::new(), 9));
        let check = |instrument: &str, scope: Option<&str>, columns: Value, contiguous_ids| {
            let config = MappingConfig {
                instrument: Some(instrument.to_owned()),
                id_scope: scope.map(str::to_owned),
                contiguous_ids,
                ..MappingConfig::new(
                    serde_json::from_value(columns).unwrap(),
                    UnitsConfig::default(),
                )
            };
            Mapping::check(config, Arc::clone(&catalog)).err().unwrap_or_default()
        };
        let ids = || json!({"time": "t", "price": "p", "size": "q", "symbol": "s", "id": "i"});
        let none = json!({"time": "t", "price": "p", "size": "q"});
        assert_eq!(check("a:{symbol}", None, ids(), true), "");
        assert_eq!(
            check("a:B", None, none.clone(), false),
            "",
            "without ids nothing is registered"
        );
        let problem = check("a:{symbol}", None, ids(), false);
        assert!(problem.starts_with("the ids of scope `a` are contiguous by one"), "{problem}");
        assert_eq!(check("a:{symbol}", Some("archive"), ids(), false), "");
        let parts = json!({"time": "t", "price": "p", "size": "q", "id": ["venue", "i"]});
        let problem = check("c:B", None, parts, true);
        assert!(problem.starts_with("`contiguous_ids` needs an id of one column"), "{problem}");
        let problem = check("a:B", None, none, true);
        assert!(problem.starts_with("`contiguous_ids` needs `columns.id`"), "{problem}");
    }

    /// Each mapping, given by instrument, columns, units and symbols, has the problem that begins with `want`; none if
    /// that is empty.
    fn assert_problems<const N: usize>(cases: [(Option<&str>, Value, Value, Value, &str); N]) {
        for (instrument, columns, units, symbols, want) in cases {
            let found = problem(instrument, columns, units, symbols);
            assert!(
                found.starts_with(want) && found.is_empty() == want.is_empty(),
                "{found} ≠ {want}"
            );
        }
    }

    #[test]
    fn ids_that_begin_anew_are_told_and_have_gaps_of_their_own() {
        let check = |columns: Value, contiguous_ids| {
            let columns = serde_json::from_value(columns).unwrap();
            let config = MappingConfig {
                instrument: Some("a:B".to_owned()),
                contiguous_ids,
                id_period: IdPeriod::Day,
                ..MappingConfig::new(columns, UnitsConfig::default())
            };
            let catalog = Arc::new(Catalog::new(Vec::new(), 2));
            Mapping::check(config, catalog).err().unwrap_or_default()
        };
        let ids = json!({"time": "t", "price": "p", "size": "q", "id": "i"});
        assert_eq!(check(ids.clone(), false), "");
        assert!(check(ids, true).starts_with("`contiguous_ids` needs ids that go on"));
        let none = json!({"time": "t", "price": "p", "size": "q"});
        assert!(check(none, false).starts_with("`id_period` needs `columns.id`"));
    }

    #[test]
    fn instruments_and_symbols_that_cannot_be() {
        assert_problems([
            (Some("a:B"), json!({}), json!({}), json!({}), ""),
            (Some("a:{symbol}"), json!({"symbol": "s"}), json!({}), json!({"X": "b:X"}), ""),
            (None, json!({}), json!({}), json!({}), "`instrument` is missing"),
            (
                None,
                json!({}),
                json!({}),
                json!({"X": "a:X"}),
                "`columns.symbol` (--symbol) is missing",
            ),
            (
                Some("a:{symbol}"),
                json!({}),
                json!({}),
                json!({}),
                "`columns.symbol` (--symbol) is missing",
            ),
            (
                Some("a:{sym}"),
                json!({}),
                json!({}),
                json!({}),
                "`instrument` is \"a:{sym}\"; a template holds {symbol} once",
            ),
            (
                Some("a:B"),
                json!({"symbol": "s"}),
                json!({}),
                json!({}),
                "`columns.symbol` is of no use",
            ),
            (
                Some("a:B"),
                json!({"symbol": "s"}),
                json!({}),
                json!({"X": "a:X"}),
                "`instrument` is \"a:B\" for every record",
            ),
            (Some("a b"), json!({}), json!({}), json!({}), "`a b` is not an instrument name"),
            (
                None,
                json!({"symbol": "s"}),
                json!({}),
                json!({"X": "a:X", "Y": "a:Y", "Z": "a:Z"}),
                "instrument `a:Z` is one more than the 2",
            ),
        ]);
    }

    #[test]
    fn columns_and_units_that_cannot_be() {
        assert_problems([
            (
                Some("a:B"),
                json!({"side": "s", "maker": "m"}),
                json!({}),
                json!({}),
                "`columns.side` and `columns.maker` each say",
            ),
            (
                Some("a:B"),
                json!({"side": "s"}),
                json!({"signed_size": true}),
                json!({}),
                "`columns.side` and `units.signed_size` each say",
            ),
            (Some("a:B"), json!({"id": ["venue", 2, "n"]}), json!({}), json!({}), ""),
            (
                Some("a:B"),
                json!({"kind": "k"}),
                json!({}),
                json!({}),
                "`columns.kind` needs `columns.id`",
            ),
            (
                Some("a:B"),
                json!({"of": "o"}),
                json!({}),
                json!({}),
                "`columns.of` needs `columns.kind`",
            ),
            (
                Some("a:B"),
                json!({"of_symbol": "o", "kind": "k", "id": "i"}),
                json!({}),
                json!({}),
                "`columns.of_symbol` needs a template",
            ),
            (
                Some("a:B"),
                json!({}),
                json!({"price_decimals": 19}),
                json!({}),
                "`units.price_decimals` is 19, above 18 decimals",
            ),
        ]);
    }
}
