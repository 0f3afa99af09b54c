//! A source of files as its user writes it, and as it is used.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use market::{IdPeriod, WallDay};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::name_pattern::NamePattern;
use crate::codecs::{self, Codec, LineFormat};
use crate::delimited::{CsvConfig, Dialect};
use crate::mapping::json::JsonColumns;
use crate::mapping::{
    ColumnsConfig, Given, Mapping, MappingConfig, Readings, UnitsConfig, WhereConfig, ZeroSize,
};
use crate::registry::BuildContext;

/// The keys of a source of files, besides those of all sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The files, each a partition of this name; patterns such as `trades/**/*.csv.gz` and folders name all that match
    /// and all directly in them, in the order of their names. At most 4,096 files.
    pub paths: Vec<String>,
    /// Whether a live run goes on at the end of a file, waits for more, and reads on in the next file of its name, as
    /// `tail -F` does; a replay reads what is there. Not for compressed files and pipes.
    #[serde(default)]
    pub follow: bool,
    /// One of [`CODECS`](crate::codecs::CODECS), which says what `format`, `csv`, `columns`, `units` and
    /// `where` would say. Default: none.
    pub codec: Option<String>,
    /// Options of the codec. Default: none.
    pub options: Option<Map<String, Value>>,
    /// How lines hold columns. Default: by the ending of each path, `.gz`, `.zst` and `.zip` aside.
    pub format: Option<Format>,
    /// See [`MappingConfig::instrument`].
    pub instrument: Option<String>,
    /// See [`MappingConfig::id_scope`].
    pub id_scope: Option<String>,
    /// See [`MappingConfig::contiguous_ids`].
    pub contiguous_ids: Option<bool>,
    /// See [`MappingConfig::id_period`].
    pub id_period: Option<IdPeriod>,
    /// How CSV is written. Default: by commas, with a header.
    pub csv: Option<CsvConfig>,
    /// See [`MappingConfig::columns`].
    pub columns: Option<ColumnsConfig>,
    /// See [`MappingConfig::units`].
    pub units: Option<UnitsConfig>,
    /// See [`MappingConfig::symbols`].
    #[serde(default)]
    pub symbols: BTreeMap<String, String>,
    /// See [`MappingConfig::only`].
    #[serde(rename = "where")]
    pub only: Option<WhereConfig>,
    /// See [`MappingConfig::kinds`].
    #[serde(default)]
    pub kinds: BTreeMap<String, String>,
    /// See [`MappingConfig::rows`].
    #[serde(default)]
    pub rows: Vec<String>,
    /// See [`MappingConfig::zero_size`].
    #[serde(default)]
    pub zero_size: ZeroSize,
    /// How names of files hold the symbol if it is in no column: `file:` and a pattern with `{symbol}`, such as
    /// `file:{symbol}_trades.csv`, `file:*-{symbol}.csv` or `file:{symbol}/*.csv`; what compresses a file need not be in it.
    /// Default: in a column, or as the codec has it.
    pub symbol_from: Option<String>,
}

/// How a file's lines hold columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Columns between delimiters; by default for `.csv`, `.tsv` and `.txt`.
    Csv,
    /// A JSON object on each line; by default for `.jsonl`, `.ndjson` and `.json`.
    Jsonl,
}

/// A checked configuration.
pub(super) struct Plan {
    pub(super) mapping: Mapping,
    pub(super) shapes: Shapes,
}

/// How files are read, by their names.
pub(super) struct Shapes(Rule);

/// Finds something in the name of a file.
type InName = fn(&str) -> Result<Box<str>, String>;

/// What finds the symbol in the name of a file.
enum SymbolOf {
    Codec(InName),
    Pattern(NamePattern),
}

impl SymbolOf {
    fn find(&self, name: &str) -> Result<Box<str>, String> {
        match self {
            SymbolOf::Codec(symbol_of) => symbol_of(name),
            SymbolOf::Pattern(pattern) => pattern.symbol_of(name),
        }
    }
}

enum Rule {
    Columns {
        /// As configured; none: by the ending of each name.
        format: Option<Format>,
        dialect: Dialect,
        /// Whether a name may say what the delimiter is.
        by_ending: bool,
        /// What is wrong with the columns matters to JSON lines alone.
        json: Result<Arc<JsonColumns>, String>,
        /// Whether `rows` is written.
        has_rows: bool,
        /// What finds the symbol in a name, if that is where it stands.
        symbol_of: Option<SymbolOf>,
    },
    Codec {
        shape: Shape,
        /// What finds the symbol in a name, if that is where it stands.
        symbol_of: Option<SymbolOf>,
        /// What finds the day in a name, and its zone, if that is where it stands.
        day_of: Option<(InName, &'static str)>,
    },
}

/// What is known of a file by its name.
pub(super) struct FileShape {
    pub(super) shape: Shape,
    /// What its name says, if that is where a codec finds it.
    pub(super) given: Given,
}

impl Shapes {
    /// Of the file called `name`.
    pub(super) fn of(&self, name: &str) -> Result<FileShape, String> {
        let mut given = Given::default();
        let shape = match &self.0 {
            Rule::Columns { format, dialect, by_ending, json, has_rows, symbol_of } => {
                given.symbol = symbol_of.as_ref().map(|of| of.find(name)).transpose()?;
                match format.map_or_else(|| format_of(name), Ok)? {
                    Format::Jsonl => Shape::Jsonl { columns: json.clone()?, stamped: false },
                    Format::Csv if *has_rows => {
                        return Err(format!(
                            "`rows` says where rows lie in JSON, and \"{name}\" is read as CSV"
                        ));
                    }
                    Format::Csv if *by_ending => Shape::Csv(dialect.of_file(name)),
                    Format::Csv => Shape::Csv(*dialect),
                }
            }
            Rule::Codec { shape, symbol_of, day_of } => {
                given.symbol = symbol_of.as_ref().map(|of| of.find(name)).transpose()?;
                let day = |(day_of, zone): (InName, _)| WallDay::named(&day_of(name)?, zone);
                given.day = day_of.map(day).transpose()?;
                shape.clone()
            }
        };
        Ok(FileShape { shape, given })
    }
}

/// How a file's columns are found.
#[derive(Clone)]
pub(super) enum Shape {
    /// By the header, when the file is opened.
    Csv(Dialect),
    /// By path.
    Jsonl {
        /// The paths.
        columns: Arc<JsonColumns>,
        /// Whether a number may precede the object.
        stamped: bool,
    },
}

impl Plan {
    pub(super) fn check(mut config: FileConfig, context: &BuildContext) -> Result<Plan, String> {
        match config.codec.take() {
            Some(name) => Plan::of_codec(codecs::find(&name)?, config, context),
            None => Plan::of_columns(config, context),
        }
    }

    /// What was written column by column.
    fn of_columns(config: FileConfig, context: &BuildContext) -> Result<Plan, String> {
        let csv = config.csv.unwrap_or_default();
        let dialect = Dialect::check(&csv)?;
        if config.options.is_some() {
            return Err("`options` belong to a `codec`, and there is none".to_owned());
        }
        let columns = config.columns.ok_or_else(|| {
            format!(
                "`columns` is missing: say which column holds time, price and size, or choose a `codec` ({})",
                codecs::names()
            )
        })?;
        let has_rows = !config.rows.is_empty();
        let pattern = pattern(config.symbol_from.as_deref())?;
        if pattern.is_some() && columns.symbol.is_some() {
            return Err(
                "`symbol_from` and `columns.symbol` both say where the symbol is; keep one"
                    .to_owned(),
            );
        }
        let readings = Readings { symbol_is_given: pattern.is_some(), ..Readings::default() };
        let mapping = MappingConfig {
            readings,
            instrument: config.instrument,
            id_scope: config.id_scope,
            contiguous_ids: config.contiguous_ids.unwrap_or_default(),
            id_period: config.id_period.unwrap_or_default(),
            symbols: config.symbols,
            only: config.only,
            kinds: config.kinds,
            rows: config.rows,
            zero_size: config.zero_size,
            ..MappingConfig::new(columns, config.units.unwrap_or_default())
        };
        let mapping = Mapping::check(mapping, Arc::clone(&context.catalog))?;
        let json = JsonColumns::check(&mapping).map(Arc::new);
        let by_ending = csv.delimiter.is_none();
        let symbol_of = is_needed(pattern, &mapping)?.map(SymbolOf::Pattern);
        let format = config.format;
        let rule = Rule::Columns { format, dialect, by_ending, json, has_rows, symbol_of };
        Ok(Plan { mapping, shapes: Shapes(rule) })
    }

    /// What `codec` knows, and the little that was written beside it.
    fn of_codec(codec: &Codec, config: FileConfig, context: &BuildContext) -> Result<Plan, String> {
        codec.alone(&[
            (config.format.is_some(), "format"),
            (config.csv.is_some(), "csv"),
            (config.columns.is_some(), "columns"),
            (config.units.is_some(), "units"),
            (config.only.is_some(), "where"),
            (!config.kinds.is_empty(), "kinds"),
            (!config.rows.is_empty(), "rows"),
        ])?;
        let defaults = codec.defaults(config.options.unwrap_or_default())?;
        let pattern = pattern(config.symbol_from.as_deref())?;
        if pattern.is_some() && !defaults.readings.symbol_is_given {
            return Err(format!(
                "records of codec \"{}\" hold their symbol; leave out `symbol_from`",
                codec.name
            ));
        }
        let mapping = MappingConfig {
            instrument: config.instrument.or_else(|| Some(defaults.instrument.to_owned())),
            id_scope: config.id_scope.or_else(|| defaults.id_scope.map(str::to_owned)),
            contiguous_ids: config.contiguous_ids.unwrap_or(defaults.contiguous_ids),
            id_period: config.id_period.unwrap_or_default(),
            columns: defaults.columns,
            units: defaults.units,
            symbols: config.symbols,
            only: defaults.only,
            kinds: BTreeMap::new(),
            rows: Vec::new(),
            zero_size: config.zero_size,
            readings: Readings {
                ids_by_day: defaults.readings.ids_by_day && config.id_period.is_none(),
                ..defaults.readings
            },
        };
        let mapping = Mapping::check(mapping, Arc::clone(&context.catalog))?;
        let shape = match defaults.form {
            LineFormat::Csv(header) => Shape::Csv(Dialect::comma(header)),
            LineFormat::Stamped => {
                Shape::Jsonl { columns: Arc::new(JsonColumns::check(&mapping)?), stamped: true }
            }
        };
        let own = mapping.needs_symbol().then_some(SymbolOf::Codec(defaults.symbol_of));
        let symbol_of = is_needed(pattern, &mapping)?.map(SymbolOf::Pattern).or(own);
        let day_of = mapping.needs_day().then_some((defaults.day_of, defaults.zone));
        Ok(Plan { mapping, shapes: Shapes(Rule::Codec { shape, symbol_of, day_of }) })
    }
}

/// What is written of the symbol in names of files.
fn pattern(symbol_from: Option<&str>) -> Result<Option<NamePattern>, String> {
    let Some(text) = symbol_from else { return Ok(None) };
    let Some(pattern) = text.strip_prefix("file:") else {
        return Err(format!(
            "`symbol_from` is \"{text}\"; of files write \"file:{{symbol}}.csv\", with their pattern"
        ));
    };
    let pattern = NamePattern::new(pattern);
    pattern.map(Some).map_err(|problem| format!("`symbol_from` (--symbol-from): {problem}"))
}

/// The pattern, if an instrument needs a symbol.
fn is_needed(
    pattern: Option<NamePattern>,
    mapping: &Mapping,
) -> Result<Option<NamePattern>, String> {
    if pattern.is_some() && !mapping.needs_symbol() {
        return Err("`symbol_from` is of no use to an instrument that holds for every record; write a template such as \
                    instrument = \"venue:{symbol}\", or a table `symbols`"
            .to_owned());
    }
    Ok(pattern)
}

/// The format that a path's ending names.
pub(crate) fn format_of(path: &str) -> Result<Format, String> {
    let lower = path.to_ascii_lowercase();
    let compressed = [".gz", ".zst", ".zip"].iter().find_map(|ending| lower.strip_suffix(ending));
    let plain = Path::new(compressed.unwrap_or(&lower));
    match plain.extension().and_then(|ending| ending.to_str()) {
        Some("csv" | "tsv" | "txt") => Ok(Format::Csv),
        Some("jsonl" | "ndjson" | "json") => Ok(Format::Jsonl),
        _ => Err(format!(
            "the ending of \"{path}\" does not give its format (.csv, .tsv, .txt; .jsonl, .ndjson, .json; each may be followed by .gz, .zst or .zip); write format = \"csv\" or \"jsonl\""
        )),
    }
}
