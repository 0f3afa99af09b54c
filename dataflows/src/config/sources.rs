//! `[[source]]` and the ingest API of `[http]`: where rows come from.

use std::path::Path;
use std::sync::Arc;

use connectors::entries::EntriesSource;
use connectors::files::FileSource;
use connectors::mapping::{UnitsConfig, ZeroSize};
use connectors::paths::names_of_files;
use connectors::{BuildContext, Source, SourceError, TypedSource};
use market::{Catalog, Numbered, PartitionId, SharedRegistries, SourceId, Span};
use operators::SourceSet;

use super::ConfigError;
use super::deprecated;
use super::raw::{RawPlay, RawSource};
use super::raw_http::RawHttp;
use super::values::{in_range, span};
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
    /// Its number.
    pub id: SourceId,
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

/// The rank of the HTTP ingest is the last: what a feed says of a trade outranks what a client says.
pub(super) const HTTP_RANK: u8 = u8::MAX;

/// The HTTP ingest waits for rows for a grace; it is not known when a client sends rows.
pub(super) fn http_ingest_timing(grace: Span) -> SourceTiming {
    SourceTiming {
        disorder: Span::ZERO,
        idle_after: None,
        give_up_after: None,
        coverage: Coverage::All,
        historic: false,
        clients: Some(grace),
        is_awaited: false,
        back_fills: false,
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

/// Writes out how values are read where a source says none of it, so that a shown configuration has it. A codec says
/// itself what `units` would say.
pub(super) fn fill_values(sources: &mut [RawSource]) -> Result<(), ConfigError> {
    let shown = |error: toml::ser::Error| ConfigError::at("source")(error.to_string());
    let zero_size = toml::Value::try_from(ZeroSize::default()).map_err(shown)?;
    let units = toml::Table::try_from(UnitsConfig::default()).map_err(shown)?;
    for RawSource { rest, .. } in sources {
        let has_columns = rest.contains_key("columns");
        if has_columns || rest.contains_key("codec") {
            rest.entry("zero_size".to_owned()).or_insert_with(|| zero_size.clone());
        }
        let none = || toml::Value::Table(toml::Table::new());
        if has_columns
            && let toml::Value::Table(own) = rest.entry("units".to_owned()).or_insert_with(none)
        {
            for (key, value) in &units {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    Ok(())
}

/// Puts files in the place of the patterns and folders that name them, so that what is shown and recorded names each
/// file. A source that follows its files finds them itself, also later.
pub(super) fn find_files(sources: &mut [RawSource], folder: &Path) -> Result<(), ConfigError> {
    for (index, source) in sources.iter_mut().enumerate() {
        let reads_files = [FileSource::KIND, EntriesSource::KIND].contains(&&*source.kind);
        let follows = source.rest.get("follow").and_then(toml::Value::as_bool) == Some(true);
        let Some(paths) = source.rest.get_mut("paths").filter(|_| reads_files && !follows) else {
            continue;
        };
        // What is no list of texts is refused by the source.
        let Ok(written) = paths.clone().try_into::<Vec<String>>() else { continue };
        let place = format!("source[{index}] (name `{}`).paths", source.name);
        let names = names_of_files(&written, folder).map_err(ConfigError::at(place))?;
        *paths = toml::Value::from(names);
    }
    Ok(())
}

/// Checks the sources; `http_ingest` is whether there is one more, of clients.
pub(super) fn sources(
    raw: Vec<RawSource>,
    http_ingest: bool,
    folder: &Path,
    catalog: &Arc<Catalog>,
    reject_after: Span,
    registries: &SharedRegistries,
) -> Result<Vec<ConfiguredSource>, ConfigError> {
    // Where clients may send rows, there may be nothing else.
    let (least, most) = (usize::from(!http_ingest), SourceSet::MAX - usize::from(http_ingest));
    in_range("source (number of sources)", raw.len(), least, most)?;
    let ids = registered(&raw, http_ingest, registries).map_err(ConfigError::at("source"))?;
    let mut sources: Vec<ConfiguredSource> = Vec::with_capacity(raw.len());
    for (index, (raw, id)) in raw.into_iter().zip(ids).enumerate() {
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
        sources.push(source(raw, id, &place, folder, catalog, reject_after, registries)?);
    }
    Ok(sources)
}

/// The numbers of the sources; that of clients is registered after the others.
fn registered(
    raw: &[RawSource],
    ingest_api: bool,
    registries: &SharedRegistries,
) -> Result<Vec<SourceId>, String> {
    let clients = ingest_api.then_some(HTTP_SOURCE);
    let names: Vec<&str> = raw.iter().map(|raw| raw.name.as_str()).chain(clients).collect();
    let ids = registries.register_sources(&names).map_err(|error| error.to_string())?;
    if let Some(clients) = ids.last().filter(|_| ingest_api) {
        let partition = registries.register_partition(*clients, HTTP_PARTITION);
        partition.map_err(|error| error.to_string())?;
    }
    Ok(ids)
}

/// Registers the partitions that the configuration of a source names.
fn register_partitions(
    source: &dyn Source,
    id: SourceId,
    registries: &SharedRegistries,
) -> Result<(), String> {
    source.partitions().into_iter().try_for_each(|partition| {
        let registered = registries.register_partition(id, &source.partition_name(partition));
        registered.map(|_| ()).map_err(|error| error.to_string())
    })
}

/// The names of a source and of the partitions that it has had, as they are registered.
pub(super) fn registered_names(
    registries: &SharedRegistries,
    id: SourceId,
    rank: u8,
) -> SourceNames {
    let (name, order) = registries.with(|registries| {
        let sources = &registries.sources;
        (sources.names()[id.number()].clone(), sources.order(id))
    });
    let registries = registries.clone();
    let partitions = PartitionNames::new(move |partition| {
        let partition = PartitionId::of_number(partition as usize);
        registries.partition_name(id, partition)
    });
    SourceNames { name, rank, order, partitions }
}

fn source(
    raw: RawSource,
    id: SourceId,
    place: &str,
    folder: &Path,
    catalog: &Arc<Catalog>,
    reject_after: Span,
    registries: &SharedRegistries,
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
    register_partitions(&*source, id, registries).map_err(ConfigError::at(place))?;
    Ok(ConfiguredSource {
        id,
        kind: kind.to_owned(),
        required: raw.required,
        timing: SourceTiming {
            disorder,
            idle_after: idle.or_else(|| (!is_file).then_some(DEFAULT_IDLE)),
            give_up_after: optional("give_up_after", &raw.give_up_after)?,
            coverage,
            historic: raw.historic,
            clients: None,
            // In a live run alone, where both are known:
            is_awaited: false,
            back_fills: false,
            partitions: registries.with(|registries| registries.sources.partitions(id).len()),
        },
        names: registered_names(registries, id, raw.rank),
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
