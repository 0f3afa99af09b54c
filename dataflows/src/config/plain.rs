//! What parsers say, in plain words.

/// A parser's problem in plain words, without the value that it quotes: that may be a secret in a wrong place.
pub(super) fn plain(problem: &str) -> String {
    if let Some((before, rest)) = problem.split_once("invalid type: ")
        && let Some((found, wanted)) = rest.rsplit_once(", expected ")
    {
        return format!("{before}{} is written, and {} is wanted", of_type(found), of_type(wanted));
    }
    if let Some((before, rest)) = problem.split_once("invalid value: ")
        && let Some((found, wanted)) = rest.rsplit_once(", expected ")
        && let Some(number) = found.strip_prefix("integer ")
    {
        return format!("{before}{number} is not {}", of_type(wanted));
    }
    if let Some((before, rest)) = problem.split_once("unknown variant ") {
        return match rest.split_once(", expected ") {
            Some((found, known)) => {
                let known = known.strip_prefix("one of ").unwrap_or(known);
                format!("{before}{found} is not one of {}", known.replace("` or `", "`, `"))
            }
            None => problem.to_owned(),
        };
    }
    match problem.split_once("missing field ") {
        Some((before, key)) => format!("{before}{key} is missing"),
        None => problem.to_owned(),
    }
}

/// A type as people call it; what is none of serde's comes back.
fn of_type(name: &str) -> String {
    let first = name.split(' ').next().unwrap_or_default();
    let plain = match first {
        _ if name.starts_with("a sequence") => "a list",
        _ if name.starts_with("a string") => "a text",
        _ if name.starts_with("a boolean") => "true or false",
        _ if name.starts_with("a map") => "a table",
        _ if name.starts_with("floating point") => "a number",
        "string" | "char" => "a text",
        "sequence" | "tuple" => "a list",
        "map" | "struct" | "newtype" => "a table",
        "boolean" => "true or false",
        "integer" | "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "f32" | "f64" => "a number",
        "unit" | "null" | "Option" => "nothing",
        _ => return name.to_owned(),
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_parser_is_left() {
        for (problem, want) in [
            (
                "invalid type: string \"hunter2, expected\", expected a sequence",
                "a text is written, and a list is wanted",
            ),
            (
                "`list[1]`: invalid type: floating point `1.5`, expected u8",
                "`list[1]`: a number is written, and a whole number from 0 to 255 is wanted",
            ),
            (
                "invalid type: boolean `true`, expected a column's name or its number",
                "true or false is written, and a column's name or its number is wanted",
            ),
            ("invalid value: integer `-1`, expected usize", "`-1` is not a whole number from 0"),
            (
                "unknown variant `millis`, expected `ms` or `us`",
                "`millis` is not one of `ms`, `us`",
            ),
            (
                "unknown variant `x`, expected one of `a`, `b`, `c`",
                "`x` is not one of `a`, `b`, `c`",
            ),
            ("missing field `name`", "`name` is missing"),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
            ("0 is not between 1 and 256", "0 is not between 1 and 256"),
        ] {
            assert_eq!(plain(problem), want);
        }
    }
}
