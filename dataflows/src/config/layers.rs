//! What a configuration is made of: defaults, under a file, under the environment, under flags.
//!
//! A variable names a key by its path, `TICKWEAVE__JOB__WORKERS=3`, with elements of arrays of tables by
//! their number, `TICKWEAVE__SOURCE__0__PATHS='["a.csv"]'`; the number after the last adds one. Its value
//! is read as TOML, and is text if it is none. Keys are lower case: what is spelled by a user, as the
//! names in `symbols`, goes into a table as the value.
//!
//! An error about a value names the place that it came from: file, line and column; the
//! variable; or the flag.

/// Whether a file that is no TOML holds trades: by its ending, or by a first line of several columns.
fn is_data(path: &Path, text: &str) -> bool {
    if text.parse::<toml::Table>().is_ok() {
        return false;
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let is_columns = [',', ';', '\t', '|'].iter().any(|by| first.split(*by).count() > 2);
    let is_row = is_columns && !first.contains('=') && !first.starts_with(['#', '[']);
    ["csv", "tsv", "jsonl", "ndjson"].contains(&ending) || is_row
}

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use market::Registries;
use serde::Serialize;
use toml::{Table, Value};

use super::deprecated;
use super::nearest::{nearest, quoted};
use super::places::{Places, line_and_column};
use super::plain::plain;
use super::{Config, ConfigError, RawConfig, WrittenBy, WrittenError, sources};

/// What the names of variables begin with.
const PREFIX: &str = "TICKWEAVE__";

/// The layers of one configuration, from the lowest.
#[derive(Clone, Debug)]
pub struct Layers {
    /// What the file is called and what it says; both empty without one.
    name: String,
    text: String,
    pub(super) places: Places,
    folder: PathBuf,
    /// The file itself, if it is one.
    file: Option<PathBuf>,
    /// All layers so far.
    pub(super) merged: Table,
    /// Which paths were set above the file, and by what; later ones count.
    pub(super) set: Vec<(String, String)>,
    /// The numbers of names that the job goes on with.
    registries: Registries,
    /// Whether it was checked before, perhaps elsewhere: then no files are looked for.
    is_recorded: bool,
}

/// One fault of a configuration.
pub(super) struct Fault {
    pub(super) error: ConfigError,
    /// The innermost value that is at fault and is written, else where it should be.
    pub(super) path: String,
    /// What is wrong with it.
    pub(super) problem: String,
}

/// A value as it is written in a variable or a flag: TOML if it is any, else text. Dates and times are
/// text, as they are in a configuration.
///
/// ```
/// use dataflows::config::toml_or_text;
/// assert_eq!(toml_or_text("3").as_integer(), Some(3));
/// assert_eq!(toml_or_text("[\"a.csv\"]").as_array().map(Vec::len), Some(1));
/// assert_eq!(toml_or_text("1m").as_str(), Some("1m"));
/// assert_eq!(toml_or_text("2024-01-01T00:00:00Z").as_str(), Some("2024-01-01T00:00:00Z"));
/// ```
pub fn toml_or_text(text: &str) -> Value {
    let one_line = !text.contains(['\n', '\r']);
    let parsed = one_line.then(|| format!("value = {text}").parse::<Table>().ok()).flatten();
    match parsed.and_then(|mut table| table.remove("value")) {
        None | Some(Value::Datetime(_)) => Value::from(text),
        Some(value) => value,
    }
}

impl Layers {
    /// Only defaults; relative paths start at `folder`.
    pub fn defaults(folder: &Path) -> Layers {
        Layers {
            name: String::new(),
            text: String::new(),
            places: Places::default(),
            folder: folder.to_owned(),
            file: None,
            merged: Table::new(),
            set: Vec::new(),
            registries: Registries::default(),
            is_recorded: false,
        }
    }

    /// Of a job that goes on with these registries; without, it starts afresh.
    #[must_use]
    pub fn going_on_with(self, registries: Registries) -> Layers {
        Layers { registries, ..self }
    }

    /// Where the state of the job is kept, as far as that is known before everything is checked.
    pub fn state_dir(&self) -> Option<PathBuf> {
        let dir = self.merged.get("state")?.get("dir")?.as_str()?;
        Some(self.folder.join(dir))
    }

    /// Of a recording, whose registries these are.
    #[must_use]
    pub fn recorded_with(self, registries: Registries) -> Layers {
        Layers { registries, is_recorded: true, ..self }
    }

    /// Of a job that reads what is there, and ends: no source follows its files.
    #[must_use]
    pub fn to_end(mut self) -> Layers {
        let sources = self.merged.get_mut("source").and_then(Value::as_array_mut);
        for source in sources.into_iter().flatten() {
            if let Some(follow @ Value::Boolean(true)) = source.get_mut("follow") {
                *follow = Value::from(false);
            }
        }
        self
    }

    /// The file at `path`, whose relative paths start in its folder.
    pub fn read(path: &Path) -> Result<Layers, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|problem| ConfigError::Unreadable { path: name.clone(), problem })?;
        if is_data(path, &text) {
            let problem = "this is no configuration: it looks like data, which `tickweave replay FILE --instrument \
                           VENUE:SYMBOL` reads without one";
            let problem = problem.to_owned();
            return Err(ConfigError::Shape { path: name, line: 1, column: 1, problem });
        }
        let layers = Layers::parse(text, name, path.parent().unwrap_or(Path::new(".")))?;
        Ok(Layers { file: Some(path.to_owned()), ..layers })
    }

    /// A file's text; `name` is what errors call it.
    pub fn parse(text: String, name: String, folder: &Path) -> Result<Layers, ConfigError> {
        let mut merged = text
            .parse()
            .map_err(|problem: toml::de::Error| ConfigError::no_toml(&name, &text, &problem))?;
        deprecated::rename(&mut merged, &name);
        let places = Places::of(&text);
        Ok(Layers { name, text, places, merged, ..Layers::defaults(folder) })
    }

    /// With those of `variables` whose names begin with `TICKWEAVE__`, in the order of their names.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Layers, ConfigError> {
        let ours = |name: &OsString| name.to_string_lossy().starts_with(PREFIX);
        let mut variables: Vec<_> = variables.into_iter().filter(|(name, _)| ours(name)).collect();
        variables.sort();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            let wrong = |problem| ConfigError::Value { place: name.clone(), problem };
            let value = value.to_str().ok_or_else(|| wrong("is not UTF-8".to_owned()))?;
            let written = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            let path = deprecated::current(&written).to_owned();
            if path != written {
                deprecated::warn(&name, &written, &path);
            }
            self.put(&path, toml_or_text(value)).map_err(wrong)?;
            self.set.push((path, name));
        }
        Ok(self)
    }

    /// With what `flag` says, if it was given, at `path`.
    pub fn flag<T: Serialize>(
        mut self,
        path: &str,
        flag: &str,
        value: Option<T>,
    ) -> Result<Layers, ConfigError> {
        if let Some(value) = value {
            let wrong = |problem| ConfigError::Value { place: flag.to_owned(), problem };
            let value = Value::try_from(value).map_err(|error| wrong(error.to_string()))?;
            self.put(path, value).map_err(wrong)?;
            self.set.push((path.to_owned(), flag.to_owned()));
        }
        Ok(self)
    }

    /// Checks everything; an error tells all faults.
    pub fn check(&self) -> Result<Config, ConfigError> {
        let mut layers = self.clone();
        loop {
            match layers.check_once() {
                Ok(config) => return Ok(config),
                Err(fault) if layers.split_at_commas(&fault) => {}
                Err(first) => return Err(layers.all_faults(first)),
            }
        }
    }

    /// Checks up to the first fault.
    pub(super) fn check_once(&self) -> Result<Config, Fault> {
        let of = |place: &str, problem: String| {
            self.located(ConfigError::Value { place: place.to_owned(), problem })
        };
        let merged = toml::to_string(&self.merged)
            .map_err(|error| of("configuration", error.to_string()))?;
        let mut raw: RawConfig = toml::from_str(&merged).map_err(|error| {
            let place = error.span().and_then(|span| {
                Places::of(&merged).at(span.start).map(|place| place.path.clone())
            });
            of(place.as_deref().unwrap_or("configuration"), error.message().to_owned())
        })?;
        let registries = self.registries.clone();
        let found = match self.is_recorded {
            true => Ok(()),
            false => sources::find_files(&mut raw.source, &self.folder),
        };
        found
            .and_then(|()| raw.check_file(&self.folder, self.file.as_deref(), registries))
            .map_err(|error| self.located(error))
    }

    /// A checked configuration as TOML that says of each value where it came from.
    pub fn explained(&self, config: &Config) -> String {
        let toml = &config.toml;
        let mut notes: Vec<_> =
            Places::of(toml).leaves().map(|leaf| (leaf.end(), self.origin(&leaf.path))).collect();
        notes.sort_unstable();
        let (mut text, mut from) = (String::with_capacity(toml.len() * 2), 0);
        for (end, origin) in notes {
            // Two values of one inline table share a line, and its end.
            let end = toml[end..].find('\n').map_or(toml.len(), |at| end + at);
            let separator = if end > from { "  # " } else { ", " };
            text += &toml[from.min(end)..end];
            text += separator;
            text += &origin;
            from = end;
        }
        text + &toml[from..]
    }

    /// Where the value at `path` came from, in words.
    fn origin(&self, path: &str) -> String {
        self.written(path).map_or_else(|| "default".to_owned(), |by| by.to_string())
    }

    /// Who wrote the value at `path`, or what it is inside of; none for defaults.
    fn written(&self, path: &str) -> Option<WrittenBy> {
        let is_around = |set: &str| {
            path.strip_prefix(set).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let set = self.set.iter().rev().find(|(set, _)| is_around(set));
        set.map(|(_, by)| WrittenBy::Setter(by.clone())).or_else(|| {
            let place = self.places.find(path)?;
            let (line, column) = line_and_column(&self.text, place.start());
            Some(WrittenBy::File { name: self.name.clone(), line, column })
        })
    }

    fn is_written(&self, path: &str) -> bool {
        self.places.find(path).is_some() || self.set.iter().any(|(set, _)| set == path)
    }

    /// Who set something inside of `path` above the file, as of a table that only it has.
    fn inside(&self, path: &str) -> Option<WrittenBy> {
        let is_inside =
            |set: &str| set.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let set = self.set.iter().rev().find(|(set, _)| is_inside(set));
        set.map(|(_, by)| WrittenBy::Setter(by.clone()))
    }

    /// An error with the place that the value came from, and the key that may have been meant.
    fn located(&self, error: ConfigError) -> Fault {
        let ConfigError::Value { place, problem } = error else {
            let problem = error.to_string();
            return Fault { error, path: String::new(), problem };
        };
        let path = path_of(&place);
        // What is wrong may be a key inside of what was checked as a whole; the deepest is the most precise.
        let mut inner = vec![path.clone()];
        let wrong = problem.split(", expected").next().unwrap_or_default();
        for key in quoted(wrong) {
            let mut inside = inner.iter().rev().map(|outer| format!("{outer}.{key}"));
            let written = inside.find(|path| self.is_written(path));
            inner.extend(written);
        }
        let around = || ancestors(&path).find_map(|path| self.written(&path));
        let at_fault = inner.iter().rev().find(|path| self.is_written(path)).unwrap_or(&path);
        let at_fault = at_fault.clone();
        let written = inner.iter().rev().find_map(|path| self.written(path));
        let written = written.or_else(|| self.inside(&path)).or_else(around);
        let (shown, suggestion) = (plain(&problem), nearest(&problem).map(str::to_owned));
        let error = match written.filter(|by| by.to_string() != place) {
            Some(by) => {
                let written = WrittenError { by, place, problem: shown, suggestion };
                ConfigError::Written(Box::new(written))
            }
            None => {
                let nearest = suggestion.map(|known| format!("; the nearest is `{known}`"));
                ConfigError::Value { place, problem: shown + &nearest.unwrap_or_default() }
            }
        };
        Fault { error, path: at_fault, problem }
    }

    /// That what is wrong at `place`, which was found after it was checked, is `problem`; with who wrote it.
    pub fn fault(&self, place: String, problem: String) -> ConfigError {
        self.located(ConfigError::Value { place, problem }).error
    }

    fn put(&mut self, path: &str, value: Value) -> Result<(), String> {
        let mut keys = path.split('.').peekable();
        let mut table = &mut self.merged;
        while let Some(key) = keys.next() {
            if key.is_empty() {
                return Err("has an empty key between two `__`".to_owned());
            }
            let Some(&next) = keys.peek() else {
                table.insert(key.to_owned(), value);
                return Ok(());
            };
            let is_number = next.bytes().all(|byte| byte.is_ascii_digit());
            let inner = table.entry(key).or_insert_with(|| match is_number {
                true => Value::Array(Vec::new()),
                false => Value::Table(Table::new()),
            });
            table = match inner {
                Value::Table(inner) => inner,
                Value::Array(elements) => {
                    let number = keys.next().unwrap_or_default();
                    let element = element(elements, key, number)?;
                    if keys.peek().is_none() {
                        *element = value;
                        return Ok(());
                    }
                    let problem = || format!("`{key}` has no tables, so no keys in them");
                    element.as_table_mut().ok_or_else(problem)?
                }
                _ => return Err(format!("`{key}` is a value, so it holds no `{next}`")),
            };
        }
        Ok(())
    }
}

/// The element `number` of an array, or a new one after its last.
fn element<'a>(
    elements: &'a mut Vec<Value>,
    key: &str,
    number: &str,
) -> Result<&'a mut Value, String> {
    let count = elements.len();
    let index = number.parse().ok().filter(|index: &usize| *index <= count);
    let index = index.ok_or_else(|| {
        format!("`{key}` has {count} elements: write a number from 0 to {count}, not `{number}`")
    })?;
    if index == count {
        elements.push(Value::Table(Table::new()));
    }
    Ok(&mut elements[index])
}

/// `source.0.play` of `source[0] (name `a`).play`.
fn path_of(place: &str) -> String {
    let (before, rest) = place.split_once(" (").unwrap_or((place, ""));
    let after = rest.rsplit_once("`)").map_or("", |(_, after)| after);
    format!("{before}{after}").replace('[', ".").replace(']', "")
}

/// A path, and all that it lies inside of.
fn ancestors(path: &str) -> impl Iterator<Item = String> {
    let mut next = Some(path);
    std::iter::from_fn(move || {
        let path = next?;
        next = path.rsplit_once('.').map(|(outer, _)| outer);
        Some(path.to_owned())
    })
}
