//! What the log says of a run's sources, its dead letters and its readiness: when something begins, at most a line a
//! minute while it lasts, and when it is over.

use std::collections::BTreeMap;
use std::time::Instant;

use connectors::IncidentKind;
use market::printable;
use node_api::{Readiness, Throttle};

use crate::views::{DeadLetterRow, IncidentRow};

/// The most characters of an example.
const EXAMPLE_CHARS: usize = 200;

/// What was told, by source.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sources: BTreeMap<String, SourceJournal>,
    readiness: ReadinessJournal,
}

#[derive(Debug, Default)]
struct SourceJournal {
    /// The partitions whose connection is lost: since when, and whether that was told.
    lost: BTreeMap<String, (Instant, bool)>,
    losing: Throttle,
    /// By kind of incident.
    incidents: BTreeMap<&'static str, Throttle>,
    /// By reason.
    dead_letters: BTreeMap<&'static str, Throttle>,
}

#[derive(Debug, Default)]
struct ReadinessJournal {
    was_ready: bool,
    /// Whether it ever was.
    began: bool,
    not_ready: Throttle,
}

impl Journal {
    /// Tells an incident at `now`. What is connected for the first time is no news, and a partition that cannot be read
    /// on was told when it ended. `behind`: rows that the server has then, if known.
    pub(super) fn incident(
        &mut self,
        incident: &IncidentRow,
        behind: impl FnOnce() -> Option<u64>,
        now: Instant,
    ) {
        let IncidentRow { source, partition, kind, detail, .. } = incident;
        let own = self.of(source);
        match IncidentKind::ALL.into_iter().find(|known| known.name() == *kind) {
            Some(IncidentKind::Connected) => {
                let Some((since, was_told)) = own.lost.remove(partition) else { return };
                let waiting = behind().filter(|rows| *rows > 0);
                let waiting =
                    waiting.map_or(String::new(), |rows| format!("; {rows} rows wait to be read"));
                if was_told {
                    let secs = now.saturating_duration_since(since).as_secs_f64();
                    tracing::info!(
                        "{source}: {partition}: connected again after {secs:.1} s: {detail}{waiting}"
                    );
                }
                if own.lost.is_empty()
                    && let Some(over) = own.losing.over(now).filter(|over| over.times > 1)
                {
                    tracing::info!("{source}: all is connected again {over}{waiting}");
                }
            }
            Some(IncidentKind::Disconnected) => {
                let told = own.losing.happened(now);
                own.lost.insert(partition.clone(), (now, told.is_some()));
                if let Some(told) = told {
                    tracing::warn!("{source}: {partition}: disconnected: {detail}{told}");
                }
            }
            Some(kind @ (IncidentKind::Gap | IncidentKind::Warning)) => {
                let throttle = own.incidents.entry(kind.name()).or_default();
                if let Some(told) = throttle.happened(now) {
                    tracing::warn!("{source}: {partition}: {}: {detail}{told}", kind.name());
                }
            }
            _ => {}
        }
    }

    /// Tells dead letters: the first of each source and reason as an example, then how many more there are.
    pub(super) fn dead_letters(&mut self, letters: &[DeadLetterRow], now: Instant) {
        for DeadLetterRow { source, partition, position, rejection, .. } in letters {
            let reason = rejection.reason.name();
            let throttle = self.of(source).dead_letters.entry(reason).or_default();
            if let Some(told) = throttle.happened(now) {
                let raw = printable(&rejection.raw, EXAMPLE_CHARS);
                let detail = printable(&rejection.detail, EXAMPLE_CHARS);
                tracing::warn!(
                    "{source}: dead letters ({reason}), such as {partition} {position}: {detail}: {raw}{told}"
                );
            }
        }
    }

    /// Tells whether the process is ready, if that is news.
    pub(super) fn readiness(&mut self, readiness: &Readiness, now: Instant) {
        let ReadinessJournal { was_ready, began, not_ready } = &mut self.readiness;
        match readiness {
            Readiness::Ready if !*began => {
                *began = true;
                tracing::info!("ready");
            }
            Readiness::Ready if !*was_ready => {
                if let Some(over) = not_ready.over(now) {
                    tracing::info!("ready again {over}");
                }
            }
            Readiness::NotYet(why) if *was_ready => {
                if let Some(told) = not_ready.happened(now) {
                    tracing::warn!("not ready any more: {why}{told}");
                }
            }
            _ => {}
        }
        *was_ready = *readiness == Readiness::Ready;
    }

    /// Tells what is over, since it has not happened for a minute.
    pub(super) fn quiet(&mut self, now: Instant) {
        for (source, own) in &mut self.sources {
            for (reason, throttle) in &mut own.dead_letters {
                if let Some(over) = throttle.over_if_quiet(now) {
                    tracing::info!("{source}: no more dead letters ({reason}) {over}");
                }
            }
            for (kind, throttle) in &mut own.incidents {
                if let Some(over) = throttle.over_if_quiet(now).filter(|over| over.times > 1) {
                    tracing::info!("{source}: no more of {kind} {over}");
                }
            }
        }
    }

    fn of(&mut self, source: &str) -> &mut SourceJournal {
        if !self.sources.contains_key(source) {
            self.sources.insert(source.to_owned(), SourceJournal::default());
        }
        self.sources.entry(source.to_owned()).or_default()
    }
}
