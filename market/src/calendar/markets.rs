//! The calendars of markets that every configuration may use: one file of `markets/` each.
//!
//! A file has a line per fact, in fields that commas part; `#` begins a comment:
//!
//! * `name, NAME, what it is`; `alias, NAME`; `zone, ZONE`; `years, FIRST-LAST`: the years whose dates it knows;
//!   `source, where they are published`; `grace, SPAN`: how long after a regular session its last prints come;
//! * `session, DAYS, regular | extended, OPENS, CLOSES`, and `from, DATE` before sessions that replace those above;
//! * `WHAT, WHEN, NAME, YEARS, ROLL`, where `WHAT` is what a file of dates may say, such as `closed`, `13:00` or
//!   `10:00-16:30`. `rules` has the rest.

mod rules;

use std::sync::{Arc, OnceLock};

use jiff::civil::Date;

use super::holidays::date_of;
use super::plan::{SessionKind, SessionRule};
use super::sessions::Sessions;
use super::{Calendar, Holidays};
use crate::time::Span;
use rules::Rule;

/// A calendar that ships.
#[derive(Debug)]
pub struct MarketCalendar {
    text: &'static str,
    parsed: OnceLock<Result<Parsed, String>>,
}

/// What a file says.
#[derive(Clone, Debug)]
struct Parsed {
    sessions: Arc<Sessions>,
    names: Vec<String>,
    title: String,
    source: String,
}

/// All of them. A new file is a line here.
pub static MARKETS: [MarketCalendar; 23] = [
    MarketCalendar::of(include_str!("markets/xnys.txt")),
    MarketCalendar::of(include_str!("markets/cme-equity.txt")),
    MarketCalendar::of(include_str!("markets/xlon.txt")),
    MarketCalendar::of(include_str!("markets/xetr.txt")),
    MarketCalendar::of(include_str!("markets/xpar.txt")),
    MarketCalendar::of(include_str!("markets/xams.txt")),
    MarketCalendar::of(include_str!("markets/xmil.txt")),
    MarketCalendar::of(include_str!("markets/xswx.txt")),
    MarketCalendar::of(include_str!("markets/xtks.txt")),
    MarketCalendar::of(include_str!("markets/xhkg.txt")),
    MarketCalendar::of(include_str!("markets/fx.txt")),
    MarketCalendar::of(include_str!("markets/crypto.txt")),
    MarketCalendar::of(include_str!("markets/xtse.txt")),
    MarketCalendar::of(include_str!("markets/xasx.txt")),
    MarketCalendar::of(include_str!("markets/xshg.txt")),
    MarketCalendar::of(include_str!("markets/cme-energy.txt")),
    MarketCalendar::of(include_str!("markets/cme-metals.txt")),
    MarketCalendar::of(include_str!("markets/cme-rates.txt")),
    MarketCalendar::of(include_str!("markets/cme-fx.txt")),
    MarketCalendar::of(include_str!("markets/cboe.txt")),
    MarketCalendar::of(include_str!("markets/xbom.txt")),
    MarketCalendar::of(include_str!("markets/bvmf.txt")),
    MarketCalendar::of(include_str!("markets/xkrx.txt")),
];

impl MarketCalendar {
    const fn of(text: &'static str) -> MarketCalendar {
        MarketCalendar { text, parsed: OnceLock::new() }
    }

    fn parsed(&self) -> Result<&Parsed, String> {
        self.parsed.get_or_init(|| parse(self.text)).as_ref().map_err(String::clone)
    }

    /// Its name, then its other names.
    pub fn names(&self) -> &[String] {
        self.parsed().map_or(&[], |parsed| &parsed.names)
    }

    /// What it is, in words.
    pub fn title(&self) -> &str {
        self.parsed().map_or("", |parsed| &parsed.title)
    }

    /// Where its dates are published.
    pub fn source(&self) -> &str {
        self.parsed().map_or("", |parsed| &parsed.source)
    }

    /// The calendar, under one of its names.
    pub fn calendar(&self, name: &str) -> Result<Calendar, String> {
        let parsed = self.parsed()?;
        let sessions = match parsed.sessions.name() == name {
            true => Arc::clone(&parsed.sessions),
            false => Arc::new(parsed.sessions.renamed(name)),
        };
        Ok(Calendar::of(super::Kind::Sessions(sessions)))
    }
}

/// The calendar of a name, if a market has it.
pub(super) fn market(name: &str) -> Option<Result<Calendar, String>> {
    let is = |market: &&MarketCalendar| market.names().iter().any(|known| known == name);
    MARKETS.iter().find(is).map(|market| market.calendar(name))
}

/// All names, for messages.
pub(super) fn names() -> String {
    let all: Vec<&str> =
        MARKETS.iter().flat_map(MarketCalendar::names).map(String::as_str).collect();
    all.join(", ")
}

/// The lines of a file as they are read.
#[derive(Default)]
struct Lines<'a> {
    names: Vec<String>,
    title: &'a str,
    source: &'a str,
    zone: &'a str,
    years: Option<(i16, i16)>,
    grace: Option<Span>,
    /// Sessions, each list from a date on.
    eras: Vec<(Date, Vec<SessionRule>)>,
    rules: Vec<Rule>,
}

fn parse(text: &str) -> Result<Parsed, String> {
    let mut lines = Lines { eras: vec![(Date::MIN, Vec::new())], ..Lines::default() };
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if !line.is_empty() {
            let read = lines.read(&fields);
            read.map_err(|problem| format!("line {} (`{line}`): {problem}", number + 1))?;
        }
    }
    let years = lines.years.ok_or("no `years`")?;
    let name = lines.names.first().ok_or("no `name`")?;
    let mut holidays = Holidays::default();
    let mut eras = lines.eras.iter();
    let first = eras.next().map_or(&[][..], |(_, rules)| rules);
    let mut sessions = Sessions::new(name, lines.zone, first, Holidays::default())?;
    for (from, rules) in eras {
        sessions = sessions.with_era(*from, rules)?;
    }
    for rule in &lines.rules {
        rule.add(years, &sessions, &mut holidays)?;
    }
    let sessions = sessions.with_holidays(holidays)?.with_known(years);
    let sessions = sessions.with_close_grace(lines.grace.unwrap_or(Span::ZERO))?;
    Ok(Parsed {
        sessions: Arc::new(sessions),
        names: lines.names,
        title: lines.title.to_owned(),
        source: lines.source.to_owned(),
    })
}

impl<'a> Lines<'a> {
    fn read(&mut self, fields: &[&'a str]) -> Result<(), String> {
        match *fields {
            ["name", name, title] => {
                self.names.insert(0, name.to_owned());
                self.title = title;
            }
            ["alias", ref names @ ..] => self.names.extend(names.iter().map(|&n| n.to_owned())),
            ["zone", zone] => self.zone = zone,
            ["source", ..] => self.source = fields.get(1).copied().unwrap_or(""),
            ["grace", span] => self.grace = Some(span.parse()?),
            ["years", years] => self.years = Some(rules::years(years)?),
            ["from", date] => self.eras.push((date_of(date)?, Vec::new())),
            ["session", days, kind, opens, closes] => {
                let kind = match kind {
                    "regular" => SessionKind::Regular,
                    "extended" => SessionKind::Extended,
                    other => return Err(format!("`{other}` is not `regular` or `extended`")),
                };
                let (opens, closes) = (opens.parse()?, closes.parse()?);
                let rule = SessionRule { days: days.parse()?, kind, opens, closes };
                if let Some((_, sessions)) = self.eras.last_mut() {
                    sessions.push(rule);
                }
            }
            [what, when, _, ref rest @ ..] if rest.len() <= 2 => {
                let (years, roll) = (rest.first().unwrap_or(&""), rest.get(1).unwrap_or(&""));
                self.rules.push(Rule::parse(what, when, years, roll)?);
            }
            _ => return Err("not a line of a calendar".to_owned()),
        }
        Ok(())
    }
}
