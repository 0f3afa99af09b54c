//! Keys and kinds that have a new name. Their old names are accepted for one version, with a warning.

use toml::{Table, Value};

/// The old and the new path of each renamed key.
const KEYS: [(&str, &str); 2] =
    [("http.inlet", "http.ingest"), ("job.skew", "job.max_clock_ahead")];

/// The old and the new name of each renamed kind of source.
const SOURCE_KINDS: [(&str, &str); 1] = [("simulated-desk", "simulated-fills")];

/// The present path of a key; `path` itself if it was not renamed.
pub(super) fn current(path: &str) -> &str {
    KEYS.iter().find(|(old, _)| *old == path).map_or(path, |(_, new)| *new)
}

/// The present name of a kind of source, with a warning if `kind` is an old name of it.
pub(super) fn source_kind<'k>(kind: &'k str, place: &str) -> &'k str {
    match SOURCE_KINDS.iter().find(|(old, _)| *old == kind) {
        Some((old, new)) => {
            warn(place, &format!("kind = \"{old}\""), &format!("kind = \"{new}\""));
            new
        }
        None => kind,
    }
}

/// Logs that `place` uses the old name of a key.
pub(super) fn warn(place: &str, old: &str, new: &str) {
    tracing::warn!("{place}: `{old}` is deprecated and goes with the next version; write `{new}`");
}

/// Renames the keys of `table` that have an old name; `place` is what warnings call it. A key whose new name is
/// also there stays, so that it is refused.
pub(super) fn rename(table: &mut Table, place: &str) {
    for (old, new) in KEYS {
        let ((section, old_key), (_, new_key)) = (split(old), split(new));
        let Some(Value::Table(keys)) = table.get_mut(section) else { continue };
        if keys.contains_key(new_key) {
            continue;
        }
        if let Some(value) = keys.remove(old_key) {
            keys.insert(new_key.to_owned(), value);
            warn(place, old, new);
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or(("", path))
}
