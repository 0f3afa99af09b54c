//! Whether `where` leaves out everything, and what there was instead.

use std::collections::BTreeMap;
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

/// What `where` left out of all files of a source, as each reports at its end. A file may be read again.
#[derive(Clone, Debug)]
pub(crate) struct LeftOutTally(Arc<Mutex<Tally>>);

#[derive(Debug)]
struct Tally {
    files: usize,
    /// By the name of a file: what was left out of it, and whether anything else was in it.
    ended: BTreeMap<String, (LeftOut, bool)>,
}

impl LeftOutTally {
    /// Of a source of so many files.
    pub(crate) fn of(files: usize) -> LeftOutTally {
        LeftOutTally(Arc::new(Mutex::new(Tally { files, ended: BTreeMap::new() })))
    }

    /// Takes what was left out of a file, and whether anything else was in it. After the last file: what was left out, if
    /// that is everything.
    pub(crate) fn end_of_file(
        &self,
        name: &str,
        left_out: &LeftOut,
        has_kept: bool,
    ) -> Option<LeftOut> {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.ended.insert(name.to_owned(), (left_out.clone(), has_kept));
        if tally.ended.len() < tally.files || tally.ended.values().any(|(_, has_kept)| *has_kept) {
            return None;
        }
        let mut all = LeftOut::default();
        for (left_out, _) in tally.ended.values() {
            all.rows += left_out.rows;
            left_out.values.iter().for_each(|value| all.add(value));
            all.has_more |= left_out.has_more;
        }
        Some(all).filter(|all| all.rows > 0)
    }
}

impl LeftOut {
    /// That it is everything, and what there was instead of what the `column` must hold.
    pub(crate) fn told_as_all(&self, column: &str, equals: Option<&str>) -> String {
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
