//! Days on which a plan of sessions does not hold.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::plan::{SESSIONS_MAX, WallClock};

/// Dates without sessions, with other hours, or with sessions that the usual week does not have.
///
/// The text has a line per date: `date, closed | open | HH:MM | HH:MM-HH:MM …, name`. One time is the early close by
/// the wall clock of the calendar's zone. `HH:MM-HH:MM` is when regular trading opens and closes, several of these are
/// all regular sessions of the date, and `open` means the usual ones. The name is for people. Lines may be empty, and
/// `#` begins a comment.
///
/// ```
/// use market::Holidays;
/// let text = "# made up\n2024-12-24, 13:00, Christmas Eve\n2024-12-25, closed, Christmas\n";
/// assert_eq!(Holidays::parse(text).unwrap().len(), 2);
/// let error = Holidays::parse("2024-12-25, shut").unwrap_err();
/// assert!(error.starts_with("line 1: "), "{error}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(BTreeMap<Date, Exception>);

/// What happens on a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exception {
    Closed,
    /// What usually does, whatever else says so.
    Open,
    EarlyClose(WallClock),
    /// When regular trading opens and closes; of several, the regular sessions. In the order of time.
    Hours(Vec<(WallClock, WallClock)>),
}

impl Exception {
    /// Reads `closed`, `open`, `13:00`, `10:00-16:30` or `09:15-10:00 11:30-12:30`.
    pub(super) fn parse(what: &str) -> Result<Exception, String> {
        let inside = |text: &str| {
            let at = text.trim().parse::<WallClock>().ok();
            at.filter(|at| (1..1_440).contains(&at.minutes()))
        };
        let hours = |text: &str| {
            let (opens, closes) = text.split_once('-')?;
            inside(opens).zip(inside(closes))
        };
        let found = match what {
            "closed" => Some(Exception::Closed),
            "open" => Some(Exception::Open),
            _ if !what.contains('-') => inside(what).map(Exception::EarlyClose),
            _ => {
                let all: Option<Vec<_>> = what.split_whitespace().map(hours).collect();
                let times = |all: &Vec<(WallClock, WallClock)>| {
                    let times: Vec<_> = all.iter().flat_map(|&(from, to)| [from, to]).collect();
                    all.len() <= SESSIONS_MAX && times.is_sorted_by(|a, b| a < b)
                };
                all.filter(times).map(Exception::Hours)
            }
        };
        found.ok_or_else(|| {
            format!(
                "`{what}` is neither `closed` nor `open`, nor a time such as 13:00, nor sessions such as 11:00-14:00 \
                 or `09:15-10:00 11:30-12:30`"
            )
        })
    }
}

impl Holidays {
    /// Reads the text described above; errors name the line.
    pub fn parse(text: &str) -> Result<Holidays, String> {
        let mut dates = Holidays::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim().trim_start_matches('\u{feff}');
            if line.is_empty() {
                continue;
            }
            let at = |problem: String| format!("line {}: {problem}", number + 1);
            let mut parts = line.splitn(3, ',').map(str::trim);
            let (date, what) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let date = date_of(date).map_err(at)?;
            let exception = Exception::parse(what).map_err(at)?;
            dates.add(date, exception).map_err(at)?;
        }
        Ok(dates)
    }

    /// Adds a date that is not there yet.
    pub(super) fn add(&mut self, date: Date, exception: Exception) -> Result<(), String> {
        match self.0.insert(date, exception) {
            None => Ok(()),
            Some(_) => Err(format!("{date} is listed twice")),
        }
    }

    /// How many dates there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn on(&self, date: Date) -> Option<&Exception> {
        self.0.get(&date)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Date, &Exception)> {
        self.0.iter().map(|(date, exception)| (*date, exception))
    }
}

/// Reads a date such as 2024-12-25, and nothing longer.
pub(super) fn date_of(text: &str) -> Result<Date, String> {
    let exactly = Some(text).filter(|text| text.len() == "2024-12-25".len());
    exactly
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("`{text}` is not a date such as 2024-12-25"))
}
