//! The columns of a JSON object: texts at dotted paths, exactly as written.
//!
//! ```
//! use connectors::mapping::json::Paths;
//! // A frame of Binance's combined stream.
//! let frame = r#"{"stream":"btcusdt@trade","data":{"e":"trade","p":"61800.30","q":0.0060,"m":false}}"#;
//! let mut paths = Paths::default();
//! let (price, size) = (paths.add("data.p").unwrap(), paths.add("data.q").unwrap());
//! let texts = paths.read(frame).unwrap();
//! assert_eq!(texts[price].as_deref(), Some("61800.30"));
//! assert_eq!(texts[size].as_deref(), Some("0.0060")); // no number is ever rounded
//! ```

use std::borrow::Cow;
use std::fmt;

use market::{Event, RejectionReason};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::check::Mapping;
use super::config::Column;
use super::decode::Decoder;
use super::error::DecodeError;
use super::field::Field;
use crate::source::Decoded;

/// The columns of a mapping in JSON objects.
#[derive(Clone, Debug)]
pub struct JsonColumns {
    paths: Paths,
    layout: [Option<usize>; Field::COUNT],
}

/// The paths that are wanted, as a tree of keys. Keys that themselves hold a dot cannot be reached.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    root: Node,
    count: usize,
}

/// The texts of an object, by the index that [`Paths::add`] gave; none where the object has nothing
/// there, or `null`.
pub type ObjectTexts<'a> = [Option<Cow<'a, str>>; Field::COUNT];

#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<(String, Child)>,
}

#[derive(Clone, Debug)]
enum Child {
    Leaf(usize),
    Inner(Node),
}

impl JsonColumns {
    /// Finds the mapping's columns; an error names the one that JSON cannot have.
    pub fn check(mapping: &Mapping) -> Result<JsonColumns, String> {
        let mut paths = Paths::default();
        let layout = mapping.lay_out(|column| match column {
            Column::Name(path) => paths.add(path),
            Column::Number(number) => Err(format!(
                "column {number}: JSON has no numbered columns; write a path such as \"data.p\""
            )),
        })?;
        Ok(JsonColumns { paths, layout })
    }

    /// What [`Decoder::decode`] says of the object that `line` is.
    pub fn decode(
        &self,
        line: &str,
        decoder: &mut Decoder,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        self.decode_with(line, decoder, position, None)
    }

    /// The same, with the symbol from outside the object.
    pub fn decode_with(
        &self,
        line: &str,
        decoder: &mut Decoder,
        position: u64,
        symbol: Option<&str>,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        let texts = self.paths.read(line);
        let texts = texts.map_err(|why| DecodeError::new(RejectionReason::Malformed, why))?;
        let text = |field: Field| match (field, symbol) {
            (Field::Symbol, Some(symbol)) => Some(symbol),
            _ => texts[self.layout[field as usize]?].as_deref(),
        };
        decoder.decode(text, position)
    }

    /// `{…}` of `1723161600164378285 {…}`: what follows a number and a blank, if that is how a line begins.
    pub fn after_stamp(line: &str) -> &str {
        match line.split_once(' ') {
            Some((stamp, rest)) if stamp.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => line,
        }
    }
}

impl Paths {
    /// Adds a path such as `data.p`; the same path has the same index. At most [`Field::COUNT`].
    pub fn add(&mut self, path: &str) -> Result<usize, String> {
        let wrong = |why: &str| format!("the path \"{path}\" {why}");
        let mut node = &mut self.root;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if key.is_empty() {
                return Err(wrong("has an empty key (write keys joined by single dots)"));
            }
            let at = node.children.iter().position(|(k, _)| k == key);
            if keys.peek().is_none() {
                return match at.map(|at| &node.children[at].1) {
                    Some(Child::Leaf(index)) => Ok(*index),
                    Some(Child::Inner(_)) => Err(wrong("is an object that holds other columns")),
                    None if self.count == Field::COUNT => Err(wrong("is one too many")),
                    None => {
                        let leaf = Child::Leaf(self.count);
                        node.children.push((key.to_owned(), leaf));
                        self.count += 1;
                        Ok(self.count - 1)
                    }
                };
            }
            let at = at.unwrap_or_else(|| {
                let inner = Child::Inner(Node::default());
                node.children.push((key.to_owned(), inner));
                node.children.len() - 1
            });
            node = match &mut node.children[at].1 {
                Child::Inner(inner) => inner,
                Child::Leaf(_) => return Err(wrong("lies inside another column")),
            };
        }
        Err(wrong("is empty"))
    }

    /// The texts at the paths; an error in words if `line` is not one JSON object.
    ///
    /// Allocates only for texts that hold escapes.
    pub fn read<'a>(&self, line: &'a str) -> Result<ObjectTexts<'a>, String> {
        let mut texts = [const { None }; Field::COUNT];
        let mut json = serde_json::Deserializer::from_str(line);
        let seed = Object { node: &self.root, texts: &mut texts, is_root: true };
        seed.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| {
            let why = error.to_string().replace(" at line 1 column ", " at byte ");
            format!("not a JSON object that can be read: {why}")
        })?;
        Ok(texts)
    }
}

/// Reads what may be an object, into `texts`.
struct Object<'n, 't, 'a> {
    node: &'n Node,
    texts: &'t mut ObjectTexts<'a>,
    is_root: bool,
}

impl<'a> DeserializeSeed<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.is_root {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Key(self.node))? {
            match child {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(Child::Inner(node)) => {
                    map.next_value_seed(Object { node, texts: &mut *self.texts, is_root: false })?
                }
                Some(Child::Leaf(index)) => {
                    let text =
                        leaf(map.next_value::<&RawValue>()?.get()).map_err(A::Error::custom)?;
                    if text.is_some() && self.texts[*index].is_some() {
                        return Err(A::Error::custom("a key that is a column appears twice"));
                    }
                    self.texts[*index] = text;
                }
            }
        }
        Ok(())
    }

    // What is no object has none of the columns below it.

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Finds a key among a node's children.
struct Key<'n>(&'n Node);

impl<'n, 'a> DeserializeSeed<'a> for Key<'n> {
    type Value = Option<&'n Child>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Key<'n> {
    type Value = Option<&'n Child>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let mut children = self.0.children.iter();
        Ok(children.find(|(k, _)| k == key).map(|(_, child)| child))
    }
}

/// The text of a value: of a string, what it says; of a number or boolean, as written.
pub(crate) fn leaf(raw: &str) -> Result<Option<Cow<'_, str>>, String> {
    match raw.as_bytes() {
        b"null" => Ok(None),
        [b'{' | b'[', ..] => Err("a column holds an object or an array".to_owned()),
        [b'"', .., b'"'] if raw.contains('\\') => serde_json::from_str(raw)
            .map(|text: String| Some(Cow::Owned(text)))
            .map_err(|error| error.to_string()),
        [b'"', .., b'"'] => Ok(Some(Cow::Borrowed(&raw[1..raw.len() - 1]))),
        _ => Ok(Some(Cow::Borrowed(raw))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(wanted: &[&str], line: &str) -> Result<Vec<Option<String>>, String> {
        let mut paths = Paths::default();
        for path in wanted {
            paths.add(path)?;
        }
        let texts = paths.read(line)?;
        Ok(texts[..paths.count].iter().map(|t| t.as_ref().map(|t| t.to_string())).collect())
    }

    #[test]
    fn texts_at_paths() {
        for (line, want) in [
            (r#"{"a":1.50,"b":{"c":"x"}}"#, [Some("1.50"), Some("x")]),
            (
                r#"{"b":{"d":[{"c":1}],"c":true},"a":12345678901234567890123}"#,
                [Some("12345678901234567890123"), Some("true")],
            ),
            (r#" { "a" : "q\"\u00e9" , "b" : null } "#, [Some("q\"é"), None]),
            (r#"{"\u0061":"","b":[1,[2]]}"#, [Some(""), None]),
            (r#"{"a":null,"b":"c"}"#, [None, None]),
            ("{}", [None, None]),
        ] {
            let want: Vec<_> = want.iter().map(|t| t.map(str::to_owned)).collect();
            assert_eq!(read(&["a", "b.c"], line), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for line in [
            "",
            "1",
            "[]",
            "null",
            "{",
            r#"{"a":}"#,
            r#"{"a":1} x"#,
            r#"{"a":{}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1"#,
        ] {
            assert!(read(&["a"], line).is_err(), "{line}");
        }
    }

    #[test]
    fn paths_that_cannot_be() {
        assert!(read(&["a.b", "a"], "{}").unwrap_err().contains("holds other columns"));
        assert!(read(&["a", "a.b"], "{}").unwrap_err().contains("inside another column"));
        assert!(read(&["a..b"], "{}").unwrap_err().contains("empty key"));
        assert!(read(&["a", "a"], "{}").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(line in r#"[{}\[\]",:\\ab01.nule-]{0,60}"#) {
            let _ = read(&["a", "b.a", "b.b"], &line);
        }
    }
}
