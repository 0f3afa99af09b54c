//! All faults of a configuration at once.
//!
//! A check ends at its first fault. To find the others, what is at fault is taken out and the rest is checked again.
//! What follows from something taken out is no fault.

use toml::Value;

use super::layers::{Fault, Layers};
use super::written::value_at;
use super::{ConfigError, WrittenBy};

/// The most faults that are told.
const FAULTS_MAX: usize = 20;

/// The keys that say what is computed.
const COMPUTES: [&str; 3] = ["job.kind", "job.timeframes", "job.indicators"];

/// Sections that refer to what `job.timeframes`, `job.indicators` and `job.kind` compute.
const OF_COMPUTED: [&str; 5] = ["rule", "sink", "fair", "risk", "portfolio"];

impl Layers {
    /// The first fault and all others.
    pub(super) fn all_faults(&self, first: Fault) -> ConfigError {
        let mut rest = self.clone();
        let (mut faults, mut removed) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(fault) = next.take().filter(|_| faults.len() < FAULTS_MAX) {
            let Fault { error, path, problem } = fault;
            let follows = follows(&removed, &path, &problem);
            if !follows {
                faults.push(numbered_as_written(error, &removed));
            }
            let at_fault = if follows { enclosing(&path) } else { path };
            // What nobody has written cannot be taken out; what lacks it can.
            let element = Some(enclosing(&at_fault)).filter(|outer| outer.contains('.'));
            let Some(gone) =
                [Some(at_fault), element].into_iter().flatten().find(|path| rest.take_out(path))
            else {
                break;
            };
            removed.push(gone);
            next = rest.check_once().err();
        }
        faults.sort_by_key(place_in_file);
        match faults.len() {
            1 => faults.remove(0),
            _ => ConfigError::Several(faults),
        }
    }

    /// Takes the value at `path` out of all layers. The elements of a list after one that goes have new numbers, and keep
    /// the places where they are written.
    fn take_out(&mut self, path: &str) -> bool {
        let Some((outer, key)) = path.rsplit_once('.') else {
            return self.merged.remove(path).is_some();
        };
        match value_at(&mut self.merged, outer) {
            Some(Value::Table(table)) => table.remove(key).is_some(),
            Some(Value::Array(list)) => match key.parse() {
                Ok(number) if number < list.len() => {
                    list.remove(number);
                    self.renumber(outer, number);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn renumber(&mut self, list: &str, gone: usize) {
        let renumbered = |path: &str| {
            let Some(rest) = path.strip_prefix(list).and_then(|rest| rest.strip_prefix('.')) else {
                return Some(path.to_owned());
            };
            let (number, inner) = rest.split_once('.').map_or((rest, ""), |(n, inner)| (n, inner));
            let dot = if inner.is_empty() { "" } else { "." };
            match number.parse::<usize>() {
                Ok(number) if number == gone => None,
                Ok(number) if number > gone => Some(format!("{list}.{}{dot}{inner}", number - 1)),
                _ => Some(path.to_owned()),
            }
        };
        self.places.rename(renumbered);
        let set = std::mem::take(&mut self.set);
        let kept = set.into_iter().filter_map(|(path, by)| Some((renumbered(&path)?, by)));
        self.set = kept.collect();
    }
}

/// Line and column of a fault, so that faults are told as they lie in the file; others come after them.
fn place_in_file(error: &ConfigError) -> (usize, usize) {
    match error {
        ConfigError::Written(written) => match written.by {
            WrittenBy::File { line, column, .. } => (line, column),
            WrittenBy::Setter(_) => (usize::MAX, 0),
        },
        _ => (usize::MAX, 1),
    }
}

/// An error whose place counts the elements of lists as they are written, with those that were taken out.
fn numbered_as_written(error: ConfigError, removed: &[String]) -> ConfigError {
    let mut error = error;
    let place = match &mut error {
        ConfigError::Value { place, .. } => place,
        ConfigError::Written(written) => &mut written.place,
        _ => return error,
    };
    let gone = |path: &String| {
        let (list, number) = path.rsplit_once('.')?;
        Some((list.to_owned(), number.parse::<usize>().ok()?))
    };
    for (list, gone) in removed.iter().rev().filter_map(gone) {
        let Some((before, rest)) = place.split_once(&format!("{list}[")) else { continue };
        let Some((number, after)) = rest.split_once(']') else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        let written = if number >= gone { number + 1 } else { number };
        *place = format!("{before}{list}[{written}]{after}");
    }
    error
}

/// Whether `path` is `key`, or lies in it.
fn is_at(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a fault may follow from what was taken out: it lies around that, names it, refers to what that computes, or
/// is that something is missing beside it, which may have been written there by another name.
fn follows(removed: &[String], path: &str, problem: &str) -> bool {
    let section = path.split('.').next().unwrap_or_default();
    let is_missing = problem.contains("missing field ");
    removed.iter().any(|removed| {
        let key = removed.rsplit('.').next().unwrap_or_default();
        let is_inside = removed.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let is_named = problem.contains(&format!("`{key}`"));
        let computes = removed == "job" || COMPUTES.iter().any(|key| is_at(removed, key));
        removed == path
            || (is_missing && removed.rsplit_once('.').is_some_and(|(around, _)| around == path))
            || (is_inside && is_named)
            || problem.contains(&**removed)
            || (computes && OF_COMPUTED.contains(&section))
            || (removed.starts_with(&format!("{section}.")) && !path.contains('.'))
    })
}

/// The element of a list of tables that `path` lies in, or its section.
fn enclosing(path: &str) -> String {
    let mut keys = path.split('.');
    let (section, number) = (keys.next().unwrap_or_default(), keys.next());
    match number.filter(|number| number.bytes().all(|b| b.is_ascii_digit())) {
        Some(number) => format!("{section}.{number}"),
        None => section.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = r#"[job]
timeframes = "1m"
workers = 0
indicators = ["smaa20"]

[http]
lissten = "127.0.0.1:1"

[[source]]
name = "a"
kind = "file"
paths = ["a.csv"]
instrument = "x:Y"
columns = { time = "t", price = "p", size = "q" }
units = { time = "millis" }

[[source]]
name = "b"
kind = "fil"

[[source]]
name = "c"
kind = "file"
paths = ["c.csv"]
instrument = "x:Z"
columns = { time = "t", price = "p" }
disorder = "soon"

[[rule]]
name = "r"
threshold = { series = "sma20", above = 1.0 }
"#;

    fn faults(file: &str) -> Vec<String> {
        let layers = Layers::parse(file.to_owned(), "c.toml".to_owned(), Path::new(".")).unwrap();
        match layers.check() {
            Ok(_) => Vec::new(),
            Err(ConfigError::Several(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(fault) => vec![fault.to_string()],
        }
    }

    #[test]
    fn all_faults_are_told_and_what_follows_from_them_is_not() {
        let mut found = faults(FILE);
        found.sort();
        let want = [
            "c.toml:17:1: source[1] (name `b`): unknown source kind `fil`",
            "c.toml:15:18: source[0] (name `a`): `units.time`: `millis` is not one of",
            "c.toml:26:1: source[2] (name `c`): `columns`: `size` is missing",
            "c.toml:27:12: source[2] (name `c`).disorder: `soon` is not",
            "c.toml:2:14: job.timeframes: a text is written, and a list is wanted",
            "c.toml:3:11: job.workers: 0 is not between 1 and 256",
            "c.toml:4:14: job.indicators: `smaa20` is not an indicator",
            "c.toml:7:11: http.lissten: unknown field `lissten`",
        ];
        for want in want {
            assert!(
                found.iter().any(|fault| fault.starts_with(want)),
                "{want} is not in {found:#?}"
            );
        }
        assert_eq!(found.len(), want.len(), "{found:#?}");
    }

    #[test]
    fn faults_are_told_as_they_lie_in_the_file_and_what_is_missing_hides_none() {
        let file = "[[sink]]\nname = \"s\"\nkind = \"file\"\npath = \"x\"\n[job]\nworkers = 0\n[http]\nnear = 1\n";
        let no_view = "c.toml:1:1: sink[0] (name `s`).views: names no view";
        let after =
            ["c.toml:6:11: job.workers: 0 is not between", "c.toml:8:8: http.near: unknown field"];
        let are_told = |file: &str, wanted: &[&str]| {
            let found = faults(file);
            let fit = found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted));
            assert!(fit && found.len() == wanted.len(), "{found:#?}");
        };
        are_told(file, &[&[no_view][..], &after].concat());
        let other = file.replace("path = \"x\"", "view = \"candles\"");
        let unknown =
            "c.toml:4:8: sink[0] (name `s`): unknown field `view`; the views of a sink are a list";
        are_told(&other, &[&[no_view, unknown][..], &after].concat());
    }

    #[test]
    fn one_fault_stands_alone() {
        let one =
            FILE.lines().filter(|line| !line.contains("lissten")).collect::<Vec<_>>().join("\n");
        let found = faults(&one.replace("\"1m\"", "[\"1m\"]").replace("= 0", "= 2"));
        assert!(found.len() > 1, "{found:#?}");
        let found = faults("[job]\nworkers = 0\n[[source]]\nname = \"a\"\nkind = \"simulated\"");
        assert_eq!(found, ["c.toml:2:11: job.workers: 0 is not between 1 and 256"]);
    }

    /// A line of a file that is no TOML, and a value in a wrong place, may hold a secret.
    #[test]
    fn no_value_in_a_wrong_place_is_shown() {
        for file in [
            "[job]\npassword = \"hunter2\nworkers = 1",
            "[job]\nworkers = \"hunter2\"",
            "[job]\npassword = \"hunter2\"",
            "job = \"hunter2\"",
            "hunter2",
            "[[source]]\nname = \"a\"\nkind = \"redis-streams\"\nurl = [\"hunter2\"]",
            "[[source]]\nname = \"a\"\nkind = \"redis-streams\"\nstreams = \"hunter2\"",
            "[[source]]\nname = \"a\"\nkind = \"kafka\"\nproperties = \"hunter2\"",
        ] {
            let layers = Layers::parse(file.to_owned(), "c.toml".to_owned(), Path::new("."));
            let error = layers.and_then(|layers| layers.check()).err().expect("it is wrong");
            let error = error.to_string();
            assert!(error.starts_with("c.toml:"), "{error}");
            assert!(!error.contains("hunter2"), "{file}: {error}");
        }
    }
}
