//! Beside numbers that others computed from real markets, where the files are at hand.

use std::io::Read;

use super::series::{Row, assert_agree, outputs, shared};

/// The columns of `expected_candles/*.csv.gz`: by TA-Lib, from the first value on.
const COLUMNS: [(&str, &str, usize); 9] = [
    ("sma20", "sma20", 0),
    ("ema20", "ema20", 0),
    ("rsi14", "rsi14", 0),
    ("macd", "macd12_26_9", 0),
    ("macd_signal", "macd12_26_9", 1),
    ("macd_hist", "macd12_26_9", 2),
    ("bb_up", "bb20_2", 0),
    ("bb_mid", "bb20_2", 1),
    ("bb_lo", "bb20_2", 2),
];

#[test]
fn real_candles_have_the_indicators_that_talib_gave_them() {
    let Some(folder) = shared("expected_candles") else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".csv.gz") {
            continue;
        }
        let mut text = String::new();
        let file = std::fs::File::open(&path).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        check_candles(&name, &text);
        files += 1;
    }
    assert!(files >= 10, "{files} files of candles");
}

fn check_candles(file: &str, text: &str) {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| names.iter().position(|known| *known == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    // A file may hold several symbols, one after the other.
    for rows in rows.chunk_by(|a, b| a[at("symbol")] == b[at("symbol")]) {
        let bars: Vec<Row<'_>> = rows
            .iter()
            .map(|row| [row[at("high")], row[at("low")], row[at("close")], row[at("volume")]])
            .collect();
        let closes: Vec<f64> = bars.iter().map(|bar| bar[2].parse().unwrap()).collect();
        for (column, label, output) in COLUMNS {
            let want: Vec<Option<f64>> =
                rows.iter().map(|row| row[at(column)].parse().ok()).collect();
            let got = &outputs(label, &bars)[output];
            let place = format!("{file}, {} of {}", column, rows[0][at("symbol")]);
            assert_agree(&place, got, &want, |index, want| allowed(column, &closes, index, want));
        }
    }
}

/// 10⁻⁹ of the number.
fn allowed(_column: &str, _closes: &[f64], _index: usize, want: f64) -> f64 {
    1e-9 * want.abs()
}

/// A series of `indicator_refs/stock_indicators` that agrees with TA-Lib's conventions.
struct Published {
    file: &'static str,
    label: &'static str,
    /// Fields in the order of outputs.
    fields: &'static [&'static str],
    /// From which bar on: seeds that differ have worn off by then.
    from: usize,
    tolerance: f64,
}

#[test]
fn spy_has_the_indicators_that_stock_indicators_gives_it() {
    let Some(folder) = shared("indicator_refs/stock_indicators") else { return };
    let quotes = std::fs::read_to_string(folder.join("quotes/default.csv")).unwrap();
    let rows: Vec<Vec<&str>> =
        quotes.lines().skip(1).map(|line| line.trim().split(',').collect()).collect();
    let bars: Vec<Row<'_>> = rows.iter().map(|row| [row[2], row[3], row[4], row[5]]).collect();
    let published =
        |file, label, fields, from| Published { file, label, fields, from, tolerance: 1e-9 };
    let late = |file, label, fields, from| Published { file, label, fields, from, tolerance: 1e-7 };
    for Published { file, label, fields, from, tolerance } in [
        published("sma", "sma20", &["sma"][..], 0),
        published("ema", "ema20", &["ema"], 0),
        published("rsi", "rsi14", &["rsi"], 0),
        published("bb", "bb20_2", &["upperBand", "sma", "lowerBand"], 0),
        published("wma", "wma14", &["wma"], 0),
        published("atr", "atr14", &["atr"], 0),
        published("cci", "cci20", &["cci"], 0),
        published("mfi", "mfi14", &["mfi"], 0),
        published("roc", "roc14", &["roc"], 0),
        published("roc", "mom14", &["momentum"], 0),
        // Each average there is seeded as early as it can be; here they begin with each other.
        late("macd", "macd12_26_9", &["macd", "signal", "histogram"], 250),
        late("dema", "dema14", &["dema"], 250),
        late("tema", "tema20", &["tema"], 400),
        published("keltner", "keltner20_10_2", &["upperBand", "centerline", "lowerBand"], 0),
    ] {
        let text = std::fs::read_to_string(folder.join(format!("results/{file}.standard.json")));
        let results: Vec<serde_json::Value> = serde_json::from_str(&text.unwrap()).unwrap();
        for (output, field) in fields.iter().enumerate() {
            let want: Vec<Option<f64>> = results.iter().map(|row| row[field].as_f64()).collect();
            let got = &outputs(label, &bars)[output];
            let place = format!("{field} of {label}");
            assert_agree(&place, &got[from..], &want[from..], |_, want| tolerance * want.abs());
        }
    }
}

#[test]
fn the_first_numbers_of_spy_are_those_of_talib() {
    // Measured with TA-Lib (C 0.8.1) on the closes of the file, to four decimals.
    let Some(path) = shared("indicator_refs/stock_indicators/quotes/default.csv") else { return };
    let quotes = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<&str>> =
        quotes.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let bars: Vec<Row<'_>> =
        rows.iter().map(|row| [row[2], row[3], row[4], row[5].trim()]).collect();
    for (label, output, first, value, last) in [
        ("ema20", 0, 19, 214.5250, 249.3519),
        ("rsi14", 0, 14, 62.0541, 42.0773),
        ("macd", 0, 33, 2.2445, -6.2198),
        ("macd", 1, 33, 1.6114, -5.8569),
        ("bb", 0, 19, 216.5887, 273.7004),
    ] {
        let got = &outputs(label, &bars)[output];
        assert_eq!(got.iter().position(Option::is_some), Some(first), "{label}");
        assert!((got[first].unwrap() - value).abs() < 1e-4, "{label}: {:?}", got[first]);
        assert!((got[501].unwrap() - last).abs() < 1e-4, "{label}: {:?}", got[501]);
    }
}
