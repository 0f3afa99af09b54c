//! Which views are written, and in which layout.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::end_to_end::binary::tickweave_strict;

const ARGS: [&str; 10] = [
    "replay",
    "t.csv",
    "--symbol",
    "symbol",
    "--instrument",
    "x:{symbol}",
    "--timeframes",
    "1m,5m",
    "--out",
    "out",
];

fn write_trades(folder: &Path, bad: bool) {
    let mut text = "time,symbol,price,size\n".to_owned();
    for at in 0..600 {
        let (minute, second) = (at / 20, at % 20 * 3);
        let symbol = ["A", "B"][at % 2];
        let price = 100 + at % 7;
        text += &format!("2026-01-05T10:{minute:02}:{second:02}Z,{symbol},{price},2\n");
    }
    if bad {
        text += "2026-01-05T10:30:00Z,A,none,2\n";
    }
    fs::write(folder.join("t.csv"), text).unwrap();
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".csv"));
    names.sort();
    names
}

#[test]
fn results_are_what_has_rows_and_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_trades(folder, true);
    let run = |more: &[&str]| tickweave_strict(folder, &[&ARGS[..], more].concat());
    let ran = run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(files(folder), ["candles.csv", "dead_letters.csv", "indicators.csv"]);
    assert!(
        ran.out.contains(
            "bars of 2 instruments from 2026-01-05T10:00:00Z to 2026-01-05T10:30:00Z: 1m 60, 5m 12"
        ),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("refused: bad_price 1; for example"), "{}", ran.out);
    assert!(
        ran.out.contains("written to out: candles.csv (72 rows), dead_letters.csv (1 row)"),
        "{}",
        ran.out
    );
    // Nothing of an earlier run is left that this one would have written.
    write_trades(folder, false);
    run(&[]);
    assert_eq!(files(folder), ["candles.csv", "indicators.csv"]);
    run(&["--views", "trades,gaps"]);
    assert_eq!(files(folder), ["candles.csv", "gaps.csv", "indicators.csv", "trades.csv"]);
    let refused = run(&["--views", "candels"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("did you mean `candles`?"), "{}", refused.err);
}

#[test]
fn a_wide_file_has_the_bars_and_the_numbers_of_indicators() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_trades(folder, false);
    let run = |more: &[&str]| {
        let more = [&["--indicators", "sma3,bb3_2"], more].concat();
        let ran = tickweave_strict(folder, &[&ARGS[..], &more].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    };
    run(&[]);
    let rows = |name: &str| -> (Vec<String>, Vec<Vec<String>>) {
        let mut csv = csv::Reader::from_path(folder.join("out").join(name)).unwrap();
        let header = csv.headers().unwrap().iter().map(str::to_owned).collect();
        (
            header,
            csv.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect(),
        )
    };
    let (candles, indicators) = (rows("candles.csv"), rows("indicators.csv"));
    run(&["--layout", "wide"]);
    for timeframe in ["1m", "5m"] {
        let (header, wide) = rows(&format!("bars_{timeframe}.csv"));
        let place = |name: &str| header.iter().position(|own| own == name).unwrap();
        assert_eq!(header[..2], ["time", "symbol"]);
        assert_eq!(header[10..], ["sma3", "bb3_2_upper", "bb3_2_middle", "bb3_2_lower"]);
        let mut keys: Vec<_> = wide.iter().map(|row| (row[1].clone(), row[0].clone())).collect();
        assert!(keys.is_sorted(), "by symbol and time");
        keys.dedup();
        let of =
            |(header, rows): &(Vec<String>, Vec<Vec<String>>)| -> Vec<BTreeMap<String, String>> {
                let named =
                    |row: &Vec<String>| header.iter().cloned().zip(row.iter().cloned()).collect();
                let rows: Vec<BTreeMap<_, _>> = rows.iter().map(named).collect();
                rows.into_iter().filter(|row| row["timeframe"] == timeframe).collect()
            };
        let bars = of(&candles);
        assert_eq!((wide.len(), keys.len()), (bars.len(), bars.len()));
        for (row, bar) in wide.iter().zip(&bars) {
            let names = [
                ("time", "open_time"),
                ("symbol", "instrument"),
                ("open", "open"),
                ("high", "high"),
                ("low", "low"),
                ("close", "close"),
                ("volume", "volume"),
                ("notional", "notional"),
                ("trades", "trades"),
                ("state", "state"),
            ];
            for (own, column) in names {
                if header.iter().any(|name| name == own) {
                    assert_eq!(row[place(own)], bar[column], "{own}");
                }
            }
        }
        let numbers = of(&indicators);
        assert!(!numbers.is_empty());
        let mut found = 0;
        for number in &numbers {
            let column = match &*number["indicator"] {
                "sma3" => "sma3".to_owned(),
                other => format!("{other}_{}", number["output"]),
            };
            let row = wide
                .iter()
                .find(|row| row[0] == number["open_time"] && row[1] == number["instrument"]);
            assert_eq!(row.unwrap()[place(&column)], number["value"]);
            found += 1;
        }
        let filled: usize = wide
            .iter()
            .map(|row| row[place("sma3")..].iter().filter(|cell| !cell.is_empty()).count())
            .sum();
        assert_eq!(filled, found, "nothing else is there");
    }
}
