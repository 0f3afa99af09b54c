//! Bars as text: those that the system wrote, those that are expected, and sums of the latter.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use market::{EventTime, TimeUnit};

use super::data::gunzip;

/// What is compared.
const VALUES: [&str; 7] = ["open", "high", "low", "close", "volume", "notional", "trades"];

/// Instrument, timeframe, and open time in milliseconds.
pub(crate) type Key = (String, String, i64);

/// The values of a bar in the order of [`VALUES`]: decimal texts without trailing zeros.
pub(crate) type Bar = [String; 7];

/// Bars of any instruments and timeframes.
pub(crate) type Bars = BTreeMap<Key, Bar>;

/// The bars of a `candles.csv` that the system wrote.
pub(crate) fn written(path: &Path) -> Bars {
    of_csv(std::fs::File::open(path).unwrap())
}

/// The bar of a row of `candles` as JSON with numbers as strings.
pub(crate) fn of_json(row: &serde_json::Value) -> (Key, Bar) {
    let text = |column: &str| match &row[column] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let open_time = EventTime::parse(&text("open_time"), TimeUnit::Rfc3339).unwrap().0;
    let values = VALUES.map(|column| without_trailing_zeros(&text(column)).to_owned());
    ((text("instrument"), text("timeframe"), open_time / 1_000_000), values)
}

/// The bars of rows of `candles` as CSV.
pub(crate) fn of_csv(content: impl Read) -> Bars {
    read(content, ["instrument", "timeframe", "open_time"], |[instrument, timeframe, open_time]| {
        let open_time = EventTime::parse(open_time, TimeUnit::Rfc3339).unwrap().0;
        assert_eq!(open_time % 1_000_000, 0, "bars open at whole milliseconds");
        (instrument.to_owned(), timeframe.to_owned(), open_time / 1_000_000)
    })
}

/// The bars of `expected_candles/NAME.csv.gz`; the instrument is `venue:SYMBOL`.
pub(crate) fn expected(shared: &Path, name: &str, timeframe: &str, venue: &str) -> Bars {
    let path = shared.join("expected_candles").join(format!("{name}.csv.gz"));
    read(gunzip(&path), ["symbol", "open_time_ms"], |[symbol, open_time]| {
        (format!("{venue}:{symbol}"), timeframe.to_owned(), open_time.parse().unwrap())
    })
}

/// The bars of `length` milliseconds, called `timeframe`, that are the unions of `bars`.
pub(crate) fn unions(bars: &Bars, timeframe: &str, length: i64) -> Bars {
    let mut unions: BTreeMap<Key, [i128; 7]> = BTreeMap::new();
    // Of one instrument, earlier bars come first.
    for ((instrument, _, open_time), bar) in bars {
        let key = (instrument.clone(), timeframe.to_owned(), open_time - open_time % length);
        let next @ [_, high, low, close, volume, notional, trades] =
            bar.each_ref().map(|text| scaled(text));
        unions
            .entry(key)
            .and_modify(|sum| {
                sum[1] = sum[1].max(high);
                sum[2] = sum[2].min(low);
                sum[3] = close;
                sum[4] += volume;
                sum[5] += notional;
                sum[6] += trades;
            })
            .or_insert(next);
    }
    unions.into_iter().map(|(key, values)| (key, values.map(text))).collect()
}

/// The trades of all bars of `timeframe`.
pub(crate) fn trades(bars: &Bars, timeframe: &str) -> u64 {
    let of_timeframe = bars.iter().filter(|((_, own, _), _)| own == timeframe);
    of_timeframe.map(|(_, [.., trades])| trades.parse::<u64>().unwrap()).sum()
}

/// Fails unless `found` is exactly `wanted`; says how many bars differ, and the first of them.
pub(crate) fn assert_same(found: &Bars, wanted: &Bars, run: &str) {
    let missing: Vec<_> = wanted.keys().filter(|key| !found.contains_key(*key)).collect();
    let extra: Vec<_> = found.keys().filter(|key| !wanted.contains_key(*key)).collect();
    let differ: Vec<_> = wanted
        .iter()
        .filter_map(|(key, bar)| {
            found.get(key).filter(|own| *own != bar).map(|own| (key, own, bar))
        })
        .collect();
    assert!(
        missing.is_empty() && extra.is_empty() && differ.is_empty(),
        "{run}: of {} bars {} are missing {:?}…, {} are too many {:?}…, {} differ (found, wanted) {:#?}…",
        wanted.len(),
        missing.len(),
        &missing[..missing.len().min(3)],
        extra.len(),
        &extra[..extra.len().min(3)],
        differ.len(),
        &differ[..differ.len().min(3)],
    );
}

fn read<const N: usize>(
    content: impl Read,
    of_key: [&str; N],
    key: impl Fn([&str; N]) -> Key,
) -> Bars {
    let mut reader = csv::Reader::from_reader(content);
    let header = reader.headers().unwrap().clone();
    let place = |column: &str| header.iter().position(|name| name == column).unwrap();
    let (of_key, of_values) = (of_key.map(place), VALUES.map(place));
    let mut bars = Bars::new();
    for row in reader.records() {
        let row = row.unwrap();
        let values = of_values.map(|at| without_trailing_zeros(&row[at]).to_owned());
        let double = bars.insert(key(of_key.map(|at| &row[at])), values);
        assert_eq!(double, None, "two rows of one bar: {row:?}");
    }
    bars
}

fn without_trailing_zeros(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// More than the decimals of any sum.
const DECIMALS: usize = 18;

/// `"1.5"` as 1.5 · 10¹⁸.
fn scaled(number: &str) -> i128 {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    assert!(fraction.len() <= DECIMALS, "{number} has too many decimals");
    format!("{whole}{fraction:0<DECIMALS$}").parse().unwrap()
}

fn text(scaled: i128) -> String {
    let digits = format!("{scaled:0>width$}", width = DECIMALS + 1);
    let (whole, fraction) = digits.split_at(digits.len() - DECIMALS);
    without_trailing_zeros(&format!("{whole}.{fraction}")).to_owned()
}

#[test]
fn decimals_become_numbers_and_come_back() {
    for (number, want) in
        [("0.00141342", 1_413_420_000_000_000), ("15057.5", 15_057_500 * 10_i128.pow(15))]
    {
        assert_eq!((scaled(number), text(want).as_str()), (want, number));
    }
    assert_eq!(["15000", "0.50", "7.000"].map(without_trailing_zeros), ["15000", "0.5", "7"]);
}
