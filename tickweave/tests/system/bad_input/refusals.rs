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
    let wrong = replay(&["--keep-going"]);
    wrong.failed(
        4,
        &["1000 of 1000 rows (100.0 %) were refused", "bad_time", "for example", "--time-unit"],
    );
    assert_eq!(replay(&["--lenient"]).code, Some(0));
    assert_eq!(replay(&["--time-unit", "ms"]).code, Some(0));
}

/// Each of these once replayed all rows as dead letters.
#[test]
fn files_of_which_nearly_all_first_rows_are_refused_are_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = trades(3_000, "");
    let ending = good.replace(",1\n", ",1,\n");
    let commas = good.replace(",1\n", ",\"1,5\"\n");
    for (text, flags, wanted, cure) in [
        (
            &good,
            &["--time-unit", "rfc3339"][..],
            "Row 2 is refused as bad_time: column \"time\": \"1735689600000\"",
            &["--time-unit", "ms"][..],
        ),
        (
            &ending,
            &["--time-unit", "ms"],
            "Row 2 is refused as malformed: 4 fields expected, 5 found",
            &["--time-unit", "ms", "--trailing-delimiter"],
        ),
        (
            &commas,
            &["--time-unit", "ms"],
            "Row 2 is refused as bad_size: column \"size\": \"1,5\"",
            &["--time-unit", "ms", "--decimal-mark", ","],
        ),
    ] {
        fs::write(folder.join("a.csv"), text).unwrap();
        let replay = |more: &[&str]| {
            let args = [&["replay", "a.csv", "--record", "r"][..], &FLAGS, more].concat();
            tickweave_strict(folder, &args)
        };
        let refused = replay(flags);
        let of = "a.csv: 1000 of the first 1000 rows are refused";
        let flag = cure.iter().rfind(|flag| flag.starts_with("--")).unwrap();
        refused.failed(2, &[of, wanted, &format!("({flag}"), "--keep-going"]);
        assert!(!folder.join("r").exists(), "nothing is written");
        assert_eq!(replay(cure).code, Some(0), "{cure:?}");
        fs::remove_file(folder.join("r")).unwrap();
    }
}

#[test]
fn a_handful_of_refused_rows_stops_a_replay_only_if_there_are_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bad = |rows: usize| "time,id,price,size\n".to_owned() + &"then,1,2,3\n".repeat(rows);
    let replay = |files: &[(&str, String)]| {
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let flags = ["--time-unit", "ms", "--json"];
        tickweave_strict(folder, &[&["replay"][..], &names, &FLAGS, &flags].concat())
    };
    let beside = |rows| [("a.csv", trades(1_000, "")), ("b.csv", bad(rows))];
    let run = replay(&beside(19));
    assert_eq!((run.code, run.summary()["dead"].as_u64()), (Some(0), Some(19)), "{run:#?}");
    replay(&beside(20)).failed(2, &["b.csv: 20 of the first 20 rows are refused"]);
    replay(&[("a.csv", bad(1)), ("b.csv", bad(2))])
        .failed(2, &["a.csv: 3 of the first 3 rows are refused"]);
    // Of a row that breaks off nobody knows what it would be.
    let cut = gzip(&trades(1, ""));
    fs::write(folder.join("c.csv.gz"), &cut[..cut.len() - 9]).unwrap();
    let args = [&["replay", "c.csv.gz", "--time-unit", "ms"][..], &FLAGS].concat();
    tickweave_strict(folder, &args).failed(4, &["broke off"]);
    // Nineteen in twenty are not nearly all.
    let mixed = |bad_rows, good_rows| {
        let good = trades(good_rows, "");
        bad(bad_rows) + good.split_once('\n').unwrap().1
    };
    assert_eq!(replay(&[("a.csv", mixed(950, 50))]).code, Some(4));
    replay(&[("a.csv", mixed(951, 49))]).failed(2, &["a.csv: 951 of the first 1000 rows"]);
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
