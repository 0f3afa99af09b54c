//! Rules that the compiler cannot state. Each failure says what to do instead.

use std::fs;
use std::path::{Path, PathBuf};

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

/// Code lines of all files under `folder` that contain `word`.
fn lines_with(folder: &str, word: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
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
    for folder in ["dataflows/src/serve", "dataflows/src/views"] {
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
fn deliveries_know_views_only() {
    for other in
        ["timely", "differential_dataflow", "operators::", "crate::publish", "crate::serve", "warp"]
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
fn oracles_know_nothing_of_operators() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../oracle/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(!manifest.contains("operators"), "an oracle that shares code shares mistakes");
}

#[test]
fn every_configuration_that_ships_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
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
