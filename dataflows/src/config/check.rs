//! Checks a configuration, part by part.

use std::path::Path;
use std::sync::Arc;

use market::{Calendars, Catalog, Registries, SharedRegistries, Span, Timeframe};
use node_api::{AccessError, HttpAccess};
use object_copy::{CopyStore, StoreOptions};
use operators::indicators::IndicatorsConfig;

use super::files::{self, JobFile, JobFiles};
use super::portfolios::{self, Portfolios};
use super::raw::{RawCommit, RawConfig, RawJob, RawLimits, RawState};
use super::raw_http::RawHttp;
use super::values::{duration, in_range, not_after, share, span, timeframes, timeframes_fit};
use super::{
    Config, ConfigError, ConfiguredSource, ProtectionConfig, RawOutliers, StateConfig, calendars,
    instruments, kinds, rules, sinks, sources,
};
use crate::ingest::dispatcher::InFlightLimits;
use crate::ingest::sequencer::{Cadence, FileOrder};
use crate::ingest::state_copy::CopyTarget;
use crate::jobs::{JobKind, JobPlan, JobSpec};
use crate::rules::{ConfiguredRules, RawRule, RuleTerms};
use rows::readers::Bounds;

impl RawConfig {
    /// Checks everything that is written in `file`, which a job reads and therefore never writes.
    pub(super) fn check_file(
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
        sources::fill_values(&mut self.source)?;
        let toml = self.written()?;
        let registries = SharedRegistries::new(registries);
        let RawConfig { job, commit, limits, http, instrument, source, sink, rule, .. } = self;
        let accounts = portfolios::Written {
            defaults: self.portfolios,
            portfolios: self.portfolio,
            rates: self.rate,
            risk: self.risk,
            fair: self.fair,
        };
        let kind = JobKind::named(&job.kind).map_err(ConfigError::at("job.kind"))?;
        kinds::check(kind, &job, &rule, &accounts)?;
        let (calendars, rules) = instruments::check(&job, instrument, &made, &registries)?;
        let catalog = Catalog::new(rules, limits.instruments).with_calendars(calendars.clone());
        let catalog = catalog.with_room_for(limits.portfolios, limits.models);
        let catalog = Arc::new(catalog.with_id_text_bytes(limits.id_text_bytes));
        let timeframes = timeframes(&job.timeframes)?;
        timeframes_fit(&timeframes, &calendars)?;
        let cadence = cadence(&commit)?;
        let sinks = sinks::sinks(sink, kind.views, folder, cadence.round, &timeframes)?;
        let outliers = self.outliers;
        let computed =
            Computed { kind, job: &job, limits: &limits, outliers, rules: rule, accounts };
        let (plan, portfolios) = computed.check(timeframes, &calendars, &catalog, &registries)?;
        let http_ingest = sources::http_ingest(&http)?;
        let protection = ProtectionConfig::check(&http, folder)?;
        files.extend(protection.files());
        let on_recording_error = self.recording.on_error.parse();
        let on_recording_error =
            on_recording_error.map_err(ConfigError::at("recording.on_error"))?;
        let reject_after = span("job.reject_after", &job.reject_after)?;
        let sources = sources::sources(
            source,
            http_ingest.is_some(),
            folder,
            &catalog,
            reject_after,
            &registries,
        )?;
        files.extend(files::of_sources(&sources));
        files::add_sinks(&mut files, &sinks)?;
        let file_order = file_order(commit.file_order.as_deref(), &sources)?;
        Ok(Config {
            workers: in_range("job.workers", job.workers, 1, 256)?,
            job: plan,
            calendars,
            catalog,
            portfolios,
            registries,
            sources,
            http_ingest,
            http_grace: span("http.grace", &http.grace)?,
            sinks,
            files,
            cadence,
            file_rows: in_range("commit.file_rows", commit.file_rows, 1, 1 << 20)?,
            file_order,
            read_back: span("job.read_back", &job.read_back)?,
            max_clock_ahead: span("job.max_clock_ahead", &job.max_clock_ahead)?,
            refused_share: share("job.refused_share", job.refused_share)?,
            alignment: span("job.alignment", &job.alignment)?,
            not_after: not_after(job.not_after.as_deref())?,
            limits: in_flight(&limits)?,
            log_bytes: limits.log_bytes,
            trade_log_bytes: limits.trade_log_bytes,
            ring_bytes: limits.ring_bytes,
            history_bytes: limits.history_bytes,
            connections: in_range("limits.connections", limits.connections, 1, 65_536)?,
            readers: readers(&limits)?,
            listen: protection.listen(&http)?,
            protection,
            access: access(&http)?,
            state: state(self.state, folder)?,
            on_recording_error,
            toml,
        })
    }

    /// The configuration as TOML, with what was filled in.
    fn written(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::at("configuration")(error.to_string()))
    }
}

/// Where the state is kept.
fn state(raw: RawState, folder: &Path) -> Result<Option<StateConfig>, ConfigError> {
    let copy = state_copy(&raw)?;
    let RawState { dir, fsync, checkpoint_every, keep_log, accept_gaps, .. } = raw;
    let checkpoint_every = match &*checkpoint_every {
        "never" => None,
        text => {
            let every = span("state.checkpoint_every", text)?;
            if every <= Span::ZERO || every > Span::secs(86_400) {
                let problem = format!("`{text}` is not above 0 and at most 1d, and not `never`");
                return Err(ConfigError::at("state.checkpoint_every")(problem));
            }
            Some(every)
        }
    };
    match dir {
        Some(dir) if dir.is_empty() => {
            let problem = "names no directory; leave it out to keep no state".to_owned();
            Err(ConfigError::at("state.dir")(problem))
        }
        dir => Ok(dir.map(|dir| StateConfig {
            dir: folder.join(dir),
            fsync,
            checkpoint_every,
            keep_log,
            accepts_gaps: accept_gaps,
            copy,
        })),
    }
}

/// Where the state is copied to.
fn state_copy(raw: &RawState) -> Result<Option<CopyTarget>, ConfigError> {
    let options = StoreOptions {
        endpoint: raw.copy_endpoint.clone(),
        region: raw.copy_region.clone(),
        allow_http: raw.copy_allow_http,
    };
    let Some(url) = raw.copy_to.clone() else {
        return match options == StoreOptions::default() {
            true => Ok(None),
            false => Err(ConfigError::at("state.copy_to")(
                "is not there, and other keys say how to copy: name the place, or leave them out"
                    .to_owned(),
            )),
        };
    };
    if raw.dir.is_none() {
        let problem = "copies what `state.dir` holds, and that is not there".to_owned();
        return Err(ConfigError::at("state.copy_to")(problem));
    }
    CopyStore::check(&url, &options)
        .map_err(|error| ConfigError::at("state.copy_to")(error.to_string()))?;
    Ok(Some(CopyTarget { url, options }))
}

/// Whom the server answers.
fn access(http: &RawHttp) -> Result<HttpAccess, ConfigError> {
    HttpAccess::new(&http.allowed_hosts, &http.allowed_origins).map_err(|error| {
        let key = match error {
            AccessError::Host(_) => "http.allowed_hosts",
            AccessError::Origin(_) => "http.allowed_origins",
        };
        ConfigError::at(key)(error.to_string())
    })
}

/// The order of rows of bare files.
fn file_order(text: Option<&str>, sources: &[ConfiguredSource]) -> Result<FileOrder, ConfigError> {
    match text {
        Some(text) => text.parse().map_err(ConfigError::at("commit.file_order")),
        None if sources.iter().any(|source| source.source.has_arrival_order()) => {
            Ok(FileOrder::Lines)
        }
        None => Ok(FileOrder::Time),
    }
}

/// What is written of what the job computes.
struct Computed<'a> {
    kind: &'static JobKind,
    job: &'a RawJob,
    limits: &'a RawLimits,
    outliers: RawOutliers,
    rules: Vec<RawRule>,
    accounts: portfolios::Written,
}

impl Computed<'_> {
    fn check(
        self,
        timeframes: Vec<Timeframe>,
        calendars: &Calendars,
        catalog: &Arc<Catalog>,
        registries: &SharedRegistries,
    ) -> Result<(JobPlan, Portfolios), ConfigError> {
        let Computed { kind, job, limits, outliers, rules, accounts } = self;
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
        let indicators = kinds::indicators(kind, job).iter().map(String::as_str);
        let indicators = IndicatorsConfig::parse(calendars.clone(), indicators)
            .map_err(|error| ConfigError::at("job.indicators")(error.to_string()))?;
        let indicators = Arc::new(indicators);
        let terms =
            RuleTerms { timeframes: timeframes.clone(), indicators: Arc::clone(&indicators) };
        let checked = rules::check(rules.clone(), &terms, registries)?;
        let terms = kind.computes_on_bars.then_some(terms);
        let rules = ConfiguredRules { raw: rules, rules: checked.into(), terms };
        let portfolios = accounts.check(&timeframes, &indicators, catalog)?;
        let base = timeframes.iter().min().copied().unwrap_or(Timeframe::MINUTE); // there is one
        let plan = JobPlan::new(JobSpec {
            kind,
            timeframes,
            calendars: calendars.clone(),
            reject_after,
            correction_horizon: horizon,
            gaps_max: in_range("limits.gaps", limits.gaps, 1, 1 << 20)?,
            outliers: outliers.check()?,
            indicators,
            rules,
        });
        let plan = plan.map_err(ConfigError::at("job.timeframes"))?;
        Ok((plan.with_portfolios(portfolios.for_job(base)), portfolios))
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

/// The bounds of what is in flight and retained.
fn in_flight(limits: &RawLimits) -> Result<InFlightLimits, ConfigError> {
    let records = limits.in_flight_records;
    Ok(InFlightLimits {
        in_flight_records: in_range("limits.in_flight_records", records, 1, usize::MAX)?,
        state_bytes: limits.state_bytes,
    })
}
