//! Flags that make any file of trades replayable without a configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use connectors::codecs::CODECS;
use toml::Value;

use dataflows::config::{RawAmount, RawConfig, RawInstrument, RawSource, toml_or_text};

/// How to read the files. Columns are names of the header, numbers from 1, or dotted JSON paths.
#[derive(Args)]
#[command(next_help_heading = "How to read files")]
pub(super) struct Mapping {
    /// What wrote the files, for feeds that need no columns.
    #[arg(long, value_parser = codecs(), conflicts_with_all = [
        "format", "delimiter", "no_header", "time", "time_unit", "price", "price_decimals", "size",
        "size_decimals", "signed_size", "symbol", "id", "sequence", "side", "maker", "kind", "of",
        "updates", "only",
    ])]
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
    /// csv or jsonl [default: by the file's ending].
    #[arg(long)]
    format: Option<String>,
    /// Separator of CSV columns: one character, or `tab`.
    #[arg(long)]
    delimiter: Option<String>,
    /// The first CSV line is not a header; columns are numbers.
    #[arg(long)]
    no_header: bool,
    /// Column of the time [default: time].
    #[arg(long)]
    time: Option<String>,
    /// Unit of the time: rfc3339, s, ms, us or ns.
    #[arg(long, default_value = "rfc3339")]
    time_unit: String,
    /// Column of the price [default: price].
    #[arg(long)]
    price: Option<String>,
    /// Implied decimals of integer prices.
    #[arg(long, default_value_t = 0)]
    price_decimals: u8,
    /// Column of the size [default: size].
    #[arg(long)]
    size: Option<String>,
    /// Implied decimals of integer sizes.
    #[arg(long, default_value_t = 0)]
    size_decimals: u8,
    /// A negative size means that the seller was the aggressor.
    #[arg(long)]
    signed_size: bool,
    /// Column of the symbol, for a template.
    #[arg(long)]
    symbol: Option<String>,
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
    /// Column of the id that a correction or cancel names.
    #[arg(long)]
    of: Option<String>,
    /// Column of what the trade may update: all, none, or volume+high_low+open_close.
    #[arg(long)]
    updates: Option<String>,
    /// Only records in which COLUMN is TEXT.
    #[arg(long, value_name = "COLUMN=TEXT")]
    only: Option<String>,
    /// How far behind the newest event an event may come without being late.
    #[arg(long)]
    disorder: Option<String>,
    /// Prices at or below zero are legal.
    #[arg(long)]
    negative_prices: bool,
}

impl Mapping {
    /// A configuration that reads `paths` so, from where the process runs.
    pub(super) fn configuration(&self, paths: &[PathBuf]) -> RawConfig {
        let mut rest: BTreeMap<String, Value> = BTreeMap::new();
        let paths = paths.iter().map(|path| Value::from(path.display().to_string())).collect();
        rest.insert("paths".to_owned(), Value::Array(paths));
        for (key, text) in [
            ("instrument", self.instrument.clone()),
            ("id_scope", self.id_scope.clone()),
            ("id_period", self.id_period.clone()),
            ("format", self.format.clone()),
        ] {
            rest.extend(text.map(|text| (key.to_owned(), Value::from(text))));
        }
        rest.extend(self.contiguous_ids.map(|is| ("contiguous_ids".to_owned(), Value::from(is))));
        match &self.codec {
            Some(codec) => {
                rest.insert("codec".to_owned(), Value::from(codec.as_str()));
                rest.insert("options".to_owned(), Value::Table(options(&self.option)));
            }
            None => self.columns(&mut rest),
        }

        let source = RawSource {
            name: "files".to_owned(),
            kind: "file".to_owned(),
            disorder: self.disorder.clone(),
            rest,
            ..RawSource::default()
        };
        let mut raw = RawConfig { source: vec![source], ..RawConfig::default() };
        if self.negative_prices {
            raw.instrument.push(RawInstrument {
                pattern: "*".to_owned(),
                price_decimals: market::InstrumentSpec::DEFAULT.price_scale,
                size_decimals: market::InstrumentSpec::DEFAULT.quantity_scale,
                calendar: None,
                quote: String::new(),
                multiplier: RawAmount::Whole(1),
                inverse: None,
                negative_prices: true,
            });
        }
        raw
    }

    /// Columns, units and filter, column by column.
    fn columns(&self, rest: &mut BTreeMap<String, Value>) {
        let mut csv = toml::Table::new();
        csv.extend(self.delimiter.clone().map(|text| ("delimiter".to_owned(), Value::from(text))));
        if self.no_header {
            csv.insert("header".to_owned(), Value::from(false));
        }
        rest.insert("csv".to_owned(), Value::Table(csv));

        let columns = [
            ("time", self.time.clone().or_else(|| Some("time".to_owned()))),
            ("price", self.price.clone().or_else(|| Some("price".to_owned()))),
            ("size", self.size.clone().or_else(|| Some("size".to_owned()))),
            ("symbol", self.symbol.clone()),
            ("sequence", self.sequence.clone()),
            ("side", self.side.clone()),
            ("maker", self.maker.clone()),
            ("kind", self.kind.clone()),
            ("of", self.of.clone()),
            ("updates", self.updates.clone()),
        ];
        let columns = columns.into_iter().filter_map(|(field, column)| {
            column.map(|column| (field.to_owned(), Value::from(column)))
        });
        let mut columns: toml::Table = columns.collect();
        columns.extend(self.id.as_deref().map(|id| ("id".to_owned(), id_columns(id))));
        rest.insert("columns".to_owned(), Value::Table(columns));

        let mut units = toml::Table::new();
        units.insert("time".to_owned(), Value::from(self.time_unit.as_str()));
        units.insert("price_decimals".to_owned(), Value::from(i64::from(self.price_decimals)));
        units.insert("size_decimals".to_owned(), Value::from(i64::from(self.size_decimals)));
        units.insert("signed_size".to_owned(), Value::from(self.signed_size));
        rest.insert("units".to_owned(), Value::Table(units));

        if let Some(only) = &self.only {
            let (column, text) = only.split_once('=').unwrap_or((only, ""));
            let mut filter = toml::Table::new();
            filter.insert("column".to_owned(), Value::from(column));
            filter.insert("equals".to_owned(), Value::from(text));
            rest.insert("where".to_owned(), Value::Table(filter));
        }
    }
}

/// A column, or several.
fn id_columns(text: &str) -> Value {
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
