//! Flags that say how times and numbers are written.

use clap::Args;
use toml::{Table, Value};

/// How times and numbers are written, beside the columns that hold them.
#[derive(Args)]
pub(super) struct Values {
    /// Unit of the time: rfc3339, s, ms, us, ns, or auto (by the size of each number).
    #[arg(long, default_value = "rfc3339")]
    time_unit: String,
    /// How times are written, as strptime has it: '%d/%m/%Y %H:%M:%S'. May be given several times; RFC 3339 is read
    /// besides.
    #[arg(long, value_name = "FORMAT")]
    time_format: Vec<String>,
    /// Time zone of times that have none: UTC, or one of IANA such as America/New_York.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Which instant is meant where clocks show an hour twice: earlier, later or refuse [default: earlier].
    #[arg(long, value_name = "RULE")]
    ambiguous_time: Option<String>,
    /// The day, such as 2026-01-05, from whose midnight times count, instead of from 1970.
    #[arg(long)]
    day: Option<String>,
    /// Implied decimals of integer prices: with 4, 1815200 is 181.52.
    #[arg(long, default_value_t = 0)]
    price_decimals: u8,
    /// Implied decimals of integer sizes.
    #[arg(long, default_value_t = 0)]
    size_decimals: u8,
    /// A negative size means that the seller was the aggressor.
    #[arg(long)]
    signed_size: bool,
    /// Character before decimals [default: .].
    #[arg(long, value_name = "CHARACTER")]
    decimal_mark: Option<String>,
    /// Character between groups of three digits, as in 1,234.5 [default: none].
    #[arg(long, value_name = "CHARACTER")]
    grouping: Option<String>,
    /// Numbers may have signs of currencies, and parentheses instead of a minus sign.
    #[arg(long)]
    accounting: bool,
}

/// The flags of [`Values`], none of which goes with a codec.
pub(super) const FLAGS: [&str; 11] = [
    "time_unit",
    "time_format",
    "time_zone",
    "ambiguous_time",
    "day",
    "price_decimals",
    "size_decimals",
    "signed_size",
    "decimal_mark",
    "grouping",
    "accounting",
];

impl Values {
    /// The table `units` of a source.
    pub(super) fn units(&self) -> Table {
        let mut units = Table::new();
        let mut put = |key: &str, value: Value| units.insert(key.to_owned(), value);
        put("time", Value::from(self.time_unit.as_str()));
        put("price_decimals", Value::from(i64::from(self.price_decimals)));
        put("size_decimals", Value::from(i64::from(self.size_decimals)));
        put("signed_size", Value::from(self.signed_size));
        if !self.time_format.is_empty() {
            put("time_format", Value::from(self.time_format.clone()));
        }
        if self.accounting {
            put("accounting", Value::from(true));
        }
        for (key, text) in [
            ("time_zone", &self.time_zone),
            ("ambiguous_time", &self.ambiguous_time),
            ("day", &self.day),
            ("decimal_mark", &self.decimal_mark),
            ("grouping", &self.grouping),
        ] {
            if let Some(text) = text {
                put(key, Value::from(text.as_str()));
            }
        }
        units
    }
}
