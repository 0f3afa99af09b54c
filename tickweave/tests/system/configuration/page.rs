//! The page: one section after the other, each with a table of its keys.

use std::fmt::Write as _;

use connectors::files::CsvConfig;
use connectors::mapping::UnitsConfig;
use connectors::simulated::fills::FillsConfig;
use connectors::simulated::{FaultsConfig, SimulatedConfig};
use dataflows::config::{
    RawCalendar, RawConfig, RawInstrument, RawPlay, RawPortfolios, RawSession, RawSink, RawSource,
};
use market::Span;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::scan::{self, Field, Structure};
use super::text::{anchor, cell, linked, sentence, split_default, wrapped};
use super::{SECTIONS, Section, read, structure_of};

/// Writes the page anew.
pub(super) const COMMAND: &str =
    "TICKWEAVE_WRITE_DOCS=1 cargo test -p tickweave --test system configuration";

const INTRODUCTION: &[&str] = &[
    "This page lists every key of a configuration. It is generated from the doc comments, types and defaults in the \
     code. Do not edit it: change the code and run the command below. A test fails while the page differs from the \
     code.",
    "A configuration is a file in TOML; [examples](../examples) has some. A key that is not listed here is refused. \
     Relative paths start at the folder of the file. The environment overrides the file (`TICKWEAVE__JOB__WORKERS=3`, \
     `TICKWEAVE__SOURCE__0__PATHS='[\"a.csv\"]'`), and flags override the environment. `tickweave check FILE` shows \
     the values that a configuration comes to and where each came from. [sources.md](sources.md) and \
     [sinks.md](sinks.md) explain sources and sinks.",
    "A time span is a text such as `5ms`, `30s`, `1h` or `1d`. A key whose default is \"required\" must be given \
     where its table is.",
];

/// Sources that check keys by `in_range`.
const CHECKS: [&str; 5] = [
    "dataflows/src/config/check.rs",
    "dataflows/src/config/outliers.rs",
    "dataflows/src/config/protection.rs",
    "dataflows/src/config/sources.rs",
    "dataflows/src/config/portfolios/mod.rs",
];

/// Types whose values are words, and where they are.
const WORDS: [(&str, &str); 6] = [
    ("AmbiguousTime", "market/src/zone_clock.rs"),
    ("Encoding", "connectors/src/sink.rs"),
    ("Format", "connectors/src/files/config.rs"),
    ("MessageFormat", "connectors/src/messages/config.rs"),
    ("TimeUnit", "market/src/time.rs"),
    ("ZeroSize", "connectors/src/mapping/zero_size.rs"),
];

/// The struct whose doc comments others refer to, and where it is.
const MAPPING: (&str, &str) = ("MappingConfig", "connectors/src/mapping/config.rs");

/// The whole page.
pub(super) fn page() -> String {
    let mut page = String::from("# Configuration\n");
    for paragraph in INTRODUCTION {
        write!(page, "\n{}", wrapped(paragraph)).unwrap();
        if *paragraph == INTRODUCTION[0] {
            write!(page, "\n```sh\n{COMMAND}\n```\n").unwrap();
        }
    }
    let checks = CHECKS.map(|file| {
        let source = read(file);
        assert!(
            source.contains("in_range("),
            "{file} checks no key any more: where have its checks moved?"
        );
        source
    });
    let checks = checks.concat();
    let mapping = scan::structure(&read(MAPPING.1), MAPPING.0).unwrap();
    for section in SECTIONS {
        let structure = structure_of(section);
        write!(page, "\n## {}\n\n{}", section.heading, introduction(section, &structure)).unwrap();
        page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        let defaults = defaults_of(section.name);
        for field in &structure.fields {
            let field = with_doc_of(field, &mapping);
            let default = defaults.get(&field.key).filter(|value| !value.is_null());
            let has_default = structure.has_defaults || field.has_default;
            page.push_str(&row(section, &field, default, has_default, &checks));
        }
    }
    page
}

/// The table that a section is about, and the doc comment of its struct.
fn introduction(section: &Section, structure: &Structure) -> String {
    let doc = match structure.doc.split_once('`').filter(|_| structure.doc.starts_with("`[")) {
        // The path of its table, which stands there already.
        Some((_, doc)) => doc.split_once('`').map_or("", |(_, doc)| doc),
        None => &structure.doc,
    };
    let doc = sentence(doc.trim_start_matches(['.', ';', ':', ' ']));
    let path = match section.path {
        "" => String::new(),
        path => format!("`{path}`. "),
    };
    wrapped(&linked(&format!("{path}{doc}")))
}

/// A field with the doc comment that its own refers to by `See [`…`]`, if it does.
fn with_doc_of(field: &Field, mapping: &Structure) -> Field {
    let Some(other) = field.doc.strip_prefix("See [`MappingConfig::") else { return field.clone() };
    let name = other.trim_end_matches("`].");
    let found = mapping.fields.iter().find(|one| one.name == name);
    let found = found.unwrap_or_else(|| panic!("`{}` refers to nothing", field.doc));
    Field { doc: found.doc.clone(), ..field.clone() }
}

fn row(
    section: &Section,
    field: &Field,
    default: Option<&Value>,
    has_default: bool,
    checks: &str,
) -> String {
    let (required, doc) = match field.doc.strip_prefix("Required: ") {
        Some(doc) => (true, doc),
        None => (false, field.doc.as_str()),
    };
    let (mut meaning, documented) = split_default(doc);
    assert!(!meaning.is_empty(), "`{}` of `{}` has no doc comment", field.key, section.name);
    if let Some(alias) = &field.alias {
        write!(meaning, " Deprecated name: `{alias}`.").unwrap();
    }
    let mut kind = words(&field.kind);
    let first = documented.as_deref().or(default.and_then(Value::as_str)).unwrap_or_default();
    let first = first.split([',', ';', ' ']).next().unwrap_or_default();
    if kind == "text" && first.parse::<Span>().is_ok() {
        "time span".clone_into(&mut kind);
    }
    let table = section.path.trim_matches(['[', ']']);
    if let Some((least, most)) = scan::bounds(checks, &format!("{table}.{}", field.key))
        && !meaning.contains(&format!("{least} to "))
    {
        match most {
            Some(most) => write!(kind, ", {least} to {most}").unwrap(),
            None => write!(kind, ", at least {least}").unwrap(),
        }
    }
    let default = match (documented, default) {
        _ if required => "required".to_owned(),
        (Some(documented), _) => documented,
        (None, Some(value)) => shown(&field.key, value),
        (None, None) if has_default || field.kind.starts_with("Option<") => "none".to_owned(),
        (None, None) => "required".to_owned(),
    };
    let (meaning, default) = (cell(&sentence(&linked(&meaning))), cell(&linked(&default)));
    format!("| `{}` | {} | {default} | {meaning} |\n", field.key, cell(&kind))
}

/// A type in words.
fn words(kind: &str) -> String {
    if let Some(inner) = kind.strip_prefix("Option<") {
        return words(&inner[..inner.len() - 1]);
    }
    if let Some((name, file)) = WORDS.iter().find(|(name, _)| *name == kind) {
        let variants = scan::variants(&read(file), name).unwrap();
        let variants: Vec<_> = variants.iter().map(|variant| format!("`{variant}`")).collect();
        return variants.join(", ");
    }
    let (is_list, one) = match kind.strip_prefix("Vec<") {
        Some(inner) => (true, &inner[..inner.len() - 1]),
        None => (false, kind),
    };
    if let Some(section) = SECTIONS.iter().find(|section| section.name == one) {
        let what = if is_list { "list of tables" } else { "table" };
        return format!("[{what}](#{})", anchor(section.heading));
    }
    let word = match kind {
        "String" | "PathBuf" => "text",
        "bool" => "true or false",
        "f64" => "number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "whole number",
        "Vec<String>" => "list of texts",
        "Column" => "text or whole number",
        "IdColumns" | "TimeColumns" => "text, whole number or list",
        "IdPeriod" => "text",
        "RawAmount" => "number or text",
        _ if kind.starts_with("BTreeMap<") || kind.starts_with("Map<") => "table",
        _ => panic!("say what `{kind}` is in words"),
    };
    word.to_owned()
}

/// A default as it would be written.
fn shown(key: &str, value: &Value) -> String {
    const UNITS: [(u64, &str); 2] = [(1 << 30, "GiB"), (1 << 20, "MiB")];
    match value {
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => {
            let list: Vec<_> = list.iter().map(Value::to_string).collect();
            format!("`[{}]`", list.join(", "))
        }
        Value::Object(_) => "see there".to_owned(),
        Value::Number(number) => match number.as_u64() {
            Some(n) => {
                let unit = UNITS.iter().find(|(unit, _)| n >= *unit && n % unit == 0);
                match unit.filter(|_| key.ends_with("bytes")) {
                    Some((unit, name)) => format!("{n} ({} {name})", n / unit),
                    None => n.to_string(),
                }
            }
            None => number.as_f64().map_or_else(|| number.to_string(), |n| n.to_string()),
        },
        other => other.to_string(),
    }
}

/// The values that the keys of a struct have when only what is required is written.
fn defaults_of(name: &str) -> Value {
    let config = RawConfig::default();
    match name {
        "RawConfig" => value(&config),
        "RawJob" => value(&config.job),
        "RawOutliers" => value(&config.outliers),
        "RawCommit" => value(&config.commit),
        "RawLimits" => value(&config.limits),
        "RawState" => value(&config.state),
        "RawHttp" => value(&config.http),
        "RawClientLimits" => value(&config.http.limits),
        "RawRecording" => value(&config.recording),
        "RawRisk" => value(&config.risk),
        "RawPortfolios" => value(&RawPortfolios::default()),
        "RawSource" => value(&RawSource::default()),
        "RawSink" => value(&RawSink::default()),
        "RawPlay" => value(&RawPlay::default()),
        "RawCalendar" => filled::<RawCalendar>(&["name", "zone"]),
        "RawSession" => filled::<RawSession>(&["days", "opens", "closes"]),
        "RawInstrument" => filled::<RawInstrument>(&["pattern"]),
        "SimulatedConfig" => value(&SimulatedConfig::default()),
        "FaultsConfig" => value(&FaultsConfig::default()),
        "FillsConfig" => {
            let written = serde_json::json!({ "portfolios": [] });
            without(&["portfolios"], value(&read_as::<FillsConfig>(written)))
        }
        "UnitsConfig" => value(&UnitsConfig::default()),
        "CsvConfig" => value(&CsvConfig::default()),
        _ => Value::Null,
    }
}

fn value(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap()
}

fn read_as<T: DeserializeOwned>(written: Value) -> T {
    serde_json::from_value(written).unwrap()
}

/// The defaults of `T`, whose `required` keys are texts.
fn filled<T: Serialize + DeserializeOwned>(required: &[&str]) -> Value {
    let written = required.iter().map(|key| ((*key).to_owned(), Value::from("")));
    without(required, value(&read_as::<T>(written.collect())))
}

fn without(keys: &[&str], mut value: Value) -> Value {
    for key in keys {
        value.as_object_mut().unwrap().remove(*key);
    }
    value
}
