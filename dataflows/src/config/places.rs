//! Where in a TOML text a value stands, by its dotted path: `job.workers`, `source.0.columns.time`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::deprecated;

/// The places of all keys and elements of a text, in no order.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<Place>);

/// One key with its value, or one element of an array of tables.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: String,
    /// The key and the value, in bytes.
    key: Range<usize>,
    value: Range<usize>,
    /// Whether it is a value, and not a table or an array of tables.
    pub(super) is_leaf: bool,
}

impl Places {
    /// Those of `text`; none if it is not TOML.
    pub(super) fn of(text: &str) -> Places {
        let mut places = Places::default();
        if let Ok(root) = DeTable::parse(text) {
            places.walk("", root.get_ref());
        }
        places
    }

    fn walk(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = joined(path, key.get_ref());
            self.add(path, key.span(), value);
        }
    }

    fn add(&mut self, path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let is_leaf = match value.get_ref() {
            DeValue::Table(table) => {
                self.walk(&path, table);
                false
            }
            DeValue::Array(array) if array.iter().any(|e| e.get_ref().is_table()) => {
                for (index, element) in array.iter().enumerate() {
                    self.add(joined(&path, &index.to_string()), element.span(), element);
                }
                false
            }
            _ => true,
        };
        self.0.push(Place { path, key, value: value.span(), is_leaf });
    }

    /// Gives each place another path; those without one go.
    pub(super) fn rename(&mut self, renamed: impl Fn(&str) -> Option<String>) {
        let places = std::mem::take(&mut self.0).into_iter();
        let kept = places.filter_map(|place| Some(Place { path: renamed(&place.path)?, ..place }));
        self.0 = kept.collect();
    }

    /// The place of `path`.
    pub(super) fn find(&self, path: &str) -> Option<&Place> {
        self.0.iter().find(|place| place.path == path)
    }

    /// The innermost place that the byte at `offset` belongs to.
    pub(super) fn at(&self, offset: usize) -> Option<&Place> {
        let holds = |range: &Range<usize>| (range.start..=range.end).contains(&offset);
        let around = self.0.iter().filter(|place| holds(&place.key) || holds(&place.value));
        around.max_by_key(|place| place.path.matches('.').count())
    }

    /// All values.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter(|place| place.is_leaf)
    }
}

impl Place {
    /// Where a reader should look: a value where it stands, a table where it is named.
    pub(super) fn start(&self) -> usize {
        if self.is_leaf { self.value.start } else { self.key.start }
    }

    /// The first byte after the value.
    pub(super) fn end(&self) -> usize {
        self.value.end
    }
}

/// The line and column of a byte, both from 1; columns count characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The path of `key` inside of `path`, by its present name.
fn joined(path: &str, key: &str) -> String {
    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    deprecated::current(&path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[job]
workers = 2
timeframes = [\"1m\",
  \"5m\"]

[[source]]
name = \"a\"
play = { speed = 2.0 }

[[source]]
name = \"é\"; 
";

    #[test]
    fn paths_have_lines_and_columns() {
        let text = TEXT.replace("; ", "");
        let places = Places::of(&text);
        for (path, want) in [
            ("job", (1, 2)),
            ("job.workers", (2, 11)),
            ("job.timeframes", (3, 14)),
            ("source.0", (6, 1)),
            ("source.0.play.speed", (8, 18)),
            ("source.1", (10, 1)),
            ("source.1.name", (11, 8)),
        ] {
            let place = places.find(path).unwrap();
            assert_eq!(line_and_column(&text, place.start()), want, "{path}");
            assert_eq!(places.at(place.start()).unwrap().path, path);
        }
        assert!(places.find("job.max_clock_ahead").is_none());
        assert_eq!(places.leaves().count(), 5);
        assert_eq!(Places::of(TEXT).leaves().count(), 0, "no TOML");
    }
}
