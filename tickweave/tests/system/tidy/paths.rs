//! Reads the paths in a source file.
//!
//! Knows no more of Rust than that: comments, paths, and where an item ends, as rustfmt writes it.

/// A word, `::`, or any other character, and the number of its line.
type Token<'a> = (usize, &'a str);

/// The lines of a file without comments and without the items of tests, which are blank.
fn code(text: &str) -> Vec<&str> {
    // How far the item at hand is indented, if it is left out.
    let mut left_out = None;
    let without_tests = text.lines().map(|line| {
        let line = line.split("//").next().unwrap().trim_end();
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("#[cfg(test)]") {
            left_out = Some(indent);
        }
        let Some(of_item) = left_out else { return line };
        if indent == of_item && line.ends_with([';', ',', '}']) {
            left_out = None;
        }
        ""
    });
    without_tests.collect()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens<'a>(lines: &[&'a str]) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = match rest.find(|c: char| !c.is_alphanumeric() && c != '_') {
                Some(0) if rest.starts_with("::") => 2,
                Some(0) => first.len_utf8(),
                end => end.unwrap_or(rest.len()),
            };
            tokens.push((number, &rest[..len]));
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

/// Reads the path that goes on at token `at` after the segments `before`, and, if it ends in braces, each of those in
/// them. Returns the first token after it.
fn read_path(
    tokens: &[Token<'_>],
    mut at: usize,
    before: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("}", |(_, token)| *token); // the end of a file ends all
    let mut segments = before.to_vec();
    while is_word(token(at)) {
        segments.push(token(at).to_owned());
        at += 1;
        if token(at) != "::" {
            break;
        }
        at += 1;
    }
    if token(at) != "{" || token(at - 1) != "::" {
        paths.push(segments);
        return at;
    }
    at += 1;
    while token(at) != "}" {
        at = match token(at) {
            "as" => at + 2,
            word if is_word(word) => read_path(tokens, at, &segments, paths),
            _ => at + 1,
        };
    }
    at + 1
}

/// The paths of a text that say where they begin, each with its line.
pub(super) fn paths(text: &str) -> Vec<(usize, Vec<String>)> {
    let lines = code(text);
    let tokens = tokens(&lines);
    let mut all = Vec::new();
    for (at, (line, token)) in tokens.iter().enumerate() {
        let begins = matches!(*token, "crate" | "super" | "self")
            && tokens.get(at + 1).is_some_and(|(_, next)| *next == "::")
            && (at == 0 || tokens[at - 1].1 != "::");
        if begins {
            let mut paths = Vec::new();
            read_path(&tokens, at, &[], &mut paths);
            all.extend(paths.into_iter().map(|path| (*line, path)));
        }
    }
    all
}
