//! Flags that make any file of trades replayable without a configuration.

mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use connectors::codecs::CODECS;
use connectors::files::{AskedLook, FileConfig, FoundLook, look, scan_scales};
use market::InstrumentSpec;
use toml::Value;
use values::Values;

use dataflows::config::{
    ConfigError, RawAmount, RawConfig, RawInstrument, RawLimits, RawSource, toml_or_text,
};

/// How to read the files. Columns are names of the header, numbers from 1, or dotted JSON paths.
#[derive(Args)]
#[command(next_help_heading = "How to read files")]
pub(super) struct Mapping {
    /// What wrote the files, for feeds that need no columns.
    #[arg(long, value_parser = codecs(), conflicts_with_all = OF_COLUMNS, conflicts_with_all = values::FLAGS)]
    codec: Option<String>,
    /// An option of the codec, such as `conditions=us-sip`; a KEY alone means true. May be given several
    /// times.
    #[arg(long, value_name = "KEY=VALUE", requires = "codec")]
    option: Vec<String>,
    /// Instrument: a name such as `bitmex:XBTUSD`, or a template such as `binance:{symbol}`; codecs have a
    /// default.
    #[arg(long)]
    instrument: Option<String>,
    /// Name of the space of trade ids [default: the instrument's text before `:`].
    #[arg(long)]
    id_scope: Option<String>,
    /// The venue numbers the trades of an instrument without holes, so that holes are gaps [default: what
    /// the codec knows, else false].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    contiguous_ids: Option<bool>,
    /// How long the venue goes on until it uses ids again: forever, day, session or week [default: forever].
    #[arg(long)]
    id_period: Option<String>,
    /// csv or jsonl [default: by the files' endings].
    #[arg(long)]
    format: Option<String>,
    /// Separator of CSV columns: one character, or `tab` [default: comma, tab, semicolon or bar, as files have it].
    #[arg(long)]
    delimiter: Option<String>,
    /// The first CSV line is not a header; columns are numbers.
    #[arg(long)]
    no_header: bool,
    /// CSV lines that begin with this character are no rows; or `none` [default: #, if files begin with such lines].
    #[arg(long, value_name = "CHARACTER")]
    comment: Option<String>,
    /// CSV lines end with a separator, behind which there is no column.
    #[arg(long)]
    trailing_delimiter: bool,
    /// Path in a JSON line to the rows in it, if it may hold several: data, events.trades, 2 (the second element of an
    /// array), or $ for the line itself. May be given several times: the first that leads somewhere counts. Columns of
    /// the line itself begin with `$.` then.
    #[arg(long, value_name = "PATH")]
    rows: Vec<String>,
    /// Column of the time, or of date and time joined by a comma [default: time, or another name that is common in CSV].
    #[arg(long)]
    time: Option<String>,
    /// Column of the price [default: price, or another name that is common in CSV].
    #[arg(long)]
    price: Option<String>,
    /// Column of the size [default: size, or another name that is common in CSV].
    #[arg(long)]
    size: Option<String>,
    #[command(flatten)]
    values: Values,
    /// Column of the symbol, for a template [default: a name that is common in CSV].
    #[arg(long)]
    symbol: Option<String>,
    /// How names of files hold the symbol, for a template: '{symbol}.csv', '{symbol}_trades.csv', '*-{symbol}.csv.gz' or
    /// '{symbol}/*.csv'.
    #[arg(long, value_name = "PATTERN", conflicts_with = "symbol")]
    symbol_from: Option<String>,
    /// Column of the trade id, or up to three joined by commas that are one together; without it every row is a
    /// trade of its own.
    #[arg(long)]
    id: Option<String>,
    /// Column of the venue's sequence.
    #[arg(long)]
    sequence: Option<String>,
    /// Column of the aggressor: buy or sell.
    #[arg(long)]
    side: Option<String>,
    /// Column that says whether the buyer was the maker.
    #[arg(long)]
    maker: Option<String>,
    /// Column of the kind: trade, correction or cancel.
    #[arg(long)]
    kind: Option<String>,
    /// Words of one's own for kinds, joined by commas: 0=trade,8=skip. A kind is trade, correct, cancel or skip.
    #[arg(long, value_name = "WORD=KIND", value_delimiter = ',', requires = "kind")]
    kinds: Vec<String>,
    /// Column of the id that a correction or cancel names.
    #[arg(long)]
    of: Option<String>,
    /// Column of the symbol of the trade that a correction or cancel names.
    #[arg(long)]
    of_symbol: Option<String>,
    /// Column of what the trade may update: all, none, or volume+high_low+open_close.
    #[arg(long)]
    updates: Option<String>,
    /// Only records in which COLUMN is TEXT; without a TEXT, in which it is not empty.
    #[arg(long, value_name = "COLUMN[=TEXT]")]
    only: Option<String>,
    /// What a print of size 0 is: ignore (no bar shows it), count (its price counts) or refuse [default: ignore].
    #[arg(long, value_name = "RULE")]
    zero_size: Option<String>,
    /// How far behind the newest event an event may come without being late.
    #[arg(long)]
    disorder: Option<String>,
    /// A back-fill: its rows are never late, and bars are final at the end.
    #[arg(long)]
    historic: bool,
    /// Prices at or below zero are legal.
    #[arg(long)]
    negative_prices: bool,
    /// Decimals that prices are kept with [default: as many as the files need, 9 of a pipe].
    #[arg(long, value_name = "DECIMALS")]
    price_scale: Option<u8>,
    /// Decimals that sizes are kept with [default: as many as the files need, 8 of a pipe].
    #[arg(long, value_name = "DECIMALS")]
    size_scale: Option<u8>,
}

/// The flags of columns and forms, none of which goes with a codec.
const OF_COLUMNS: [&str; 19] = [
    "format",
    "delimiter",
    "no_header",
    "comment",
    "trailing_delimiter",
    "rows",
    "time",
    "price",
    "size",
    "symbol",
    "id",
    "sequence",
    "side",
    "maker",
    "kind",
    "of",
    "of_symbol",
    "updates",
    "only",
];

impl Mapping {
    /// What there is to be seen of the files of these names in their first lines, and what is not said of it.
    pub(super) fn look(&self, names: &[String]) -> Result<FoundLook, ConfigError> {
        let is_csv = match self.format.as_deref() {
            None => false,
            Some("csv") => true,
            Some(_) => return Ok(FoundLook::default()),
        };
        if self.codec.is_some() || !self.rows.is_empty() {
            return Ok(FoundLook::default());
        }
        let asked = AskedLook {
            delimiter: self.delimiter.clone(),
            comment: self.comment.clone(),
            no_header: self.no_header,
            time: self.time.clone(),
            price: self.price.clone(),
            size: self.size.clone(),
            symbol: self.symbol.clone(),
            needs_symbol: self.symbol_from.is_none()
                && self.instrument.as_ref().is_some_and(|text| text.contains("{symbol}")),
            is_csv,
        };
        let wrong = |problem| ConfigError::Value { place: "files".to_owned(), problem };
        Ok(look(Path::new("."), names, &asked).map_err(wrong)?.unwrap_or_default())
    }

    /// A configuration that reads `paths` so, from where the process runs.
    pub(super) fn configuration(&self, paths: &[PathBuf], found: &FoundLook) -> RawConfig {
        let mut rest: BTreeMap<String, Value> = BTreeMap::new();
        let paths = paths.iter().map(|path| Value::from(path.display().to_string())).collect();
        rest.insert("paths".to_owned(), Value::Array(paths));
        for (key, text) in [
            ("instrument", self.instrument.clone()),
            ("id_scope", self.id_scope.clone()),
            ("id_period", self.id_period.clone()),
            ("format", self.format.clone()),
            ("zero_size", self.zero_size.clone()),
        ] {
            rest.extend(text.map(|text| (key.to_owned(), Value::from(text))));
        }
        let symbol_from = self.symbol_from.as_deref().map(|pattern| match pattern {
            whole if whole.starts_with("file:") => whole.to_owned(),
            pattern => format!("file:{pattern}"),
        });
        rest.extend(symbol_from.map(|from| ("symbol_from".to_owned(), Value::from(from))));
        rest.extend(self.contiguous_ids.map(|is| ("contiguous_ids".to_owned(), Value::from(is))));
        match &self.codec {
            Some(codec) => {
                rest.insert("codec".to_owned(), Value::from(codec.as_str()));
                rest.insert("options".to_owned(), Value::Table(options(&self.option)));
            }
            None => self.columns(found, &mut rest),
        }

        let source = RawSource {
            name: "files".to_owned(),
            kind: "file".to_owned(),
            disorder: self.disorder.clone(),
            historic: self.historic,
            rest,
            ..RawSource::default()
        };
        let mut raw = RawConfig { source: vec![source], ..RawConfig::default() };
        let is_told =
            self.negative_prices || self.price_scale.is_some() || self.size_scale.is_some();
        if is_told {
            raw.instrument.push(self.instrument("*", InstrumentSpec::DEFAULT));
        }
        raw
    }

    /// The instruments whose numbers need other decimals than the default, found by reading the files once, unless
    /// flags say how many are kept. What is wrong with the source is said when it is checked.
    pub(super) fn scanned(
        &self,
        sources: &[RawSource],
        max_instruments: Option<usize>,
    ) -> Vec<RawInstrument> {
        if self.price_scale.is_some() && self.size_scale.is_some() {
            return Vec::new();
        }
        let limit = max_instruments.unwrap_or(RawLimits::default().instruments);
        let rest = sources.iter().map(|source| Value::try_from(&source.rest));
        let configs = rest.filter_map(|rest| rest.ok()?.try_into::<FileConfig>().ok());
        let found = configs
            .flat_map(|config| scan_scales(config, Path::new("."), limit).unwrap_or_default());
        found.map(|(name, spec)| self.instrument(&name, spec)).collect()
    }

    /// What holds for instruments of these names, of which `spec` is known.
    fn instrument(&self, pattern: &str, spec: InstrumentSpec) -> RawInstrument {
        RawInstrument {
            pattern: pattern.to_owned(),
            price_decimals: self.price_scale.unwrap_or(spec.price_scale),
            size_decimals: self.size_scale.unwrap_or(spec.quantity_scale),
            calendar: None,
            quote: String::new(),
            multiplier: RawAmount::Whole(1),
            inverse: None,
            negative_prices: self.negative_prices,
        }
    }

    /// Columns, units and filter, column by column.
    fn columns(&self, found: &FoundLook, rest: &mut BTreeMap<String, Value>) {
        let mut csv = toml::Table::new();
        for (key, said, found) in [
            ("delimiter", &self.delimiter, &found.delimiter),
            ("comment", &self.comment, &found.comment),
        ] {
            let text = said.as_ref().or(found.as_ref());
            csv.extend(text.map(|text| (key.to_owned(), Value::from(text.as_str()))));
        }
        if self.no_header {
            csv.insert("header".to_owned(), Value::from(false));
        }
        if self.trailing_delimiter {
            csv.insert("trailing_delimiter".to_owned(), Value::from(true));
        }
        rest.insert("csv".to_owned(), Value::Table(csv));

        let named = |key| found.columns.iter().find(|(of, _)| *of == key).map(|(_, name)| &**name);
        let one =
            |said: &Option<String>, key| said.clone().or_else(|| named(key).map(str::to_owned));
        let time = one(&self.time, "time");
        let (price, size) = (one(&self.price, "price"), one(&self.size, "size"));
        let symbol = one(&self.symbol, "symbol");
        let columns = [
            ("price", price.as_deref().or(Some("price"))),
            ("size", size.as_deref().or(Some("size"))),
            ("symbol", symbol.as_deref()),
            ("sequence", self.sequence.as_deref()),
            ("side", self.side.as_deref()),
            ("maker", self.maker.as_deref()),
            ("kind", self.kind.as_deref()),
            ("of", self.of.as_deref()),
            ("of_symbol", self.of_symbol.as_deref()),
            ("updates", self.updates.as_deref()),
        ];
        let columns = columns.into_iter().filter_map(|(field, column)| {
            column.map(|column| (field.to_owned(), Value::from(column)))
        });
        let mut columns: toml::Table = columns.collect();
        columns.insert("time".to_owned(), several(time.as_deref().unwrap_or("time")));
        columns.extend(self.id.as_deref().map(|id| ("id".to_owned(), several(id))));
        rest.insert("columns".to_owned(), Value::Table(columns));

        rest.insert("units".to_owned(), Value::Table(self.values.units()));

        if !self.rows.is_empty() {
            rest.insert("rows".to_owned(), Value::from(self.rows.clone()));
        }
        if !self.kinds.is_empty() {
            let kinds = self.kinds.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let kinds = kinds.map(|(word, kind)| (word.to_owned(), Value::from(kind)));
            rest.insert("kinds".to_owned(), Value::Table(kinds.collect()));
        }
        if let Some(only) = &self.only {
            let (column, text) =
                only.split_once('=').map_or((only.as_str(), None), |(c, t)| (c, Some(t)));
            let mut filter = toml::Table::new();
            filter.insert("column".to_owned(), Value::from(column));
            filter.extend(text.map(|text| ("equals".to_owned(), Value::from(text))));
            rest.insert("where".to_owned(), Value::Table(filter));
        }
    }
}

/// A column, or several.
fn several(text: &str) -> Value {
    match text.contains(',') {
        true => Value::Array(text.split(',').map(Value::from).collect()),
        false => Value::from(text),
    }
}

/// The codecs, each with what it reads.
fn codecs() -> PossibleValuesParser {
    let codecs = CODECS.iter().map(|codec| PossibleValue::new(codec.name).help(codec.doc));
    PossibleValuesParser::new(codecs)
}

/// `key=value` as written; values that are no TOML are text.
fn options(written: &[String]) -> toml::Table {
    let pairs = written.iter().map(|option| option.split_once('=').unwrap_or((option, "true")));
    pairs.map(|(key, value)| (key.to_owned(), toml_or_text(value))).collect()
}
