//! Values of keys: spans, numbers in a range, times.

use std::net::SocketAddr;
use std::time::Duration;

use market::{EventTime, Span, TimeUnit, Timeframe};
use rows::readers::Bounds;

use super::ConfigError;
use super::raw::{RawCommit, RawLimits};
use crate::ingest::dispatcher::InFlightLimits;
use crate::ingest::sequencer::Cadence;

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

pub(super) fn cadence(commit: &RawCommit) -> Result<Cadence, ConfigError> {
    Ok(Cadence {
        period: duration("commit.period", &commit.period)?,
        records_max: in_range("commit.records", commit.records, 1, 1 << 20)?,
        idle: duration("commit.idle", &commit.idle)?,
        round: duration("commit.round", &commit.round)?,
    })
}

pub(super) fn readers(limits: &RawLimits) -> Result<Bounds, ConfigError> {
    Ok(Bounds {
        threads: in_range("limits.reader_threads", limits.reader_threads, 1, 64)?,
        waiting: in_range("limits.reads_waiting", limits.reads_waiting, 1, 65_536)?,
        ..Bounds::default()
    })
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

/// The bounds of what is in flight and retained.
pub(super) fn in_flight(limits: &RawLimits) -> Result<InFlightLimits, ConfigError> {
    let records = limits.in_flight_records;
    Ok(InFlightLimits {
        in_flight_records: in_range("limits.in_flight_records", records, 1, usize::MAX)?,
        state_bytes: limits.state_bytes,
    })
}
