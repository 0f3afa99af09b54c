//! Reads structs and enums out of Rust sources, in the form that rustfmt gives them.

/// A struct whose fields are keys of a configuration.
#[derive(Debug)]
pub(super) struct Structure {
    /// Its doc comment in one line.
    pub(super) doc: String,
    /// Whether all its keys have defaults.
    pub(super) has_defaults: bool,
    /// Its fields, without those that are flattened or skipped.
    pub(super) fields: Vec<Field>,
}

/// A field of such a struct.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    /// Its name in the code.
    pub(super) name: String,
    /// Its name in a configuration.
    pub(super) key: String,
    /// Its deprecated name in a configuration.
    pub(super) alias: Option<String>,
    /// Its type in the code.
    pub(super) kind: String,
    /// Its doc comment in one line.
    pub(super) doc: String,
    /// Whether it may be left out.
    pub(super) has_default: bool,
}

/// The struct called `name` in `source`, if it is there.
pub(super) fn structure(source: &str, name: &str) -> Option<Structure> {
    let lines: Vec<&str> = source.lines().collect();
    let declared = format!("struct {name} {{");
    let first =
        lines.iter().position(|line| line.strip_prefix("pub ").unwrap_or(line) == declared)?;
    let above = lines[..first].iter().rev();
    let mut head: Vec<&str> = above.copied().take_while(|line| is_head(line)).collect();
    head.reverse();
    let mut fields = Vec::new();
    let (mut doc, mut items) = (Vec::new(), Vec::new());
    for line in lines[first + 1..].iter().take_while(|line| **line != "}").map(|line| line.trim()) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else if line.starts_with('#') {
            items.extend(serde_items(line));
        } else if !line.starts_with("//") {
            fields.extend(field(line, &doc.join(" "), &items));
            (doc, items) = (Vec::new(), Vec::new());
        }
    }
    let doc: Vec<&str> = head.iter().filter_map(|line| line.strip_prefix("/// ")).collect();
    let has_defaults = head.iter().flat_map(|line| serde_items(line)).any(|item| item == "default");
    Some(Structure { doc: doc.join(" "), has_defaults, fields })
}

fn is_head(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("#[")
}

/// The field that `line` declares, unless it is no key of its own.
fn field(line: &str, doc: &str, items: &[String]) -> Option<Field> {
    let declared = line.strip_prefix("pub ").unwrap_or(line).trim_end_matches(',');
    let (name, kind) =
        declared.split_once(": ").unwrap_or_else(|| panic!("`{line}` declares no field"));
    if items.iter().any(|item| item == "flatten" || item == "skip") {
        return None;
    }
    let value = |key: &str| {
        let found = items.iter().find_map(|item| item.strip_prefix(&format!("{key} = \"")));
        found.map(|text| text.trim_end_matches('"').to_owned())
    };
    Some(Field {
        name: name.to_owned(),
        key: value("rename").unwrap_or_else(|| name.to_owned()),
        alias: value("alias"),
        kind: kind.to_owned(),
        doc: doc.to_owned(),
        has_default: items.iter().any(|item| item == "default" || item.starts_with("default = ")),
    })
}

/// What stands in a `#[serde(…)]` of one line.
fn serde_items(line: &str) -> Vec<String> {
    let Some(inner) = line.trim().strip_prefix("#[serde(") else { return Vec::new() };
    let (inner, _) = inner
        .rsplit_once(")]")
        .unwrap_or_else(|| panic!("`{line}` goes over several lines, which is not read here"));
    inner.split(", ").map(str::to_owned).collect()
}

/// The names, as written in a configuration, of an enum of variants without data, if it is in `source`.
pub(super) fn variants(source: &str, name: &str) -> Option<Vec<String>> {
    let (before, after) = source.split_once(&format!("pub enum {name} {{\n"))?;
    let lowercase = before.trim_end().ends_with("#[serde(rename_all = \"lowercase\")]");
    assert!(lowercase, "the variants of `{name}` are not written in lower case");
    let (body, _) = after.split_once("\n}\n")?;
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let variants = variants.filter(|variant| variant.chars().all(char::is_alphanumeric));
    Some(variants.map(str::to_lowercase).collect())
}

/// The least and the most that `in_range("PATH", number, least, most)` allows somewhere in `source`.
pub(super) fn bounds(source: &str, path: &str) -> Option<(u64, Option<u64>)> {
    let (_, after) = source.split_once(&format!("\"{path}\","))?;
    let (arguments, _) = after.split_once(')')?;
    let mut arguments = arguments.split(',').map(str::trim).filter(|text| !text.is_empty()).skip(1);
    let (least, most) = (arguments.next()?, arguments.next()?);
    Some((number(least)?, if most == "usize::MAX" { None } else { Some(number(most)?) }))
}

/// `65_536` or `1 << 20`.
fn number(text: &str) -> Option<u64> {
    let text = text.replace('_', "");
    match text.split_once(" << ") {
        Some((factor, bits)) => factor.parse::<u64>().ok()?.checked_shl(bits.parse::<u32>().ok()?),
        None => text.parse().ok(),
    }
}

#[test]
fn a_struct_is_read_with_its_attributes() {
    let source = "\
/// Of a test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// One,
    /// in two lines.
    #[serde(alias = \"uno\")] // its deprecated name
    pub one: Vec<String>,
    #[serde(rename = \"where\", skip_serializing_if = \"Option::is_none\")]
    only: Option<u8>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
";
    let read = structure(source, "Raw").unwrap();
    assert_eq!((read.doc.as_str(), read.has_defaults), ("Of a test.", true));
    let keys: Vec<_> = read.fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, ["one", "where"]);
    assert_eq!(read.fields[0].doc, "One, in two lines.");
    assert_eq!(read.fields[0].alias.as_deref(), Some("uno"));
    assert_eq!(read.fields[1].kind, "Option<u8>");
    let checks = "in_range(\n    \"a.b\",\n    raw.b,\n    1,\n    1 << 20,\n)?; in_range(\"a.c\", c, 0, usize::MAX)";
    assert_eq!(bounds(checks, "a.b"), Some((1, Some(1 << 20))));
    assert_eq!(bounds(checks, "a.c"), Some((0, None)));
}
