//! A source of files as its user writes it, and as it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::csv::Dialect;
use crate::mapping::json::JsonColumns;
use crate::mapping::{ColumnsConfig, Mapping, MappingConfig, UnitsConfig, WhereConfig};
use crate::registry::Setting;

/// The configuration of a source of files, without its name and kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The files, each a partition of this name.
    pub paths: Vec<String>,
    /// Default: by the ending of each path, `.gz` aside.
    pub format: Option<Format>,
    /// See [`MappingConfig::instrument`].
    pub instrument: Option<String>,
    /// See [`MappingConfig::id_scope`].
    pub id_scope: Option<String>,
    /// How CSV is written.
    #[serde(default)]
    pub csv: CsvConfig,
    /// See [`MappingConfig::columns`].
    pub columns: ColumnsConfig,
    /// See [`MappingConfig::units`].
    #[serde(default)]
    pub units: UnitsConfig,
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

/// `[source.csv]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvConfig {
    /// One ASCII character, or `tab`.
    pub delimiter: String,
    /// Whether the first line names the columns; if not, they have numbers.
    pub header: bool,
    /// One ASCII character, or `none`.
    pub quote: String,
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
}

/// How a file's columns are found.
#[derive(Clone)]
pub(super) enum Shape {
    /// By the header, when the file is opened.
    Csv(Dialect),
    /// By path.
    Jsonl(Arc<JsonColumns>),
}

impl Default for CsvConfig {
    fn default() -> CsvConfig {
        CsvConfig { delimiter: ",".to_owned(), header: true, quote: "\"".to_owned() }
    }
}

impl Plan {
    pub(super) fn check(config: FileConfig, setting: &Setting) -> Result<Plan, String> {
        let formats = formats(&config)?;
        let dialect = Dialect::check(&config.csv)?;
        let mapping = MappingConfig {
            instrument: config.instrument,
            id_scope: config.id_scope,
            columns: config.columns,
            units: config.units,
            symbols: config.symbols,
            only: config.only,
        };
        let mapping = Mapping::check(mapping, Arc::clone(&setting.catalog))?;
        let json = match formats.contains(&Format::Jsonl) {
            true => Some(Arc::new(JsonColumns::check(&mapping)?)),
            false => None,
        };
        let partitions = config.paths.into_iter().zip(formats).map(|(name, format)| {
            let shape = match (format, &json) {
                (Format::Jsonl, Some(columns)) => Shape::Jsonl(Arc::clone(columns)),
                _ => Shape::Csv(dialect),
            };
            Partition { path: setting.folder.join(&name), name, shape }
        });
        Ok(Plan { partitions: partitions.collect(), mapping })
    }
}

/// The format of each path; paths must be there, and different.
fn formats(config: &FileConfig) -> Result<Vec<Format>, String> {
    if config.paths.is_empty() {
        return Err("`paths` is empty; name at least one file".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut formats = Vec::with_capacity(config.paths.len());
    for path in &config.paths {
        if !seen.insert(path) {
            return Err(format!("`paths` names \"{path}\" twice"));
        }
        let format = config.format.or_else(|| format_of(path)).ok_or_else(|| {
            format!(
                "the ending of \"{path}\" does not tell its format (.csv, .txt; .jsonl, .ndjson, .json; each may be followed by .gz); write format = \"csv\" or \"jsonl\""
            )
        })?;
        formats.push(format);
    }
    Ok(formats)
}

fn format_of(path: &str) -> Option<Format> {
    let path = path.to_ascii_lowercase();
    let plain = Path::new(path.strip_suffix(".gz").unwrap_or(&path));
    match plain.extension()?.to_str()? {
        "csv" | "txt" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}
