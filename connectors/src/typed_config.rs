//! Typed configurations, made from what is written.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is written, as the type that reads it; an error names the key inside of it: `` `columns.time`: … ``.
pub(crate) fn typed<T: DeserializeOwned>(written: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(written).map_err(|error| {
        let problem = error.inner().to_string();
        let path = error.path().to_string();
        // An unknown key is named by the problem itself.
        let outer = match problem.strip_prefix("unknown field `") {
            Some(rest) => {
                let key = rest.split('`').next().unwrap_or_default();
                path.strip_suffix(key).map_or(&*path, |outer| outer.trim_end_matches('.'))
            }
            None => &path,
        };
        match outer {
            "" | "." | "?" => problem,
            key => format!("`{key}`: {problem}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by `Debug`")]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by `Debug`")]
    struct Inner {
        word: Word,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        One,
    }

    #[test]
    fn an_error_names_the_key() {
        for (written, want) in [
            (json!({"list": "a"}), "`list`: invalid type: string \"a\", expected a sequence"),
            (json!({"list": [1, "a"]}), "`list[1]`: invalid type: string \"a\", expected u8"),
            (json!({"lst": []}), "unknown field `lst`, expected `inner` or `list`"),
            (json!({}), "missing field `list`"),
            (
                json!({"inner": {"word": "two"}, "list": []}),
                "`inner.word`: unknown variant `two`, expected `one`",
            ),
            (
                json!({"inner": {"wrd": "one"}, "list": []}),
                "`inner`: unknown field `wrd`, expected `word`",
            ),
        ] {
            let error = typed::<Outer>(written).unwrap_err();
            assert_eq!(error, want);
        }
        let fine = typed::<Outer>(json!({"inner": {"word": "one"}, "list": [1]})).unwrap();
        assert!(matches!(fine.inner, Some(Inner { word: Word::One })));
    }
}
