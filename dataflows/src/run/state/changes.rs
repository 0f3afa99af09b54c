//! Which changes of a configuration make states of operators useless.

use toml::{Table, Value};

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

/// What has changed between two configurations (as TOML, with what was filled in) of what states depend on: each key as
/// it was and as it is.
pub(super) fn changes(before: &str, now: &str) -> Vec<String> {
    let parse = |text: &str| text.parse::<Table>().unwrap_or_default();
    let (before, now) = (parse(before), parse(now));
    let mut changes = Vec::new();
    for path in DEPENDS_ON {
        compare(path, find(&before, path), find(&now, path), &mut changes);
    }
    changes
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
        assert!(changes(before, &before.replace("workers = 1", "workers = 3")).is_empty());
        let other = before.replace("\"1m\"]", "\"1m\", \"1h\"]").replace("above = 1", "below = 2");
        assert_eq!(
            changes(before, &other),
            [
                "`job.timeframes` was [\"1m\"], and is [\"1m\", \"1h\"]",
                "`rule[0].above` was 1, and is absent",
                "`rule[0].below` was absent, and is 2",
            ]
        );
        let more = format!("{before}[[rule]]\nname = \"b\"\n");
        assert_eq!(changes(before, &more).len(), 1);
    }
}
