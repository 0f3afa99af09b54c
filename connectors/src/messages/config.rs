//! What messages mean, as its user writes it and as it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{Catalog, IdPeriod};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::codecs::{self, LineFormat};
use crate::delimited::{CsvConfig, Dialect, Header};
use crate::entries::Type;
use crate::mapping::json::PATHS_MAX;
use crate::mapping::{
    Column, ColumnsConfig, JsonColumns, Layout, Mapping, MappingConfig, Packing, UnitsConfig,
    WhereConfig, ZeroSize,
};
use crate::typed_config::typed;

/// The keys of a source's configuration that say what its messages mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessageConfig {
    /// How a message holds columns. Default: `json`, or that of the codec.
    pub format: Option<MessageFormat>,
    /// One of [`CODECS`](crate::codecs::CODECS), instead of `columns`, `units`, `csv` and `where`. Default: none.
    pub codec: Option<String>,
    /// Options of the codec. Default: none.
    pub options: Option<Map<String, Value>>,
    /// See [`MappingConfig::instrument`].
    pub instrument: Option<String>,
    /// See [`MappingConfig::id_scope`].
    pub id_scope: Option<String>,
    /// See [`MappingConfig::contiguous_ids`].
    pub contiguous_ids: Option<bool>,
    /// See [`MappingConfig::id_period`].
    pub id_period: Option<IdPeriod>,
    /// How CSV is written; a message has no header, so columns have numbers. Default: by commas.
    pub csv: Option<CsvConfig>,
    /// See [`MappingConfig::columns`].
    pub columns: Option<ColumnsConfig>,
    /// See [`MappingConfig::units`].
    pub units: Option<UnitsConfig>,
    /// See [`MappingConfig::symbols`].
    pub symbols: BTreeMap<String, String>,
    /// See [`MappingConfig::only`].
    #[serde(rename = "where")]
    pub only: Option<WhereConfig>,
    /// See [`MappingConfig::kinds`].
    pub kinds: BTreeMap<String, String>,
    /// See [`MappingConfig::rows`].
    pub rows: Vec<String>,
    /// See [`MappingConfig::zero_size`].
    pub zero_size: ZeroSize,
    /// Where the symbol stands if it is in no column: `key`, `channel` or `header:NAME`. Default: in a column.
    pub symbol_from: Option<String>,
    /// The type of entries that say none. Default: none, each must say its type.
    #[serde(rename = "type")]
    pub default: Option<String>,
    /// The longest payload that is decoded, in bytes; a longer one is a dead letter. A line of a file has that bound. At
    /// most 67108864. Default: 65536.
    pub max_payload_bytes: Option<usize>,
}

/// How a message holds columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageFormat {
    /// In a JSON object; columns are paths.
    Json,
    /// Between delimiters; columns are numbers.
    Csv,
    /// As fields of a stream's entry; columns are their names.
    Fields,
    /// A JSON object that says by itself what it is; see [`crate::entries`].
    Entries,
}

/// The keys of [`MessageConfig`].
const KEYS: [&str; 18] = [
    "format",
    "codec",
    "options",
    "instrument",
    "id_scope",
    "contiguous_ids",
    "id_period",
    "csv",
    "columns",
    "units",
    "symbols",
    "where",
    "kinds",
    "rows",
    "zero_size",
    "symbol_from",
    "type",
    "max_payload_bytes",
];

/// The longest payload that is decoded unless configured: as of a line of a file.
const PAYLOAD_BYTES: usize = crate::lines::LINE_MAX;
/// The longest payload that can be configured: one is decoded in memory.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// What messages mean, checked; shared by all partitions of a source.
#[derive(Clone)]
pub struct Messages {
    pub(super) body: Body,
    pub(super) catalog: Arc<Catalog>,
    /// The longest payload that is decoded, in bytes.
    pub(super) payload_max: usize,
}

/// How a message is read.
#[derive(Clone)]
pub(super) enum Body {
    /// By a mapping.
    Mapped(Arc<Mapped>),
    /// As entries of this type unless they say another.
    Entries(Option<Type>),
}

/// A mapping of messages.
pub(super) struct Mapped {
    pub(super) mapping: Arc<Mapping>,
    pub(super) form: Columns,
    pub(super) outside: Option<Outside>,
}

/// Where a mapping's columns lie.
pub(super) enum Columns {
    /// In an object, which a number and a blank may precede.
    Json { columns: Arc<JsonColumns>, stamped: bool },
    /// Between delimiters; the places, and the least number of fields.
    Csv { dialect: Dialect, layout: Layout, least: usize },
    /// In fields of these names.
    Fields { names: Vec<Arc<str>>, layout: Layout },
}

/// The source of a symbol that is not in the columns.
pub(super) enum Outside {
    Key,
    Channel,
    Header(String),
}

impl Mapped {
    pub(super) fn packing(&self) -> Packing {
        match &self.form {
            Columns::Json { columns, .. } => columns.packing(),
            Columns::Csv { .. } | Columns::Fields { .. } => Packing::ONE,
        }
    }
}

impl MessageConfig {
    /// Takes its keys out of a source's configuration; gives what is left, which is the source's own.
    pub fn split(
        mut written: Map<String, Value>,
    ) -> Result<(MessageConfig, Map<String, Value>), String> {
        let mut own = Map::new();
        for key in KEYS {
            own.extend(written.remove_entry(key));
        }
        Ok((typed(Value::Object(own))?, written))
    }
}

impl Messages {
    /// Checks what was written; an error says what it was and what is possible.
    pub fn check(config: MessageConfig, catalog: Arc<Catalog>) -> Result<Messages, String> {
        let payload_max = config.max_payload_bytes.unwrap_or(PAYLOAD_BYTES);
        if !(1..=PAYLOAD_BYTES_MAX).contains(&payload_max) {
            return Err(format!(
                "`max_payload_bytes` is {payload_max}; it must be from 1 to {PAYLOAD_BYTES_MAX}"
            ));
        }
        let outside = config.symbol_from.as_deref().map(Outside::named).transpose()?;
        let body = match &config.codec {
            _ if config.format == Some(MessageFormat::Entries) => entries(&config)?,
            Some(name) => of_codec(codecs::find(name)?, config.clone(), outside, &catalog)?,
            None => of_columns(config, outside, &catalog)?,
        };
        Ok(Messages { body, catalog, payload_max })
    }

    /// How the positions of rows come from those of messages.
    pub fn packing(&self) -> Packing {
        match &self.body {
            Body::Mapped(mapped) => mapped.packing(),
            Body::Entries(_) => Packing::ONE,
        }
    }

    /// Whether the columns are fields of an entry, so that there is no payload.
    pub fn are_fields(&self) -> bool {
        matches!(&self.body, Body::Mapped(mapped) if matches!(mapped.form, Columns::Fields { .. }))
    }
}

impl Outside {
    fn named(text: &str) -> Result<Outside, String> {
        match (text, text.split_once(':')) {
            ("key", _) => Ok(Outside::Key),
            ("channel", _) => Ok(Outside::Channel),
            (_, Some(("header", name))) if !name.is_empty() => Ok(Outside::Header(name.to_owned())),
            _ => Err(format!(
                "`symbol_from` is \"{text}\"; write \"key\", \"channel\" or \"header:NAME\""
            )),
        }
    }

    /// The column that stands for it in messages to people.
    fn column(&self) -> Column {
        Column::Name(match self {
            Outside::Key => "(key)".to_owned(),
            Outside::Channel => "(channel)".to_owned(),
            Outside::Header(name) => format!("(header:{name})"),
        })
    }
}

fn entries(config: &MessageConfig) -> Result<Body, String> {
    let MessageConfig { codec, columns, units, csv, only, instrument, symbol_from, .. } = config;
    for (is_written, key) in [
        (codec.is_some(), "codec"),
        (columns.is_some(), "columns"),
        (units.is_some(), "units"),
        (csv.is_some(), "csv"),
        (only.is_some(), "where"),
        (!config.kinds.is_empty(), "kinds"),
        (!config.rows.is_empty(), "rows"),
        (config.zero_size != ZeroSize::default(), "zero_size"),
        (instrument.is_some(), "instrument"),
        (symbol_from.is_some(), "symbol_from"),
    ] {
        if is_written {
            return Err(format!("entries say by themselves what `{key}` would say; leave it out"));
        }
    }
    let default = config
        .default
        .as_deref()
        .map(|name| Type::named(name).map_err(|why| format!("type = \"{name}\" {why}")));
    Ok(Body::Entries(default.transpose()?))
}

/// What was written column by column.
fn of_columns(
    config: MessageConfig,
    outside: Option<Outside>,
    catalog: &Arc<Catalog>,
) -> Result<Body, String> {
    unused(&config)?;
    if config.options.is_some() {
        return Err("`options` belong to a `codec`, and there is none".to_owned());
    }
    let mut columns = config.columns.ok_or_else(|| {
        format!(
            "`columns` is missing: say which column holds time, price and size, or choose a `codec` ({}) \
             or format = \"entries\"",
            codecs::names()
        )
    })?;
    if let Some(outside) = &outside
        && columns.symbol.replace(outside.column()).is_some()
    {
        return Err(
            "`symbol_from` and `columns.symbol` both say where the symbol is; keep one".to_owned()
        );
    }
    let has_rows = !config.rows.is_empty();
    let mapping = MappingConfig {
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
    let mapping = Mapping::check(mapping, Arc::clone(catalog))?;
    let form = match config.format.unwrap_or(MessageFormat::Json) {
        MessageFormat::Csv | MessageFormat::Fields if has_rows => {
            return Err("`rows` says where rows lie in JSON, and `format` is another".to_owned());
        }
        MessageFormat::Csv => {
            if config.csv.as_ref().is_some_and(|csv| csv.comment != "none") {
                return Err("`csv.comment` is of files, and a message is one record".to_owned());
            }
            let dialect = CsvConfig { header: false, ..config.csv.unwrap_or_default() };
            let outside = outside.as_ref().map(Outside::column);
            csv_columns(Dialect::check(&dialect)?, &mapping, outside.as_ref())?
        }
        _ if config.csv.is_some() => {
            return Err("`csv` says how CSV is written, and `format` is another".to_owned());
        }
        MessageFormat::Fields => field_columns(&mapping)?,
        MessageFormat::Json | MessageFormat::Entries => {
            Columns::Json { columns: Arc::new(JsonColumns::check(&mapping)?), stamped: false }
        }
    };
    Ok(Body::Mapped(Arc::new(Mapped { mapping: Arc::new(mapping), form, outside })))
}

/// What `codec` knows, and the little that was written beside it.
fn of_codec(
    codec: &codecs::Codec,
    config: MessageConfig,
    outside: Option<Outside>,
    catalog: &Arc<Catalog>,
) -> Result<Body, String> {
    unused(&config)?;
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
    let mut columns = defaults.columns;
    let mut readings = defaults.readings;
    if let Some(outside) = &outside {
        columns.symbol = Some(outside.column());
        readings.symbol_is_given = false;
    }
    readings.ids_by_day &= config.id_period.is_none();
    let mapping = MappingConfig {
        instrument: config.instrument.or_else(|| Some(defaults.instrument.to_owned())),
        id_scope: config.id_scope.or_else(|| defaults.id_scope.map(str::to_owned)),
        contiguous_ids: config.contiguous_ids.unwrap_or(defaults.contiguous_ids),
        id_period: config.id_period.unwrap_or_default(),
        columns,
        units: defaults.units,
        symbols: config.symbols,
        only: defaults.only,
        kinds: BTreeMap::new(),
        rows: Vec::new(),
        zero_size: config.zero_size,
        readings,
    };
    let mapping = Mapping::check(mapping, Arc::clone(catalog))?;
    if mapping.needs_symbol() {
        let codec = codec.name;
        return Err(format!(
            "records of codec \"{codec}\" do not hold their symbol; write `symbol_from`, or an `instrument` without \
             {{symbol}}"
        ));
    }
    if mapping.needs_day() {
        let codec = codec.name;
        return Err(format!("codec \"{codec}\" needs the day that is in a file's name"));
    }
    let form = match defaults.form {
        LineFormat::Csv(_) => {
            let outside = outside.as_ref().map(Outside::column);
            csv_columns(Dialect::comma(Header::Absent), &mapping, outside.as_ref())?
        }
        LineFormat::Stamped => {
            Columns::Json { columns: Arc::new(JsonColumns::check(&mapping)?), stamped: true }
        }
    };
    Ok(Body::Mapped(Arc::new(Mapped { mapping: Arc::new(mapping), form, outside })))
}

fn unused(config: &MessageConfig) -> Result<(), String> {
    match &config.default {
        Some(_) => {
            Err("`type` belongs to format = \"entries\", and `format` is another".to_owned())
        }
        None => Ok(()),
    }
}

/// Columns by number; `outside` is none of them.
fn csv_columns(
    dialect: Dialect,
    mapping: &Mapping,
    outside: Option<&Column>,
) -> Result<Columns, String> {
    let mut least = 0;
    let layout = mapping.lay_out(|column| {
        let number = match column {
            Column::Number(number) => Some(*number),
            Column::Name(name) => name.parse().ok(),
            Column::FirstOf(_) => None,
        };
        let at = match number.and_then(|number| number.checked_sub(1)) {
            Some(at) => at as usize,
            None if Some(column) == outside => return Ok(usize::MAX),
            None => {
                return Err(format!(
                    "column {column} is not a number: a message has no header, so columns are numbered from 1"
                ));
            }
        };
        least = least.max(at + 1);
        Ok(at)
    })?;
    Ok(Columns::Csv { dialect, layout: layout.without(usize::MAX), least })
}

/// Columns by name.
fn field_columns(mapping: &Mapping) -> Result<Columns, String> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let layout = mapping.lay_out(|column| {
        let Column::Name(name) = column else {
            return Err(format!("column {column}: fields have names, not numbers"));
        };
        Ok(names.iter().position(|known| **known == **name).unwrap_or_else(|| {
            names.push(Arc::from(name.as_str()));
            names.len() - 1
        }))
    })?;
    match names.len() {
        0..=PATHS_MAX => Ok(Columns::Fields { names, layout }),
        count => Err(format!("`columns` name {count} fields, more than {PATHS_MAX}")),
    }
}
