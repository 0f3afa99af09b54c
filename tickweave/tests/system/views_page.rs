//! `docs/views.md` is generated from the list of views, and true.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use dataflows::jobs::JOBS;
use dataflows::view_list::VIEWS;
use rows::{Column, View};

/// Writes the page anew.
const COMMAND: &str = "TICKWEAVE_WRITE_DOCS=1 cargo test -p tickweave --test system views_page";

const INTRODUCTION: &str = "This page lists every view and its columns. It is generated from the list in the code. Do \
not edit it: change the code\nand run the command below. A test fails while the page differs from the code. \
`GET /v1/views` says the same of a running\njob.\n\n\
A `keyed` view has one row per key, restated in place; a `log` only gains rows. **Bold** columns are the key. The\n\
number of decimals of a `decimal` is fixed, or it is that of prices, of quantities or of their product (`notional`) of\n\
the row's instrument. A column that is `nullable` may have no value: `null` in JSON, an empty field in CSV.\n";

fn type_of(column: &Column) -> String {
    let Column { column_type, is_nullable, .. } = *column;
    let mut text = column_type.name().to_owned();
    if let Some(scale) = column_type.scale() {
        let _ = write!(text, "({scale})");
    }
    if let Some(words) = column_type.words() {
        let _ = write!(text, ": `{}`", words.join("` `"));
    }
    text + if is_nullable { ", nullable" } else { "" }
}

fn section(view: &View) -> String {
    let mut section = format!("## {}\n\nA {} view: {}.", view.name, view.kind.name(), view.doc);
    if view.history {
        section += " `as_of` reads it as it was.";
    }
    let jobs = JOBS.iter().filter(|job| job.views.named(view.name).is_some());
    let jobs: Vec<String> = jobs.map(|job| format!("`{}`", job.name)).collect();
    let _ = write!(section, " Jobs: {}.", jobs.join(", "));
    if !view.recorded {
        section += " It describes the process: a replay has other rows, and `--out` writes none.";
    }
    section += "\n\n| column | type | unit | meaning |\n|---|---|---|---|\n";
    for column in view.columns {
        let name =
            if column.is_key { format!("**{}**", column.name) } else { column.name.to_owned() };
        let unit = column.unit.map_or("–", |unit| unit.name());
        let doc = column.doc.replace('|', "\\|");
        let _ = writeln!(section, "| {name} | {} | {unit} | {doc} |", type_of(column));
    }
    section
}

fn page() -> String {
    let links = VIEWS.iter().map(|view| format!("[{0}](#{0})", view.name)).collect::<Vec<_>>();
    let links: Vec<String> = links.chunks(5).map(|line| line.join(" ")).collect();
    let sections: Vec<String> = VIEWS.iter().map(section).collect();
    format!(
        "# Views\n\n{INTRODUCTION}\n```sh\n{COMMAND}\n```\n\n{}\n\n{}",
        links.join("\n"),
        sections.join("\n")
    )
}

#[test]
fn the_page_shows_the_views_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/views.md");
    if std::env::var_os("TICKWEAVE_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, page()).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let (page, mut lines) = (page(), written.lines());
    for line in page.lines() {
        assert_eq!(
            lines.next(),
            Some(line),
            "docs/views.md is old; write it anew with `{COMMAND}`"
        );
    }
    assert_eq!(page, written, "docs/views.md is old; write it anew with `{COMMAND}`");
}

#[test]
fn columns_are_whole() {
    for view in VIEWS {
        assert!(view.columns.iter().any(|column| column.is_key), "{} has no key", view.name);
        for (at, column) in view.columns.iter().enumerate() {
            let name = format!("{}.{}", view.name, column.name);
            assert_eq!(view.column(column.name), Some(at), "{name} is there twice");
            assert!(!column.doc.is_empty(), "{name} has no meaning");
            let is_decimal = column.column_type.scale().is_some();
            assert!(!is_decimal || column.unit.is_some(), "{name} has no unit");
            let words = column.column_type.words().unwrap_or(&["any"]);
            assert!(!words.is_empty() && !words.contains(&""), "{name} has no words");
        }
    }
}
