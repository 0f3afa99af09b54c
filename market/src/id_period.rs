//! How long a venue goes on without using a trade id again.

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, SessionKind};
use crate::time::EventTime;

/// How long ids go on until a venue begins them anew, in the calendar of the instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdPeriod {
    /// They never begin anew.
    #[default]
    Forever,
    /// Each trading day has ids of its own.
    Day,
    /// Each session has, and each closed time between sessions.
    Session,
    /// Each week of trading days has, from Monday on.
    Week,
}

impl IdPeriod {
    /// The name of the period that holds a time; none if there is but one.
    ///
    /// ```
    /// use market::{Calendar, EventTime, IdPeriod};
    /// let time = |text| EventTime::parse_any(text).unwrap();
    /// let globex = Calendar::named("cme-globex").unwrap();
    /// // Sunday evening in Chicago is part of Monday.
    /// let sunday = time("2024-08-04T17:00:00-05:00");
    /// assert_eq!(IdPeriod::Day.of(&globex, sunday).as_deref(), Some("2024-08-05"));
    /// assert_eq!(IdPeriod::Week.of(&globex, sunday).as_deref(), Some("2024-08-05"));
    /// assert_eq!(IdPeriod::Week.of(&Calendar::UTC, sunday).as_deref(), Some("2024-07-29"));
    /// assert_eq!(IdPeriod::Forever.of(&globex, sunday), None);
    /// ```
    pub fn of(self, calendar: &Calendar, time: EventTime) -> Option<String> {
        match self {
            IdPeriod::Forever => None,
            IdPeriod::Day => Some(calendar.trading_day(time).to_string()),
            IdPeriod::Session => {
                let stretch = calendar.stretch(time);
                let closed = if stretch.kind == SessionKind::Closed { " closed" } else { "" };
                Some(format!("{}{closed}", stretch.open.rfc3339()))
            }
            IdPeriod::Week => {
                let day = calendar.trading_day(time);
                // The last Monday at or before the day.
                let monday = day.tomorrow().and_then(|next| next.nth_weekday(-1, Weekday::Monday));
                Some(monday.unwrap_or(day).to_string())
            }
        }
    }
}
