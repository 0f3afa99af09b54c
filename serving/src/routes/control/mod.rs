//! `POST /streaming/control`: pauses and resumes sources, takes a checkpoint, stops the process.
//!
//! What is asked for happens with one of the next commits, so the answer names an operation, and
//! `GET /streaming/operations/{operation}` says whether it is done: the view `sources` shows the state in a commit that is
//! complete, or the checkpoint is on the disk.

mod operations;

use node_api::ingest::Keeping;
use node_api::{ControlApi, Scope};
use serde_json::json;
use warp::Filter;
use warp::http::header::LOCATION;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::parameter::{ParameterType, RouteParameter, WordParameter, Words};
use crate::problem::{FieldError, INVALID_TRANSITION, Problem, UNKNOWN_PATH};
use crate::query::{Query, shown};
use rows::suggestions::closest;
use rows::{Cell, Scan};

use operations::{Action, Goal, OPERATIONS_MAX, Operation, OperationStatus, Operations};

use super::{
    Endpoint, READ, RequestParts, Route, RouteEntry, json as answer_json, reads, request_parts,
    respond, set,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: &[Method::POST],
            path: "/streaming/control",
            access: Access::Process(Scope::Control),
            doc: "pauses or resumes sources, takes a checkpoint, or stops; 202 with an operation, 200 if it is so already",
            parameters: PARAMETERS,
        },
        Endpoint {
            methods: READ,
            path: "/streaming/control",
            access: Access::Process(Scope::Control),
            doc: "the state of the process and of each source, and what can be asked for now",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/streaming/operations/{operation}",
            access: Access::Process(Scope::Control),
            doc: "whether what was asked for is done",
            parameters: &[RouteParameter::path(
                "operation",
                ParameterType::Text,
                "the `operation` of the answer to what was asked for",
            )],
        },
    ],
    route,
};

const ACTION: WordParameter<Option<Action>> = WordParameter::optional(
    "action",
    Words::new(
        &["pause", "resume", "start", "checkpoint", "stop"],
        &[
            Some(Action::Pause),
            Some(Action::Resume),
            Some(Action::Resume), // another name
            Some(Action::Checkpoint),
            Some(Action::Stop),
        ],
    ),
    "what to do: `pause` and `resume` (or `start`) sources, take a `checkpoint`, or `stop` the process in order",
);
const SCOPE: RouteParameter = RouteParameter::query(
    "scope",
    ParameterType::Name("`all`, or `source:` and a name"),
    "what it is about; without it `all`",
);

const PARAMETERS: &[RouteParameter] = &[SCOPE, ACTION.declared.required()];

fn route(context: &Context) -> Route {
    let operations = Operations::default();
    let (control, state) = (context.clone(), context.clone());
    let (watched, begun) = (context.clone(), operations.clone());
    let ask = warp::path!("streaming" / "control").and(warp::post()).and(request_parts()).then(
        move |request: RequestParts| {
            let answer = ask(&control, &begun, &request);
            respond(request.path, async { answer })
        },
    );
    let state =
        warp::path!("streaming" / "control").and(reads()).then(move |request: RequestParts| {
            let answer = state_of(&state, &request);
            respond(request.path, async { answer })
        });
    let watch = warp::path!("streaming" / "operations" / String).and(reads()).then(
        move |name: String, request: RequestParts| {
            let (context, operations) = (watched.clone(), operations.clone());
            async move {
                let path = request.path.clone();
                respond(path, watch(&context, &operations, &name, &request)).await
            }
        },
    );
    ask.or(state).unify().or(watch).unify().boxed()
}

fn ask(
    context: &Context,
    operations: &Operations,
    request: &RequestParts,
) -> Result<Response, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let action = query.word(&ACTION);
    if !query.has(&ACTION.declared) {
        let words = ACTION.words.words.iter().map(|word| (*word).to_owned()).collect();
        query.error("action", "absent", "`action` is absent: it says what to do".to_owned(), words);
    }
    let sources = context.control.sources();
    let scope = query.parsed(&SCOPE, |text| scope(text, &sources)).flatten();
    query.finish()?;
    let Some(action) = action else { return Err(Problem::internal()) }; // it was checked above
    let name = scope.as_ref().map_or_else(|| "all".to_owned(), |source| format!("source:{source}"));
    match begin(&*context.control, action, scope)? {
        Begun::Goal(goal) => accepted(&operations.begin(action, name, goal)),
        Begun::Already(state) => unchanged(action, &name, state),
    }
}

/// What has become of what was asked for.
enum Begun {
    Goal(Goal),
    /// It was in this state.
    Already(&'static str),
}

/// Begins what is asked for of a source, or of all.
fn begin(
    control: &dyn ControlApi,
    action: Action,
    source: Option<String>,
) -> Result<Begun, Problem> {
    match action {
        Action::Stop if control.is_draining() => return Ok(Begun::Already("stopping")),
        _ if control.is_draining() => {
            return Err(impossible(action, "the process is stopping", &[]));
        }
        Action::Checkpoint | Action::Stop if source.is_some() => {
            let name = action.name();
            let why = format!("`{name}` is about the whole process, and `scope` names a source");
            return Err(impossible(action, &why, &["pause", "resume"]));
        }
        _ => {}
    }
    Ok(Begun::Goal(match action {
        Action::Pause => return pause(control, source, true),
        Action::Resume => return pause(control, source, false),
        Action::Checkpoint => match control.request_checkpoint() {
            Some(request) => Goal::Checkpoint(request),
            None => {
                let why = "the job keeps no state (`dir` in `[state]`)";
                return Err(impossible(action, why, &["pause", "resume", "stop"]));
            }
        },
        Action::Stop => {
            control.drain();
            Goal::End
        }
    }))
}

/// Pauses or resumes a source, or all.
fn pause(control: &dyn ControlApi, source: Option<String>, pauses: bool) -> Result<Begun, Problem> {
    let sources = source.map_or_else(|| control.sources(), |source| vec![source]);
    if sources.is_empty() {
        let action = if pauses { Action::Pause } else { Action::Resume };
        return Err(impossible(action, "the job has no source", &["checkpoint", "stop"]));
    }
    if sources.iter().all(|source| control.is_paused(source) == pauses) {
        return Ok(Begun::Already(if pauses { "paused" } else { "running" }));
    }
    for source in &sources {
        if pauses { control.pause(source) } else { control.resume(source) }
    }
    Ok(Begun::Goal(Goal::Paused(sources, pauses)))
}

/// The source that a scope names; none for all.
fn scope(text: &str, sources: &[String]) -> Result<Option<String>, (String, Vec<String>)> {
    if text == "all" {
        return Ok(None);
    }
    match text.strip_prefix("source:").filter(|name| sources.iter().any(|known| known == name)) {
        Some(source) => Ok(Some(source.to_owned())),
        None => {
            let named = sources.iter().map(|source| format!("source:{source}"));
            let possible: Vec<String> = ["all".to_owned()].into_iter().chain(named).collect();
            Err((format!("is none of {}", possible.join(", ")), possible))
        }
    }
}

fn impossible(action: Action, why: &str, allowed: &[&str]) -> Problem {
    let detail = format!("`{}` is not possible now: {why}", action.name());
    let error = FieldError {
        pointer: "#/query/action".to_owned(),
        code: "state",
        detail: detail.clone(),
        allowed: allowed.iter().map(|word| (*word).to_owned()).collect(),
    };
    Problem::new(INVALID_TRANSITION, detail).errors(vec![error])
}

fn unchanged(action: Action, scope: &str, state: &str) -> Result<Response, Problem> {
    let body =
        json!({ "action": action.name(), "scope": scope, "state": state, "has_changed": false });
    answer_json(StatusCode::OK, "application/json", &body)
}

fn accepted(operation: &Operation) -> Result<Response, Problem> {
    let body = operation.json();
    let mut response = answer_json(StatusCode::ACCEPTED, "application/json", &body)?;
    set(&mut response, LOCATION, &operation.path());
    Ok(response)
}

fn state_of(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let control = &context.control;
    let sources = control.sources();
    let are_paused = !sources.is_empty() && sources.iter().all(|source| control.is_paused(source));
    let (state, allowed): (&str, &[&str]) = match () {
        () if control.is_draining() => ("stopping", &[]),
        () if context.lineage.is_restoring() => ("restoring", &["pause", "resume", "stop"]),
        () if are_paused => ("paused", &["resume", "checkpoint", "stop"]),
        () => ("running", &["pause", "resume", "checkpoint", "stop"]),
    };
    let keeps_state = context.keeping != Keeping::Nothing;
    let allowed = allowed.iter().filter(|action| keeps_state || **action != "checkpoint");
    let allowed: Vec<&&str> = allowed.collect();
    let sources = sources.into_iter().map(|name| {
        let state = if control.is_paused(&name) { "paused" } else { "running" };
        json!({ "name": name, "state": state })
    });
    let body =
        json!({ "state": state, "allowed": allowed, "sources": sources.collect::<Vec<_>>() });
    answer_json(StatusCode::OK, "application/json", &body)
}

async fn watch(
    context: &Context,
    operations: &Operations,
    name: &str,
    request: &RequestParts,
) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let found = name.parse().ok().and_then(|number| operations.find(number));
    let Some(mut operation) = found else {
        let detail = format!(
            "no operation is named `{}`; this run remembers the newest {OPERATIONS_MAX}",
            shown(name)
        );
        let all = operations.names();
        let near = closest(all.iter().map(String::as_str), name);
        return Err(Problem::new(UNKNOWN_PATH, detail).suggestions(near));
    };
    let is_done = match &operation.goal {
        _ if operation.status != OperationStatus::Running => false,
        Goal::Paused(sources, pauses) => are(context, sources, *pauses).await?,
        Goal::Checkpoint(request) => context.control.has_checkpoint(*request),
        Goal::End => false,
    };
    if is_done {
        operations.finish(operation.number);
        operation.status = OperationStatus::Done;
    }
    answer_json(StatusCode::OK, "application/json", &operation.json())
}

/// Whether views show all of these sources as paused, or none of them. Of a source that has ended nothing more comes.
async fn are(context: &Context, sources: &[String], paused: bool) -> Result<bool, Problem> {
    let Some(view) = context.views.named("sources") else { return Ok(true) };
    let (Some(name), Some(state)) = (view.column("name"), view.column("state")) else {
        return Ok(true);
    };
    let rows = context.reader.scan(Scan::all(view)).await?.rows;
    let is_so = |source: &String| {
        let row = rows.iter().find(|row| row.get(name) == Some(&Cell::Text(source.clone())));
        let state = row.and_then(|row| row.get(state));
        let ended = Some(&Cell::Word("ended"));
        state == ended || (state == Some(&Cell::Word("paused"))) == paused
    };
    Ok(sources.iter().all(is_so))
}
