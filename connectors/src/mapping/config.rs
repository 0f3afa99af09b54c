//! A mapping as its user writes it.

use std::collections::BTreeMap;
use std::fmt;

use market::IdPeriod;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::readings::Readings;
use super::units::UnitsConfig;
use super::zero_size::ZeroSize;

/// The parts of a source's configuration that say what its records mean. A source's own configuration
/// holds these beside what is its own, so that one level of keys is all that a user sees.
#[derive(Clone, Debug)]
pub struct MappingConfig {
    /// An instrument's name, or a template of one such as `binance:{symbol}`. Default: that of the codec.
    pub instrument: Option<String>,
    /// The name of the space of ids. Default: the text before `:` of the instrument's name.
    pub id_scope: Option<String>,
    /// Whether the trades of an instrument have the ids *n*, *n* + 1, *n* + 2, … in that space, so that a hole
    /// means that something is missing. Default: that of the codec, else false.
    pub contiguous_ids: bool,
    /// How long the venue goes on until it uses ids again, in the calendar of the instrument: `forever`, `day` (a
    /// trading day), `session` (also closed time) or `week` (of trading days, from Monday). Corrections and cancels
    /// name a trade of their own period, and need their time. Default: `forever`.
    pub id_period: IdPeriod,
    /// Which column holds what. Default: that of the codec; without a codec, required.
    pub columns: ColumnsConfig,
    /// How times and numbers are written. Default: times in RFC 3339, numbers as they are.
    pub units: UnitsConfig,
    /// Instruments by symbol; a symbol that is not here is left to the template, if there is one.
    pub symbols: BTreeMap<String, String>,
    /// Which records count. Default: all.
    pub only: Option<WhereConfig>,
    /// What the words of `columns.kind` mean, if they are a feed's own: `trade`, `correct`, `cancel`, or `skip` for
    /// records that are left out. `kinds = { "0" = "trade", "8" = "skip" }`. Default: `trade`, `correction`, `cancel`.
    pub kinds: BTreeMap<String, String>,
    /// Paths in a JSON message or line to the rows in it, if it may hold several: `["data"]`, `["events.trades"]`, or
    /// `$` for the message itself. Arrays on the way are entered, and a number picks one of their elements, from 1. A
    /// row is an object, or an array of values, whose columns have numbers then. Of several paths the first that leads
    /// somewhere counts. Columns of the message itself begin with `$.`. Default: none, a message is one row.
    pub rows: Vec<String>,
    /// What a print of size 0 is: no trade, so that no bar shows it (`ignore`; unless its `updates` leave out the
    /// volume), a trade like any other (`count`), or a dead letter (`refuse`). Default: `ignore`.
    pub zero_size: ZeroSize,
    /// How texts are read; what a codec sets and a user does not write.
    pub readings: Readings,
}

/// `[source.columns]`: the column of each field, which is its name in a header, its dotted path in a JSON object, or
/// its number from 1. Where records of several forms have different columns, `"cp|p"` is the first of these that is
/// there and not empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsConfig {
    /// When the trade happened; up to two columns, such as `["date", "time"]`, whose texts are one with a blank
    /// between.
    pub time: TimeColumns,
    /// Its price.
    pub price: Column,
    /// Its size.
    pub size: Column,
    /// What was traded; for a template or a table of symbols. Default: none.
    pub symbol: Option<Column>,
    /// The trade's id; up to three columns that are one together, such as `["exchange", "id"]` where each exchange of a
    /// tape numbers its own. Without it a trade is known by its position in its partition. Default: none.
    pub id: Option<IdColumns>,
    /// Order within one time, an unsigned integer; of several corrections of a trade the highest counts, and without
    /// one the last. Default: an integer id, else the position.
    pub sequence: Option<Column>,
    /// The aggressor in words, such as `buy` and `sell`. Default: none.
    pub side: Option<Column>,
    /// Whether the buyer was the maker (`true`, `false`), so that the aggressor sold. Default: none.
    pub maker: Option<Column>,
    /// What a record is: `trade`, `correction` or `cancel`, or a word of `kinds`; a trade if empty. Default: none, all
    /// are trades.
    pub kind: Option<Column>,
    /// The id that a correction or cancel names; the record's own if empty. Of an id of several columns it is the last
    /// one, and the others are the record's own. Default: the record's own.
    pub of: Option<Column>,
    /// The symbol of the trade that a correction or cancel names. A correction may not move a trade. Default: none.
    pub of_symbol: Option<Column>,
    /// What the trade may change in a candle: `all` (also if empty), `none`, or some of `volume`, `high_low` and
    /// `open_close`; with `+closing`, `+opening` or `+ordinary` also what print of its session it is. `closing` alone
    /// changes all. Default: none, trades change all, and their time decides of which session they are.
    pub updates: Option<Column>,
}

/// `where = { column = "e", equals = "trade" }`: other records are skipped, which is not a refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhereConfig {
    /// The column that decides.
    pub column: Column,
    /// What it must hold. Default: anything that is not empty.
    pub equals: Option<String>,
}

/// The columns that make an id: one, or up to three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdColumns(Vec<Column>);

/// The columns that make a time: one, or a date and a time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeColumns(Vec<Column>);

/// A column: its name in a header, its dotted path in a JSON object, or its number from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// `"price"`, or `"data.p"`.
    Name(String),
    /// `3`, the third.
    Number(u32),
    /// `"cp|p"`, the first of these that is there.
    FirstOf(Vec<Column>),
}

impl MappingConfig {
    /// Only columns and units.
    pub fn new(columns: ColumnsConfig, units: UnitsConfig) -> MappingConfig {
        MappingConfig {
            instrument: None,
            id_scope: None,
            contiguous_ids: false,
            id_period: IdPeriod::Forever,
            columns,
            units,
            symbols: BTreeMap::new(),
            only: None,
            kinds: BTreeMap::new(),
            rows: Vec::new(),
            zero_size: ZeroSize::default(),
            readings: Readings::default(),
        }
    }
}

impl ColumnsConfig {
    /// Only what every trade needs.
    pub fn new(time: Column, price: Column, size: Column) -> ColumnsConfig {
        ColumnsConfig {
            time: TimeColumns(vec![time]),
            price,
            size,
            symbol: None,
            id: None,
            sequence: None,
            side: None,
            maker: None,
            kind: None,
            of: None,
            of_symbol: None,
            updates: None,
        }
    }
}

impl IdColumns {
    /// At most so many.
    pub(super) const MAX: usize = 3;

    /// Whether there are several.
    pub(super) fn is_composite(&self) -> bool {
        self.0.len() > 1
    }

    /// Each of them, then none.
    pub(super) fn all(self) -> [Option<Column>; IdColumns::MAX] {
        let mut columns = self.0.into_iter();
        std::array::from_fn(|_| columns.next())
    }
}

impl From<Column> for IdColumns {
    fn from(column: Column) -> IdColumns {
        IdColumns(vec![column])
    }
}

impl TimeColumns {
    const MAX: usize = 2;

    /// Both of them, or one and none.
    pub(super) fn all(self) -> [Option<Column>; TimeColumns::MAX] {
        let mut columns = self.0.into_iter();
        std::array::from_fn(|_| columns.next())
    }
}

impl<'de> Deserialize<'de> for IdColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IdColumns, D::Error> {
        let columns = SeveralColumns { what: "an id", most: IdColumns::MAX };
        deserializer.deserialize_any(columns).map(IdColumns)
    }
}

impl<'de> Deserialize<'de> for TimeColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeColumns, D::Error> {
        let columns = SeveralColumns { what: "a time", most: TimeColumns::MAX };
        deserializer.deserialize_any(columns).map(TimeColumns)
    }
}

/// Reads a column, or a list of them.
struct SeveralColumns {
    what: &'static str,
    most: usize,
}

impl<'de> Visitor<'de> for SeveralColumns {
    type Value = Vec<Column>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = ["one", "two", "three"].get(self.most - 1).unwrap_or(&"some");
        write!(f, "a column's name, its number from 1, or a list of one to {most} of these")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Vec<Column>, E> {
        ColumnVisitor.visit_str(name).map(|column| vec![column])
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<Column>, E> {
        ColumnVisitor.visit_u64(number).map(|column| vec![column])
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<Column>, E> {
        ColumnVisitor.visit_i64(number).map(|column| vec![column])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Column>, A::Error> {
        let SeveralColumns { what, most } = self;
        let mut columns = Vec::with_capacity(most);
        while let Some(column) = list.next_element::<Column>()? {
            if columns.contains(&column) {
                return Err(A::Error::custom(format_args!("column {column} is in {what} twice")));
            }
            columns.push(column);
        }
        match columns.len() {
            count if (1..=most).contains(&count) => Ok(columns),
            count => {
                Err(A::Error::custom(format_args!("{what} has one to {most} columns, not {count}")))
            }
        }
    }
}

impl Column {
    /// The columns that it may be, in their order.
    pub(crate) fn each(&self) -> &[Column] {
        match self {
            Column::FirstOf(columns) => columns,
            one => std::slice::from_ref(one),
        }
    }

    /// A column of this name.
    pub fn named(name: &str) -> Column {
        Column::Name(name.to_owned())
    }
}

impl fmt::Display for Column {
    /// `"price"` or `3`, as in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "\"{name}\""),
            Column::Number(number) => write!(f, "{number}"),
            Column::FirstOf(columns) => {
                let names = columns.iter().map(|column| column.to_string());
                let names: Vec<_> = names.map(|name| name.trim_matches('"').to_owned()).collect();
                write!(f, "\"{}\"", names.join("|"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Column, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

#[derive(Clone, Copy)]
struct ColumnVisitor;

impl Visitor<'_> for ColumnVisitor {
    type Value = Column;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name, or its number from 1")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Column, E> {
        match name {
            "" => Err(E::custom("a column's name is empty")),
            _ if name.contains('|') => {
                let columns = name.split('|').map(|one| self.visit_str(one.trim()));
                columns.collect::<Result<_, E>>().map(Column::FirstOf)
            }
            _ => Ok(Column::Name(name.to_owned())),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Column, E> {
        match u32::try_from(number) {
            Ok(number @ 1..) => Ok(Column::Number(number)),
            _ => Err(E::custom(format_args!("columns are numbered from 1, not {number}"))),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Column, E> {
        // Whole numbers come as i64 from some formats.
        self.visit_u64(u64::try_from(number).unwrap_or(0))
    }
}
