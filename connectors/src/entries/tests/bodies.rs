//! Bodies of requests, in each form.

use super::*;

fn bodies(form: BodyFormat, body: &str, limit: usize) -> Result<Vec<String>, String> {
    let decoder = Decoder::new(catalog(), Some(Type::Trade), "http/process");
    let rows = decode_body(form, body.into(), limit, &decoder, 5).map_err(|e| e.to_string())?;
    let describe = |row: BodyRow| match row.decoded {
        Ok(record) => words(&record.says),
        Err(error) => {
            let raw = String::from_utf8_lossy(&row.raw).into_owned();
            format!("{} {} in {raw}", error.reason, error.field)
        }
    };
    Ok(rows.into_iter().map(describe).collect())
}

const GOOD: &str = r#"{"instrument":"us:A","time":"1s","price":1,"quantity":1}"#;
const BAD: &str = r#"{"instrument":"us:A","time":"1s","price":"x","quantity":1}"#;

/// A trade without an id, at this position.
fn described(position: u64) -> String {
    format!("new at:{position} at 1970-01-01T00:00:01Z seq {position}: 1 × 1 unknown Updates(7)")
}

#[test]
fn the_same_rows_in_each_form() {
    let csv = "price,instrument,time,quantity\n1,us:A,1s,1\n\nx,us:A,1s,1\r\n\"1\",us:A,1s,1";
    for (form, body, bad) in [
        (BodyFormat::Json, format!("[{GOOD}, {BAD} ,\n{GOOD}]"), BAD),
        (BodyFormat::Ndjson, format!("{GOOD}\n\n{BAD}\r\n{GOOD}\n"), BAD),
        (BodyFormat::Csv, csv.to_owned(), "x,us:A,1s,1"),
    ] {
        let want = [described(5), format!("bad_price price in {bad}"), described(7)];
        assert_eq!(bodies(form, &body, 3).unwrap(), want, "{form:?}");
        let error = bodies(form, &body, 2).unwrap_err();
        assert_eq!(error, "the body has more than 2 rows", "{form:?}");
    }
}

#[test]
fn one_object_is_one_row_and_nothing_is_none() {
    assert_eq!(bodies(BodyFormat::Json, &format!(" {GOOD}"), 3).unwrap(), [described(5)]);
    for (form, body) in [
        (BodyFormat::Json, "[]"),
        (BodyFormat::Ndjson, "\n"),
        (BodyFormat::Csv, ""),
        (BodyFormat::Csv, "price"),
    ] {
        assert!(bodies(form, body, 3).unwrap().is_empty(), "{form:?} {body}");
    }
}

#[test]
fn rows_that_are_none() {
    let csv = "price,time\n1\n1,2,3\n\"1,2\n1,2\n";
    let rows = bodies(BodyFormat::Csv, csv, 9).unwrap();
    let starts: Vec<_> = rows.iter().map(|row| row.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["malformed", "malformed", "malformed", "missing_field"], "{rows:?}");
    let rows = bodies(BodyFormat::Json, "[1, null, [], \"a\", {}]", 9).unwrap();
    assert!(rows[..4].iter().all(|row| row.starts_with("malformed")), "{rows:?}");
    assert!(rows[4].starts_with("missing_field instrument"), "{rows:?}");
    assert!(bodies(BodyFormat::Ndjson, "nonsense", 9).unwrap()[0].starts_with("malformed"));
    // A body that begins like an archive is text all the same.
    assert!(bodies(BodyFormat::Ndjson, "PK\u{3}\u{4}", 9).unwrap()[0].starts_with("malformed"));
}

#[test]
fn bodies_that_are_none() {
    for (form, body, want) in [
        (BodyFormat::Json, "", "not a JSON array"),
        (BodyFormat::Json, "[1", "not a JSON array that can be read: EOF"),
        (BodyFormat::Json, "12", "invalid type: integer"),
        (BodyFormat::Csv, "price,colour\n1,2", "column `colour` is not a field of entries"),
        (BodyFormat::Csv, "price,price\n1,2", "there are two columns `price`"),
    ] {
        let error = bodies(form, body, 9).unwrap_err();
        assert!(error.contains(want), "{body}: `{error}` lacks `{want}`");
    }
    let decoder = Decoder::new(catalog(), None, "a");
    let error = decode_body(BodyFormat::Json, vec![b'[', 0xff], 9, &decoder, 1).unwrap_err();
    assert!(error.to_string().contains("byte 2 is not UTF-8"), "{error}");
}
