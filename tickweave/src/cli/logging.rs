//! What is logged: levels by module, panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use node_api::{Throttle, Told};
use tracing_subscriber::EnvFilter;

use super::screen;
use crate::log_format::{self, Importance, LogFormat};
use crate::stderr;

/// What is logged unless a flag or the environment says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts the log; `filter` is that of the flag, without one the environment decides.
pub(super) fn start(filter: Option<String>) -> anyhow::Result<()> {
    std::panic::set_hook(Box::new(log_panic));
    let from_environment = std::env::var("RUST_LOG").ok().filter(|own| !own.is_empty());
    let (from, filter) = match (filter, from_environment) {
        (Some(filter), _) => ("--log", filter),
        (None, Some(filter)) => ("RUST_LOG", filter),
        (None, None) => ("the default", DEFAULT_FILTER.to_owned()),
    };
    subscribe(&filter).map_err(|error| anyhow::anyhow!("{from} {filter}: {error}"))
}

fn subscribe(filter: &str) -> anyhow::Result<()> {
    check_levels(filter)?;
    // It tells each try of a request, and says all that again in the error that it returns, which is told when it begins.
    let filter = match filter.contains("object_store") {
        true => filter.to_owned(),
        false => format!("{filter},object_store=off"),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(|| stderr::Log)
        .log_internal_errors(false)
        .with_target(false);
    let started = match log_format::chosen() {
        LogFormat::Text => log.with_ansi(screen::is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!(error))
}

/// A word alone is a level. `tracing` would take another one for the name of a module, and log nothing else.
fn check_levels(filter: &str) -> anyhow::Result<()> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let words = filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '[']));
    for word in words {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        anyhow::ensure!(
            is_level,
            "`{word}` is not a level ({}); what is logged of a module is written as MODULE=LEVEL",
            LEVELS.join(", ")
        );
    }
    Ok(())
}

/// Panics by the name of the thread and the place in the program, of which there are only so many. What clients ask for may
/// panic each time.
static PANICS: Mutex<Panics> = Mutex::new(Panics(BTreeMap::new()));

struct Panics(BTreeMap<(String, String), Throttle>);

impl Panics {
    /// Whether a panic of a thread at a place is worth a line.
    fn happened(&mut self, thread: &str, place: &str, now: Instant) -> Option<Told> {
        let panics = self.0.entry((thread.to_owned(), place.to_owned()));
        panics.or_default().happened(now)
    }
}

/// Says that a thread panics, as the standard library does, but without waiting for who reads it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(told) = panics.happened(name, &place, Instant::now()) else { return };
    drop(panics);
    let mut text = format!("thread `{name}` {panic}{told}\n");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        text += &format!("{backtrace}\n");
    }
    stderr::log(log_format::message(Importance::Error, &text).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn panics_at_one_place_are_not_a_line_each() {
        let (mut panics, start) = (Panics(BTreeMap::new()), Instant::now());
        let mut told = |thread, place, ms| {
            let now = start + Duration::from_millis(ms);
            panics.happened(thread, place, now).map(|told| told.left_out)
        };
        assert_eq!(told("serve", "a.rs:1:1", 0), Some(0));
        assert_eq!(told("serve", "a.rs:1:1", 1), None);
        // What else panics is not hidden by it.
        assert_eq!(told("serve", "a.rs:2:1", 1), Some(0));
        assert_eq!(told("timely:work-0", "a.rs:1:1", 1), Some(0));
        assert_eq!(told("serve", "a.rs:1:1", 1_500), Some(1));
    }
}
