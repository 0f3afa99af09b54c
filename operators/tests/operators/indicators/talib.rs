//! Beside TA-Lib itself: `talib.csv` holds random bars, 24 of them flat, and what the C library 0.8.1 (wheel
//! 0.8.2) computed from them. Prices are in quarters, so that binary floating point rounds nothing on
//! the way in; a column is named `label:output`.

use operators::indicators::INDICATORS;

use super::series::{Row, assert_agree, outputs};

/// Those that TA-Lib does not have: `published.rs` holds them to numbers of other sources, or they have none.
const NOT_IN_TALIB: [&str; 2] = ["keltner", "vwap"];

#[test]
fn numbers_are_those_of_talib() {
    let mut lines = include_str!("talib.csv").lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let bars: Vec<Row<'_>> = rows.iter().map(|row| [row[0], row[1], row[2], row[3]]).collect();
    for (column, name) in names.iter().enumerate().skip(4) {
        let (label, output) = name.split_once(':').unwrap();
        let want: Vec<Option<f64>> = rows.iter().map(|row| row[column].parse().ok()).collect();
        let got = &outputs(label, &bars)[output.parse::<usize>().unwrap()];
        // Rolling sums leave TA-Lib about 10⁻¹⁴ of the sum, and a root of that where all is flat.
        let flat = if label.starts_with("bb") { 1e-6 } else { 1e-11 };
        assert_agree(name, got, &want, |_, want| 1e-9 * want.abs() + flat);
    }
    for name in INDICATORS.iter().map(|indicator| indicator.name()) {
        let is_compared = names.iter().skip(4).any(|column| {
            column
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphabetic()))
        });
        assert_eq!(
            is_compared,
            !NOT_IN_TALIB.contains(&name),
            "give `{name}` a column in talib.csv; if TA-Lib lacks it, a line in `NOT_IN_TALIB`"
        );
    }
}

#[test]
fn the_documents_list_every_indicator() {
    let page = include_str!("../../../../docs/sources.md");
    let (_, list) = page.split_once("They are: ").unwrap();
    let (list, _) = list.split_once(", each with").unwrap();
    let listed: Vec<&str> = list.split(',').map(str::trim).collect();
    let names: Vec<&str> = INDICATORS.iter().map(|indicator| indicator.name()).collect();
    assert_eq!(listed, names, "docs/sources.md lists the indicators");
}
