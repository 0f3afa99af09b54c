//! Days on which a plan of sessions does not hold.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::plan::WallClock;

/// Dates of trading days without sessions, or that close early.
///
/// The text has a line per date: `date, closed | HH:MM, name`. The time is the early close by the wall
/// clock of the calendar's zone, the name is for people. Lines may be empty, and `#` begins a comment.
///
/// ```
/// use market::Holidays;
/// let text = "# made up\n2024-12-24, 13:00, Christmas Eve\n2024-12-25, closed, Christmas\n";
/// assert_eq!(Holidays::parse(text).unwrap().len(), 2);
/// let error = Holidays::parse("2024-12-25, open").unwrap_err();
/// assert!(error.starts_with("line 1: "), "{error}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(BTreeMap<Date, Exception>);

/// What happens on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exception {
    Closed,
    EarlyClose(WallClock),
}

impl Holidays {
    /// Reads the text described above; errors name the line.
    pub fn parse(text: &str) -> Result<Holidays, String> {
        let mut dates = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim().trim_start_matches('\u{feff}');
            if line.is_empty() {
                continue;
            }
            let at = |problem: String| format!("line {}: {problem}", number + 1);
            let mut parts = line.splitn(3, ',').map(str::trim);
            let (date, what) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let exactly = Some(date).filter(|date| date.len() == "2024-12-25".len());
            let date: Date = exactly
                .and_then(|date| date.parse().ok())
                .ok_or_else(|| at(format!("`{date}` is not a date such as 2024-12-25")))?;
            let exception = match what {
                "closed" => Exception::Closed,
                time => match time.parse::<WallClock>() {
                    Ok(close) if (1..1_440).contains(&close.minutes()) => {
                        Exception::EarlyClose(close)
                    }
                    _ => {
                        return Err(at(format!(
                            "`{time}` is neither `closed` nor a time such as 13:00"
                        )));
                    }
                },
            };
            if dates.insert(date, exception).is_some() {
                return Err(at(format!("{date} is listed twice")));
            }
        }
        Ok(Holidays(dates))
    }

    /// How many dates there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn on(&self, date: Date) -> Option<Exception> {
        self.0.get(&date).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Date, Exception)> {
        self.0.iter().map(|(date, exception)| (*date, *exception))
    }
}
