//! Which changes of a configuration make states of operators useless.

use std::hash::{Hash, Hasher};

use market::Timeframe;
use toml::{Table, Value};
use xxhash_rust::xxh3::Xxh3;

/// What states depend on. All else may change: it holds for what comes.
const DEPENDS_ON: [&str; 14] = [
    "job.kind",
    "job.timeframes",
    "job.indicators",
    "job.calendar",
    "job.week_starts",
    "outliers",
    "calendar",
    "instrument",
    "rule",
    "portfolios",
    "portfolio",
    "rate",
    "risk",
    "fair",
];

/// The longest value that is shown.
const SHOWN_CHARS: usize = 60;

/// A change of what states depend on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// One of [`DEPENDS_ON`].
    pub(super) key: &'static str,
    /// Where it is, what was there and what is.
    pub(super) text: String,
}

/// What has changed between two configurations (as TOML, with what was filled in) of what states depend on.
pub(super) fn changes(before: &str, now: &str) -> Vec<Change> {
    let parse = |text: &str| text.parse::<Table>().unwrap_or_default();
    let (before, now) = (parse(before), parse(now));
    let mut changes = Vec::new();
    for path in DEPENDS_ON {
        let mut texts = Vec::new();
        compare(path, find(&before, path), find(&now, path), &mut texts);
        changes.extend(texts.into_iter().map(|text| Change { key: path, text }));
    }
    changes
}

/// A hash of what rows of views depend on besides commits: the version of the program, and what it needs of a
/// configuration (as TOML, with what was filled in).
pub fn views_version(config: &str, program: &str) -> u64 {
    let config = config.parse::<Table>().unwrap_or_default();
    let depends = DEPENDS_ON.map(|path| find(&config, path).map(Value::to_string));
    let mut hasher = Xxh3::new();
    (depends, program).hash(&mut hasher);
    hasher.finish()
}

/// The smallest timeframe of a configuration, of whose bars all others are made.
pub(super) fn base_timeframe(config: &str) -> Option<Timeframe> {
    let config = config.parse::<Table>().ok()?;
    let timeframes = find(&config, "job.timeframes")?.as_array()?.iter();
    timeframes.filter_map(|text| text.as_str()?.parse::<Timeframe>().ok()).min()
}

fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Adds what differs, as far down as tables and lists of one length go.
fn compare(path: &str, before: Option<&Value>, now: Option<&Value>, changes: &mut Vec<String>) {
    match (before, now) {
        (before, now) if before == now => {}
        (Some(Value::Table(before)), Some(Value::Table(now))) => {
            let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                compare(&format!("{path}.{key}"), before.get(key), now.get(key), changes);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now)))
            if before.len() == now.len() && before.iter().all(Value::is_table) =>
        {
            for (place, (before, now)) in before.iter().zip(now).enumerate() {
                compare(&format!("{path}[{place}]"), Some(before), Some(now), changes);
            }
        }
        (before, now) => {
            let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), shown);
            changes.push(format!("`{path}` was {}, and is {}", show(before), show(now)));
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_told_with_its_key() {
        let before =
            "[job]\ntimeframes = [\"1m\"]\nworkers = 1\n[[rule]]\nname = \"a\"\nabove = 1\n";
        assert!(changes(before, before).is_empty());
        let wider = before.replace("workers = 1", "workers = 3");
        assert!(changes(before, &wider).is_empty());
        assert_eq!(views_version(before, "1"), views_version(&wider, "1"));
        assert_ne!(views_version(before, "1"), views_version(before, "2"));
        let other = before.replace("\"1m\"]", "\"1m\", \"1h\"]").replace("above = 1", "below = 2");
        let texts = |changes: Vec<Change>| -> Vec<String> {
            changes.into_iter().map(|change| change.text).collect()
        };
        assert_eq!(
            texts(changes(before, &other)),
            [
                "`job.timeframes` was [\"1m\"], and is [\"1m\", \"1h\"]",
                "`rule[0].above` was 1, and is absent",
                "`rule[0].below` was absent, and is 2",
            ]
        );
        assert_ne!(views_version(before, "1"), views_version(&other, "1"));
        let more = format!("{before}[[rule]]\nname = \"b\"\n");
        assert_eq!(changes(before, &more).len(), 1);
        assert_eq!(changes(before, &more)[0].key, "rule");
        assert_eq!(base_timeframe(&other), "1m".parse().ok());
    }
}
