//! The first rows of files, looked at before a run begins: if nearly all of them would be refused, it is not the rows
//! that are wrong but how they are read.

use std::collections::BTreeMap;
use std::fmt;

use connectors::source::Row;
use market::{Rejection, RejectionReason, printable};

use super::refusals::cure;
use super::{RunError, not_opened};
use crate::config::{Config, ConfiguredSource};

/// So many rows of each file are looked at.
const ROWS: usize = 1_000;
/// Of fewer rows a file says nothing by itself.
const ROWS_LEAST: u64 = 20;
/// A larger share of refused rows is nearly all, unless `job.refused_share` is larger.
const SHARE_MAX: f64 = 0.95;
/// The most characters of a row that are shown.
const ROW_CHARS: usize = 200;

/// Nearly all of the first rows of a file are refused.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstRowsRefused {
    /// The name of the file, or the first of the source if all of them are meant.
    pub file: String,
    /// How many rows were looked at.
    pub rows: u64,
    /// How many of them are refused.
    pub refused: u64,
    /// The position of the first row that is refused for the most frequent reason.
    pub position: u64,
    /// That row, and why it is refused.
    pub rejection: Rejection,
}

impl fmt::Display for FirstRowsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FirstRowsRefused { file, rows, refused, position, rejection } = self;
        let Rejection { reason, detail, raw, .. } = rejection;
        write!(f, "{file}: {refused} of the first {rows} rows are refused, so nothing is read. ")?;
        let raw = printable(raw, ROW_CHARS);
        write!(f, "Row {position} is refused as {reason}: {detail}; the row is `{raw}`. ")?;
        // Most details name the flag themselves.
        if !detail.contains("(--") {
            write!(f, "{}. ", cure(reason.name()))?;
        }
        f.write_str("--keep-going reads the files all the same, and leaves such rows out")
    }
}

/// What the first rows of one file, or of the files of a source, come to.
#[derive(Default)]
struct Tally {
    rows: u64,
    refused: u64,
    /// By reason: how many, and the first.
    reasons: BTreeMap<RejectionReason, (u64, String, u64, Rejection)>,
}

impl Tally {
    /// Adds the rows of a file. The rest of a file that breaks off is one row, which says nothing of the others.
    fn add(&mut self, file: &str, rows: Vec<Row>) {
        for Row { position, event, .. } in rows {
            let refused = event.err();
            if refused.as_ref().is_some_and(|why| why.reason == RejectionReason::Truncated) {
                continue;
            }
            self.rows += 1;
            if let Some(why) = refused {
                self.refused += 1;
                let first = || (0, file.to_owned(), position, *why.clone());
                self.reasons.entry(why.reason).or_insert_with(first).0 += 1;
            }
        }
    }

    fn merge(&mut self, other: Tally) {
        self.rows += other.rows;
        self.refused += other.refused;
        for (reason, (count, file, position, why)) in other.reasons {
            self.reasons.entry(reason).or_insert((0, file, position, why)).0 += count;
        }
    }

    fn share(&self) -> f64 {
        self.refused as f64 / self.rows.max(1) as f64
    }

    /// None if no row is refused.
    fn told(&self) -> Option<RunError> {
        let by_count = |(count, ..): &&(u64, String, u64, Rejection)| *count;
        let (_, file, position, rejection) = self.reasons.values().max_by_key(by_count)?;
        let (file, rejection) = (file.clone(), rejection.clone());
        let Tally { rows, refused, .. } = *self;
        let told = FirstRowsRefused { file, rows, refused, position: *position, rejection };
        Some(RunError::FirstRows(Box::new(told)))
    }
}

/// Looks at the first [`ROWS`] rows of each file. It is an error if more than 95 % of those of a file are refused, which
/// are at least [`ROWS_LEAST`], or all of all files of a source, however few; and if a file cannot be opened. What cannot
/// be read twice is not looked at.
pub(super) fn check(config: &Config) -> Result<(), RunError> {
    let mut faults =
        config.sources.iter().flat_map(|source| faults_of(source, config.refused_share, 1));
    faults.next().map_or(Ok(()), Err)
}

/// The most faults of input that are told of a source.
const FAULTS_MAX: usize = 20;

/// What is wrong with the files of a configuration, as far as their first rows show: with the number of the source.
pub fn input_faults(config: &Config) -> Vec<(usize, RunError)> {
    let of = |(number, source)| {
        let faults = faults_of(source, config.refused_share, FAULTS_MAX).into_iter();
        faults.map(move |fault| (number, fault))
    };
    config.sources.iter().enumerate().flat_map(of).collect()
}

/// Those of one source, at most so many.
fn faults_of(source: &ConfiguredSource, refused_share: f64, most: usize) -> Vec<RunError> {
    let share_max = SHARE_MAX.max(refused_share);
    let (mut all, mut faults) = (Tally::default(), Vec::new());
    for place in source.source.partitions() {
        if faults.len() == most {
            return faults;
        }
        let rows = match source.source.first_rows(place, ROWS) {
            Ok(Some(rows)) => rows,
            Ok(None) => continue,
            Err(error) => {
                faults.push(not_opened(source, error));
                continue;
            }
        };
        let mut tally = Tally::default();
        tally.add(&source.source.partition_name(place), rows);
        if tally.rows >= ROWS_LEAST && tally.share() > share_max {
            faults.extend(tally.told());
        }
        all.merge(tally);
    }
    if faults.is_empty() && all.refused == all.rows && refused_share < 1.0 {
        faults.extend(all.told());
    }
    faults
}
