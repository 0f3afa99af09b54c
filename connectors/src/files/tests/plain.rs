//! Lines that are read where they lie are read as all others are.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rows_of;
use crate::Row;

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[0-9]{1,4}",
        3 => "[0-9]{1,3}[.][0-9]{1,3}",
        1 => "17676072[0-9]{0,12}",
        1 => "[A-D]",
        1 => "[-+ .0-9a-eAé\t]{0,6}",
    ]
}

fn line() -> impl Strategy<Value = Vec<String>> {
    let usual = (field(), "[A-C]", field(), field(), field(), prop_oneof![Just("buy"), Just("S")]);
    let usual = usual.prop_map(|(time, symbol, id, price, size, side)| {
        vec![time, symbol, id, price, size, side.to_owned()]
    });
    prop_oneof![6 => usual, 1 => prop::collection::vec(field(), 1..8)]
}

/// The same, each field in quotes: which no line is read with where it lies.
fn quoted(lines: &[Vec<String>]) -> String {
    let quoted = |line: &Vec<String>| {
        line.iter().map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(",")
    };
    lines.iter().map(quoted).collect::<Vec<_>>().join("\n")
}

/// What of rows does not depend on how lines are written: all but what was refused, in its own words.
fn described(rows: Vec<Row>) -> Vec<String> {
    let described = |row: Row| match row.event {
        Ok(entry) => format!("{} {entry:?}", row.position),
        Err(rejection) => format!("{} {} {}", row.position, rejection.reason, rejection.detail),
    };
    rows.into_iter().map(described).collect()
}

fn configs() -> Vec<Value> {
    let columns =
        json!({"time": "t", "symbol": "s", "id": "i", "price": "p", "size": "q", "side": "d"});
    let mut configs = Vec::new();
    for (unit, more) in [
        ("ns", json!({})),
        ("ms", json!({"price_decimals": 2})),
        ("s", json!({"signed_size": true})),
        ("rfc3339", json!({})),
    ] {
        let mut units = more;
        units["time"] = json!(unit);
        let mut columns = columns.clone();
        if units["signed_size"] == json!(true) {
            columns.as_object_mut().unwrap().remove("side");
        }
        configs.push(json!({"instrument": "v:{symbol}", "columns": columns, "units": units}));
    }
    configs.push(json!({
        "instrument": "future:X", "units": {"time": "us"},
        "columns": {"time": "t", "price": "p", "size": "q", "sequence": "i"},
    }));
    configs
}

proptest! {
    #[test]
    fn lines_read_as_if_every_field_were_quoted(
        lines in prop::collection::vec(line(), 0..40),
        ending in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let plain = lines.iter().map(|line| line.join(",")).collect::<Vec<_>>().join(ending);
        // Blank lines are no records; quoted they would be.
        prop_assume!(lines.iter().all(|line| line.join(",").bytes().any(|byte| byte != b' ')));
        let quoted = quoted(&lines);
        for config in configs() {
            let read = |text: &str, ending: &str| {
                let text = format!("t,s,i,p,q,d{ending}{text}");
                described(rows_of("a.csv", text.as_bytes(), &config))
            };
            prop_assert_eq!(read(&plain, ending), read(&quoted, "\n"), "{}", config);
        }
    }
}

#[test]
fn most_lines_of_a_feed_are_plain() {
    // A header, then more than a buffer of lines, of which one in a hundred is written in some other way.
    let mut text = "t,s,i,p,q,d\n".to_owned();
    for id in 0..5_000_u64 {
        let (time, symbol) = (1_767_607_200_000_000_000 + id, ["A", "B"][id as usize % 2]);
        let price = if id % 100 == 7 { "1e2" } else { "100.25" };
        text.push_str(&format!("{time},{symbol},{id},{price},3,buy\n"));
    }
    let rows = rows_of("a.csv", text.as_bytes(), &configs()[0]);
    assert_eq!(rows.len(), 5_000);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row.position, at as u64 + 2);
        let trade = super::trade(row);
        assert_eq!(trade.sequence, at as u64);
        let want = if at % 100 == 7 { 100_000_000_000 } else { 100_250_000_000 };
        assert_eq!(trade.price.0, want);
    }
}
