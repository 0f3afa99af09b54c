//! Whatever comes in: a dead letter that names line, column and value, or an error that says what is
//! wrong and what is possible. Never a panic, a hang or a wrong number.

mod budget;
mod commands;
mod configs;
mod files;
mod recordings;
mod refusals;
mod requests;
mod rows;

use std::path::Path;

use crate::end_to_end::assert_adds_up;
use crate::end_to_end::binary::tickweave;

/// A dead letter: its line, reason and detail.
type Letter = (u64, String, String);

/// Replays; gives the dead letters and the numbers of records and of those accepted.
fn replay(folder: &Path, args: &[&str]) -> (Vec<Letter>, u64, u64) {
    let args = [&["replay"], args, &["--json", "--out", "out"]].concat();
    let summary = tickweave(folder, &args).json();
    assert_adds_up(&summary);
    let letters = letters(&folder.join("out"));
    let n = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(n("dead"), letters.len() as u64);
    (letters, n("records"), n("accepted"))
}

fn letters(out: &Path) -> Vec<Letter> {
    let mut reader = csv::Reader::from_path(out.join("dead_letters.csv")).unwrap();
    let letter =
        |row: csv::StringRecord| (row[3].parse().unwrap(), row[4].to_owned(), row[5].to_owned());
    reader.records().map(|row| letter(row.unwrap())).collect()
}
