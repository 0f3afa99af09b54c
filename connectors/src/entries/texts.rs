//! The fields of one row as texts, whether they came as a JSON object or as columns.

use std::borrow::Cow;
use std::fmt;

use market::RejectionReason;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::FieldError;
use super::fields::{FIELDS, Field, Type, unknown};
use crate::mapping::json::leaf;

/// What a row says in one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RawField<'a> {
    /// The row does not have the field.
    #[default]
    Absent,
    /// It has it and leaves it empty: `null`, or blanks.
    Empty,
    /// A text without blanks around it. Numbers are as they were written.
    Text(Cow<'a, str>),
}

/// What a row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a>([RawField<'a>; Field::COUNT]);

/// Which column of a CSV text is which field.
#[derive(Clone, Debug, Default)]
pub struct EntryHeader {
    columns: Vec<Field>,
}

impl<'a> Texts<'a> {
    /// Reads a JSON object. Keys that are no fields, of which the error has all, or that come twice, are faults.
    ///
    /// ```
    /// use connectors::entries::{Field, Texts};
    /// let texts = Texts::of_object(r#"{"type":"trade","price":61800.10,"side":null}"#).unwrap();
    /// assert_eq!(texts.get(Field::Price), Some("61800.10")); // no number is ever rounded
    /// assert_eq!(texts.get(Field::Side), None);
    /// assert!(Texts::of_object(r#"{"prise":1}"#).is_err());
    /// ```
    pub fn of_object(json: &'a str) -> Result<Texts<'a>, FieldError> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = deserializer.deserialize_map(Object);
        let read = read.and_then(|read| deserializer.end().map(|()| read));
        let Read { texts, wrong } = read.map_err(|error| {
            let why = error.to_string().replace(" at line 1 column ", " at byte ");
            FieldError::of_row(
                RejectionReason::Malformed,
                format!("not a JSON object that can be read: {why}"),
            )
        })?;
        wrong.map_or(Ok(texts), Err)
    }

    /// The text of a field, if it says anything.
    pub fn get(&self, field: Field) -> Option<&str> {
        match &self.0[field as usize] {
            RawField::Text(text) => Some(text),
            RawField::Absent | RawField::Empty => None,
        }
    }

    /// The raw text of a field.
    pub fn raw(&self, field: Field) -> &RawField<'a> {
        &self.0[field as usize]
    }

    /// The fields that say something although the type does not have them.
    pub(super) fn useless(&self, of: Type) -> impl Iterator<Item = Field> {
        let has = move |field: &Field| {
            let doc = field.doc();
            doc.needed.contains(&of) || doc.optional.contains(&of)
        };
        let fields = FIELDS.iter().map(|field| field.of);
        fields.filter(move |field| self.get(*field).is_some() && !has(field))
    }

    fn set(&mut self, field: Field, text: Option<Cow<'a, str>>) {
        self.0[field as usize] = match text {
            Some(Cow::Borrowed(text)) if !text.trim().is_empty() => {
                RawField::Text(Cow::Borrowed(text.trim()))
            }
            Some(Cow::Owned(text)) if !text.trim().is_empty() => {
                RawField::Text(Cow::Owned(text.trim().to_owned()))
            }
            _ => RawField::Empty,
        };
    }
}

impl EntryHeader {
    /// The fields that the names of columns are; an error names what is none, and what there is.
    pub fn read<'n>(names: impl Iterator<Item = &'n str>) -> Result<EntryHeader, String> {
        let mut columns: Vec<Field> = Vec::new();
        for name in names.map(str::trim) {
            let field = Field::named(name).ok_or_else(|| format!("column {}", unknown(name)))?;
            if columns.contains(&field) {
                return Err(format!("there are two columns {}", field.names()));
            }
            columns.push(field);
        }
        Ok(EntryHeader { columns })
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// What a row says, whose columns `column` gives by number.
    pub(super) fn texts<'a>(&self, column: impl Fn(usize) -> Option<&'a str>) -> Texts<'a> {
        let mut texts = Texts::default();
        for (at, field) in self.columns.iter().enumerate() {
            texts.set(*field, column(at).map(Cow::Borrowed));
        }
        texts
    }
}

/// The most keys that an error names beside the first.
const WRONG_KEYS_MAX: usize = 15;

/// Reads an object.
struct Object;

/// What was read: texts, and what is wrong with keys.
struct Read<'a> {
    texts: Texts<'a>,
    wrong: Option<FieldError>,
}

impl<'a> Visitor<'a> for Object {
    type Value = Read<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Read<'a>, A::Error> {
        let mut texts = Texts::default();
        let mut wrong: Option<FieldError> = None;
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            let Some(field) = Field::named(&key) else {
                map.next_value::<IgnoredAny>()?;
                let reason = RejectionReason::BadField;
                let error = FieldError::at(reason, key.into_owned(), unknown);
                wrong = Some(match wrong {
                    Some(first) if first.further.len() < WRONG_KEYS_MAX => first.with([error]),
                    Some(first) => first,
                    None => error,
                });
                continue;
            };
            let raw = map.next_value::<&RawValue>()?.get();
            let text = leaf(raw).map_err(|_| {
                A::Error::custom(format_args!("`{key}` holds an object or an array"))
            })?;
            if *texts.raw(field) != RawField::Absent {
                return Err(A::Error::custom(format_args!("{} appears twice", field.names())));
            }
            texts.set(field, text);
        }
        Ok(Read { texts, wrong })
    }
}
