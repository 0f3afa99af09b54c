//! `[[source]]` and the ingest API of `[http]`: where rows come from.

use std::path::Path;
use std::sync::Arc;

use connectors::{BuildContext, Source, SourceError};
use market::{Catalog, Span};
use operators::SourceSet;

use super::deprecated;
use super::raw::{RawHttp, RawPlay, RawSource};
use super::{ConfigError, in_range, span};
use crate::clock::{Coverage, SourceTiming};
use crate::ingest::http_ingest::{HTTP_PARTITION, HTTP_SOURCE, HttpIngestLimits};
use crate::ingest::play::Play;
use crate::ingest::sequencer::SourceNames;
use rows::PartitionNames;

/// How far behind its newest event a source's events may come, unless configured.
const DEFAULT_DISORDER: Span = Span::secs(5);
/// When a source that goes on for ever is idle, unless configured.
const DEFAULT_IDLE: Span = Span::secs(30);

/// A source, ready to be opened.
pub struct ConfiguredSource {
    /// Its kind.
    pub kind: String,
    /// Name, rank and names of partitions.
    pub names: SourceNames,
    /// Whether the process is not ready before it was reached once.
    pub required: bool,
    /// How its time is understood.
    pub timing: SourceTiming,
    /// How it is played in a live run.
    pub play: Option<Play>,
    /// The source itself.
    pub source: Arc<dyn Source>,
}

/// What is configured of the HTTP ingest; none if there is none.
pub(super) fn http_ingest(raw: &RawHttp) -> Result<Option<HttpIngestLimits>, ConfigError> {
    let body_bytes = in_range("http.body_bytes", raw.body_bytes, 1, 1 << 30)?;
    let body_rows = in_range("http.body_rows", raw.body_rows, 1, 1 << 20)?;
    Ok(raw.ingest.then_some(HttpIngestLimits { body_bytes, body_rows }))
}

/// The names of the HTTP ingest as a source. Its rank is the last: what a feed says of a trade outranks what a client
/// says.
pub(super) fn http_ingest_names() -> SourceNames {
    let partitions = PartitionNames::one(HTTP_PARTITION);
    SourceNames { name: HTTP_SOURCE.to_owned(), rank: u8::MAX, partitions }
}

/// The HTTP ingest has no watermark: it is not known when a client sends rows, so nothing waits for it.
pub(super) fn http_ingest_timing() -> SourceTiming {
    SourceTiming {
        disorder: Span::ZERO,
        idle_after: None,
        coverage: Coverage::All,
        historic: true,
        partitions: 1,
    }
}

/// Writes out the coverage of sources that say none, so that a shown configuration has it: `any` for one
/// of several providers of a venue, and where ranks make a primary and its backups; else `all`.
pub(super) fn fill_coverage(sources: &mut [RawSource]) {
    let ranks: Vec<u8> = sources.iter().map(|source| source.rank).collect();
    for source in sources {
        let is_backed = ranks.iter().any(|rank| *rank != source.rank);
        let coverage = match is_backed || source.rest.contains_key("provider") {
            true => Coverage::Any,
            false => Coverage::All,
        };
        source.coverage.get_or_insert_with(|| coverage.name().to_owned());
    }
}

/// Checks the sources; `http_ingest` is whether there is one more, of clients.
pub(super) fn sources(
    raw: Vec<RawSource>,
    http_ingest: bool,
    folder: &Path,
    catalog: &Arc<Catalog>,
    reject_after: Span,
) -> Result<Vec<ConfiguredSource>, ConfigError> {
    // Where clients may send rows, there may be nothing else.
    let (least, most) = (usize::from(!http_ingest), SourceSet::MAX - usize::from(http_ingest));
    in_range("source (number of sources)", raw.len(), least, most)?;
    let mut sources: Vec<ConfiguredSource> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let place = format!("source[{index}] (name `{}`)", raw.name);
        if raw.name.is_empty() {
            return Err(ConfigError::at(place)("a source needs a `name`".to_owned()));
        }
        if sources.iter().any(|other| other.names.name == raw.name) {
            return Err(ConfigError::at(place)("another source has this name".to_owned()));
        }
        if http_ingest && raw.name == HTTP_SOURCE {
            let problem = "rows that clients send are the source `http`; choose another name, or write \
                           `ingest = false` in [http]";
            return Err(ConfigError::at(place)(problem.to_owned()));
        }
        sources.push(source(raw, &place, folder, catalog, reject_after)?);
    }
    Ok(sources)
}

fn source(
    raw: RawSource,
    place: &str,
    folder: &Path,
    catalog: &Arc<Catalog>,
    reject_after: Span,
) -> Result<ConfiguredSource, ConfigError> {
    let optional = |key: &str, text: &Option<String>| match text {
        Some(text) => span(&format!("{place}.{key}"), text).map(Some),
        None => Ok(None),
    };
    let disorder =
        optional("disorder", &raw.disorder)?.unwrap_or(DEFAULT_DISORDER.min(reject_after));
    if disorder > reject_after {
        return Err(ConfigError::Value {
            place: format!("{place}.disorder"),
            problem: format!("{disorder} is more than job.reject_after = {reject_after}"),
        });
    }
    let rest = serde_json::to_value(&raw.rest)
        .map_err(|error| ConfigError::at(place)(error.to_string()))?;
    let setting = BuildContext {
        name: raw.name.clone(),
        folder: folder.to_owned(),
        catalog: Arc::clone(catalog),
    };
    let kind = deprecated::source_kind(&raw.kind, place);
    let source: Arc<dyn Source> = connectors::sources()
        .build(kind, rest, setting)
        .map_err(|error| match error {
            SourceError::Config { problem, .. } => problem, // the place names the source
            other => other.to_string(),
        })
        .map_err(ConfigError::at(place))?
        .into();
    let is_file = source.is_replayable() && !source.is_endless();
    let idle = optional("idle_timeout", &raw.idle_timeout)?;
    let coverage = raw.coverage.as_deref().unwrap_or(Coverage::All.name()).parse();
    let coverage = coverage.map_err(ConfigError::at(format!("{place}.coverage")))?;
    let play = match &raw.play {
        Some(play) => Some(checked_play(play, place, is_file)?),
        None => source.is_made_up().then_some(Play { speed: Some(1.0), as_if_now: true }),
    };
    let named = Arc::clone(&source);
    let partitions = PartitionNames::new(move |partition| named.partition_name(partition));
    Ok(ConfiguredSource {
        kind: kind.to_owned(),
        required: raw.required,
        timing: SourceTiming {
            disorder,
            idle_after: idle.or_else(|| (!is_file).then_some(DEFAULT_IDLE)),
            coverage,
            historic: raw.historic,
            partitions: source.partitions().len(),
        },
        names: SourceNames { name: raw.name, rank: raw.rank, partitions },
        play,
        source,
    })
}

fn checked_play(raw: &RawPlay, place: &str, is_file: bool) -> Result<Play, ConfigError> {
    let wrong = |problem: &str| ConfigError::Value {
        place: format!("{place}.play"),
        problem: problem.to_owned(),
    };
    if !is_file {
        return Err(wrong("only sources that have an end and can be read again can be played"));
    }
    if !(raw.speed > 0.0 && raw.speed.is_finite()) {
        return Err(wrong("`speed` must be above 0"));
    }
    Ok(Play { speed: Some(raw.speed), as_if_now: raw.as_if_now })
}
