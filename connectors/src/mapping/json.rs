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
use super::frames::Frames;
use super::layout::Layout;
use super::packing::Packing;
use crate::source::Decoded;

/// The columns of a mapping in JSON objects, and in the rows of JSON messages.
#[derive(Clone, Debug)]
pub struct JsonColumns {
    /// The columns of a row.
    paths: Paths,
    /// The columns of the message that rows lie in.
    outer: Paths,
    /// Where the rows lie in a message, if it may hold several.
    frames: Option<Frames>,
    /// Places in `paths`, and those of `outer` behind [`PATHS_MAX`].
    layout: Layout,
}

/// At most so many paths are read of one value.
pub const PATHS_MAX: usize = 40;

/// The paths that are wanted, as a tree of keys. Keys that themselves hold a dot cannot be reached.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    root: Node,
    count: usize,
}

/// The texts of an object, by the index that [`Paths::add`] gave; none where the object has nothing
/// there, or `null`.
pub type ObjectTexts<'a> = [Option<Cow<'a, str>>; PATHS_MAX];

/// Keys of an object, or numbers from 1 of an array's elements.
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
        let frames = Frames::check(&mapping.rows)?;
        let (mut paths, mut outer) = (Paths::default(), Paths::default());
        let layout = mapping.lay_out(|column| match column {
            Column::Number(number) if frames.is_some() => paths.add(&number.to_string()),
            Column::Number(number) => Err(format!(
                "column {number}: JSON has no numbered columns; write a path such as \"data.p\""
            )),
            Column::Name(path) => match (path.strip_prefix("$."), &frames) {
                (None, _) => paths.add(path),
                (Some(path), None) => paths.add(path),
                (Some(path), Some(_)) => outer.add(path).map(|place| PATHS_MAX + place),
            },
            Column::FirstOf(_) => Err(format!("column {column} is several")), // taken apart before
        })?;
        Ok(JsonColumns { paths, outer, frames, layout })
    }

    /// How the positions of rows come from those of messages.
    pub fn packing(&self) -> Packing {
        if self.frames.is_some() { Packing::SEVERAL } else { Packing::ONE }
    }

    /// What [`Decoder::decode`] says of the object that `line` is; of messages of several rows, see
    /// [`Self::decode_each`].
    pub fn decode(
        &self,
        line: &str,
        decoder: &mut Decoder,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        let mut last = Ok(None);
        self.decode_each(line, decoder, position, None, &mut |_, decoded| last = decoded);
        last
    }

    /// Hands each row of the message of number `message` to `take`, with its position. `symbol` is the symbol from
    /// outside the message, if it is there.
    pub fn decode_each(
        &self,
        line: &str,
        decoder: &mut Decoder,
        message: u64,
        symbol: Option<&str>,
        take: &mut dyn FnMut(u64, Result<Option<Decoded<Event>>, DecodeError>),
    ) {
        let malformed = |why| DecodeError::new(RejectionReason::Malformed, why);
        let first = self.packing().row(message, 0);
        let Some(frames) = &self.frames else {
            return take(
                first,
                match self.paths.read(line) {
                    Ok(texts) => {
                        decoder.decode(|field| self.text(field, symbol, &texts, None), first)
                    }
                    Err(why) => Err(malformed(why)),
                },
            );
        };
        let found = self.outer.read_any(line).and_then(|outer| Ok((frames.find(line)?, outer)));
        let (rows, outer) = match found {
            Ok(found) => found,
            Err(why) => return take(first, Err(malformed(why))),
        };
        let outer = Some(&outer);
        let Some(rows) = rows else {
            let nothing = [const { None }; PATHS_MAX];
            return take(
                first,
                match decoder.counts(|field| self.text(field, symbol, &nothing, outer)) {
                    true => Err(malformed(frames.nothing())),
                    false => Ok(None),
                },
            );
        };
        for (place, row) in rows.into_iter().enumerate() {
            let position = self.packing().row(message, place);
            let decoded = self.paths.read_any(row).map_err(malformed).and_then(|texts| {
                decoder.decode(|field| self.text(field, symbol, &texts, outer), position)
            });
            take(position, decoded.map_err(|error| error.in_row(place + 1)));
        }
    }

    /// The text of a field, of the row or of the message that it lies in.
    fn text<'a>(
        &self,
        field: Field,
        symbol: Option<&'a str>,
        row: &'a ObjectTexts<'_>,
        outer: Option<&'a ObjectTexts<'_>>,
    ) -> Option<&'a str> {
        match (field, symbol) {
            (Field::Symbol, Some(symbol)) => Some(symbol),
            _ => self.layout.text(field, |place| match place.checked_sub(PATHS_MAX) {
                Some(place) => outer?[place].as_deref(),
                None => row[place].as_deref(),
            }),
        }
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
    /// Adds a path such as `data.p`; the same path has the same index. At most [`PATHS_MAX`].
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
                    None if self.count == PATHS_MAX => Err(wrong("is one too many")),
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
        self.read_root(line, true)
    }

    /// The same of an object or an array.
    fn read_any<'a>(&self, value: &'a str) -> Result<ObjectTexts<'a>, String> {
        self.read_root(value, false)
    }

    fn read_root<'a>(&self, line: &'a str, is_root: bool) -> Result<ObjectTexts<'a>, String> {
        let mut texts = [const { None }; PATHS_MAX];
        let mut json = serde_json::Deserializer::from_str(line);
        let seed = Object { node: &self.root, texts: &mut texts, is_root };
        seed.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| {
            let why = error.to_string().replace(" at line 1 column ", " at byte ");
            let hint = match why.starts_with("invalid type: sequence, expected an object") {
                true => {
                    "; of an array, `rows = [\"$\"]` (`--rows '$'`) reads each element as a row"
                }
                false => "",
            };
            format!("not a JSON object that can be read: {why}{hint}")
        })?;
        Ok(texts)
    }
}

impl Node {
    /// What is wanted of the element of this number, from 1.
    fn at(&self, number: usize) -> Option<&Child> {
        let is_it = |(key, _): &&(String, Child)| key.parse() == Ok(number);
        self.children.iter().find(is_it).map(|(_, child)| child)
    }
}

/// Reads what may be an object or an array, into `texts`.
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
        for number in 1_usize.. {
            let is_read = match self.node.at(number) {
                None => seq.next_element::<IgnoredAny>()?.is_some(),
                Some(Child::Inner(node)) => {
                    let inner = Object { node, texts: &mut *self.texts, is_root: false };
                    seq.next_element_seed(inner)?.is_some()
                }
                Some(Child::Leaf(index)) => {
                    let element = seq.next_element::<&RawValue>()?;
                    if let Some(element) = element {
                        self.texts[*index] = leaf(element.get()).map_err(A::Error::custom)?;
                    }
                    element.is_some()
                }
            };
            if !is_read {
                break;
            }
        }
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
