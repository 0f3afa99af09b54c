//! The tables of fields in `docs/http.md` are generated from [`TYPES`] and [`FIELDS`].

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

const PAGE: &str = "docs/http.md";
const COMMAND: &str = "TICKWEAVE_WRITE_DOCS=1 cargo test -p connectors documented";
/// The generated part is between these lines.
const BEGIN: &str =
    "<!-- Generated from `TYPES` and `FIELDS` by a test of `connectors`; do not edit. -->\n";
const END: &str = "<!-- End of the fields. -->\n";

#[test]
fn the_page_shows_the_fields_as_they_are() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    let written = fs::read_to_string(&page).unwrap();
    let (before, rest) = written.split_once(BEGIN).expect("the page has no generated part");
    let (present, after) = rest.split_once(END).expect("the generated part does not end");
    let tables = format!("\n{}\n{}\n", types(), fields());
    if std::env::var_os("TICKWEAVE_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&page, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        return;
    }
    let different = present.lines().zip(tables.lines()).find(|(is, should)| is != should);
    assert!(
        present == tables,
        "{PAGE} is not what the code says; write it anew with `{COMMAND}`: {different:#?}"
    );
}

fn types() -> String {
    let mut table =
        String::from("| `type` | what it says | needs | may have |\n|---|---|---|---|\n");
    for TypeDoc { of, name, alias, doc } in TYPES {
        let those = |has: &dyn Fn(&FieldDoc) -> bool| {
            let own = FIELDS.iter().filter(|field| field.of != Field::Type && has(field));
            let names: Vec<_> = own.map(|field| format!("`{}`", field.name)).collect();
            names.join(", ")
        };
        let needs = those(&|field| field.needed.contains(of));
        let may_have = those(&|field| field.optional.contains(of));
        let name = names(name, *alias);
        writeln!(table, "| {name} | {doc} | {needs} | {may_have} |").unwrap();
    }
    table
}

fn fields() -> String {
    let mut table = String::from("| field | what it holds |\n|---|---|\n");
    for FieldDoc { name, alias, doc, .. } in FIELDS {
        writeln!(table, "| {} | {doc} |", names(name, *alias)).unwrap();
    }
    table
}

/// The name and its alias.
fn names(name: &str, alias: Option<&str>) -> String {
    let names = [Some(name), alias].into_iter().flatten().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}
