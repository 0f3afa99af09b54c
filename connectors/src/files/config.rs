//! A source of files as its user writes it, and as it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{IdPeriod, WallDay};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::codecs::{self, Codec, LineFormat};
use crate::delimited::{CsvConfig, Dialect};
use crate::mapping::json::JsonColumns;
use crate::mapping::{ColumnsConfig, Given, Mapping, MappingConfig, UnitsConfig, WhereConfig};
use crate::registry::BuildContext;

/// The keys of a source of files, besides those of all sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The files, each a partition of this name.
    pub paths: Vec<String>,
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
}

/// How a file's lines hold columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Columns between delimiters; by default for `.csv` and `.txt`.
    Csv,
    /// A JSON object on each line; by default for `.jsonl`, `.ndjson` and `.json`.
    Jsonl,
}

/// A checked configuration.
pub(super) struct Plan {
    pub(super) partitions: Vec<Partition>,
    pub(super) mapping: Mapping,
}

/// One file.
pub(super) struct Partition {
    /// As configured.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) shape: Shape,
    /// What its name says, if that is where a codec finds it.
    pub(super) given: Given,
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
        check_paths(&config.paths)?;
        match config.codec.take() {
            Some(name) => Plan::of_codec(codecs::find(&name)?, config, context),
            None => Plan::of_columns(config, context),
        }
    }

    /// What was written column by column.
    fn of_columns(config: FileConfig, context: &BuildContext) -> Result<Plan, String> {
        let formats = formats(&config)?;
        let dialect = Dialect::check(&config.csv.unwrap_or_default())?;
        if config.options.is_some() {
            return Err("`options` belong to a `codec`, and there is none".to_owned());
        }
        let columns = config.columns.ok_or_else(|| {
            format!(
                "`columns` is missing: say which column holds time, price and size, or choose a `codec` ({})",
                codecs::names()
            )
        })?;
        let mapping = MappingConfig {
            instrument: config.instrument,
            id_scope: config.id_scope,
            contiguous_ids: config.contiguous_ids.unwrap_or_default(),
            id_period: config.id_period.unwrap_or_default(),
            symbols: config.symbols,
            only: config.only,
            ..MappingConfig::new(columns, config.units.unwrap_or_default())
        };
        let mapping = Mapping::check(mapping, Arc::clone(&context.catalog))?;
        let json = match formats.contains(&Format::Jsonl) {
            true => Some(Arc::new(JsonColumns::check(&mapping)?)),
            false => None,
        };
        let partitions = config.paths.into_iter().zip(formats).map(|(name, format)| {
            let shape = match (format, &json) {
                (Format::Jsonl, Some(columns)) => {
                    Shape::Jsonl { columns: Arc::clone(columns), stamped: false }
                }
                _ => Shape::Csv(dialect),
            };
            Partition { path: context.folder.join(&name), name, shape, given: Given::default() }
        });
        Ok(Plan { partitions: partitions.collect(), mapping })
    }

    /// What `codec` knows, and the little that was written beside it.
    fn of_codec(codec: &Codec, config: FileConfig, context: &BuildContext) -> Result<Plan, String> {
        codec.alone(&[
            (config.format.is_some(), "format"),
            (config.csv.is_some(), "csv"),
            (config.columns.is_some(), "columns"),
            (config.units.is_some(), "units"),
            (config.only.is_some(), "where"),
        ])?;
        let defaults = codec.defaults(config.options.unwrap_or_default())?;
        let mapping = MappingConfig {
            instrument: config.instrument.or_else(|| Some(defaults.instrument.to_owned())),
            id_scope: config.id_scope.or_else(|| defaults.id_scope.map(str::to_owned)),
            contiguous_ids: config.contiguous_ids.unwrap_or(defaults.contiguous_ids),
            id_period: config.id_period.unwrap_or_default(),
            columns: defaults.columns,
            units: defaults.units,
            symbols: config.symbols,
            only: defaults.only,
            readings: defaults.readings,
        };
        let mapping = Mapping::check(mapping, Arc::clone(&context.catalog))?;
        let shape = match defaults.form {
            LineFormat::Csv(header) => Shape::Csv(Dialect::comma(header)),
            LineFormat::Stamped => {
                Shape::Jsonl { columns: Arc::new(JsonColumns::check(&mapping)?), stamped: true }
            }
        };
        let mut partitions = Vec::with_capacity(config.paths.len());
        for name in config.paths {
            let mut given = Given::default();
            if mapping.needs_symbol() {
                given.symbol = Some((defaults.symbol_of)(&name)?);
            }
            if mapping.needs_day() {
                given.day = Some(WallDay::named(&(defaults.day_of)(&name)?, defaults.zone)?);
            }
            let (path, shape) = (context.folder.join(&name), shape.clone());
            partitions.push(Partition { name, path, shape, given });
        }
        Ok(Plan { partitions, mapping })
    }
}

/// Paths must be there, and different.
fn check_paths(paths: &[String]) -> Result<(), String> {
    if paths.is_empty() {
        return Err("`paths` is empty; name at least one file".to_owned());
    }
    let mut seen = BTreeSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => Err(format!("`paths` names \"{path}\" twice")),
        None => Ok(()),
    }
}

/// The format of each path.
fn formats(config: &FileConfig) -> Result<Vec<Format>, String> {
    let mut formats = Vec::with_capacity(config.paths.len());
    for path in &config.paths {
        let format = config.format.map_or_else(|| format_of(path), Ok)?;
        formats.push(format);
    }
    Ok(formats)
}

/// The format that a path's ending names.
pub(crate) fn format_of(path: &str) -> Result<Format, String> {
    let lower = path.to_ascii_lowercase();
    let compressed = [".gz", ".zst", ".zip"].iter().find_map(|ending| lower.strip_suffix(ending));
    let plain = Path::new(compressed.unwrap_or(&lower));
    match plain.extension().and_then(|ending| ending.to_str()) {
        Some("csv" | "txt") => Ok(Format::Csv),
        Some("jsonl" | "ndjson" | "json") => Ok(Format::Jsonl),
        _ => Err(format!(
            "the ending of \"{path}\" does not give its format (.csv, .txt; .jsonl, .ndjson, .json; each may be followed by .gz, .zst or .zip); write format = \"csv\" or \"jsonl\""
        )),
    }
}
