//! Parameters of routes. Each is declared once: its declaration validates requests (`query`), and describes it in the
//! index and in `docs/http.md`.

use rows::are_equal;

/// A parameter of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteParameter {
    /// Its name. `{column}` stands for the name of any column of the view.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Where requests have it.
    pub place: ParameterPlace,
    /// Its possible values.
    pub kind: ParameterType,
    /// Whether several values are possible, separated by commas.
    pub several: bool,
    /// Whether requests without it are refused.
    pub required: bool,
    /// Its meaning.
    pub doc: &'static str,
}

/// The part of a request that has a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterPlace {
    /// A segment of the path.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
    /// The body.
    Body,
}

/// The possible values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// The name of an instrument.
    Symbol,
    /// A timeframe that is computed; the smallest by default, except where several are possible.
    Timeframe,
    /// RFC 3339, or a number with its unit.
    Time,
    /// A time, or `commit:` and a number.
    PastState,
    /// A completion token, or the number of a commit of this run.
    MinFrontier,
    /// A whole number.
    Count(CountRange),
    /// A whole number of milliseconds.
    Milliseconds(CountRange),
    /// A whole number with its unit: `500ms`, `5s`, `2m`, `1h`, `1d`.
    Duration,
    /// Where a page begins, as the page before says it; `*` begins with the first.
    Cursor,
    /// One of a few words.
    Word {
        /// The words.
        words: &'static [&'static str],
        /// The word that is meant without the parameter, if one is.
        default: Option<&'static str>,
    },
    /// A name from a list that depends on the process, such as `a view`.
    Name(&'static str),
    /// Names of columns of the view.
    Columns,
    /// Texts that a column may have.
    ColumnText,
    /// Any text.
    Text,
    /// The key of a row: its columns joined by `|`.
    RowKey,
    /// The `resume` of a message.
    ResumeToken,
    /// Visible ASCII characters, from 1 to this many.
    VisibleAscii(usize),
    /// Media types, of which the server chooses one.
    MediaTypes(&'static [&'static str]),
    /// Ways to compress, of which the server chooses one, or none.
    ContentCodings(&'static [&'static str]),
    /// Tags of answers, as `ETag` names them.
    EntityTags,
    /// Rows, in one of the formats that `Content-Type` names.
    Rows,
    /// An object in JSON.
    JsonObject,
}

/// The bounds of a number, and the number that is meant without the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// The smallest possible number.
    pub least: usize,
    /// The largest possible number.
    pub most: usize,
    /// The number without the parameter.
    pub default: usize,
}

impl RouteParameter {
    /// An optional parameter of the query.
    pub(crate) const fn query(
        name: &'static str,
        kind: ParameterType,
        doc: &'static str,
    ) -> RouteParameter {
        let place = ParameterPlace::Query;
        RouteParameter { name, aliases: &[], place, kind, several: false, required: false, doc }
    }

    /// A segment of the path.
    pub(crate) const fn path(
        name: &'static str,
        kind: ParameterType,
        doc: &'static str,
    ) -> RouteParameter {
        let place = ParameterPlace::Path;
        RouteParameter { place, required: true, ..RouteParameter::query(name, kind, doc) }
    }

    /// An optional header.
    pub(crate) const fn header(
        name: &'static str,
        kind: ParameterType,
        doc: &'static str,
    ) -> RouteParameter {
        let place = ParameterPlace::Header;
        RouteParameter { place, ..RouteParameter::query(name, kind, doc) }
    }

    /// The body, which every request must have.
    pub(crate) const fn body(
        name: &'static str,
        kind: ParameterType,
        doc: &'static str,
    ) -> RouteParameter {
        let place = ParameterPlace::Body;
        RouteParameter { place, ..RouteParameter::path(name, kind, doc) }
    }

    /// The same with other names beside its own.
    pub(crate) const fn or(self, aliases: &'static [&'static str]) -> RouteParameter {
        RouteParameter { aliases, ..self }
    }

    /// The same with several values, separated by commas.
    pub(crate) const fn several(self) -> RouteParameter {
        RouteParameter { several: true, ..self }
    }

    /// The same as one that every request must have.
    pub(crate) const fn required(self) -> RouteParameter {
        RouteParameter { required: true, ..self }
    }

    /// Whether a query may name it so.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

impl ParameterPlace {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ParameterPlace::Path => "path",
            ParameterPlace::Query => "query",
            ParameterPlace::Header => "header",
            ParameterPlace::Body => "body",
        }
    }
}

impl ParameterType {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ParameterType::Symbol => "symbol",
            ParameterType::Timeframe => "timeframe",
            ParameterType::Time => "time",
            ParameterType::PastState => "past-state",
            ParameterType::MinFrontier => "min-frontier",
            ParameterType::Count(_) => "count",
            ParameterType::Milliseconds(_) => "milliseconds",
            ParameterType::Duration => "duration",
            ParameterType::Cursor => "cursor",
            ParameterType::Word { .. } => "word",
            ParameterType::Name(_) => "name",
            ParameterType::Columns => "columns",
            ParameterType::ColumnText => "column-text",
            ParameterType::Text => "text",
            ParameterType::RowKey => "row-key",
            ParameterType::ResumeToken => "resume-token",
            ParameterType::VisibleAscii(_) => "visible-ascii",
            ParameterType::MediaTypes(_) => "media-types",
            ParameterType::ContentCodings(_) => "content-codings",
            ParameterType::EntityTags => "entity-tags",
            ParameterType::Rows => "rows",
            ParameterType::JsonObject => "json-object",
        }
    }
}

/// A parameter that is a number. `Query::count` parses it.
#[derive(Clone, Copy)]
pub(crate) struct CountParameter {
    pub(crate) declared: RouteParameter,
    pub(crate) range: CountRange,
}

impl CountParameter {
    pub(crate) const fn count(
        name: &'static str,
        range: CountRange,
        doc: &'static str,
    ) -> CountParameter {
        let kind = ParameterType::Count(range);
        CountParameter { declared: RouteParameter::query(name, kind, doc), range }
    }

    pub(crate) const fn milliseconds(
        name: &'static str,
        range: CountRange,
        doc: &'static str,
    ) -> CountParameter {
        let kind = ParameterType::Milliseconds(range);
        CountParameter { declared: RouteParameter::query(name, kind, doc), range }
    }
}

/// Words, and the meaning of each.
pub(crate) struct Words<T: 'static> {
    pub(crate) words: &'static [&'static str],
    meanings: &'static [T],
}

impl<T: Copy> Words<T> {
    /// The first word has the first meaning, and so on.
    pub(crate) const fn new<const N: usize>(
        words: &'static [&'static str; N],
        meanings: &'static [T; N],
    ) -> Words<T> {
        Words { words, meanings }
    }

    /// The meaning of a word; none if it is not one of these.
    pub(crate) fn meaning(&self, word: &str) -> Option<T> {
        let mut pairs = self.words.iter().zip(self.meanings);
        pairs.find(|(known, _)| **known == word).map(|(_, meaning)| *meaning)
    }
}

/// A parameter that is one of a few words. `Query::word` parses it.
pub(crate) struct WordParameter<T: 'static> {
    pub(crate) declared: RouteParameter,
    pub(crate) words: Words<T>,
    /// The meaning of a request without it.
    pub(crate) default: T,
}

impl<T: Copy> WordParameter<T> {
    /// Without the parameter, `default` is meant. It fails to compile if that is none of the words.
    pub(crate) const fn new(
        name: &'static str,
        words: Words<T>,
        default: &'static str,
        doc: &'static str,
    ) -> WordParameter<T> {
        let mut at = 0;
        while !are_equal(words.words[at], default) {
            at += 1;
        }
        let kind = ParameterType::Word { words: words.words, default: Some(default) };
        let declared = RouteParameter::query(name, kind, doc);
        WordParameter { declared, default: words.meanings[at], words }
    }
}

impl<T: Copy> WordParameter<Option<T>> {
    /// Without the parameter, something else than a word decides.
    pub(crate) const fn optional(
        name: &'static str,
        words: Words<Option<T>>,
        doc: &'static str,
    ) -> WordParameter<Option<T>> {
        let kind = ParameterType::Word { words: words.words, default: None };
        let declared = RouteParameter::query(name, kind, doc);
        WordParameter { declared, words, default: None }
    }
}

/// The number of parameters of several lists.
pub(crate) const fn total(lists: &[&[RouteParameter]]) -> usize {
    let (mut total, mut at) = (0, 0);
    while at < lists.len() {
        total += lists[at].len();
        at += 1;
    }
    total
}

/// Several lists of parameters as one; `N` is their [`total`].
pub(crate) const fn joined<const N: usize>(lists: &[&[RouteParameter]]) -> [RouteParameter; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut put) = (0, 0);
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            all[put] = lists[list][at];
            (at, put) = (at + 1, put + 1);
        }
        list += 1;
    }
    assert!(put == N);
    all
}
