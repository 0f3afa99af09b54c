//! Values of keys: spans, numbers in a range, times.

use std::net::SocketAddr;
use std::time::Duration;

use market::{EventTime, Span, TimeUnit, Timeframe};

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

pub(super) fn not_after(text: Option<&str>) -> Result<EventTime, ConfigError> {
    let Some(text) = text else { return Ok(EventTime::LATEST) };
    EventTime::parse(text, TimeUnit::Rfc3339).map_err(|error| ConfigError::Value {
        place: "job.not_after".to_owned(),
        problem: format!("`{text}` {error}"),
    })
}

/// The address to serve on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value {
        place: "http.listen".to_owned(),
        problem: format!("`{text}` is not an address such as 127.0.0.1:8080"),
    })
}
