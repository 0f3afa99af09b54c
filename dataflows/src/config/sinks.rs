//! `[[sink]]`: where changes of views go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectors::{Encoding, Sink, SinkBuildContext, SinkError};
use market::{BarState, InstrumentId, PortfolioId, Timeframe};

use super::ConfigError;
use super::raw::RawSink;
use super::values::{duration, in_range};
use rows::{RowFilter, View, ViewKind, ViewList};

/// A sink, ready to be opened.
pub struct ConfiguredSink {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The views that it is given, and which of their rows.
    pub views: Vec<(&'static View, Arc<RowFilter>)>,
    /// What a record holds of a change.
    pub encoding: Encoding,
    /// Whether exact numbers are written as strings.
    pub numbers_as_strings: bool,
    /// At least this long between two batches of a view.
    pub every: Duration,
    /// Whether rows of earlier runs that this run does not have are deleted.
    pub replace_earlier: bool,
    /// The sink itself.
    pub sink: Arc<dyn Sink>,
}

/// At most so many views go to all sinks together: each has a thread.
const DELIVERIES_MAX: usize = 64;

/// Checks the sinks of a job with these views; `round` is how often a round ends, and `timeframes` those that are
/// computed.
pub(super) fn sinks(
    raw: Vec<RawSink>,
    job_views: ViewList,
    folder: &Path,
    round: Duration,
    timeframes: &[Timeframe],
) -> Result<Vec<ConfiguredSink>, ConfigError> {
    let deliveries = raw.iter().map(|sink| sink.views.len()).sum();
    in_range("sink (number of views of all sinks)", deliveries, 0, DELIVERIES_MAX)?;
    let mut sinks: Vec<ConfiguredSink> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let place = format!("sink[{index}] (name `{}`)", raw.name);
        if raw.name.is_empty() {
            return Err(ConfigError::at(place)("a sink needs a `name`".to_owned()));
        }
        if sinks.iter().any(|other| other.name == raw.name) {
            return Err(ConfigError::at(place)("another sink has this name".to_owned()));
        }
        sinks.push(sink(raw, job_views, &place, folder, round, timeframes)?);
    }
    Ok(sinks)
}

fn sink(
    raw: RawSink,
    job_views: ViewList,
    place: &str,
    folder: &Path,
    round: Duration,
    timeframes: &[Timeframe],
) -> Result<ConfiguredSink, ConfigError> {
    let at = |key: &str| ConfigError::at(format!("{place}.{key}"));
    if raw.views.is_empty() && raw.rest.contains_key("view") {
        let problem =
            "unknown field `view`; the views of a sink are a list, such as `views = [\"candles\"]`";
        return Err(ConfigError::at(place)(problem.to_owned()));
    }
    let views = views(job_views, &raw.views).map_err(at("views"))?;
    let wanted = |view: &'static View| {
        let wanted = wanted(view, &raw.only, timeframes).map_err(at("where"))?;
        Ok::<_, ConfigError>((view, Arc::new(without_partial_bars(view, wanted))))
    };
    let wanted = views.into_iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let every = match &raw.every {
        Some(every) => duration(&format!("{place}.every"), every)?,
        None => round,
    };
    let numbers_as_strings = match &*raw.numbers {
        "number" => false,
        "string" => true,
        other => return Err(at("numbers")(format!("`{other}` is not number or string"))),
    };
    let rest = serde_json::to_value(&raw.rest)
        .map_err(|error| ConfigError::at(place)(error.to_string()))?;
    let setting = SinkBuildContext {
        name: raw.name.clone(),
        folder: folder.to_owned(),
        views: raw.views,
        columns: common_columns(&wanted),
        encoding: raw.encoding,
    };
    let sink = connectors::sinks()
        .build(&raw.kind, rest, setting)
        .map_err(|error| match error {
            SinkError::Config { problem, .. } => problem, // the place names the sink
            other => other.to_string(),
        })
        .map_err(ConfigError::at(place))?;
    let encoding = if sink.needs_before() { Encoding::Deltas } else { raw.encoding };
    if raw.replace_earlier {
        check_replace_earlier(&*sink, &wanted).map_err(at("replace_earlier"))?;
    }
    Ok(ConfiguredSink {
        name: raw.name,
        kind: raw.kind,
        views: wanted,
        encoding,
        numbers_as_strings,
        every,
        replace_earlier: raw.replace_earlier,
        sink: Arc::from(sink),
    })
}

/// The names of the columns that all views have.
fn common_columns(views: &[(&'static View, Arc<RowFilter>)]) -> Vec<String> {
    let Some(((first, _), others)) = views.split_first() else { return Vec::new() };
    let names = first.columns.iter().map(|column| column.name);
    let common = names.filter(|name| others.iter().all(|(view, _)| view.column(name).is_some()));
    common.map(str::to_owned).collect()
}

/// Rows of earlier runs can be deleted by key where the sink knows them.
fn check_replace_earlier(
    sink: &dyn Sink,
    views: &[(&'static View, Arc<RowFilter>)],
) -> Result<(), String> {
    if !sink.knows_earlier_rows() {
        return Err("true is for `kind = \"kafka\"` with `encoding = \"upserts\"`: others begin anew with a snapshot, or keep \
                    what was"
            .to_owned());
    }
    match views.iter().find(|(view, _)| view.kind == ViewKind::Log) {
        Some((log, _)) => {
            Err(format!("true is for tables; `{}` is a log, whose rows stay", log.name))
        }
        None => Ok(()),
    }
}

fn views(job_views: ViewList, names: &[String]) -> Result<Vec<&'static View>, String> {
    if names.is_empty() {
        return Err(format!("names no view (known: {})", job_views.known()));
    }
    let mut views: Vec<&'static View> = Vec::with_capacity(names.len());
    for name in names {
        let view = job_views.named(name).ok_or_else(|| job_views.unknown(name))?;
        if let Some(present) = job_views.renamed(name) {
            tracing::warn!(
                "the view `{name}` of a sink is now named `{present}`; the next version drops the old name"
            );
        }
        if views.contains(&view) {
            return Err(format!("names `{name}` twice"));
        }
        views.push(view);
    }
    Ok(views)
}

/// The rows of `view` that fit all conditions: by column, one or several texts that it may have.
fn wanted(
    view: &'static View,
    only: &BTreeMap<String, toml::Value>,
    timeframes: &[Timeframe],
) -> Result<RowFilter, String> {
    let mut wanted = RowFilter::default();
    for (name, value) in only {
        let texts = texts(value)
            .ok_or_else(|| format!("`{name}` = {value} is neither a text nor a list of texts"))?;
        let column = if name == "symbol" { "instrument" } else { name };
        let number = view.column(column).ok_or_else(|| {
            let columns: Vec<_> = view.columns.iter().map(|column| column.name).collect();
            format!("`{}` has no column `{column}` (it has {})", view.name, columns.join(", "))
        })?;
        match column {
            "instrument" => {
                wanted.instruments = Some(texts.iter().map(|t| InstrumentId::of(t)).collect());
            }
            "portfolio" => {
                wanted.portfolios = Some(texts.iter().map(|t| PortfolioId::of(t)).collect());
            }
            "timeframe" => {
                let parsed = texts.iter().map(|text| {
                    Timeframe::among(text, timeframes).map_err(|wrong| format!("`{text}` {wrong}"))
                });
                wanted.timeframes = Some(parsed.collect::<Result<_, _>>()?);
            }
            _ => wanted.texts.push((number, texts)),
        }
    }
    Ok(wanted)
}

/// Bars that may lack trades do not go out, unless `where` says which states do: in the other system, a whole bar of an
/// earlier run may be under the same key.
fn without_partial_bars(view: &'static View, mut wanted: RowFilter) -> RowFilter {
    let state = view.column("state").filter(|_| view.name == "candles");
    if let Some(state) = state
        && wanted.texts.iter().all(|(column, _)| *column != state)
    {
        let whole = BarState::ALL.into_iter().filter(|one| *one != BarState::Partial);
        wanted.texts.push((state, whole.map(|one| one.name().to_owned()).collect()));
    }
    wanted
}

fn texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => {
            Some(text.split(',').map(|text| text.trim().to_owned()).collect())
        }
        toml::Value::Array(values) => {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
        }
        toml::Value::Integer(number) => Some(vec![number.to_string()]),
        _ => None,
    }
}
