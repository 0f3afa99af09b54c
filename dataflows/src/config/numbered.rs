//! What follows from a configuration: its sources by number, names, times and bounds of a run.

use std::sync::Arc;

use market::{EventTime, Numbered, SourceId, Span, Timeframe};
use rows::{Labels, RuleNames};

use super::{Config, ConfiguredSink, ConfiguredSource, sources};
use crate::clock::{Ahead, SourceTiming};
use crate::delivery::{SinkStatus, SinkStatuses};
use crate::ingest::http_ingest::{HTTP_SOURCE, HttpIngest};
use crate::ingest::sequencer::SourceNames;
use crate::ingest::source_manager::StartBounds;
use crate::status::SourceInfo;

impl Config {
    /// The source of rows that clients send, if there is one.
    pub fn ingest_source(&self) -> Option<SourceId> {
        self.http_ingest?;
        self.registries.with(|registries| registries.sources.find(HTTP_SOURCE))
    }

    /// What `own` says of each configured source and `clients` of that of clients, by number; of those that are gone
    /// from the configuration, what `gone` says.
    fn by_number<T>(
        &self,
        own: impl Fn(&ConfiguredSource) -> T,
        clients: impl Fn() -> T,
        gone: impl Fn(SourceId) -> T,
    ) -> Vec<T> {
        let count = self.registries.with(|registries| registries.sources.names().len());
        let ingest = self.ingest_source();
        let of = |id| match self.sources.iter().find(|source| source.id == id) {
            Some(source) => own(source),
            None if Some(id) == ingest => clients(),
            None => gone(id),
        };
        (0..count).map(SourceId::of_number).map(of).collect()
    }

    /// The sources' names and partitions, by number.
    pub fn source_names(&self) -> Vec<SourceNames> {
        // What a source that is gone has sent keeps its rank; it sends nothing more.
        let of = |id| sources::registered_names(&self.registries, id, sources::HTTP_RANK);
        let clients = || self.ingest_source().map(of);
        let names = self.by_number(|own| Some(own.names.clone()), clients, |id| Some(of(id)));
        names.into_iter().flatten().collect()
    }

    /// The names of the numbers in rows.
    pub fn labels(&self) -> Labels {
        let sources = self.source_names().into_iter().map(|names| (names.name, names.partitions));
        let registries = self.registries.clone();
        let rules = RuleNames::new(move |rule| {
            registries.with(|now| now.rules.name(rule).unwrap_or_default().to_owned())
        });
        Labels { sources: sources.collect(), rules, ..self.job.labels() }
    }

    /// The sources as the view `sources` shows them, by number; none for those that are gone.
    pub fn providers(&self) -> Vec<Option<SourceInfo>> {
        let provider = |source: &ConfiguredSource| SourceInfo {
            name: source.names.name.clone(),
            kind: source.kind.clone(),
            rank: source.names.rank,
            partitions: source.source.partitions().len(),
            idle_after: source.timing.idle_after,
        };
        let clients = || SourceInfo {
            name: HTTP_SOURCE.to_owned(),
            kind: "http".to_owned(),
            rank: sources::HTTP_RANK,
            partitions: 1,
            idle_after: None,
        };
        self.by_number(|own| Some(provider(own)), || Some(clients()), |_| None)
    }

    /// The HTTP ingest of a live run, if it has one.
    pub fn http_ingest(&self) -> Option<HttpIngest> {
        let (limits, source) = (self.http_ingest?, self.ingest_source()?);
        let catalog = Arc::clone(&self.catalog);
        Some(HttpIngest::new(limits, source.number(), catalog, self.ahead_live()))
    }

    /// How deliveries go, sink by sink and view by view; nothing is delivered yet.
    pub fn sink_statuses(&self) -> SinkStatuses {
        let of = |sink: &ConfiguredSink| {
            let views = sink.views.iter();
            let statuses = views.map(|(view, _)| SinkStatus::new(&sink.name, &sink.kind, view));
            statuses.collect::<Vec<_>>()
        };
        SinkStatuses(self.sinks.iter().flat_map(of).collect())
    }

    /// How the sources' times are understood, by number. A source that is gone has ended.
    pub fn timings(&self) -> Vec<SourceTiming> {
        let own = |source: &ConfiguredSource| source.timing.clone();
        let clients = || sources::http_ingest_timing(self.http_grace);
        let ended = SourceTiming { clients: None, partitions: 0, ..clients() };
        self.by_number(own, clients, |_| ended.clone())
    }

    /// Where a live run that begins at system time `at` starts sources that are read from the horizon on.
    pub fn start_bounds(&self, at: EventTime) -> StartBounds {
        let horizon = at.before(self.job.correction_horizon());
        let longest = self.job.timeframes().iter().max().copied().unwrap_or(Timeframe::MINUTE);
        let furthest = horizon.before(self.read_back);
        let bar = match self.job.correction_horizon() {
            Span::FOREVER => horizon,
            _ => self.calendars.earliest_open(longest, horizon),
        };
        let bar = if bar < furthest { horizon } else { bar };
        StartBounds { horizon, bar, ahead: self.max_clock_ahead }
    }

    /// The bound on event times of a live run.
    pub fn ahead_live(&self) -> Ahead {
        Ahead::OfSystem(self.max_clock_ahead)
    }

    /// The bound on event times of bare files.
    pub fn ahead_files(&self) -> Ahead {
        Ahead::NotAfter(self.not_after)
    }
}
