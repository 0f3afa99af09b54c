//! `POST /v1/alerts/acknowledge`: somebody has seen an alert, and says so in its row.

use std::sync::Arc;
use std::time::Duration;

use market::{EventTime, Instrument, Timeframe};
use node_api::{AlertAcknowledgement, Scope, is_invisible};
use serde::Deserialize;
use warp::Filter;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::client::Access;
use crate::format::Shown;
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::{
    ALERT_WITHDRAWN, FieldError, Problem, UNAVAILABLE, UNKNOWN_ALERT, UNREADABLE,
};
use crate::query::{Query, read_time, shown};
use crate::symbol::named;
use crate::{Context, body};
use rows::{Cell, RowFilter, Scan, View};

use super::rules::{holder, problem};
use super::{Endpoint, RequestParts, Route, RouteEntry, request_parts, respond, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::POST],
        path: "/v1/alerts/acknowledge",
        access: Access::Rows(Scope::Control),
        doc: "acknowledges an alert that is raised: its row says who, when and why until it is raised again",
        parameters: PARAMETERS,
    }],
    route,
};

const PARAMETERS: &[RouteParameter] = &[
    body::JSON_CONTENT,
    RouteParameter::body(
        "acknowledgement",
        ParameterType::JsonObject,
        "`instrument`, `timeframe`, `open_time` and `rule` name the alert; `note` has at most 1,000 bytes; `by` says \
         who, where there are no keys",
    ),
];
/// The most bytes of a body.
const BODY_BYTES: usize = 16_384;
/// The most bytes of a note, and of the name of whoever acknowledges.
const NOTE_MAX: usize = 1_000;
const BY_MAX: usize = 64;
/// How long to wait until views show it.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// The view of alerts.
const ALERTS: &str = "alerts";
/// How many alerts an error names.
const NAMED: usize = 5;

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    instrument: String,
    timeframe: String,
    open_time: String,
    rule: String,
    #[serde(default)]
    note: String,
    by: Option<String>,
}

/// An alert that a request names, and what it says of it.
struct Asked {
    instrument: Arc<Instrument>,
    timeframe: Timeframe,
    open_time: EventTime,
    rule: String,
    by: String,
    note: String,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "alerts" / "acknowledge")
        .and(warp::post())
        .and(request_parts())
        .and(warp::body::stream())
        .then(move |request: RequestParts, body| {
            let context = context.clone();
            async move {
                let path = request.path.clone();
                respond(path, answer(context, request, body)).await
            }
        })
        .boxed()
}

async fn answer(
    context: Context,
    request: RequestParts,
    body: impl body::Chunks,
) -> Result<Response, Problem> {
    Query::new(&request.query, PARAMETERS).finish()?;
    let body = body::read_json(&request.headers, body, BODY_BYTES, &context).await?;
    // An array of the fields in their order would do, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(UNREADABLE, "the body acknowledges no alert: it is no object"));
    }
    let written: Written = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(UNREADABLE, format!("the body acknowledges no alert: {error}"))
    })?;
    let view = context.view(ALERTS)?;
    let asked = Asked::of(written, &context)?;
    // A task of its own: what a client has asked for is done, also if it does not wait.
    let asking = tokio::spawn(async move { asked.acknowledge(&context, view).await });
    asking.await.map_err(|_| Problem::internal())?
}

impl Asked {
    fn of(written: Written, context: &Context) -> Result<Asked, Problem> {
        let Written { instrument, timeframe, open_time, rule, note, by } = written;
        let mut errors = Vec::new();
        let timeframe = Timeframe::among(&timeframe, &context.timeframes).map_err(|wrong| {
            let detail = format!("timeframe={} {wrong}", shown(&timeframe));
            let allowed = context.timeframes.iter().map(ToString::to_string).collect();
            errors.push(wrong_field("timeframe", detail, allowed));
        });
        let open_time = read_time(&open_time).map_err(|wrong| {
            let allowed = vec!["2026-01-05T14:30:00Z".to_owned()];
            let detail = format!("open_time={} {wrong}", shown(&open_time));
            errors.push(wrong_field("open_time", detail, allowed));
        });
        if note.len() > NOTE_MAX {
            let detail =
                format!("`note` has {} bytes; at most {NOTE_MAX} are possible", note.len());
            errors.push(wrong_field("note", detail, Vec::new()));
        }
        let by = who(by, holder(context)?, &mut errors);
        for (name, text) in [("note", &note), ("by", &by)] {
            if let Some(wrong) = text.chars().find(|c| *c != '\n' && is_invisible(*c)) {
                let detail = format!("`{name}` has the character U+{:04X}", u32::from(wrong));
                errors.push(wrong_field(name, detail, Vec::new()));
            }
        }
        let (Ok(timeframe), Ok(open_time), true) = (timeframe, open_time, errors.is_empty()) else {
            return Err(Problem::invalid(errors));
        };
        let instrument = named(context, &instrument)?;
        Ok(Asked { instrument, timeframe, open_time, rule, by, note })
    }

    async fn acknowledge(
        self,
        context: &Context,
        view: &'static View,
    ) -> Result<Response, Problem> {
        let Some(row) = self.row(context, view).await? else {
            return Err(self.unknown(context, view).await?);
        };
        if is_withdrawn(view, &row) {
            return Err(self.withdrawn());
        }
        if self.is_in(view, &row) {
            return answered(context, view, &row, false);
        }
        let alert = AlertAcknowledgement {
            instrument: self.instrument.id,
            timeframe: self.timeframe,
            open_time: self.open_time,
            rule: self.rule.clone(),
            by: self.by.clone(),
            note: self.note.clone(),
        };
        let before = cell(view, &row, "acknowledged_at").cloned();
        let commit = context.rules.acknowledge(alert).await.map_err(problem)?;
        let deadline = tokio::time::Instant::now() + VISIBLE_WITHIN;
        loop {
            let is_there = context.reader.frontier().commit >= Some(commit);
            match self.row(context, view).await?.filter(|_| is_there) {
                Some(row) if self.is_in(view, &row) => return answered(context, view, &row, true),
                Some(row) if is_withdrawn(view, &row) => return Err(self.withdrawn()),
                // Somebody else has, in the same round or a later one: theirs counts.
                Some(row) if is_later(view, &row, &before) => {
                    return answered(context, view, &row, false);
                }
                _ if tokio::time::Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => {
                    let detail = format!("commit {commit} has it, and views do not show it yet");
                    return Err(Problem::new(UNAVAILABLE, detail));
                }
            }
        }
    }

    /// The row of the alert, as the client sees it.
    async fn row(
        &self,
        context: &Context,
        view: &'static View,
    ) -> Result<Option<Vec<Cell>>, Problem> {
        let to = EventTime(self.open_time.0.saturating_add(1));
        let filter = self.bars().opening(Some(self.open_time), Some(to));
        let rule = view.column("rule").map(|column| (column, vec![self.rule.clone()]));
        let filter = RowFilter { texts: rule.into_iter().collect(), ..filter };
        Ok(scan(context, view, filter, 1).await?.pop())
    }

    /// Bars of the instrument and the timeframe.
    fn bars(&self) -> RowFilter {
        RowFilter::of_instrument(self.instrument.id).of_timeframe(self.timeframe)
    }

    /// Whether a row says already what is asked for.
    fn is_in(&self, view: &View, row: &[Cell]) -> bool {
        let is = |column: &str, text: &str| match cell(view, row, column) {
            Some(Cell::Text(own)) => own == text,
            _ => text.is_empty(),
        };
        let is_acknowledged = matches!(cell(view, row, "acknowledged_at"), Some(Cell::Time(_)));
        is_acknowledged && is("acknowledged_by", &self.by) && is("note", &self.note)
    }

    fn withdrawn(&self) -> Problem {
        let Asked { instrument, timeframe, open_time, rule, .. } = self;
        let (name, open_time) = (&instrument.name, open_time.rfc3339());
        let detail =
            format!("the alert of `{rule}` at {name} {timeframe} {open_time} is withdrawn");
        Problem::new(ALERT_WITHDRAWN, detail)
    }

    /// That there is no such alert, with those that there are.
    async fn unknown(&self, context: &Context, view: &'static View) -> Result<Problem, Problem> {
        let rows = scan(context, view, self.bars(), NAMED).await?;
        let names = rows.iter().filter_map(|row| {
            match (cell(view, row, "rule")?, cell(view, row, "open_time")?) {
                (Cell::Text(rule), Cell::Time(open)) => Some(format!("{rule} {}", open.rfc3339())),
                _ => None,
            }
        });
        let Asked { instrument, timeframe, open_time, rule, .. } = self;
        let (name, open_time) = (&instrument.name, open_time.rfc3339());
        let detail = format!(
            "there is no alert of `{}` at the bar of {name} {timeframe} that opens at {open_time}",
            shown(rule)
        );
        Ok(Problem::new(UNKNOWN_ALERT, detail).suggestions(names.collect()))
    }
}

/// Who acknowledges: the holder of the key, or whoever the body names where there are no keys.
fn who(by: Option<String>, holder: String, errors: &mut Vec<FieldError>) -> String {
    match by {
        Some(by) if !holder.is_empty() && by != holder => {
            let detail = format!("`by` is the name of the key, `{holder}`: leave it out");
            errors.push(wrong_field("by", detail, vec![holder.clone()]));
            holder
        }
        Some(by) if by.len() > BY_MAX => {
            let detail = format!("`by` has {} bytes; at most {BY_MAX} are possible", by.len());
            errors.push(wrong_field("by", detail, Vec::new()));
            by
        }
        Some(by) => by,
        None => holder,
    }
}

fn wrong_field(name: &str, detail: String, allowed: Vec<String>) -> FieldError {
    FieldError { pointer: format!("#/body/{name}"), code: "format", detail, allowed }
}

/// The newest rows first.
async fn scan(
    context: &Context,
    view: &'static View,
    filter: RowFilter,
    limit: usize,
) -> Result<Vec<Vec<Cell>>, Problem> {
    let scan = Scan { view, filter, latest_first: true, limit, as_of: None };
    Ok(context.reader.cut(&[view], None)?.scan(scan).await?.rows)
}

fn cell<'a>(view: &View, row: &'a [Cell], column: &str) -> Option<&'a Cell> {
    row.get(view.column(column)?)
}

/// Whether a row was acknowledged since.
fn is_later(view: &View, row: &[Cell], before: &Option<Cell>) -> bool {
    let now = cell(view, row, "acknowledged_at");
    matches!(now, Some(Cell::Time(_))) && now != before.as_ref()
}

fn is_withdrawn(view: &View, row: &[Cell]) -> bool {
    cell(view, row, "state") == Some(&Cell::Word("withdrawn"))
}

fn answered(
    context: &Context,
    view: &View,
    row: &[Cell],
    has_changed: bool,
) -> Result<Response, Problem> {
    let (catalog, numbers_as_strings) = (&*context.catalog, false);
    let shown = Shown { columns: view.columns, hidden: &[], catalog, numbers_as_strings };
    let mut body = format!("{{\"has_changed\":{has_changed},\"alert\":");
    shown.cells(row, &mut body);
    body.push('}');
    Ok(text(StatusCode::OK, "application/json", body))
}
