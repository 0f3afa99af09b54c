//! Whether `where` leaves out everything, and what there was instead.

use std::sync::{Arc, Mutex, PoisonError};

/// The most values that are told, and the most characters of each.
const VALUES_MAX: usize = 5;
const VALUE_CHARS: usize = 40;

/// The records of one partition that `where` left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    rows: u64,
    /// Some of the values that they had, each once, in the order of their rows; an empty one if the column was.
    values: Vec<String>,
    /// Whether there were others.
    has_more: bool,
}

impl LeftOut {
    /// Notes a record that was left out, with this value.
    pub(super) fn note(&mut self, value: &str) {
        self.rows += 1;
        if !self.has_more {
            self.add(value);
        }
    }

    fn add(&mut self, value: &str) {
        let cut = value.char_indices().nth(VALUE_CHARS).map_or(value.len(), |(at, _)| at);
        let value = &value[..cut];
        match self.values.iter().any(|known| known == value) {
            true => {}
            false if self.values.len() < VALUES_MAX => self.values.push(value.to_owned()),
            false => self.has_more = true,
        }
    }
}

/// What `where` left out of all files of a source; each reports once, at its end.
#[derive(Clone, Debug)]
pub(crate) struct LeftOutTally(Arc<Mutex<Tally>>);

#[derive(Debug)]
struct Tally {
    files: usize,
    has_kept: bool,
    left_out: LeftOut,
}

impl LeftOutTally {
    /// Of a source of so many files.
    pub(crate) fn of(files: usize) -> LeftOutTally {
        let (has_kept, left_out) = (false, LeftOut::default());
        LeftOutTally(Arc::new(Mutex::new(Tally { files, has_kept, left_out })))
    }

    /// Takes what was left out of a file, and whether anything else was in it. After the last file: what is to be told,
    /// if everything was left out.
    pub(crate) fn end_of_file(
        &self,
        left_out: &LeftOut,
        has_kept: bool,
        column: &str,
        equals: Option<&str>,
    ) -> Option<String> {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.files = tally.files.saturating_sub(1);
        tally.has_kept |= has_kept;
        tally.left_out.rows += left_out.rows;
        left_out.values.iter().for_each(|value| tally.left_out.add(value));
        tally.left_out.has_more |= left_out.has_more;
        let is_all = tally.files == 0 && !tally.has_kept && tally.left_out.rows > 0;
        is_all.then(|| tally.left_out.all(column, equals))
    }
}

impl LeftOut {
    fn all(&self, column: &str, equals: Option<&str>) -> String {
        let LeftOut { rows, values, has_more } = self;
        let wanted = match equals {
            Some(wanted) => format!("none of them is {wanted:?}"),
            None => "it must hold something".to_owned(),
        };
        let mut shown =
            values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
        if *has_more {
            shown += " and others";
        }
        format!(
            "`where` (--only) leaves out all {rows} rows of the source: the column {column} holds {shown}, and {wanted}"
        )
    }
}
