//! Rows of unusual shapes: several in a line, kinds in a feed's own words, times and numbers as people write them.

use super::*;
use crate::files::scan_scales;
use crate::source::Place;

/// What rows say, in short.
fn said(rows: &[Row]) -> Vec<String> {
    let said = |row: &Row| match &row.event {
        Ok(InputEvent::Market(Event::New(_))) => describe(std::slice::from_ref(row)).remove(0),
        Ok(InputEvent::Market(Event::Correct { of, with })) => {
            let (price, size) = (with.price.text(9), with.quantity.text(8));
            let place = if with.is_positional { "by its place" } else { "by its sequence" };
            format!("{} {} is {}: {price} {size}, {place}", row.position, of.id, with.id)
        }
        Ok(InputEvent::Market(Event::Cancel { of, .. })) => {
            format!("{} not {}", row.position, of.id)
        }
        Ok(other) => panic!("{other:?}"),
        Err(why) => format!("{} {}: {}", row.position, why.reason, why.detail),
    };
    rows.iter().map(said).collect()
}

const FRAMES: &str = r#"{"channel":"trades","events":[{"trades":[{"price":"100.5","size":"0.001","time":"2025-12-31T06:00:12.4Z"}]}]}
{"channel":"trades","events":[{"trades":[{"price":"100.6","size":"0.003","time":"2025-12-31T06:00:13.6Z"},{"price":"100.4","size":"2","time":"2025-12-31T06:00:13Z"}]}]}
[{"p":100.7,"s":3,"t":"2025-12-31T06:00:14Z"},{"p":100.8,"s":4,"t":"2025-12-31T06:00:15Z"}]
[336,[["100.9","0.5","1767160816.123456","s"],["100.8","0.25","1767160816.123456","b"]],"trade","AAA/USD"]
"#;

fn frames() -> Value {
    json!({
        "instrument": "x:A", "rows": ["events.trades", "$"],
        "columns": {"time": "time|t|3", "price": "price|p|1", "size": "size|s|2", "side": 4},
        "units": {"time": "auto"},
    })
}

#[test]
fn a_line_may_hold_several_rows() {
    let rows = rows_of("a.jsonl", FRAMES.as_bytes(), &frames());
    let found: Vec<_> = rows.iter().map(|row| (trade(row).id, row.position)).collect();
    let places = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)];
    let want = places.map(|(line, place)| line * 4_096 + place);
    assert_eq!(found, want.map(|position| (market::TradeId::Position(position), position)));

    let lines: Vec<&str> = FRAMES.lines().collect();
    let of = |line: &str, rows: &str| {
        let mut config = frames();
        config["rows"] = json!([rows]);
        said(&rows_of("a.jsonl", line.as_bytes(), &config))
    };
    assert_eq!(of(lines[0], "events.trades"), ["4096 2025-12-31T06:00:12.4Z 100.5 0.001 unknown"]);
    assert_eq!(
        of(lines[1], "events.trades"),
        [
            "4096 2025-12-31T06:00:13.6Z 100.6 0.003 unknown",
            "4097 2025-12-31T06:00:13Z 100.4 2 unknown"
        ]
    );
    assert_eq!(
        of(lines[2], "$"),
        ["4096 2025-12-31T06:00:14Z 100.7 3 unknown", "4097 2025-12-31T06:00:15Z 100.8 4 unknown"]
    );
    assert_eq!(
        of(lines[3], "2"),
        [
            "4096 2025-12-31T06:00:16.123456Z 100.9 0.5 sell",
            "4097 2025-12-31T06:00:16.123456Z 100.8 0.25 buy"
        ]
    );
}

#[test]
fn reading_goes_on_within_a_line() {
    let folder = TempDir::new().unwrap();
    let row = r#"{"price":1,"size":1,"time":1}"#;
    // More rows than a batch in one line, a line without rows, and one of one.
    let text = format!("[{}]\n\n[]\n[{row}]\n", vec![row; 1_500].join(","));
    fs::write(folder.path().join("a.jsonl"), text).unwrap();
    let config = json!({
        "paths": ["a.jsonl"], "instrument": "x:A", "rows": ["$"], "units": {"time": "s"},
        "columns": {"time": "time", "price": "price", "size": "size"},
    });
    let source = build(folder.path(), config).unwrap();
    let all = read_from(source.as_ref(), 0);
    assert_eq!((all.len(), all[0].position, all[1_499].position), (1_501, 4_096, 4_096 + 1_499));
    assert_eq!(all[1_500].position, 4 * 4_096);
    let names: std::collections::HashSet<_> = all.iter().map(|row| trade(row).id).collect();
    assert_eq!(names.len(), 1_501, "each has a name of its own");
    for after in [4_095, 4_096, 5_000, 4_096 + 1_499, 2 * 4_096, 4 * 4_096] {
        let rest: Vec<_> = all.iter().filter(|row| row.position > after).cloned().collect();
        assert_eq!(read_from(source.as_ref(), after), rest, "after {after}");
    }
    assert!(source.open(0, Place::Earliest).is_ok());
}

#[test]
fn kinds_may_have_words_of_their_own_and_columns_of_their_own() {
    let stream = r#"{"T":"t","S":"A","i":1001,"p":44.54,"s":3800,"t":"2025-12-31T19:26:30.5Z"}
{"T":"c","S":"A","oi":1001,"op":44.54,"os":3800,"ci":1002,"cp":44.50,"cs":297000,"t":"2025-12-31T19:26:34Z"}
{"T":"x","S":"A","i":1003,"p":73.28,"s":20100,"t":"2025-12-31T19:26:38.024Z"}
{"T":"q","S":"A"}
{"T":"z","S":"A"}
"#;
    let mut config = json!({
        "instrument": "us:{symbol}",
        "columns": {
            "time": "t", "price": "cp|p", "size": "cs|s", "id": "ci|i", "of": "oi", "kind": "T", "symbol": "S",
        },
        "kinds": {"t": "trade", "c": "correct", "x": "cancel", "q": "skip"},
    });
    assert_eq!(
        said(&rows_of("a.jsonl", stream.as_bytes(), &config)),
        [
            "1 2025-12-31T19:26:30.5Z 44.54 3800 unknown",
            "2 1001 is 1002: 44.5 297000, by its place",
            "3 not 1003",
            "5 bad_field: column \"T\": \"z\" is not among the words of `kinds` (c, q, t, x)",
        ]
    );
    let folder = TempDir::new().unwrap();
    let mut problem = |key: &str, value: Value| {
        config[key] = value;
        build(folder.path(), with_path(&config, "a.jsonl")).err().unwrap().to_string()
    };
    let wrong = problem("kinds", json!({"t": "quote"}));
    assert!(
        wrong.contains("kinds.t: \"quote\" is no kind (trade, correct, cancel, skip)"),
        "{wrong}"
    );
    let columns = json!({"time": "t", "price": "p", "size": "s", "symbol": "S"});
    let wrong = problem("columns", columns);
    assert!(wrong.contains("`kinds` needs `columns.kind`"), "{wrong}");
}

#[test]
fn of_columns_that_may_be_one_of_several_one_must_be_there() {
    let mut config = bitmex();
    config["columns"]["price"] = json!("px|price");
    let rows = rows_of("a.csv", BITMEX.as_bytes(), &config);
    assert_eq!(describe(&rows)[0], "2 2018-01-01T00:00:02.61Z 13873 10 buy");
    config["columns"]["price"] = json!("px|last");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.csv"), BITMEX).unwrap();
    let source = build(folder.path(), with_path(&config, "a.csv")).unwrap();
    let error = source.open(0, Place::After(0)).err().unwrap().to_string();
    assert!(error.contains("there is no column \"last\""), "{error}");
}

#[test]
fn prints_of_size_zero() {
    let rows = |config: &Value| {
        let text = "time,price,size\n2024-01-05T10:00:00Z,99,0\n2024-01-05T10:00:00Z,9,1\n";
        let mut all = json!({
            "instrument": "x:A", "columns": {"time": "time", "price": "price", "size": "size"},
        });
        all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        rows_of("a.csv", text.as_bytes(), &all)
    };
    let ignored = rows(&json!({}));
    assert_eq!(trade(&ignored[0]).updates, market::Updates::NONE);
    assert_eq!(trade(&ignored[1]).updates, market::Updates::ALL);
    assert_eq!(trade(&rows(&json!({"zero_size": "count"}))[0]).updates, market::Updates::ALL);
    let refused = describe(&rows(&json!({"zero_size": "refuse"})));
    assert_eq!(
        refused[0],
        "2 bad_size: column \"size\": \"0\" is zero, and `zero_size` is \"refuse\""
    );
}

#[test]
fn times_and_numbers_as_people_write_them() {
    let text = "Date;Time;price;size\n20260105;093000.5;1.234,5;1\n20260105;09:30:01;$12;2\n20260105;;1;1\n";
    let config = json!({
        "instrument": "x:A",
        "columns": {"time": ["Date", "Time"], "price": "price", "size": "size"},
        "units": {
            "time_format": ["%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S"], "time_zone": "America/New_York",
            "decimal_mark": ",", "grouping": ".", "accounting": true,
        },
        "csv": {"delimiter": ";"},
    });
    assert_eq!(
        describe(&rows_of("a.csv", text.as_bytes(), &config)),
        [
            "2 2026-01-05T14:30:00.5Z 1234.5 1 unknown",
            "3 2026-01-05T14:30:01Z 12 2 unknown",
            "4 missing_field: column \"Time\" is empty",
        ]
    );
}

#[test]
fn what_a_reader_of_times_should_know_is_a_warning() {
    let text = "time,price,size\n2024-11-03 01:30:00,1,1\n2024-11-03 01:31:00,1,1\n";
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.csv"), text).unwrap();
    let config = json!({
        "paths": ["a.csv"], "instrument": "x:A", "units": {"time_zone": "America/New_York"},
        "columns": {"time": "time", "price": "price", "size": "size"},
    });
    let source = build(folder.path(), config).unwrap();
    let mut reader = source.open(0, Place::After(0)).unwrap();
    let mut rows = Vec::new();
    while reader.read(&mut rows).unwrap() == Progress::More {}
    assert_eq!(describe(&rows)[0], "2 2024-11-03T05:30:00Z 1 1 unknown");
    let told = reader.incidents();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!(told[0].kind, crate::IncidentKind::Warning);
    assert!(told[0].detail.starts_with("a.csv: clocks in America/New_York showed"), "{told:?}");
    assert_eq!(reader.incidents(), []);
}

#[test]
fn the_decimals_that_files_need_are_found() {
    let folder = TempDir::new().unwrap();
    let scan = |name: &str, text: &str, config: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        let config: Value = serde_json::from_str(config).unwrap();
        let config = serde_json::from_value(with_path(&config, name)).unwrap();
        let found = scan_scales(config, folder.path(), 10).unwrap();
        let found = found
            .iter()
            .map(|(name, spec)| format!("{name} {} {}", spec.price_scale, spec.quantity_scale));
        found.collect::<Vec<_>>().join(", ")
    };
    let config = r#"{"instrument": "x:{symbol}", "units": {"time": "s"},
        "columns": {"time": "time", "symbol": "symbol", "price": "price", "size": "size"}}"#;
    let head = "time,symbol,price,size\n";
    let common = "1767607200,A,28155.10,0.001\n".repeat(500);
    assert_eq!(scan("a.csv", &format!("{head}{common}"), config), "");
    let uncommon = "1,PEPE,0.0000071,150000000000\n1,TINY,\"0.00000000072\",5\n1,B,98765432100,0.01\n1,A,x,1\n";
    let text = format!("{head}{common}{uncommon}{common}");
    assert_eq!(scan("b.csv", &text, config), "x:B 7 8, x:PEPE 9 7, x:TINY 11 8");
    let json = r#"{"time":1,"symbol":"C","price":7e-12,"size":1}"#;
    assert_eq!(scan("c.jsonl", json, config), "x:C 12 8");
    assert_eq!(scan("d.csv", "time,symbol\n", config), "", "what cannot be read is said later");
}
