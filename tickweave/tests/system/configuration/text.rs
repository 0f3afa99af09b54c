//! Doc comments as Markdown.

use super::SECTIONS;

/// Lines of prose are no longer than this.
const WIDTH: usize = 120;

/// Text in lines, the last one ended.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// Text with a capital at its beginning.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// Text that may stand in a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What GitHub makes of a heading in addresses.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A doc comment without its `Default: …`, and that default.
pub(super) fn split_default(doc: &str) -> (String, Option<String>) {
    let Some((before, after)) = doc.split_once("Default: ") else { return (doc.to_owned(), None) };
    let (default, after) = after.split_once(". ").unwrap_or((after, ""));
    let meaning = format!("{} {after}", before.trim_end());
    (meaning.trim().to_owned(), Some(default.trim_end_matches('.').to_owned()))
}

/// Text whose links to code lead to the section of that struct, or nowhere.
pub(super) fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
        out.push_str(before);
        let named = |section: &&super::Section| section.name == name;
        match SECTIONS.iter().find(named) {
            Some(section) => {
                out.push_str(&format!("[{}](#{})", section.heading, anchor(section.heading)));
            }
            None if name == "CODECS" => out.push_str("[the codecs](sources.md#files)"),
            None => out.push_str(&format!("`{name}`")),
        }
    }
    out + rest
}
