//! Query strings: every parameter is known, given once, and parsed by a rule with a list of possible values. All errors
//! are reported together.

use market::{Commit, EventTime, TimeError, TimeUnit, Timeframe};

use super::problem::{FieldError, Problem};
use rows::suggestions::closest;
use rows::{AsOf, View};

/// The parameters of one request, checked against those of its route.
pub(super) struct Query<'a> {
    given: Vec<(&'a str, &'a str)>,
    known: Vec<&'static [&'static str]>,
    /// Parameters that the route parses itself, for error messages.
    also: Vec<&'a str>,
    errors: Vec<FieldError>,
    /// Known names similar to unknown ones.
    suggestions: Vec<String>,
}

/// The parameters of a route; each with its aliases after the first.
pub(super) type Known = &'static [&'static [&'static str]];

impl<'a> Query<'a> {
    /// Records parameters that are unknown or repeated (also under an alias).
    pub(super) fn new(pairs: &'a [(String, String)], known: Known) -> Query<'a> {
        Query::of_several(pairs, &[known], &[])
    }

    /// The same with the parameters of several lists; `also` are those that are parsed elsewhere.
    pub(super) fn of_several(
        pairs: impl IntoIterator<Item = &'a (String, String)>,
        known: &[Known],
        also: &[&'a str],
    ) -> Query<'a> {
        let mut query = Query {
            given: Vec::new(),
            known: known.iter().flat_map(|known| known.iter().copied()).collect(),
            also: also.to_vec(),
            errors: Vec::new(),
            suggestions: Vec::new(),
        };
        for (name, value) in pairs {
            let names = query.known.iter().find(|names| names.contains(&name.as_str()));
            let Some(names) = names.copied() else {
                query.unknown(name);
                continue;
            };
            let before = query.given.iter().find(|(given, _)| names.contains(given));
            match before {
                Some((before, _)) => {
                    let detail = if before == name {
                        format!("`{name}` is given more than once")
                    } else {
                        format!("`{name}` and `{before}` are the same parameter")
                    };
                    query.error(name, "repeated", detail, Vec::new());
                }
                None => query.given.push((name, value)),
            }
        }
        query
    }

    fn unknown(&mut self, name: &str) {
        let own = self.known.iter().map(|names| names[0]);
        let allowed: Vec<_> = own.chain(self.also.iter().copied()).map(str::to_owned).collect();
        let detail = if allowed.is_empty() {
            format!("`{name}` is not a parameter: this path has none")
        } else {
            let known = allowed.join(", ");
            format!("`{name}` is not a parameter of this path (known: {known})")
        };
        self.error(name, "unknown", detail, allowed);
    }

    /// The name under which a parameter was given, and its value.
    fn get(&self, name: &str) -> Option<(&'a str, &'a str)> {
        let names = self.known.iter().find(|names| names[0] == name)?;
        let given = self.given.iter().find(|(given, _)| names.contains(given));
        given.copied()
    }

    /// Records an error of a parameter.
    pub(super) fn error(
        &mut self,
        name: &str,
        code: &'static str,
        detail: String,
        allowed: Vec<String>,
    ) {
        self.errors.push(FieldError { pointer: format!("#/query/{name}"), code, detail, allowed });
    }

    /// Records an error if a parameter is given, and removes it: parsing it later returns nothing and no second error.
    pub(super) fn reject(&mut self, name: &str, why: &str) {
        if let Some((given, _)) = self.get(name) {
            self.error(given, "unknown", format!("`{given}` {why}"), Vec::new());
            self.given.retain(|(other, _)| *other != given);
        }
    }

    /// One of a few words; the first element of each pair is the word.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let (given, value) = self.get(name)?;
        let found = words.iter().find(|(word, _)| *word == value);
        if found.is_none() {
            let mut allowed: Vec<String> = Vec::new();
            allowed.extend(words.iter().map(|(word, _)| (*word).to_owned()));
            let detail = format!("{given}={} is not one of {}", shown(value), allowed.join(", "));
            self.error(given, "enum", detail, allowed);
        }
        found.map(|(_, means)| *means)
    }

    /// A name for which `fits` holds with one of `known`; `what` describes the name, such as `a view`.
    pub(super) fn one_of(
        &mut self,
        name: &str,
        what: &str,
        known: &[&str],
        fits: impl Fn(&str, &str) -> bool,
    ) -> Option<String> {
        let (given, value) = self.get(name)?;
        if known.iter().any(|known| fits(known, value)) {
            return Some(value.to_owned());
        }
        let detail = format!("{given}={} is not {what} ({})", shown(value), known.join(", "));
        self.error(given, "enum", detail, known.iter().map(|&known| known.to_owned()).collect());
        self.suggestions.extend(closest(known.iter().copied(), value));
        None
    }

    /// A whole number within bounds.
    pub(super) fn count(&mut self, name: &str, least: usize, most: usize) -> Option<usize> {
        let (given, value) = self.get(name)?;
        // `parse` alone would take `+5`.
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|n| digits && (least..=most).contains(n));
        if number.is_none() {
            let value = shown(value);
            let detail = format!("{given}={value} is not a whole number from {least} to {most}");
            self.error(given, "range", detail, vec![format!("{least} to {most}")]);
        }
        number
    }

    /// A time: RFC 3339, or a number with the unit after it.
    pub(super) fn time(&mut self, name: &str) -> Option<EventTime> {
        let (given, value) = self.get(name)?;
        match read_time(value) {
            Ok(time) => Some(time),
            Err(wrong) => {
                let allowed = ["2024-08-09T00:00:00.123Z", "1700000000s", "1700000000000ms"];
                let allowed = allowed.map(str::to_owned).to_vec();
                let detail = format!("{given}={} {wrong}", shown(value));
                self.error(given, "format", detail, allowed);
                None
            }
        }
    }

    /// `from` and `to`; it is an error if `from` is after `to`.
    pub(super) fn interval(&mut self) -> (Option<EventTime>, Option<EventTime>) {
        let (from, to) = (self.time("from"), self.time("to"));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let detail = format!("from={from} is after to={to}");
            self.error("from", "order", detail, Vec::new());
        }
        (from, to)
    }

    /// A point in the past: a time, or `commit:` and a number. An error for views without a history.
    pub(super) fn as_of(&mut self, view: &View) -> Option<AsOf> {
        if !view.history {
            let of = view.name;
            self.reject("as_of", &format!("cannot be asked of `{of}`: it keeps no history"));
        }
        self.parsed("as_of", |text| {
            let commit = text.strip_prefix("commit:").map(|number| number.parse().map(Commit));
            match commit {
                Some(Ok(commit)) => Ok(AsOf::Commit(commit)),
                Some(Err(_)) => Err(("is not `commit:` and a number".to_owned(), Vec::new())),
                None => read_time(text).map(AsOf::Time).map_err(|wrong| (wrong, Vec::new())),
            }
        })
    }

    /// A timeframe that is computed, in any of its spellings (`60s` is `1m`).
    pub(super) fn timeframe(&mut self, name: &str, computed: &[Timeframe]) -> Option<Timeframe> {
        self.parsed(name, |text| {
            let found = text.parse().ok().filter(|timeframe| computed.contains(timeframe));
            found.ok_or_else(|| {
                let mut computed = computed.to_vec();
                computed.sort_unstable();
                let allowed: Vec<_> = computed.iter().map(Timeframe::to_string).collect();
                let wrong = format!("is not a timeframe that is computed ({})", allowed.join(", "));
                (wrong, allowed)
            })
        })
    }

    /// Any value, parsed by `read`; its error is a description and the possible values.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, (String, Vec<String>)>,
    ) -> Option<T> {
        let (given, value) = self.get(name)?;
        match read(value) {
            Ok(parsed) => Some(parsed),
            Err((wrong, allowed)) => {
                let detail = format!("{given}={} {wrong}", shown(value));
                self.error(given, "enum", detail, allowed);
                None
            }
        }
    }

    /// The result: an error if any parameter is wrong. Values parsed before count only if this is fine.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(Problem::invalid(self.errors).suggestions(self.suggestions))
    }
}

/// A value as repeated by an error: cut, so that an answer is not as long as the request.
pub(super) fn shown(value: &str) -> String {
    const MOST: usize = 64;
    let mut shown: String = value.chars().take(MOST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn read_time(text: &str) -> Result<EventTime, String> {
    let read = EventTime::parse_any(text).or_else(|error| {
        // In a query, `+` stands for a blank: `…+02:00` arrives as `… 02:00`.
        match text.rsplit_once(' ') {
            Some((time, zone)) => EventTime::parse(&format!("{time}+{zone}"), TimeUnit::Rfc3339),
            None => Err(error),
        }
    });
    read.map_err(|error| match error {
        TimeError::NotRfc3339 => {
            format!("{error} (or a number with its unit, such as 1700000000s)")
        }
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let noon = Ok(EventTime(1_704_110_400_000_000_000));
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01T14:00:00 02:00", // `+` after decoding
            "2024-01-01T14:00:00+02:00",
            "1704110400s",
            "1704110400000ms",
            "1704110400000000us",
            "1704110400000000000ns",
        ] {
            assert_eq!(read_time(text), noon, "{text}");
        }
        for text in ["", "s", "1704110400", "2024-01-01", "noon", "9e99s", " 1 2"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }
}
