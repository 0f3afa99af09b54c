//! How bare CSV files are written, found by looking at their first lines: what separates columns, comments before the
//! header, and which columns hold time, price and size. What is said of it is never looked for, and what may be meant
//! in two ways is refused with what to say.

mod names;
mod sample;

use std::path::Path;

use names::{NameFound, Role, date_of, is_of_bars, shown};
use sample::{DELIMITERS, Divided, Sample};

use super::config::{Format, format_of};
use super::similar::did_you_mean;
use crate::delimited::is_tsv;

/// What is said of how files are written.
#[derive(Clone, Debug, Default)]
pub struct AskedLook {
    /// `csv.delimiter`.
    pub delimiter: Option<String>,
    /// `csv.comment`.
    pub comment: Option<String>,
    /// Whether columns have numbers.
    pub no_header: bool,
    /// `columns.time`, joined by commas.
    pub time: Option<String>,
    /// `columns.price`.
    pub price: Option<String>,
    /// `columns.size`.
    pub size: Option<String>,
    /// `columns.symbol`.
    pub symbol: Option<String>,
    /// Whether a column of symbols is needed.
    pub needs_symbol: bool,
    /// Whether the files are CSV, whatever their names are.
    pub is_csv: bool,
}

/// What was found, and was not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundLook {
    /// `csv.delimiter`, if it is none that is the default.
    pub delimiter: Option<String>,
    /// `csv.comment`.
    pub comment: Option<String>,
    /// The columns that have another name than the default: `time`, `price`, `size` and `symbol`. Of a time several
    /// names are joined by commas.
    pub columns: Vec<(&'static str, String)>,
}

impl FoundLook {
    /// What was found, for people; none if all is as it is by default.
    pub fn told(&self) -> Option<String> {
        let columns = self.columns.iter().map(|(key, name)| (*key, shown(name)));
        let forms = [("comment", &self.comment), ("delimiter", &self.delimiter)];
        let forms = forms.into_iter().filter_map(|(key, text)| Some((key, shown(text.as_ref()?))));
        let all: Vec<_> =
            forms.chain(columns).map(|(key, text)| format!("--{key} {text}")).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

/// Looks at the files of these names, which start at `folder`. None if they say nothing, as pipes and empty files.
///
/// # Errors
/// If a file can be meant in two ways, if it lacks a column, or if two files are written differently. The error names the
/// file and says which flag helps.
pub fn look(
    folder: &Path,
    names: &[String],
    asked: &AskedLook,
) -> Result<Option<FoundLook>, String> {
    let mut first: Option<(&str, FoundLook)> = None;
    for name in names {
        let is_csv = asked.is_csv || matches!(format_of(name), Ok(Format::Csv));
        let path = folder.join(name);
        if !is_csv || !path.metadata().is_ok_and(|about| about.is_file()) {
            continue;
        }
        let mark = asked.comment.as_deref().and_then(|said| said.as_bytes().first());
        let Some(sample) = Sample::of(&path, *mark.unwrap_or(&b'#')) else { continue };
        let found = look_at(name, sample, asked).map_err(|problem| format!("{name}: {problem}"))?;
        let Some(found) = found else { continue };
        match &mut first {
            None => first = Some((name, found)),
            Some((other, known)) => agree((other, known), (name, found))?,
        }
    }
    Ok(first.map(|(_, found)| found))
}

/// Two files must be written in one way; one of them may have comments.
fn agree(
    (other, known): (&str, &mut FoundLook),
    (name, found): (&str, FoundLook),
) -> Result<(), String> {
    if (&known.delimiter, &known.columns) != (&found.delimiter, &found.columns) {
        let told = |look: &FoundLook| look.told().unwrap_or_else(|| "the defaults".to_owned());
        return Err(format!(
            "{other} and {name} are not written in one way: the first is read by {}, the second by {}; replay them one by \
             one, or as two sources of a configuration",
            told(known),
            told(&found)
        ));
    }
    known.comment = known.comment.take().or(found.comment);
    Ok(())
}

/// What the columns of a file come to, divided in one way.
enum Columns {
    /// Those that have another name than the default.
    Found(Vec<(&'static str, String)>),
    /// Several may be meant.
    Ambiguous(String),
    /// One is missing that was not said.
    Missing(String),
    /// One is missing that was said.
    NotAsSaid(String),
    /// Columns have numbers, and those of numbers hold none; the reader says so.
    NotNumbers,
}

fn look_at(name: &str, sample: Sample, asked: &AskedLook) -> Result<Option<FoundLook>, String> {
    let (sample, comment) = match (&asked.comment, sample.comments.is_empty()) {
        (None, true) => (sample, None),
        (None, false) if !is_header_of(&sample, asked) => (sample, Some("#".to_owned())),
        (Some(said), _) if said != "none" => (sample, None),
        _ => (sample.without_comments(), None),
    };
    if sample.lines.is_empty() {
        return Ok(None);
    }
    let by_default = if is_tsv(name) { "tab" } else { "," };
    let ways = ways(&sample, asked);
    let looked: Vec<_> = ways.iter().map(|way| (way, columns(way, &sample, asked))).collect();
    let fitting = |columns: &Columns| matches!(columns, Columns::Found(_) | Columns::Ambiguous(_));
    let mut fit = looked.iter().filter(|(_, columns)| fitting(columns));
    let chosen = match (fit.next(), fit.next()) {
        (Some(one), None) => one,
        (Some((one, _)), Some((other, _))) => {
            return Err(format!(
                "columns may be separated by {} or by {}: write which it is (--delimiter)",
                shown(one.delimiter),
                shown(other.delimiter)
            ));
        }
        (None, _) => {
            let most =
                looked.iter().max_by_key(|(way, _)| (way.delimiter == by_default, way.first.len()));
            // What has no columns is left to the reader.
            let Some(most) = most else {
                return Ok(Some(FoundLook { comment, ..FoundLook::default() }));
            };
            most
        }
    };
    let (way, columns) = chosen;
    let delimiter =
        Some(way.delimiter).filter(|own| asked.delimiter.is_none() && *own != by_default);
    let delimiter = delimiter.map(str::to_owned);
    match columns {
        Columns::Found(columns) => {
            Ok(Some(FoundLook { delimiter, comment, columns: columns.clone() }))
        }
        Columns::NotNumbers => Ok(Some(FoundLook { delimiter, comment, columns: Vec::new() })),
        Columns::Ambiguous(problem) | Columns::Missing(problem) | Columns::NotAsSaid(problem) => {
            Err(problem.clone())
        }
    }
}

/// In which ways the lines may be divided.
fn ways(sample: &Sample, asked: &AskedLook) -> Vec<Divided> {
    let said = |delimiter: &&str| match asked.delimiter.as_deref() {
        None => true,
        Some("\t") => *delimiter == "tab",
        Some(said) => said == *delimiter,
    };
    let all = DELIMITERS.into_iter().filter(said);
    all.filter_map(|delimiter| sample.divided(delimiter)).collect()
}

/// Whether the first line, although it begins with `#`, is a header that has the columns that were said.
fn is_header_of(sample: &Sample, asked: &AskedLook) -> bool {
    let said: Vec<&String> =
        [&asked.time, &asked.price, &asked.size].into_iter().flatten().collect();
    let Some(first) = sample.comments.first().filter(|_| !said.is_empty()) else { return false };
    let one = Sample { comments: Vec::new(), lines: vec![first.clone()] };
    ways(&one, asked).iter().any(|way| said.iter().all(|column| has(&way.names(), column)))
}

/// Whether a header has a column as it was said: `a|b` is one of two, and `a,b` both.
fn has(names: &[&str], column: &str) -> bool {
    let one = |column: &str| column.split('|').any(|one| names.contains(&one.trim()));
    names.contains(&column) || column.split(',').all(one)
}

fn columns(way: &Divided, sample: &Sample, asked: &AskedLook) -> Columns {
    if asked.no_header {
        let places = [&asked.price, &asked.size].map(|place| place.as_ref()?.parse().ok());
        let are_numbers = places.iter().flatten().all(|place| way.has_numbers(*place));
        return if are_numbers { Columns::Found(Vec::new()) } else { Columns::NotNumbers };
    }
    let names = way.names();
    let mut roles =
        vec![(Role::Time, &asked.time), (Role::Price, &asked.price), (Role::Size, &asked.size)];
    if asked.needs_symbol {
        roles.push((Role::Symbol, &asked.symbol));
    }
    let (mut found, mut several, mut missing) = (Vec::new(), None, Vec::new());
    for (role, said) in roles {
        match said {
            Some(column) if has(&names, column) => continue,
            Some(column) => return Columns::NotAsSaid(not_there(way, &names, role, column)),
            None => {}
        }
        let of_role = if role == Role::Time { time_of(way, &names) } else { role.find(&names) };
        match of_role {
            NameFound::One(name) if name == role.name() && role != Role::Symbol => {}
            NameFound::One(name) => found.push((role.name(), name)),
            NameFound::Several(which) => several = several.or(Some((role, which))),
            NameFound::None => missing.push(role.name()),
        }
    }
    match (&missing[..], several) {
        ([], None) => Columns::Found(found),
        ([], Some((role, which))) => {
            let (key, which) = (role.name(), which.join(" or "));
            Columns::Ambiguous(format!(
                "the column of the {key} may be {which}: write which it is (--{key})"
            ))
        }
        (missing, _) => Columns::Missing(lacks(way, sample, missing)),
    }
}

/// The column of times; those of date and time of day if these are two.
fn time_of(way: &Divided, names: &[&str]) -> NameFound {
    let found = Role::Time.find(names);
    let Some(date) = date_of(names) else { return found };
    match found {
        NameFound::None => NameFound::One(date.to_owned()),
        NameFound::One(time) => {
            let at = names.iter().position(|name| *name == time);
            match at.is_some_and(|at| way.has_time_of_day(at)) {
                true => NameFound::One(format!("{date},{time}")),
                false => NameFound::One(time),
            }
        }
        several => several,
    }
}

/// That the column which was said is not there, and what may be meant.
fn not_there(way: &Divided, names: &[&str], role: Role, said: &str) -> String {
    let key = role.name();
    let one = said.split([',', '|']).map(str::trim).find(|one| !names.contains(one));
    let one = one.unwrap_or(said);
    if way.begins_with_row() {
        return format!(
            "there is no column {} (--{key}): the first line, {}, names none; with --no-header columns have numbers",
            shown(one),
            way.shown()
        );
    }
    let near = did_you_mean(names, one);
    format!("there is no column {} (--{key}; {near}there are: {})", shown(one), way.shown())
}

/// That no column has a common name for these, and what helps.
fn lacks(way: &Divided, sample: &Sample, missing: &[&str]) -> String {
    let mut flags = missing.iter().map(|key| format!("--{key}")).collect::<Vec<_>>().join(", ");
    if missing.contains(&Role::Symbol.name()) {
        flags += ", or --symbol-from '{symbol}.csv' if names of files hold it";
    }
    let commented = sample.comments.last().map(|line| line.trim_start_matches(['#', ' ']));
    let in_comment = commented.is_some_and(|line| {
        let one = Sample { comments: Vec::new(), lines: vec![line.to_owned()] };
        one.divided(way.delimiter).is_some_and(|header| header.first.len() == way.first.len())
    });
    let numbers =
        "write --no-header and the numbers of columns, such as --time 1 --price 2 --size 3";
    if way.begins_with_row() {
        let beside = match commented.filter(|_| in_comment) {
            Some(header) => format!(", and the comment before it, {}, is no header", shown(header)),
            None => String::new(),
        };
        return format!("the first line, {}, names no columns{beside}: {numbers}", way.shown());
    }
    let names = way.shown();
    match is_of_bars(&way.names()) {
        true => format!(
            "it holds bars ({names}), and trades are wanted; {flags} say which columns to take"
        ),
        false => format!(
            "no column is known by its name as {} (there are: {names}): write which it is ({flags})",
            missing.join(" and ")
        ),
    }
}
