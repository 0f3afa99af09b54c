//! Values of keys: spans, numbers in a range, times.

use std::time::Duration;

use market::{Calendar, Calendars, EventTime, Span, TimeUnit, Timeframe};

use super::ConfigError;

pub(super) fn span(place: &str, text: &str) -> Result<Span, ConfigError> {
    text.parse().map_err(ConfigError::at(place))
}

pub(super) fn duration(place: &str, text: &str) -> Result<Duration, ConfigError> {
    let span = span(place, text)?;
    match u64::try_from(span.as_nanos()) {
        Ok(ns) if ns > 0 && span < Span::secs(86_400) => Ok(Duration::from_nanos(ns)),
        _ => Err(ConfigError::Value {
            place: place.to_owned(),
            problem: format!("{span} is not between 1ns and 1d"),
        }),
    }
}

pub(super) fn in_range(
    place: &str,
    n: usize,
    least: usize,
    most: usize,
) -> Result<usize, ConfigError> {
    if (least..=most).contains(&n) {
        return Ok(n);
    }
    let problem = format!("{n} is not between {least} and {most}");
    Err(ConfigError::Value { place: place.to_owned(), problem })
}

pub(super) fn share(place: &str, share: f64) -> Result<f64, ConfigError> {
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    let problem = format!("{share} is not between 0 and 1");
    Err(ConfigError::Value { place: place.to_owned(), problem })
}

pub(super) fn timeframes(texts: &[String]) -> Result<Vec<Timeframe>, ConfigError> {
    let parsed = texts.iter().map(|text| text.parse().map_err(ConfigError::at("job.timeframes")));
    parsed.collect()
}

/// Checks that bars below a day divide the days or the sessions of every calendar.
pub(super) fn timeframes_fit(
    timeframes: &[Timeframe],
    calendars: &Calendars,
) -> Result<(), ConfigError> {
    let odd = timeframes.iter().filter(|timeframe| !timeframe.divides_days());
    let mut pairs = odd.flat_map(|timeframe| calendars.iter().map(move |of| (*timeframe, of)));
    let Some((timeframe, calendar)) = pairs.find(|(odd, of)| !of.divides_sessions(*odd)) else {
        return Ok(());
    };
    let sessions = match calendar.has_sessions() {
        true => ", nor any of its regular sessions",
        false => ", and it has no sessions",
    };
    let problem = format!(
        "`{timeframe}` is not a timeframe here: it does not divide a day of calendar `{}`{sessions} ({})",
        calendar.name(),
        possible(timeframe, calendar)
    );
    Err(ConfigError::at("job.timeframes")(problem))
}

/// The nearest timeframes that a calendar can have, in whole seconds, minutes or hours like the one that it cannot.
fn possible(wanted: Timeframe, calendar: &Calendar) -> String {
    let unit =
        [3_600, 60, 1].into_iter().find(|unit| wanted.secs().is_multiple_of(*unit)).unwrap_or(1);
    let fits = |secs: &u32| {
        let frame = Timeframe::from_secs(*secs);
        frame.is_some_and(|frame| frame.divides_days() || calendar.divides_sessions(frame))
    };
    let shorter: Vec<u32> =
        (1..wanted.secs() / unit).rev().map(|n| n * unit).filter(fits).take(3).collect();
    let longer = (wanted.secs() / unit + 1..=86_400 / unit).map(|n| n * unit).filter(fits).take(3);
    let near = shorter.into_iter().rev().chain(longer).filter_map(Timeframe::from_secs);
    let near: Vec<_> = near.map(|frame| frame.to_string()).collect();
    format!("near it are {}", near.join(", "))
}

pub(super) fn not_after(text: Option<&str>) -> Result<EventTime, ConfigError> {
    let Some(text) = text else { return Ok(EventTime::LATEST) };
    EventTime::parse(text, TimeUnit::Rfc3339).map_err(|error| ConfigError::Value {
        place: "job.not_after".to_owned(),
        problem: format!("`{text}` {error}"),
    })
}
