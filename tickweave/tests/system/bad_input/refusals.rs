//! More of the input is refused than may be: standard error says why and what helps, and the exit code says so, too.

use std::fs;

use crate::end_to_end::binary::tickweave_strict;

/// Trades of one instrument; each line of `more` is added.
fn trades(count: u64, more: &str) -> String {
    let line = |n: u64| format!("{},{n},{},1\n", 1_735_689_600_000 + 10 * n, 100 + n % 9);
    "time,id,price,size\n".to_owned() + &(0..count).map(line).collect::<String>() + more
}

const FLAGS: [&str; 6] = ["--instrument", "x:A", "--id", "id", "--timeframes", "1m"];

#[test]
fn a_file_of_which_most_is_refused_fails_with_the_reason_and_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.csv"), trades(1_000, "")).unwrap();
    let replay = |more: &[&str]| {
        let args = [&["replay", "a.csv"][..], &FLAGS, more].concat();
        tickweave_strict(folder, &args)
    };
    // Milliseconds read as RFC 3339: the wrong unit.
    let wrong = replay(&[]);
    wrong.failed(
        4,
        &["1000 of 1000 rows (100.0 %) were refused", "bad_time", "for example", "--time-unit"],
    );
    assert_eq!(replay(&["--lenient"]).code, Some(0));
    assert_eq!(replay(&["--time-unit", "ms"]).code, Some(0));
}

#[test]
fn a_few_refused_rows_are_no_failure_and_a_file_that_breaks_off_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let args = [&["replay", "a.csv", "--time-unit", "ms"][..], &FLAGS].concat();
    fs::write(folder.join("a.csv"), trades(1_000, "then,nothing,is,right\n")).unwrap();
    assert_eq!(tickweave_strict(folder, &args).code, Some(0), "one of 1,001");

    let whole = gzip(&trades(5_000, ""));
    fs::write(folder.join("a.csv"), &whole[..whole.len() / 2]).unwrap();
    tickweave_strict(folder, &args).failed(4, &["broke off", "truncated"]);
    fs::write(folder.join("a.csv"), whole).unwrap();
    assert_eq!(tickweave_strict(folder, &args).code, Some(0));
}

/// The text, compressed.
fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
