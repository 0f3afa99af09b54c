//! Rules that the compiler cannot state. Each failure says what to do instead.

mod circles;
mod crates;
mod paths;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crates::{CRATES, workspace};

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The folders of the sources of all crates.
fn sources() -> impl Iterator<Item = String> {
    CRATES.iter().map(|of| format!("{}/src", of.name))
}

/// Code lines of all files under `folder` that contain `word`.
fn lines_with(folder: &str, word: &str) -> Vec<String> {
    let root = workspace().join(folder);
    let files = rust_files(&root);
    assert!(!files.is_empty(), "{folder} holds no Rust files: has it moved?");
    let mut found = Vec::new();
    for file in files {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.contains(word) && !line.trim_start().starts_with("//") {
                found.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn the_read_side_does_not_know_the_engine() {
    for folder in ["serving/src", "rows/src"] {
        for engine in
            ["timely", "differential_dataflow", "operators::", "connectors::", "crate::publish"]
        {
            let found = lines_with(folder, engine);
            assert!(
                found.is_empty(),
                "read views through a `ViewReader`, never `{engine}`: {found:#?}"
            );
        }
    }
}

#[test]
fn views_do_not_know_the_engine() {
    for engine in ["timely", "differential_dataflow", "crate::publish", "crate::engine", "serving"]
    {
        let found = lines_with("dataflows/src/views", engine);
        assert!(found.is_empty(), "say what rows are, without `{engine}`: {found:#?}");
    }
}

#[test]
fn deliveries_know_views_only() {
    for other in
        ["timely", "differential_dataflow", "operators::", "crate::publish", "serving", "warp"]
    {
        let found = lines_with("dataflows/src/delivery", other);
        assert!(
            found.is_empty(),
            "deliver what a `ViewReader` reads, without `{other}`: {found:#?}"
        );
    }
}

#[test]
fn operators_read_no_clock_and_do_no_io() {
    for clock in ["SystemTime", "Instant::now", "std::fs", "std::net", "tokio"] {
        let found = lines_with("operators/src", clock);
        assert!(
            found.is_empty(),
            "time and input reach operators as commits, not by `{clock}`: {found:#?}"
        );
    }
}

#[test]
fn operators_repeat_the_lints_of_the_workspace() {
    let root = workspace();
    let [all, operators] = ["clippy.toml", "operators/clippy.toml"].map(|file| {
        let text = fs::read_to_string(root.join(file)).unwrap();
        text.parse::<toml::Table>().unwrap()
    });
    for (key, value) in all {
        let repeated = operators.get(&key).unwrap_or_else(|| {
            panic!("clippy reads the nearest file only: copy `{key}` to operators/clippy.toml")
        });
        let methods = |list: &toml::Value| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.map(|method| method["path"].as_str().unwrap().to_owned()).collect()
        };
        let (wanted, found) = (methods(&value), methods(repeated));
        assert!(wanted.iter().all(|method| found.contains(method)), "{key}: {wanted:?} {found:?}");
        assert!(value.is_array() || value == *repeated, "{key}: {value} {repeated}");
    }
}

#[test]
fn nothing_is_printed_past_the_command_line() {
    for folder in sources() {
        for print in ["println!", "print!", "dbg!"] {
            let mut found = lines_with(&folder, print);
            found.retain(|line| !line.contains("/tests/")); // a test may say why it is skipped
            assert!(
                found.is_empty(),
                "log by `tracing`, or print by `stderr::say!` or `cli::print`, which survive a closed pipe: {found:#?}"
            );
        }
    }
}

/// The names that several public types have, each with the reason. No name is added here: a new type gets a name of its
/// own. When the types of an entry are renamed, the entry is removed.
const SHARED_NAMES: &[&str] = &[
    // What operators compute or views show, and what the oracle computes to check it, without shared code.
    "BaseAmounts",
    "Fault",
    "FillFault",
    "Measures",
    "Pair",
    "PortfolioAmounts",
    "PortfolioConfig",
    "RiskConfig",
    "Unpriced",
    // The candles and the portfolios of the oracle have the same parts.
    "CommitInput",
    "Fold",
    "Script",
    "Shape",
    // The oracle and the cost baseline use short names, which the product has for something else.
    "Change",
    "Changes",
    "Config",
    "Market",
    "Output",
    "Totals",
    // The settings of portfolios, and what is computed from them.
    "Portfolio",
    "Risk",
    // Columns of files, of indicators and of views.
    "Column",
    // Entries and mappings are decoded by two modules with the same parts.
    "Decoder",
    "Field",
    // A reader, two writers and a queue of lines, in modules that do not meet.
    "Lines",
    // A row that a source reads, and the trait of rows of views.
    "Row",
];

/// Where each public type is defined, by its name.
fn public_types() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in sources() {
        for kind in ["pub struct ", "pub enum ", "pub trait ", "pub type "] {
            for line in lines_with(&folder, kind) {
                let (place, code) = line.split_once(": ").unwrap();
                let Some(rest) = code.strip_prefix(kind) else { continue };
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                types.entry(name.to_owned()).or_default().push(place.to_owned());
            }
        }
    }
    types
}

#[test]
fn public_types_have_names_of_their_own() {
    let mut shared = public_types();
    assert!(shared.contains_key("Candle"), "finds no types any more");
    shared.retain(|_, places| places.len() > 1);
    for name in SHARED_NAMES {
        assert!(
            shared.remove(*name).is_some(),
            "no two public types are named `{name}` now: remove it from `SHARED_NAMES`"
        );
    }
    assert!(shared.is_empty(), "give each public type a name of its own: {shared:#?}");
}

#[test]
fn every_configuration_that_ships_is_good() {
    let folder = workspace().join("examples");
    let mut checked = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let raw = dataflows::config::RawConfig::read(&path).unwrap();
            raw.check(&folder).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            checked += 1;
        }
    }
    assert!(checked > 0, "no examples in {}", folder.display());
}
