//! Rows as notifications read them.

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::value::RawValue;

/// A row of a view: by column, its value as text. Numbers keep the digits that the view wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextRow(BTreeMap<String, Option<String>>);

impl TextRow {
    /// Reads a row that was encoded as a JSON object.
    pub(super) fn of_json(json: &str) -> TextRow {
        let parsed: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(json).unwrap_or_default();
        TextRow(parsed.into_iter().map(|(name, raw)| (name, text(raw.get()))).collect())
    }

    /// A row of these columns, each with the same text.
    pub(super) fn sample(columns: &[String], text: &str) -> TextRow {
        TextRow(columns.iter().map(|name| (name.clone(), Some(text.to_owned()))).collect())
    }

    /// With another text in a column.
    #[cfg(test)]
    #[must_use]
    pub(super) fn with(mut self, column: &str, text: &str) -> TextRow {
        self.0.insert(column.to_owned(), Some(text.to_owned()));
        self
    }

    /// The text of a column; none if it is empty or not there.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// A column as a whole number.
    pub(super) fn number(&self, column: &str) -> Option<u64> {
        self.text(column)?.parse().ok()
    }

    /// The columns that have a text, in the order of their names.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, text)| Some((&**name, text.as_deref()?)))
    }

    /// The same for a template.
    pub(super) fn value(&self) -> Value {
        Value::from_pairs(
            self.0.iter().map(|(name, text)| (name.clone(), optional(text.as_deref()))),
        )
    }
}

/// A text for a template, or nothing.
pub(super) fn optional(text: Option<&str>) -> Value {
    text.map_or_else(|| Value::from(()), Value::from)
}

/// The text of a JSON value; none of `null`.
fn text(raw: &str) -> Option<String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'n') | None => None,
        Some(_) => Some(raw.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let row =
            TextRow::of_json(r#"{"price":50000.1000,"big":9007199254740993,"t":"a\"b","e":null}"#);
        assert_eq!(row.text("price"), Some("50000.1000"));
        assert_eq!(row.number("big"), Some(9_007_199_254_740_993));
        assert_eq!([row.text("t"), row.text("e"), row.text("no")], [Some("a\"b"), None, None]);
        assert_eq!(TextRow::of_json("no object"), TextRow::default());
    }
}
