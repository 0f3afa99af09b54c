//! `GET /v1/candles/{symbol}`: bars of one instrument and timeframe, ascending in time.

use market::{SessionKind, Timeframe};
use serde_json::Value;
use warp::Filter;
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_64;

use crate::serve::Context;
use crate::serve::bars::{Bars, CANDLES, Wanted};
use crate::serve::format::{Format, Shown};
use crate::serve::problem::Problem;
use crate::serve::query::{Known, Query};
use crate::serve::symbol::resolve;
use crate::views::Frontier;

use super::{
    Asked, Endpoint, Entry, FrontierJson, LIMIT_DEFAULT, LIMIT_MAX, READ, Route, X_MORE, answered,
    reads, set, stamp,
};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/candles/{symbol}",
        doc: "bars of an instrument; ?tf= &from= &to= &limit= &session= &fill= &numbers= &format=",
    }],
    route,
};

const PARAMETERS: Known = &[
    &["tf", "timeframe"],
    &["from"],
    &["to"],
    &["limit"],
    &["session"],
    &["fill"],
    &["numbers"],
    &["format"],
];

/// The words of `session=`; some have two.
const SESSIONS: [(&str, Option<SessionKind>); 5] = [
    ("all", None),
    ("regular", Some(SessionKind::Regular)),
    ("rth", Some(SessionKind::Regular)),
    ("extended", Some(SessionKind::Extended)),
    ("eth", Some(SessionKind::Extended)),
];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "candles" / String)
        .and(reads())
        .then(move |symbol: String, asked: Asked| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &symbol, &asked);
                answered(asked.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(context: &Context, symbol: &str, asked: &Asked) -> Result<Response, Problem> {
    let (wanted, form) = read(context, symbol, asked)?;
    let now = context.reader.frontier();
    if already_has(asked, &etag(now, form.format)) {
        let mut response = Response::new(String::new().into());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        describe(&mut response, now, form.format);
        return Ok(response);
    }
    let bars = wanted.read(context).await?;
    let body = form.write(context, &wanted, &bars)?;
    let mut response = Response::new(body.into());
    describe(&mut response, bars.frontier, form.format);
    set(&mut response, CONTENT_TYPE, form.format.content_type());
    // Only JSON has a place for it in the body.
    set(&mut response, X_MORE, if bars.more { "true" } else { "false" });
    Ok(response)
}

/// How bars are written.
struct Form {
    format: Format,
    numbers_as_strings: bool,
}

fn read(context: &Context, symbol: &str, asked: &Asked) -> Result<(Wanted, Form), Problem> {
    let mut query = Query::new(&asked.query, PARAMETERS);
    let timeframe = query.parsed("tf", |text| timeframe(text, &context.timeframes));
    let from = query.time("from");
    let to = query.time("to");
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        let detail = format!("from={from} is after to={to}");
        query.fault("from", "order", detail, Vec::new());
    }
    let limit = query.count("limit", 1, LIMIT_MAX);
    let session = query.word("session", &SESSIONS);
    let fill = query.word("fill", &[("none", false), ("previous", true), ("prev", true)]);
    let numbers = query.word("numbers", &[("number", false), ("string", true)]);
    let formats: Vec<_> = Format::ALL.iter().map(|format| (format.name(), *format)).collect();
    let format = query.word("format", &formats);
    query.finish()?;
    let form = Form {
        format: match format {
            Some(format) => format,
            None => Format::accepted(&asked.headers, Format::ALL)?,
        },
        numbers_as_strings: numbers.unwrap_or(false),
    };
    let smallest = context.timeframes.iter().min().copied();
    let wanted = Wanted {
        instrument: resolve(&context.catalog, symbol)?,
        timeframe: timeframe.or(smallest).unwrap_or(Timeframe::MINUTE),
        from,
        to,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
        session: session.flatten(),
        fill: fill.unwrap_or(false),
    };
    Ok((wanted, form))
}

/// A timeframe that is computed, in any of its spellings (`60s` is `1m`).
fn timeframe(text: &str, computed: &[Timeframe]) -> Result<Timeframe, (String, Vec<String>)> {
    let found = text.parse().ok().filter(|timeframe| computed.contains(timeframe));
    found.ok_or_else(|| {
        let mut computed = computed.to_vec();
        computed.sort_unstable();
        let allowed: Vec<_> = computed.iter().map(Timeframe::to_string).collect();
        let wrong = format!("is not a timeframe that is computed ({})", allowed.join(", "));
        (wrong, allowed)
    })
}

impl Form {
    fn write(&self, context: &Context, wanted: &Wanted, bars: &Bars) -> Result<String, Problem> {
        let shown = Shown {
            columns: CANDLES.columns,
            hidden: match self.format {
                Format::Json => &["instrument", "timeframe"],
                Format::Csv | Format::Ndjson => &[],
            },
            catalog: &context.catalog,
            numbers_as_strings: self.numbers_as_strings,
        };
        let mut out = String::new();
        match self.format {
            Format::Json => {
                out.push_str(&head(wanted, bars.frontier)?);
                out.push_str(",\"candles\":[");
                for (at, line) in bars.lines.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    shown.json(line, &mut out);
                }
                out.push_str(if bars.more { "],\"more\":true}" } else { "],\"more\":false}" });
            }
            Format::Ndjson => {
                for line in &bars.lines {
                    shown.json(line, &mut out);
                    out.push('\n');
                }
            }
            Format::Csv => {
                out = shown.csv(&bars.lines, wanted.fill).map_err(|error| {
                    tracing::error!(%error, "candles could not be written as CSV");
                    Problem::internal()
                })?;
            }
        }
        Ok(out)
    }
}

/// The JSON object up to the bars, without the brace that closes it.
fn head(wanted: &Wanted, frontier: Frontier) -> Result<String, Problem> {
    let symbol = Value::String(wanted.instrument.name.to_string());
    let frontier = serde_json::to_string(&FrontierJson::from(frontier)).map_err(|error| {
        tracing::error!(%error, "a frontier could not be written as JSON");
        Problem::internal()
    })?;
    let session = match wanted.session {
        Some(kind) => format!(",\"session\":\"{}\"", kind.name()),
        None => String::new(),
    };
    Ok(format!(
        "{{\"symbol\":{symbol},\"timeframe\":\"{}\"{session},\"frontier\":{frontier},\"view_version\":\"{}\"",
        wanted.timeframe,
        view_version()
    ))
}

/// Changes whenever columns come, go or change places.
fn view_version() -> String {
    let names: Vec<_> = CANDLES.columns.iter().map(|column| column.name).collect();
    format!("{:08x}", xxh3_64(names.join(",").as_bytes()) >> 32)
}

/// What all answers for one frontier have in common.
fn describe(response: &mut Response, frontier: Frontier, format: Format) {
    stamp(response, frontier);
    set(response, ETAG, &etag(frontier, format));
    set(response, VARY, "accept");
    set(response, CACHE_CONTROL, "no-cache");
}

/// `"candles@<commit>"`; forms other than JSON are other bytes and so have other tags.
fn etag(frontier: Frontier, format: Format) -> String {
    let commit = match frontier.commit {
        Some(commit) => commit.0.to_string(),
        None => "none".to_owned(),
    };
    match format {
        Format::Json => format!("\"candles@{commit}\""),
        other => format!("\"candles@{commit}.{}\"", other.name()),
    }
}

/// Whether `If-None-Match` names this tag (weakly compared, as RFC 9110 asks).
fn already_has(asked: &Asked, etag: &str) -> bool {
    let tags = asked.headers.get_all(IF_NONE_MATCH).iter();
    tags.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag)
}
