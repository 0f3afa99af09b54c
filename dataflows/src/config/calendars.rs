//! `[[calendar]]`: calendars with sessions that a configuration makes itself.

use std::io::Read;
use std::path::Path;

use market::{Calendar, Holidays, SessionKind, SessionRule, Sessions, Span};

use super::ConfigError;
use super::raw::{RawCalendar, RawSession};

/// Bytes of a file of holidays.
const HOLIDAYS_MAX: u64 = 1 << 20;

/// The calendars that a configuration made, beside those that have names of their own.
pub(super) struct Made(Vec<Calendar>);

impl Made {
    /// Checks the calendars. Files of holidays become a part of `raw`, so that what is recorded needs
    /// no files.
    pub(super) fn check(raw: &mut [RawCalendar], folder: &Path) -> Result<Made, ConfigError> {
        let mut made: Vec<Calendar> = Vec::with_capacity(raw.len());
        for (index, raw) in raw.iter_mut().enumerate() {
            let place = format!("calendar[{index}] (name `{}`)", raw.name);
            let known = made.iter().any(|other| other.name() == raw.name);
            if raw.name.trim().is_empty() {
                return Err(ConfigError::at(place)("a calendar needs a `name`".to_owned()));
            }
            if known || Calendar::named(&raw.name).is_ok() {
                return Err(ConfigError::at(place)("another calendar has this name".to_owned()));
            }
            made.push(calendar(raw, folder).map_err(ConfigError::at(place))?);
        }
        Ok(Made(made))
    }

    /// The calendar of a name: one made here, or one that every configuration has.
    pub(super) fn named(&self, name: &str) -> Result<Calendar, String> {
        let made = self.0.iter().find(|calendar| calendar.name() == name);
        made.cloned().map_or_else(|| Calendar::named(name), Ok).map_err(|error| {
            let names: Vec<_> = self.0.iter().map(Calendar::name).collect();
            match names.is_empty() {
                true => error,
                false => format!("{error}; configured: {}", names.join(", ")),
            }
        })
    }
}

fn calendar(raw: &mut RawCalendar, folder: &Path) -> Result<Calendar, String> {
    if let Some(path) = raw.holidays.take() {
        if raw.dates.is_some() {
            return Err("`holidays` names a file and `dates` holds its text: not both".to_owned());
        }
        let text = read(&folder.join(&path))
            .map_err(|error| format!("cannot read holidays {path}: {error}"))?;
        // An error names lines of the file, so it must name the file too.
        Holidays::parse(&text).map_err(|problem| format!("holidays {path}: {problem}"))?;
        raw.dates = Some(text);
    }
    let holidays = Holidays::parse(raw.dates.as_deref().unwrap_or(""))
        .map_err(|problem| format!("dates: {problem}"))?;
    let sessions = match &raw.like {
        Some(like) => {
            if raw.zone.is_some() || !raw.session.is_empty() {
                return Err(
                    "`like` brings its own `zone` and `session`s: leave them out".to_owned()
                );
            }
            let calendar = Calendar::named(like)?;
            let of =
                calendar.sessions().ok_or_else(|| format!("like: `{like}` has no sessions"))?;
            of.like(&raw.name, &holidays)?
        }
        None => {
            let rules = raw.session.iter().enumerate().map(|(index, session)| {
                rule(session).map_err(|problem| format!("session[{index}]: {problem}"))
            });
            let rules: Vec<_> = rules.collect::<Result<_, _>>()?;
            let zone = raw.zone.as_deref().ok_or("a calendar needs a `zone`, or `like`")?;
            Sessions::new(&raw.name, zone, &rules, holidays)?
        }
    };
    let sessions = match &raw.close_grace {
        Some(grace) => {
            let grace =
                grace.parse::<Span>().map_err(|problem| format!("close_grace: {problem}"))?;
            sessions.with_close_grace(grace)?
        }
        None => sessions,
    };
    Ok(Calendar::with_sessions(sessions))
}

fn rule(raw: &RawSession) -> Result<SessionRule, String> {
    let kinds = [SessionKind::Regular, SessionKind::Extended];
    let kind = kinds.into_iter().find(|kind| kind.name() == raw.kind);
    Ok(SessionRule {
        days: raw.days.parse()?,
        kind: kind.ok_or_else(|| format!("`{}` is not `regular` or `extended`", raw.kind))?,
        opens: raw.opens.parse()?,
        closes: raw.closes.parse()?,
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(HOLIDAYS_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > HOLIDAYS_MAX {
        let problem = format!("longer than {HOLIDAYS_MAX} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, problem));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, RawConfig};
    use super::*;
    use market::{CalendarId, EventTime, TimeUnit};

    const REST: &str = r#"
        [job]
        calendar = "tokyo"

        [[calendar.session]]
        days = "mon-fri"
        opens = "09:00"
        closes = "11:30"

        [[calendar.session]]
        days = "mon-fri"
        opens = "12:30"
        closes = "15:00"

        [[instrument]]
        pattern = "us:*"
        calendar = "us-equities"

        [[source]]
        name = "a"
        kind = "file"
        paths = ["a.csv"]
        instrument = "x:Y"
        columns = { time = "t", price = "p", size = "q" }
    "#;

    fn check(head: &str, rest: &str, folder: &Path) -> Result<Config, String> {
        let raw = RawConfig::parse(&format!("{head}\n{rest}"), "c.toml");
        raw.and_then(|raw| raw.check(folder)).map_err(|error| error.to_string())
    }

    const HEAD: &str =
        "[[calendar]]\nname = \"tokyo\"\nzone = \"Asia/Tokyo\"\nholidays = \"tokyo.csv\"";

    #[test]
    fn a_calendar_of_ones_own_and_its_file_of_holidays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokyo.csv"), "2024-01-04, closed, made up\n").unwrap();
        let config = check(HEAD, REST, folder.path()).unwrap();
        let tokyo = config.calendars.get(CalendarId(0));
        assert_eq!(
            (tokyo.name(), config.calendars.get(CalendarId(1)).name()),
            ("tokyo", "us-equities")
        );
        let at = |text| tokyo.session(EventTime::parse(text, TimeUnit::Rfc3339).unwrap());
        assert_eq!(at("2024-01-05T11:29:59+09:00"), SessionKind::Regular);
        assert_eq!(at("2024-01-05T11:30:00+09:00"), SessionKind::Closed);
        assert_eq!(at("2024-01-04T10:00:00+09:00"), SessionKind::Closed);

        // What is recorded needs the file no more.
        folder.close().unwrap();
        let again = check("", &config.toml, Path::new("/nowhere")).unwrap();
        assert_eq!(again.toml, config.toml);
        assert_eq!(again.calendars, config.calendars);
    }

    #[test]
    fn a_calendar_like_one_that_ships() {
        let head = |more: &str| format!("[[calendar]]\nname = \"tokyo\"\nlike = \"XTKS\"\n{more}");
        let rest = REST.split("[[calendar.session]]").next().unwrap().to_owned();
        let rest = rest + REST.split("closes = \"15:00\"").nth(1).unwrap();
        let dates = "2024-06-03, closed\\n2024-06-08, 18:15-19:15, Saturday\\n2024-07-15, open";
        let own = format!("close_grace = \"31s\"\ndates = \"{dates}\"");
        let config = check(&head(&own), &rest, Path::new("/nowhere")).unwrap();
        let tokyo = config.calendars.get(CalendarId(0));
        let at = |text| tokyo.session(EventTime::parse(text, TimeUnit::Rfc3339).unwrap());
        for (time, kind) in [
            ("2024-06-03T10:00:00+09:00", SessionKind::Closed),
            ("2024-06-04T10:00:00+09:00", SessionKind::Regular),
            ("2024-06-04T11:30:30.9+09:00", SessionKind::Regular),
            ("2024-06-04T11:30:31+09:00", SessionKind::Closed),
            ("2024-06-08T18:14:59+09:00", SessionKind::Closed),
            ("2024-06-08T19:14:59+09:00", SessionKind::Regular),
            ("2024-07-15T10:00:00+09:00", SessionKind::Regular), // Marine Day
            ("2024-08-12T10:00:00+09:00", SessionKind::Closed),  // Mountain Day
        ] {
            assert_eq!(at(time), kind, "{time}");
        }
        for (more, want) in [
            ("zone = \"UTC\"", "leave them out"),
            ("close_grace = \"2h\"", "close_grace = 2h is more than 1h"),
            ("close_grace = \"soon\"", "close_grace: `soon`"),
            ("dates = \"2024-06-02, 13:00\"", "2024-06-02 cannot close early"),
            ("dates = \"2024-06-02, open\"", "2024-06-02 has no sessions in the usual week"),
        ] {
            let error = check(&head(more), &rest, Path::new("/nowhere")).err().unwrap_or_default();
            assert!(error.contains(want), "`{error}` lacks `{want}`");
        }
        let error = check(&head("").replace("XTKS", "UTC"), &rest, Path::new("/nowhere")).err();
        assert!(error.unwrap().contains("`UTC` has no sessions"));
    }

    #[test]
    fn wrong_calendars_say_where() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokyo.csv"), "2024-01-04\n").unwrap();
        let without = HEAD.lines().take(3).collect::<Vec<_>>().join("\n");
        let tokyo = "calendar[0] (name `tokyo`): ";
        for (head, rest, want) in [
            (HEAD, REST, format!("{tokyo}holidays tokyo.csv: line 1: `` is neither `closed`")),
            (
                &HEAD.replace("tokyo.csv", "no.csv"),
                REST,
                format!("{tokyo}cannot read holidays no.csv"),
            ),
            (&format!("{HEAD}\ndates = \"\""), REST, format!("{tokyo}`holidays` names a file and")),
            (&without.replace("Asia/Tokyo", "Mars"), REST, format!("{tokyo}unknown zone `Mars`")),
            (
                &without.replace("\"tokyo\"", "\"utc\""),
                REST,
                "another calendar has this name".into(),
            ),
            (&without, &REST.replace("\"11:30\"", "\"13:30\""), format!("{tokyo}sessions overlap")),
            (
                &without,
                &REST.replace("\"11:30\"", "\"noon\""),
                format!("{tokyo}session[0]: `noon`"),
            ),
            (
                &without,
                &REST.replace("calendar = \"us-equities\"", "calendar = \"osaka\""),
                "unknown calendar `osaka`".into(),
            ),
        ] {
            let error = check(head, rest, folder.path()).err().unwrap_or_default();
            assert!(error.contains(&want), "`{error}` lacks `{want}`");
        }
    }
}
