//! The fields of a record.

use memchr::{memchr, memchr_iter};

use super::dialect::{Dialect, Meaning, Place};

/// The fields of one record; made once and filled for each.
#[derive(Debug, Default)]
pub struct Fields {
    /// Where each begins and ends.
    spans: Vec<(usize, usize)>,
    /// The fields' text if the record holds quotes; else they lie in the record itself.
    unquoted: String,
    is_unquoted: bool,
}

impl Fields {
    /// Splits a complete record.
    pub fn split(&mut self, record: &str, dialect: &Dialect) {
        self.spans.clear();
        self.is_unquoted = dialect.quote.is_some_and(|q| record.as_bytes().contains(&q));
        if self.is_unquoted {
            self.split_quoted(record, dialect);
        } else {
            self.split_plain(record.as_bytes(), dialect.delimiter);
        }
        self.drop_trailing(dialect);
    }

    /// Splits a line, unless it holds a quote.
    pub(crate) fn split_unquoted(&mut self, line: &[u8], dialect: &Dialect) -> Option<()> {
        if dialect.quote.is_some_and(|quote| memchr(quote, line).is_some()) {
            return None;
        }
        self.is_unquoted = false;
        self.split_plain(line, dialect.delimiter);
        self.drop_trailing(dialect);
        Some(())
    }

    /// Drops what is behind the delimiter that ends a line.
    fn drop_trailing(&mut self, dialect: &Dialect) {
        if dialect.trailing_delimiter && self.spans.len() > 1 && self.ends_empty() {
            self.spans.pop();
        }
    }

    /// Whether the last field is empty.
    pub(crate) fn ends_empty(&self) -> bool {
        self.spans.last().is_some_and(|(from, to)| from == to)
    }

    /// The bytes of the field at `index` of the `line` that was split.
    pub(crate) fn bytes<'a>(&self, line: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let (from, to) = *self.spans.get(index)?;
        line.get(from..to)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none, as before the first record.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The field at `index` of the `record` that was split.
    pub fn get<'a>(&'a self, record: &'a str, index: usize) -> Option<&'a str> {
        let (from, to) = *self.spans.get(index)?;
        let text = match self.is_unquoted {
            true => &self.unquoted,
            false => record,
        };
        text.get(from..to)
    }

    fn split_plain(&mut self, record: &[u8], delimiter: u8) {
        self.spans.clear();
        let mut from = 0;
        for at in memchr_iter(delimiter, record) {
            self.spans.push((from, at));
            from = at + 1;
        }
        self.spans.push((from, record.len()));
    }

    fn split_quoted(&mut self, record: &str, dialect: &Dialect) {
        let text = &mut self.unquoted;
        text.clear();
        let mut from = 0;
        let mut place = Place::Start;
        for c in record.chars() {
            // Delimiter and quote are ASCII; any other character is only text.
            let byte = u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(u8::MAX);
            match dialect.step(&mut place, byte) {
                Meaning::Text => text.push(c),
                Meaning::Nothing => {}
                Meaning::EndOfField => {
                    self.spans.push((from, text.len()));
                    from = text.len();
                }
            }
        }
        self.spans.push((from, text.len()));
    }
}
