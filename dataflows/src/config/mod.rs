//! Configuration: what was written ([`RawConfig`]), in a file and above it ([`Layers`]), is checked once and
//! becomes what is used ([`Config`]).

mod calendars;
mod deprecated;
mod files;
mod instruments;
mod layers;
mod nearest;
mod outliers;
mod places;
mod portfolios;
mod raw;
mod rules;
mod sinks;
mod sources;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use market::{
    Calendars, Catalog, EventTime, Numbered, Registries, SharedRegistries, SourceId, Span,
    TimeUnit, Timeframe,
};
use operators::indicators::IndicatorsConfig;

pub use files::{JobFile, JobFiles};
pub use layers::{Layers, toml_or_text};
pub use portfolios::{
    Computed, Portfolio, Portfolios, Rate, RawAmount, RawFair, RawPortfolio, RawPortfolios,
    RawRate, RawRisk, Risk,
};
pub use raw::{
    RawCalendar, RawCommit, RawConfig, RawHttp, RawInstrument, RawJob, RawLimits, RawPlay,
    RawSession, RawSink, RawSource,
};

pub use outliers::RawOutliers;
pub use rules::{RawBreakout, RawCross, RawRule, RawThreshold};
pub use sinks::ConfiguredSink;
pub use sources::{ConfiguredSource, IngestApiConfig};

use crate::clock::{Ahead, SourceTiming};
use crate::delivery::{SinkStatus, SinkStatuses};
use crate::ingest::dispatcher::InFlightLimits;
use crate::ingest::sequencer::{Cadence, SourceNames};
use crate::ingest::source_manager::StartBounds;
use crate::ingest::source_status::SourceInfo;
use crate::jobs::candles::{Candles, JobSpec};
use crate::readers::Bounds;
use crate::views::Labels;

/// A checked configuration.
pub struct Config {
    /// Worker threads.
    pub workers: usize,
    /// What is computed.
    pub job: Candles,
    /// The job's calendars.
    pub calendars: Calendars,
    /// The instruments.
    pub catalog: Arc<Catalog>,
    /// What is configured of accounts.
    pub portfolios: Portfolios,
    /// The numbers of names, also of those that were configured before.
    pub registries: SharedRegistries,
    /// The sources.
    pub sources: Vec<ConfiguredSource>,
    /// The source of rows that clients send, if there is one.
    pub ingest_api: Option<IngestApiConfig>,
    /// Where a live run delivers changes of views.
    pub sinks: Vec<ConfiguredSink>,
    /// The files that it reads, and those that its sinks write.
    pub files: JobFiles,
    /// When a live run closes commits.
    pub cadence: Cadence,
    /// Rows of a commit of bare files.
    pub file_rows: usize,
    /// How far before the horizon reading may begin, so that the bars which it cuts are whole.
    pub read_back: Span,
    /// Live: how far ahead of the system's time events may be.
    pub max_clock_ahead: Span,
    /// Bare files: the latest event time.
    pub not_after: EventTime,
    /// Bounds of what is in flight and retained.
    pub limits: InFlightLimits,
    /// Bytes of each log.
    pub log_bytes: usize,
    /// Bytes of the trade log.
    pub trade_log_bytes: usize,
    /// Bytes of the latest changes of each keyed view.
    pub ring_bytes: usize,
    /// Bytes of what views were.
    pub history_bytes: usize,
    /// HTTP connections.
    pub connections: usize,
    /// What reads of clients may take up.
    pub readers: Bounds,
    /// Where to serve.
    pub listen: SocketAddr,
    /// The configuration as TOML, for recordings.
    pub toml: String,
}

/// A configuration that cannot be used: where, what was written, and what is possible.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}: {problem}")]
    Unreadable {
        /// Which file.
        path: String,
        /// The error of the system.
        problem: std::io::Error,
    },
    /// Not TOML of the right shape; the message names line, column and key.
    #[error("{path}: {problem}")]
    Shape {
        /// Which file.
        path: String,
        /// The error of the parser.
        problem: Box<toml::de::Error>,
    },
    /// A value does not make sense.
    #[error("{place}: {problem}")]
    Value {
        /// The key.
        place: String,
        /// What is wrong and what is possible.
        problem: String,
    },
}

impl ConfigError {
    fn at(place: impl Into<String>) -> impl FnOnce(String) -> ConfigError {
        let place = place.into();
        move |problem| ConfigError::Value { place, problem }
    }
}

impl RawConfig {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<RawConfig, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|problem| ConfigError::Unreadable { path: name.clone(), problem })?;
        RawConfig::parse(&text, &name)
    }

    /// Reads TOML; `name` is what errors call it.
    pub fn parse(text: &str, name: &str) -> Result<RawConfig, ConfigError> {
        toml::from_str(text).map_err(|problem| ConfigError::Shape {
            path: name.to_owned(),
            problem: Box::new(problem),
        })
    }

    /// Checks everything, for a job that starts afresh; relative paths start at `folder`.
    pub fn check(self, folder: &Path) -> Result<Config, ConfigError> {
        self.check_with(folder, Registries::default())
    }

    /// The same for a job that goes on from saved states or replays a recording, whose registries these are.
    pub fn check_with(self, folder: &Path, registries: Registries) -> Result<Config, ConfigError> {
        self.check_file(folder, None, registries)
    }

    /// The same of what is written in `file`, which a job reads and therefore never writes.
    fn check_file(
        mut self,
        folder: &Path,
        file: Option<&Path>,
        registries: Registries,
    ) -> Result<Config, ConfigError> {
        let mut files = JobFiles::default();
        files.extend(file.map(|path| JobFile::new(path, "the configuration")));
        files.extend(files::holidays(&self.calendar, folder));
        let made = calendars::Made::check(&mut self.calendar, folder)?;
        sources::fill_coverage(&mut self.source);
        let toml = toml::to_string(&self).map_err(|error| ConfigError::Value {
            place: "configuration".to_owned(),
            problem: error.to_string(),
        })?;
        let registries = SharedRegistries::new(registries);
        let RawConfig {
            job,
            outliers,
            commit,
            limits,
            http,
            calendar: _,
            instrument,
            source,
            sink,
            rule,
            ..
        } = self;
        let (calendars, spec) = instruments::check(&job, instrument, &made, &registries)?;
        let catalog = Catalog::new(spec, limits.instruments);
        let catalog = Arc::new(catalog.with_room_for(limits.portfolios, limits.models));
        let accounts = portfolios::Written {
            defaults: self.portfolios,
            portfolios: self.portfolio,
            rates: self.rate,
            risk: self.risk,
            fair: self.fair,
        };

        let reject_after = span("job.reject_after", &job.reject_after)?;
        let horizon = span("job.correction_horizon", &job.correction_horizon)?;
        if reject_after > horizon {
            return Err(ConfigError::Value {
                place: "job.reject_after".to_owned(),
                problem: format!(
                    "{reject_after} is more than job.correction_horizon = {horizon}: trades would be \
                     accepted whose copies can no longer be recognised"
                ),
            });
        }
        let timeframes = timeframes(&job.timeframes)?;
        let cadence = cadence(&commit)?;
        let sinks = sinks::sinks(sink, folder, cadence.round, &timeframes)?;
        let indicators = job.indicators.iter().map(String::as_str);
        let indicators = IndicatorsConfig::parse(calendars.clone(), indicators)
            .map_err(|error| ConfigError::at("job.indicators")(error.to_string()))?;
        let (rules, watched) = rules::check(rule, &timeframes, &indicators, &registries)?;
        let portfolios = accounts.check(&timeframes, &indicators, &catalog)?;
        let base = timeframes.iter().min().copied().unwrap_or(Timeframe::MINUTE); // there is one
        let candles = Candles::new(JobSpec {
            timeframes,
            calendars: calendars.clone(),
            reject_after,
            correction_horizon: horizon,
            gaps_max: in_range("limits.gaps", limits.gaps, 1, 1 << 20)?,
            outliers: outliers.check()?,
            indicators,
            rules,
            watched,
        });
        let candles = candles.map_err(ConfigError::at("job.timeframes"))?;
        let candles = candles.with_portfolios(portfolios.for_job(base));
        let ingest_api = IngestApiConfig::check(&http)?;
        let with_api = ingest_api.is_some();
        let sources =
            sources::sources(source, with_api, folder, &catalog, reject_after, &registries)?;
        files.extend(files::of_sources(&sources));
        files::add_sinks(&mut files, &sinks)?;

        Ok(Config {
            workers: in_range("job.workers", job.workers, 1, 256)?,
            job: candles,
            calendars,
            catalog,
            portfolios,
            registries,
            sources,
            ingest_api,
            sinks,
            files,
            cadence,
            file_rows: in_range("commit.file_rows", commit.file_rows, 1, 1 << 20)?,
            read_back: span("job.read_back", &job.read_back)?,
            max_clock_ahead: span("job.max_clock_ahead", &job.max_clock_ahead)?,
            not_after: not_after(job.not_after.as_deref())?,
            limits: InFlightLimits {
                in_flight_records: in_range(
                    "limits.in_flight_records",
                    limits.in_flight_records,
                    1,
                    usize::MAX,
                )?,
                state_bytes: limits.state_bytes,
            },
            log_bytes: limits.log_bytes,
            trade_log_bytes: limits.trade_log_bytes,
            ring_bytes: limits.ring_bytes,
            history_bytes: limits.history_bytes,
            connections: in_range("limits.connections", limits.connections, 1, 65_536)?,
            readers: readers(&limits)?,
            listen: http.listen.parse().map_err(|_| ConfigError::Value {
                place: "http.listen".to_owned(),
                problem: format!("`{}` is not an address such as 127.0.0.1:8080", http.listen),
            })?,
            toml,
        })
    }
}

impl Config {
    /// The source of rows that clients send, if there is one.
    pub fn ingest_source(&self) -> Option<SourceId> {
        self.ingest_api?;
        self.registries.with(|registries| registries.sources.find(IngestApiConfig::SOURCE))
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
        let of = |id| sources::registered_names(&self.registries, id, IngestApiConfig::RANK);
        let clients = || self.ingest_source().map(of);
        let names = self.by_number(|own| Some(own.names.clone()), clients, |id| Some(of(id)));
        names.into_iter().flatten().collect()
    }

    /// The names of the numbers in rows.
    pub fn labels(&self) -> Labels {
        let sources = self.source_names().into_iter().map(|names| (names.name, names.partitions));
        let rules = self.registries.with(|registries| registries.rules.names().to_vec());
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
            name: IngestApiConfig::SOURCE.to_owned(),
            kind: "http".to_owned(),
            rank: IngestApiConfig::RANK,
            partitions: IngestApiConfig::timing().partitions,
            idle_after: IngestApiConfig::timing().idle_after,
        };
        self.by_number(|own| Some(provider(own)), || Some(clients()), |_| None)
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
        let ended = SourceTiming { historic: false, partitions: 0, ..IngestApiConfig::timing() };
        self.by_number(own, IngestApiConfig::timing, |_| ended.clone())
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

fn span(place: &str, text: &str) -> Result<Span, ConfigError> {
    text.parse().map_err(ConfigError::at(place))
}

fn duration(place: &str, text: &str) -> Result<Duration, ConfigError> {
    let span = span(place, text)?;
    match u64::try_from(span.as_nanos()) {
        Ok(ns) if ns > 0 && span < Span::secs(86_400) => Ok(Duration::from_nanos(ns)),
        _ => Err(ConfigError::Value {
            place: place.to_owned(),
            problem: format!("{span} is not between 1ns and 1d"),
        }),
    }
}

fn cadence(commit: &RawCommit) -> Result<Cadence, ConfigError> {
    Ok(Cadence {
        period: duration("commit.period", &commit.period)?,
        records_max: in_range("commit.records", commit.records, 1, 1 << 20)?,
        idle: duration("commit.idle", &commit.idle)?,
        round: duration("commit.round", &commit.round)?,
    })
}

fn readers(limits: &RawLimits) -> Result<Bounds, ConfigError> {
    Ok(Bounds {
        threads: in_range("limits.reader_threads", limits.reader_threads, 1, 64)?,
        waiting: in_range("limits.reads_waiting", limits.reads_waiting, 1, 65_536)?,
        ..Bounds::default()
    })
}

fn in_range(place: &str, n: usize, least: usize, most: usize) -> Result<usize, ConfigError> {
    if (least..=most).contains(&n) {
        return Ok(n);
    }
    let problem = format!("{n} is not between {least} and {most}");
    Err(ConfigError::Value { place: place.to_owned(), problem })
}

fn timeframes(texts: &[String]) -> Result<Vec<Timeframe>, ConfigError> {
    let parsed = texts.iter().map(|text| text.parse().map_err(ConfigError::at("job.timeframes")));
    parsed.collect()
}

fn not_after(text: Option<&str>) -> Result<EventTime, ConfigError> {
    let Some(text) = text else { return Ok(EventTime::LATEST) };
    EventTime::parse(text, TimeUnit::Rfc3339).map_err(|error| ConfigError::Value {
        place: "job.not_after".to_owned(),
        problem: format!("`{text}` {error}"),
    })
}
