//! Files by a pattern, part by part: `*` and `?` for what stands between slashes, `[a-z]` and `[!a-z]` for a character,
//! and `**` for folders at any depth. A wildcard matches no leading dot.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{FILES_MAX, entries, is_file, is_pattern, too_many};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A part of a pattern.
enum Part {
    /// A name.
    Name(String),
    /// Any name that matches.
    Any(Pattern),
    /// Folders at any depth, also none.
    Deep,
}

/// The names of the files that match, in their order.
pub(super) fn matches(folder: &Path, written: &str) -> Result<Vec<String>, String> {
    let (root, rest) = match written.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", written),
    };
    let mut parts = Vec::new();
    for text in rest.split('/').filter(|text| !text.is_empty()) {
        let wrong = |error: glob::PatternError| format!("\"{written}\" is no pattern: {error}");
        parts.push(match text {
            "**" => Part::Deep,
            _ if is_pattern(text) => Part::Any(Pattern::new(text).map_err(wrong)?),
            _ => Part::Name(text.to_owned()),
        });
    }
    if let Some(Part::Deep) = parts.last() {
        parts.push(Part::Any(Pattern::new("*").unwrap_or_default()));
    }
    let mut found = Vec::new();
    let at = folder.join(root);
    // A folder without a name is where the process runs.
    let at = if at.as_os_str().is_empty() { Path::new(".") } else { &at };
    walk(at, root, &parts, &mut found)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Adds what matches `parts` in the folder at `at`, whose names begin with `prefix`.
fn walk(at: &Path, prefix: &str, parts: &[Part], found: &mut Vec<String>) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if let Part::Name(name) = part {
        return step((name, &at.join(name)), prefix, rest, found);
    }
    if !at.is_dir() {
        return Ok(());
    }
    if let Part::Deep = part {
        walk(at, prefix, rest, found)?;
    }
    for (name, path) in entries(at)? {
        match part {
            // Links are not followed, since they may lead back.
            Part::Deep if !name.starts_with('.') && !path.is_symlink() && path.is_dir() => {
                walk(&path, &format!("{prefix}{name}/"), parts, found)?;
            }
            Part::Any(pattern) if pattern.matches_with(&name, OPTIONS) => {
                step((&name, &path), prefix, rest, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Goes on with what is called `name`: it is a match, or a folder that may hold some.
fn step(
    (name, path): (&str, &PathBuf),
    prefix: &str,
    rest: &[Part],
    found: &mut Vec<String>,
) -> Result<(), String> {
    let full = format!("{prefix}{name}");
    match rest {
        [] if is_file(&full, path) => found.push(full),
        [] => {}
        rest => walk(path, &format!("{full}/"), rest, found)?,
    }
    // So that a pattern which matches a whole disk does not gather it; what is found twice may count twice.
    if found.len() > 2 * FILES_MAX { Err(too_many()) } else { Ok(()) }
}
