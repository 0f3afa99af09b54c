//! The reading of delimited text, held to that of the `csv` crate.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::lines::{Line, Lines};

fn dialect() -> Dialect {
    Dialect::check(&CsvConfig::default()).unwrap()
}

/// Every record of `text` that is not blank; none if a quote stays open.
fn read(text: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = Lines::of(Cursor::new(text.to_owned())).unwrap();
    let (mut records, mut line, mut fields) = (Vec::new(), Vec::new(), Fields::default());
    while lines.next(&mut line).unwrap() == Line::Whole {
        if !dialect().complete(&mut line, &mut lines).unwrap() {
            return None;
        }
        let record = std::str::from_utf8(&line).unwrap();
        fields.split(record, &dialect());
        let texts = (0..fields.len()).map(|at| fields.get(record, at).unwrap().to_owned());
        if !record.is_empty() {
            records.push(texts.collect());
        }
    }
    Some(records)
}

/// The same by the `csv` crate.
fn read_by_twin(text: &str) -> Vec<Vec<String>> {
    let mut twin =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let records = twin.records().map(Result::unwrap);
    records.map(|r| r.iter().map(str::to_owned).collect()).collect()
}

#[test]
fn an_open_quote_costs_one_line() {
    let mut lines = Lines::of(Cursor::new("a,\"b\nc\n\nd")).unwrap();
    let mut line = Vec::new();
    lines.next(&mut line).unwrap();
    assert!(!dialect().complete(&mut line, &mut lines).unwrap());
    assert_eq!((line.as_slice(), lines.number()), (b"a,\"b".as_slice(), 1));
    for want in ["c", "", "d"] {
        assert_eq!(lines.next(&mut line).unwrap(), Line::Whole);
        assert_eq!(line, want.as_bytes());
    }
    assert_eq!((lines.next(&mut line).unwrap(), lines.number()), (Line::End, 4));
}

/// A quote that follows later opens a field of its own record: it does not close the one that was forgotten.
#[test]
fn the_next_quoted_field_does_not_close_a_quote_that_was_never_closed() {
    for rest in ["3,\"x\",1", "3,\"\"\"x\",1", "3,\"x", "\"x\"\"y\",3"] {
        let mut lines = Lines::of(Cursor::new(format!("1,\"oops,1\n2,y,1\n{rest}\n"))).unwrap();
        let mut line = Vec::new();
        lines.next(&mut line).unwrap();
        assert!(!dialect().complete(&mut line, &mut lines).unwrap(), "{rest}");
        assert_eq!((line.as_slice(), lines.number()), (b"1,\"oops,1".as_slice(), 1));
        lines.next(&mut line).unwrap();
        assert_eq!(line, b"2,y,1");
        lines.next(&mut line).unwrap();
        assert_eq!(line, rest.as_bytes());
    }
    for closed in ["1,\"two\nlines\",1", "1,\"\n\"\"\n\"", "\"\n\",\"\n\""] {
        let mut lines = Lines::of(Cursor::new(format!("{closed}\nnext"))).unwrap();
        let mut line = Vec::new();
        lines.next(&mut line).unwrap();
        assert!(dialect().complete(&mut line, &mut lines).unwrap(), "{closed:?}");
        assert_eq!(line, closed.as_bytes());
    }
}

#[test]
fn dialects_that_cannot_be() {
    for (delimiter, quote, want) in [
        ("", "\"", "`csv.delimiter` is \"\"; write one ASCII character or \"tab\""),
        ("é", "\"", "`csv.delimiter` is \"é\"; write one ASCII character or \"tab\""),
        ("\n", "\"", "`csv.delimiter` is \"\\n\"; write one ASCII character or \"tab\""),
        (",", "''", "`csv.quote` is \"''\"; write one ASCII character or \"none\""),
        (",", ",", "`csv.delimiter` and `csv.quote` are the same character"),
    ] {
        let config = CsvConfig {
            delimiter: Some(delimiter.to_owned()),
            quote: quote.to_owned(),
            ..CsvConfig::default()
        };
        assert_eq!(Dialect::check(&config), Err(want.to_owned()));
    }
}

proptest! {
    #[test]
    fn every_text_reads_as_by_the_csv_crate(text in "[ab,\"\n é]{0,40}") {
        if let Some(records) = read(&text) {
            prop_assert_eq!(records, read_by_twin(&text));
        }
    }

    #[test]
    fn what_the_csv_crate_writes_is_read(
        records in prop::collection::vec(prop::collection::vec("[ab,\"\n é]{1,5}", 2..4), 0..5),
    ) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for record in &records {
            writer.write_record(record).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(read(&text), Some(records));
    }
}
