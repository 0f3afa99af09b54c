//! Query strings: every parameter is declared, given once, and parsed by the rule of its declaration. All errors are
//! reported together.

use std::time::Duration;

use market::{Commit, EventTime, TimeError, TimeUnit, Timeframe};

use super::parameter::{
    CountParameter, CountRange, ParameterPlace, ParameterType, RouteParameter, WordParameter,
};
use super::problem::{FieldError, Problem};
use rows::suggestions::closest;
use rows::{AsOf, View};

/// The earliest time of rows.
pub(super) const FROM: RouteParameter = RouteParameter::query(
    "from",
    ParameterType::Time,
    "no rows of earlier bars; of a log with a column `time` none of earlier times, nor without a time",
);
/// The end of the times of rows, exclusive.
pub(super) const TO: RouteParameter = RouteParameter::query(
    "to",
    ParameterType::Time,
    "no rows of bars that open then or later; of a log with a column `time` none of such times",
);
/// A point in the past.
pub(super) const AS_OF: RouteParameter = RouteParameter::query(
    "as_of",
    ParameterType::PastState,
    "the rows as they were then, of a view that keeps a history; 425 if that is still to come",
);

/// The parameters of one request, checked against those of its route.
pub(super) struct Query<'a> {
    given: Vec<Given<'a>>,
    /// The parameters of the route; those of its query count here.
    declared: &'static [RouteParameter],
    /// The columns that the view has as parameters, for error messages.
    columns: Vec<&'static str>,
    /// The first [`ERRORS_MAX`] of them.
    errors: Vec<FieldError>,
    /// The number of further ones.
    errors_left_out: usize,
    /// Known names similar to unknown ones.
    suggestions: Vec<String>,
}

/// The most errors that an answer names: a request may have thousands.
const ERRORS_MAX: usize = 16;

/// A parameter of a request.
struct Given<'a> {
    declared: &'static RouteParameter,
    /// Its name or alias, as in the request.
    name: &'a str,
    value: &'a str,
}

/// The parameters of a query that are declared by name.
pub(super) fn named(
    declared: &'static [RouteParameter],
) -> impl Iterator<Item = &'static RouteParameter> {
    declared.iter().filter(|parameter| {
        parameter.place == ParameterPlace::Query && parameter.kind != ParameterType::ColumnText
    })
}

impl<'a> Query<'a> {
    /// Records parameters that are undeclared or repeated (also under an alias).
    pub(super) fn new(
        pairs: &'a [(String, String)],
        declared: &'static [RouteParameter],
    ) -> Query<'a> {
        Query::beside_columns(pairs, declared, Vec::new())
    }

    /// The same of a route that also has the columns of a view as parameters; `pairs` are those without them.
    pub(super) fn beside_columns(
        pairs: impl IntoIterator<Item = &'a (String, String)>,
        declared: &'static [RouteParameter],
        columns: Vec<&'static str>,
    ) -> Query<'a> {
        let (given, errors, suggestions) = (Vec::new(), Vec::new(), Vec::new());
        let mut query = Query { given, declared, columns, errors, errors_left_out: 0, suggestions };
        for (name, value) in pairs {
            let Some(declared) = named(declared).find(|parameter| parameter.is_named(name)) else {
                query.unknown(name);
                continue;
            };
            let before = query.given.iter().find(|given| given.declared == declared);
            match before.map(|given| given.name) {
                Some(before) => {
                    let detail = if before == name {
                        format!("`{name}` is given more than once")
                    } else {
                        format!("`{name}` and `{before}` are the same parameter")
                    };
                    query.error(name, "repeated", detail, Vec::new());
                }
                None => query.given.push(Given { declared, name, value }),
            }
        }
        query
    }

    fn unknown(&mut self, name: &str) {
        if self.errors.len() >= ERRORS_MAX {
            self.errors_left_out += 1;
            return; // before a text is made of all that is known
        }
        let own = named(self.declared).map(|parameter| parameter.name);
        let allowed = own.chain(self.columns.iter().copied()).map(str::to_owned);
        let allowed: Vec<_> = allowed.collect();
        let shown_name = shown(name);
        let detail = if allowed.is_empty() {
            format!("`{shown_name}` is not a parameter: this path has none")
        } else {
            let known = allowed.join(", ");
            format!("`{shown_name}` is not a parameter of this path (known: {known})")
        };
        self.error(name, "unknown", detail, allowed);
    }

    /// The name under which a parameter was given, and its value.
    fn get(&self, parameter: &RouteParameter) -> Option<(&'a str, &'a str)> {
        let given = self.given.iter().find(|given| given.declared.name == parameter.name);
        given.map(|given| (given.name, given.value))
    }

    /// Whether a parameter is given.
    pub(super) fn has(&self, parameter: &RouteParameter) -> bool {
        self.get(parameter).is_some()
    }

    /// Records an error of a parameter.
    pub(super) fn error(
        &mut self,
        name: &str,
        code: &'static str,
        detail: String,
        allowed: Vec<String>,
    ) {
        if self.errors.len() >= ERRORS_MAX {
            self.errors_left_out += 1;
            return;
        }
        let pointer = format!("#/query/{}", shown(name));
        self.errors.push(FieldError { pointer, code, detail, allowed });
    }

    /// Records an error if a parameter is given, and removes it: parsing it later returns nothing and no second error.
    pub(super) fn reject(&mut self, parameter: &RouteParameter, why: &str) {
        if let Some((given, _)) = self.get(parameter) {
            self.error(given, "unknown", format!("`{given}` {why}"), Vec::new());
            self.given.retain(|other| other.name != given);
        }
    }

    /// The meaning of one of a few words; the default if none is given.
    pub(super) fn word<T: Copy>(&mut self, parameter: &WordParameter<T>) -> T {
        let WordParameter { declared, words, default } = parameter;
        let Some((given, value)) = self.get(declared) else { return *default };
        words.meaning(value).unwrap_or_else(|| {
            let known = words.words.join(", ");
            let detail = format!("{given}={} is not one of {known}", shown(value));
            let allowed = words.words.iter().map(|&word| word.to_owned()).collect();
            self.error(given, "enum", detail, allowed);
            *default
        })
    }

    /// A name for which `fits` holds with one of `known`; `what` describes the name, such as `a view`.
    pub(super) fn one_of(
        &mut self,
        parameter: &RouteParameter,
        what: &str,
        known: &[&str],
        fits: impl Fn(&str, &str) -> bool,
    ) -> Option<String> {
        let (given, value) = self.get(parameter)?;
        if known.iter().any(|known| fits(known, value)) {
            return Some(value.to_owned());
        }
        let detail = format!("{given}={} is not {what} ({})", shown(value), known.join(", "));
        self.error(given, "enum", detail, known.iter().map(|&known| known.to_owned()).collect());
        self.suggestions.extend(closest(known.iter().copied(), value));
        None
    }

    /// Whether so much is wrong that nothing more is told.
    pub(super) fn is_hopeless(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    /// Names that may be meant.
    pub(super) fn suggest(&mut self, names: Vec<String>) {
        let room = ERRORS_MAX.saturating_sub(self.suggestions.len());
        self.suggestions.extend(names.into_iter().take(room));
    }

    /// A whole number within bounds; the default if none is given.
    pub(super) fn count(&mut self, parameter: &CountParameter) -> usize {
        let CountRange { least, most, default } = parameter.range;
        let Some((given, value)) = self.get(&parameter.declared) else { return default };
        // `parse` alone would take `+5`.
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|n| digits && (least..=most).contains(n));
        number.unwrap_or_else(|| {
            let value = shown(value);
            let detail = format!("{given}={value} is not a whole number from {least} to {most}");
            self.error(given, "range", detail, vec![format!("{least} to {most}")]);
            default
        })
    }

    /// A time: RFC 3339, or a number with the unit after it.
    pub(super) fn time(&mut self, parameter: &RouteParameter) -> Option<EventTime> {
        let (given, value) = self.get(parameter)?;
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

    /// [`FROM`] and [`TO`]; it is an error if `from` is after `to`.
    pub(super) fn interval(&mut self) -> (Option<EventTime>, Option<EventTime>) {
        let (from, to) = (self.time(&FROM), self.time(&TO));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let detail = format!("from={from} is after to={to}");
            self.error(FROM.name, "order", detail, Vec::new());
        }
        (from, to)
    }

    /// [`AS_OF`]: a time, or `commit:` and a number. An error for views without a history.
    pub(super) fn as_of(&mut self, view: &View) -> Option<AsOf> {
        if !view.history {
            let of = view.name;
            self.reject(&AS_OF, &format!("cannot be asked of `{of}`: it keeps no history"));
        }
        self.past_state(&AS_OF)
    }

    /// A time, or `commit:` and a number.
    pub(super) fn past_state(&mut self, parameter: &RouteParameter) -> Option<AsOf> {
        self.parsed(parameter, |text| {
            let commit = text.strip_prefix("commit:").map(|number| number.parse().map(Commit));
            match commit {
                Some(Ok(commit)) => Ok(AsOf::Commit(commit)),
                Some(Err(_)) => Err(("is not `commit:` and a number".to_owned(), Vec::new())),
                None => read_time(text).map(AsOf::Time).map_err(|wrong| (wrong, Vec::new())),
            }
        })
    }

    /// A timeframe that is computed, in any of its spellings (`60s` and `1min` are `1m`).
    pub(super) fn timeframe(
        &mut self,
        parameter: &RouteParameter,
        computed: &[Timeframe],
    ) -> Option<Timeframe> {
        self.parsed(parameter, |text| {
            Timeframe::among(text, computed).map_err(|wrong| (wrong, listed(computed)))
        })
    }

    /// A duration of 1 ms to 36,525 days.
    pub(super) fn duration(&mut self, parameter: &RouteParameter) -> Option<Duration> {
        self.parsed(parameter, |text| {
            read_duration(text).ok_or_else(|| {
                let why =
                    "is not a whole number with its unit (ms, s, m, h or d), from 1ms to 36525d";
                (why.to_owned(), ["500ms", "5s", "2m"].map(str::to_owned).to_vec())
            })
        })
    }

    /// Any value, parsed by `read`; its error is a description and the possible values.
    pub(super) fn parsed<T>(
        &mut self,
        parameter: &RouteParameter,
        read: impl FnOnce(&str) -> Result<T, (String, Vec<String>)>,
    ) -> Option<T> {
        let (given, value) = self.get(parameter)?;
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
        let problem = Problem::invalid(self.errors).suggestions(self.suggestions);
        Err(match self.errors_left_out {
            0 => problem,
            more => problem.and(&format!("and {more} more errors")),
        })
    }
}

/// The timeframes that are computed, as an error lists them.
pub(super) fn listed(computed: &[Timeframe]) -> Vec<String> {
    let mut computed = computed.to_vec();
    computed.sort_unstable();
    computed.iter().map(Timeframe::to_string).collect()
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

/// A time: RFC 3339, or a number with its unit.
pub(super) fn read_time(text: &str) -> Result<EventTime, String> {
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

/// A whole number with its unit.
fn read_duration(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    Some(Duration::from_millis(millis)).filter(|read| !read.is_zero() && *read <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, want_ms) in
            [("1ms", 1), ("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1d", 86_400_000)]
        {
            assert_eq!(read_duration(text), Some(Duration::from_millis(want_ms)), "{text}");
        }
        for text in
            ["", "5", "s", "0s", "-1s", "+1s", "1.5s", "5 s", "36526d", "99999999999999999d"]
        {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

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
