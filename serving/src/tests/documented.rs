//! The tables of `docs/http.md` are generated from [`ROUTES`], and true.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{Endpoint, ParameterPlace, ParameterType, ROUTES, RouteParameter};

const PAGE: &str = "docs/http.md";
const WRITE: &str = "TICKWEAVE_WRITE_DOCS";
const COMMAND: &str = "TICKWEAVE_WRITE_DOCS=1 cargo test -p serving documented";
/// The generated part is between these lines.
const BEGIN: &str = "<!-- Generated from `ROUTES` by a test of `serving`; do not edit. -->\n";
const END: &str = "<!-- End of the generated part. -->\n";

#[test]
fn the_page_shows_the_routes_as_they_are() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    let written = fs::read_to_string(&page).unwrap();
    let (before, rest) = written.split_once(BEGIN).expect("the page has no generated part");
    let (present, after) = rest.split_once(END).expect("the generated part does not end");
    let tables = format!("\n{}\n{}\n", routes(), parameters());
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::write(&page, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        return;
    }
    let different = present.lines().zip(tables.lines()).find(|(is, should)| is != should);
    assert!(
        present == tables,
        "{PAGE} is not what the code says; write it anew with `{COMMAND}`: {different:#?}"
    );
}

fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    ROUTES.iter().flat_map(|entry| entry.endpoints)
}

/// The table of routes.
fn routes() -> String {
    let mut table = String::from("| path | needs | answer | parameters |\n|---|---|---|---|\n");
    for endpoint in endpoints() {
        let method = &endpoint.methods[0];
        let own = endpoint.parameters.iter().filter(|one| one.place != ParameterPlace::Path);
        let names: Vec<_> = own.map(|parameter| format!("`{}`", parameter.name)).collect();
        let names = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
        let Endpoint { path, doc, access, .. } = endpoint;
        let needs = access.name();
        writeln!(table, "| `{method} {path}` | {needs} | {doc} | {names} |").unwrap();
    }
    table
}

/// The table of parameters: one row for each declaration.
fn parameters() -> String {
    let mut all: Vec<&RouteParameter> = Vec::new();
    for parameter in endpoints().flat_map(|endpoint| endpoint.parameters) {
        if !all.contains(&parameter) {
            all.push(parameter);
        }
    }
    all.sort_by_key(|parameter| parameter.place as u8);
    let mut table =
        String::from("| parameter | in | values | default | meaning |\n|---|---|---|---|---|\n");
    for parameter in &all {
        let is_same = |other: &&&RouteParameter| {
            (other.name, other.place) == (parameter.name, parameter.place)
        };
        let mut name = names(parameter);
        if all.iter().filter(is_same).count() > 1 {
            let paths = endpoints().filter(|endpoint| endpoint.parameters.contains(parameter));
            let paths: Vec<_> = paths.map(|endpoint| format!("`{}`", endpoint.path)).collect();
            write!(name, " of {}", paths.join(", ")).unwrap();
        }
        let (place, values, default) =
            (parameter.place.name(), values(parameter), default(parameter));
        writeln!(table, "| {name} | {place} | {values} | {default} | {} |", parameter.doc).unwrap();
    }
    table
}

/// The name and its aliases.
fn names(parameter: &RouteParameter) -> String {
    let names = [parameter.name].into_iter().chain(parameter.aliases.iter().copied());
    quoted(&names.collect::<Vec<_>>())
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// The possible values in words.
fn values(parameter: &RouteParameter) -> String {
    let one = match parameter.kind {
        ParameterType::Symbol => "an instrument".to_owned(),
        ParameterType::Timeframe => "a timeframe that is computed".to_owned(),
        ParameterType::Time => "a time".to_owned(),
        ParameterType::PastState => "a time, or `commit:` and a number".to_owned(),
        ParameterType::ResumeToken => "a resume token".to_owned(),
        ParameterType::MinFrontier => "a completion token, or the number of a commit".to_owned(),
        ParameterType::Count(range) => format!("{} to {}", range.least, range.most),
        ParameterType::Milliseconds(range) => format!("{} to {} ms", range.least, range.most),
        ParameterType::Duration => "a number and `ms`, `s`, `m`, `h` or `d`".to_owned(),
        ParameterType::Cursor => "`*`, or the cursor of a page".to_owned(),
        ParameterType::Word { words, .. } => quoted(words),
        ParameterType::Name(what) => what.to_owned(),
        ParameterType::Columns => "a column of the view".to_owned(),
        ParameterType::ColumnText => "a value of the column".to_owned(),
        ParameterType::Text => "text".to_owned(),
        ParameterType::RowKey => "the columns of a key, joined by a bar".to_owned(),
        ParameterType::VisibleAscii(most) => format!("1 to {most} visible ASCII characters"),
        ParameterType::MediaTypes(words) | ParameterType::ContentCodings(words) => quoted(words),
        ParameterType::EntityTags => "an `ETag`".to_owned(),
        ParameterType::Rows => "rows".to_owned(),
        ParameterType::JsonObject => "an object in JSON".to_owned(),
    };
    if parameter.several { format!("{one}; several by commas") } else { one }
}

/// What is meant without the parameter.
fn default(parameter: &RouteParameter) -> String {
    match parameter.kind {
        _ if parameter.required => "required".to_owned(),
        ParameterType::Count(range) | ParameterType::Milliseconds(range) => {
            range.default.to_string()
        }
        ParameterType::Word { default: Some(default), .. } => format!("`{default}`"),
        ParameterType::Timeframe if !parameter.several => "the smallest".to_owned(),
        _ => "none".to_owned(),
    }
}

#[test]
fn the_page_says_why_a_client_may_have_to_begin_anew() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    let written = fs::read_to_string(&page).unwrap();
    for why in crate::resume::REASONS {
        assert!(written.contains(&format!("| `{}` |", why.reason())), "{why:?}");
    }
}
