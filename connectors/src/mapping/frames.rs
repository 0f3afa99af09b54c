//! The rows that lie in one JSON message: where paths lead, through objects and arrays.
//!
//! ```text
//! rows = ["events.trades"]    {"events":[{"trades":[{…},{…}]},{"trades":[{…}]}]}   three rows, objects
//! rows = ["2"]                [336,[["100.9","0.5",…],["100.8","0.25",…]],"trade"]  two rows, arrays of values
//! rows = ["$"]                [{…},{…}]                                           two rows
//! ```

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::packing::Packing;

/// The paths to the rows in a message.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// As written, for messages.
    written: String,
    paths: Vec<Vec<String>>,
}

impl Frames {
    /// Checks paths; none if there are none.
    pub(super) fn check(rows: &[String]) -> Result<Option<Frames>, String> {
        let paths = rows.iter().map(|path| match path.as_str() {
            "$" => Ok(Vec::new()),
            _ => {
                let keys: Vec<_> =
                    path.strip_prefix("$.").unwrap_or(path).split('.').map(str::to_owned).collect();
                match keys.iter().any(String::is_empty) {
                    true => Err(format!(
                        "`rows` has the path \"{path}\", in which a key is empty (write keys joined by single dots, or \
                         \"$\" for the message itself)"
                    )),
                    false => Ok(keys),
                }
            }
        });
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        let written = rows.join("`, `");
        Ok((!paths.is_empty()).then_some(Frames { written, paths }))
    }

    /// The rows of a message, as they lie in it; none if no path leads anywhere. An error says why it is not to be
    /// read.
    pub(super) fn find<'a>(&self, message: &'a str) -> Result<Option<Vec<&'a str>>, String> {
        let mut rows = Vec::new();
        for path in &self.paths {
            if follow(message.trim(), path, &mut rows)? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// What it means that no path leads anywhere.
    pub(super) fn nothing(&self) -> String {
        format!(
            "nothing is at `{}` (`rows`); `where` leaves out messages without rows",
            self.written
        )
    }
}

/// Adds the rows that `path` leads to from `value`; returns whether it leads anywhere.
fn follow<'a>(value: &'a str, path: &[String], rows: &mut Vec<&'a str>) -> Result<bool, String> {
    let Some((key, rest)) = path.split_first() else { return gather(value, rows) };
    match value.as_bytes().first() {
        Some(b'{') => match at_key(value, key)? {
            Some(inner) => follow(inner, rest, rows),
            None => Ok(false),
        },
        Some(b'[') => {
            let elements = elements(value)?;
            if let Ok(number) = key.parse::<usize>() {
                let element = number.checked_sub(1).and_then(|at| elements.get(at));
                return element.map_or(Ok(false), |element| follow(element.get(), rest, rows));
            }
            let mut leads = false;
            for element in elements {
                leads |= follow(element.get(), path, rows)?;
            }
            Ok(leads)
        }
        _ => Ok(false),
    }
}

/// Adds the rows that `value` is or holds; returns whether it is or may hold any.
fn gather<'a>(value: &'a str, rows: &mut Vec<&'a str>) -> Result<bool, String> {
    let is_inner = |value: &str| value.starts_with(['{', '[']);
    match value.as_bytes().first() {
        Some(b'{') => push(value, rows)?,
        Some(b'[') => {
            let elements = elements(value)?;
            let inner = elements.iter().filter(|element| is_inner(element.get())).count();
            match (inner, elements.len()) {
                (_, 0) => {}
                (0, _) => push(value, rows)?,
                (inner, count) => {
                    // Beside values, only what cannot be a value itself is taken for rows.
                    let inner_only =
                        elements.iter().map(|element| element.get()).filter(|e| is_inner(e));
                    for element in inner_only {
                        if inner < count && !holds_rows(element)? {
                            return Err("`rows` leads to an array of values and rows; a number picks one of its \
                                        elements"
                                .to_owned());
                        }
                        gather(element, rows)?;
                    }
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Whether `value` is an array of arrays and objects alone.
fn holds_rows(value: &str) -> Result<bool, String> {
    let is_array = value.starts_with('[');
    Ok(is_array && elements(value)?.iter().all(|element| element.get().starts_with(['{', '['])))
}

fn push<'a>(row: &'a str, rows: &mut Vec<&'a str>) -> Result<(), String> {
    if rows.len() == Packing::ROWS_MAX {
        return Err(format!("it holds more than {} rows", Packing::ROWS_MAX));
    }
    rows.push(row);
    Ok(())
}

fn elements(array: &str) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(array).map_err(|error| unreadable(&error))
}

fn at_key<'a>(object: &'a str, key: &str) -> Result<Option<&'a str>, String> {
    let mut json = serde_json::Deserializer::from_str(object);
    let found = json.deserialize_map(AtKey(key)).and_then(|found| json.end().map(|()| found));
    found.map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("not JSON that can be read: {error}")
}

/// Finds the value of a key.
struct AtKey<'k>(&'k str);

impl<'a> Visitor<'a> for AtKey<'_> {
    type Value = Option<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            if key != self.0 {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if found.replace(map.next_value::<&RawValue>()?.get()).is_some() {
                return Err(A::Error::custom("a key on the way to the rows appears twice"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'a>(paths: &[&str], message: &'a str) -> Result<Option<Vec<&'a str>>, String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        Frames::check(&paths)?.expect("there are paths").find(message)
    }

    #[test]
    fn paths_lead_through_objects_and_arrays() {
        let nested = r#"{"e":[{"t":[{"p":1},{"p":2}]},{"t":[]},{"x":1},{"t":[{"p":3}]}]}"#;
        let kraken = r#"[336,[["100.9","0.5"],["100.8","0.25"]],"trade"]"#;
        for (paths, message, want) in [
            (&["e.t"][..], nested, Some(vec![r#"{"p":1}"#, r#"{"p":2}"#, r#"{"p":3}"#])),
            (&["$.e.2.t"], nested, Some(vec![])),
            (&["e.4.t"], nested, Some(vec![r#"{"p":3}"#])),
            (&["2"], kraken, Some(vec![r#"["100.9","0.5"]"#, r#"["100.8","0.25"]"#])),
            (&["$"], r#" {"p":1} "#, Some(vec![r#"{"p":1}"#])),
            (&["$"], r#"[{"p":1}]"#, Some(vec![r#"{"p":1}"#])),
            (&["$"], kraken, Some(vec![r#"["100.9","0.5"]"#, r#"["100.8","0.25"]"#])),
            (&["$"], r#"[1,[],"2"]"#, Some(vec![])),
            (&["$"], r#"[1,"2"]"#, Some(vec![r#"[1,"2"]"#])),
            (&["data"], r#"{"data":{"p":1}}"#, Some(vec![r#"{"p":1}"#])),
            (&["nothing", "data"], r#"{"data":[]}"#, Some(vec![])),
            (&["data"], r#"{"event":"subscribed"}"#, None),
            (&["data"], r#"{"data":null}"#, None),
            (&["9"], "[1]", None),
            (&["0"], "[1]", None),
            (&["data"], "7", None),
        ] {
            assert_eq!(rows(paths, message), Ok(want), "{paths:?} of {message}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (paths, message, want) in [
            (&["$"][..], r#"[1,[2]]"#, "`rows` leads to an array of values and rows"),
            (&["$"], r#"[1,{"p":2}]"#, "`rows` leads to an array of values and rows"),
            (&["a"], r#"{"a":1,"a":2}"#, "not JSON that can be read: a key on the way"),
            (&["a"], r#"{"a":[1}"#, "not JSON that can be read"),
            (&["$"], r#"[{"p":1}"#, "not JSON that can be read"),
            (&["a"], r#"{"a":[]} x"#, "not JSON that can be read"),
            (&["a..b"], "{}", "`rows` has the path \"a..b\", in which a key is empty"),
        ] {
            let error = rows(paths, message).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
        let many = format!("[{}]", ["[1]"; 4_096].join(","));
        assert_eq!(rows(&["$"], &many), Err("it holds more than 4095 rows".to_owned()));
    }
}
