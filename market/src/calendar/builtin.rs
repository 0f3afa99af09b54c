//! The calendars that have names: the zones, and the markets listed here.

use super::Calendar;
use super::holidays::Holidays;
use super::plan::{SessionKind, SessionRule, WallClock, Weekdays};
use super::sessions::Sessions;

/// The names of the calendars with sessions that every configuration may use.
///
/// | name | zone | sessions |
/// |---|---|---|
/// | `us-equities` | America/New_York | regular 09:30–16:00; extended 04:00–09:30 and 16:00–20:00; holidays and half days of 2013 and 2023 to 2027 |
/// | `cme-globex` | America/Chicago | regular 17:00 of the day before to 16:00, Monday to Friday; no holidays |
pub const MARKETS: [&str; 2] = ["us-equities", "cme-globex"];

/// Closed days and early closes of the US stock exchanges.
const US_EQUITIES: &str = include_str!("us-equities.csv");

/// The calendar of a market in [`MARKETS`].
pub(super) fn market(name: &str) -> Option<Result<Calendar, String>> {
    let sessions = match name {
        "us-equities" => Holidays::parse(US_EQUITIES).and_then(|holidays| {
            let rules = [
                rule(SessionKind::Extended, hm(4, 0), hm(9, 30)),
                rule(SessionKind::Regular, hm(9, 30), hm(16, 0)),
                rule(SessionKind::Extended, hm(16, 0), hm(20, 0)),
            ];
            Sessions::new(name, "America/New_York", &rules, holidays)
        }),
        "cme-globex" => {
            let night = rule(SessionKind::Regular, hm(17 - 24, 0), hm(16, 0));
            Sessions::new(name, "America/Chicago", &[night], Holidays::default())
        }
        _ => return None,
    };
    Some(sessions.map(Calendar::with_sessions))
}

fn rule(kind: SessionKind, opens: WallClock, closes: WallClock) -> SessionRule {
    SessionRule { days: Weekdays::WORKING, kind, opens, closes }
}

const fn hm(hours: i32, minutes: i32) -> WallClock {
    WallClock::from_minutes(hours * 60 + minutes)
}
