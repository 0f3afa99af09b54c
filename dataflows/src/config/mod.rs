//! Configuration: what was written ([`RawConfig`]), in a file and above it ([`Layers`]), is checked once and
//! becomes what is used ([`Config`]).

mod calendars;
mod check;
mod deprecated;
mod error;
mod faults;
mod files;
mod instruments;
mod kinds;
mod layers;
mod nearest;
mod numbered;
mod outliers;
mod places;
mod plain;
mod portfolios;
mod protection;
mod raw;
mod raw_http;
mod rules;
mod sinks;
mod sources;
mod values;
mod written;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{Calendars, Catalog, EventTime, Registries, SharedRegistries, Span};
use node_api::HttpAccess;

pub use error::{ConfigError, ConfigFault, WrittenBy, WrittenError};
pub use files::{JobFile, JobFiles};
pub use layers::{Layers, toml_or_text};
pub use portfolios::{
    Computed, Portfolio, Portfolios, RawAmount, RawFair, RawPortfolio, RawPortfolios, RawRate,
    RawRisk, Risk,
};
pub use raw::{
    RawCalendar, RawCommit, RawConfig, RawInstrument, RawJob, RawLimits, RawPlay, RawRecording,
    RawSession, RawSink, RawSource, RawState,
};
pub use raw_http::{RawClientLimits, RawHttp, RawTls};

pub use crate::rules::{RawBreakout, RawCross, RawRule, RawThreshold};
pub use outliers::RawOutliers;
pub use protection::ProtectionConfig;
pub use sinks::ConfiguredSink;
pub use sources::ConfiguredSource;

use crate::ingest::dispatcher::InFlightLimits;
use crate::ingest::http_ingest::HttpIngestLimits;
use crate::ingest::recording::OnRecordingError;
use crate::ingest::sequencer::{Cadence, FileOrder};
use crate::ingest::state_copy::CopyTarget;
use crate::jobs::JobPlan;
use rows::readers::Bounds;

/// A checked configuration.
pub struct Config {
    /// Worker threads.
    pub workers: usize,
    /// What is computed.
    pub job: JobPlan,
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
    pub http_ingest: Option<HttpIngestLimits>,
    /// For how long rows of clients are waited for.
    pub http_grace: Span,
    /// Where a live run delivers changes of views.
    pub sinks: Vec<ConfiguredSink>,
    /// The files that it reads, and those that its sinks write.
    pub files: JobFiles,
    /// When a live run closes commits.
    pub cadence: Cadence,
    /// Rows of a commit of bare files.
    pub file_rows: usize,
    /// The order in which rows of bare files count.
    pub file_order: FileOrder,
    /// How far before the horizon reading may begin, so that the bars which it cuts are whole.
    pub read_back: Span,
    /// Live: how far ahead of the system's time events may be.
    pub max_clock_ahead: Span,
    /// The share of its input that a run may refuse.
    pub refused_share: f64,
    /// Live: how far ahead of each other sources of coverage `all` may be read.
    pub alignment: Span,
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
    /// Whom the server answers.
    pub access: HttpAccess,
    /// What protects it.
    pub protection: ProtectionConfig,
    /// Where the state of a live job is kept; none: nowhere.
    pub state: Option<StateConfig>,
    /// Live: what happens when the recording cannot be written.
    pub on_recording_error: OnRecordingError,
    /// The configuration as TOML, for recordings.
    pub toml: String,
}

/// Where and how the state of a live job is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The directory.
    pub dir: PathBuf,
    /// Whether commits are made durable on the disk.
    pub fsync: bool,
    /// How often a checkpoint begins; none: only at an orderly end.
    pub checkpoint_every: Option<Span>,
    /// Whether the log is kept from the first commit on.
    pub keep_log: bool,
    /// Whether a start goes on although rows that were to come next are gone.
    pub accepts_gaps: bool,
    /// Where the state is copied to; none: nowhere.
    pub copy: Option<CopyTarget>,
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
        toml::from_str(text).map_err(|problem| ConfigError::no_toml(name, text, &problem))
    }

    /// Checks everything, for a job that starts afresh; relative paths start at `folder`.
    pub fn check(mut self, folder: &Path) -> Result<Config, ConfigError> {
        sources::find_files(&mut self.source, folder)?;
        self.check_with(folder, Registries::default())
    }

    /// The same for a job that goes on from saved states or replays a recording, whose registries these are. Its paths
    /// name files alone.
    pub fn check_with(self, folder: &Path, registries: Registries) -> Result<Config, ConfigError> {
        self.check_file(folder, None, registries)
    }
}
