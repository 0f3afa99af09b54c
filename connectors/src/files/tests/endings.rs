//! Files that break off, are read again, or hold anything at all.

use crate::source::Place;
use market::RejectionReason;
use proptest::prelude::*;

use super::*;

#[test]
fn what_breaks_off_ends_with_a_refusal() {
    let mut lines = "timestamp,price,size\n".to_owned();
    for n in 0..5_000_u64 {
        // Hard to compress, so that the cut loses something.
        lines += &format!(
            "{},{},{}\n",
            1_514_764_802_610 + n,
            1 + n * 7_919 % 99_991,
            n * 104_729 % 6_151
        );
    }
    let whole = gzip(lines.as_bytes());
    let rows = rows_of("f.csv.gz", &whole, &bitmex());
    assert_eq!(rows.len(), 5_000);
    for cut in [12, 40, 1_000, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
        let read = rows_of("f.csv.gz", &whole[..cut], &bitmex());
        let (last, accepted) = read.split_last().unwrap();
        assert_eq!(accepted, &rows[..accepted.len()], "cut at {cut}");
        let rejection = last.event.as_ref().unwrap_err();
        assert_eq!(rejection.reason, RejectionReason::Truncated, "cut at {cut}");
        assert!(last.position >= accepted.len() as u64);
    }
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 50].fill(0x55);
    let read = rows_of("f.csv.gz", &damaged, &bitmex());
    assert_eq!(read.last().unwrap().event.as_ref().unwrap_err().reason, RejectionReason::Truncated);
    // A plain file differs from a shorter one only by its last line.
    assert_eq!(
        describe(&rows_of("f.csv", b"timestamp,price,size\n15147648", &bitmex())),
        ["2 malformed: 3 fields expected, 1 found"]
    );
    assert_eq!(rows_of("f.csv", b"", &bitmex()), []);
}

#[test]
fn reading_again_from_any_line_gives_the_same_rows() {
    let file = "\ntimestamp,price,size\n1,1,1\n\n2,\"2\n\",3\n3,x,3\n4,\"4,5\n5,5,5\n6,6,6";
    let folder = TempDir::new().unwrap();
    for (name, bytes) in [("f.csv", file.as_bytes().to_vec()), ("g.csv", gzip(file.as_bytes()))] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let source = build(folder.path(), with_path(&bitmex(), name)).unwrap();
        let all = read_from(source.as_ref(), 0);
        let positions: Vec<_> = all.iter().map(|row| row.position).collect();
        // Line 8 opens a quote that only line 10 could close, which it does not.
        assert_eq!(positions, [3, 5, 7, 8, 9, 10]);
        for after in 0..14 {
            let want: Vec<_> = all.iter().filter(|row| row.position > after).cloned().collect();
            assert_eq!(read_from(source.as_ref(), after), want, "after {after}");
        }
    }
}

#[test]
fn long_lines_and_open_quotes_are_bounded() {
    let long = "9".repeat(200_000);
    let file =
        format!("timestamp,price,size\n1,{long},1\n2,2,2\n3,\"{}\n4,4,4\n", "a\n".repeat(60_000));
    let rows = rows_of("f.csv", file.as_bytes(), &bitmex());
    assert_eq!(rows.len(), 60_000 + 3);
    assert_eq!(describe(&rows[..1]), ["2 malformed: the line is longer than 65536 bytes"]);
    assert_eq!(describe(&rows[2..3]), ["4 malformed: a quote is opened and not closed"]);
    assert_eq!(trade(rows.last().unwrap()).quantity.text(8), "4");
}

/// Whatever the bytes, reading ends, positions ascend, and reading again after any of them gives the
/// rest.
fn reads_on(name: &str, bytes: &[u8], after: u64) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let config = json!({
        "instrument": "x:{symbol}",
        "csv": {"header": false},
        "columns": if name.ends_with("csv") {
            json!({"time": 1, "price": 2, "size": 2, "symbol": 1})
        } else {
            json!({"time": "a", "price": "b.a", "size": "b.b", "symbol": "a"})
        },
        "units": {"time": "s"},
    });
    let source = build(folder.path(), with_path(&config, name)).unwrap();
    let rows = match source.open(0, Place::After(0)) {
        Ok(_) => read_from(source.as_ref(), 0),
        Err(error) => return assert!(matches!(error, SourceError::Config { .. })),
    };
    assert!(rows.is_sorted_by(|a, b| a.position < b.position), "{rows:?}");
    let rest: Vec<_> = rows.into_iter().filter(|row| row.position > after).collect();
    assert_eq!(read_from(source.as_ref(), after), rest);
}

proptest! {
    #[test]
    fn any_bytes_read_on(bytes in prop::collection::vec(any::<u8>(), 0..200), after in 0..9_u64) {
        reads_on("f.csv", &bytes, after);
        reads_on("f.jsonl", &bytes, after);
        reads_on("f.csv", &[&[0x1f, 0x8b], bytes.as_slice()].concat(), after);
        reads_on("f.csv", &gzip(&bytes), after);
    }

    #[test]
    fn almost_csv_reads_on(text in "[12.,,\"\n\r é-]{0,80}", after in 0..9_u64) {
        reads_on("f.csv", text.as_bytes(), after);
    }

    #[test]
    fn almost_json_reads_on(
        lines in prop::collection::vec(r#"\{"a":[1e"-]{1,3},"b":\{"[ab]":[1."]{1,3},"b":[1-]{1,2}\}[}, ]?"#, 0..6),
        after in 0..9_u64,
    ) {
        reads_on("f.jsonl", lines.join("\n").as_bytes(), after);
    }
}
