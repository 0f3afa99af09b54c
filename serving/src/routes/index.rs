//! `GET /`: the index; for browsers the page.

use serde::Serialize;
use serde_json::Value;
use warp::Filter;
use warp::http::header::VARY;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::format::{accept, preferred};
use crate::parameter::{CountRange, ParameterType, RouteParameter, WordParameter, Words};
use crate::problem::Problem;
use crate::query::Query;

use super::page::page;
use super::{Endpoint, READ, ROUTES, RequestParts, Route, RouteEntry, json, reads, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/",
        access: Access::Key,
        doc: "this index: version, uptime and all paths with their parameters; the page for browsers",
        parameters: PARAMETERS,
    }],
    route,
};

const PARAMETERS: &[RouteParameter] = &[FORMAT.declared, accept(&[JSON, HTML])];
const FORMAT: WordParameter<Option<Form>> = WordParameter::optional(
    "format",
    Words::new(&["json", "html"], &[Some(Form::Index), Some(Form::Page)]),
    "the index or the page; without it `Accept` decides",
);
const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// The format of the answer. Clients that accept anything, as `curl` does, get the first.
#[derive(Clone, Copy)]
enum Form {
    Index,
    Page,
}

#[derive(Serialize)]
struct Index {
    name: &'static str,
    version: &'static str,
    run: String,
    uptime_seconds: u64,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    methods: Vec<&'static str>,
    path: &'static str,
    /// What of a key it needs, where there are keys.
    needs: &'static str,
    doc: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<ParameterJson>,
}

#[derive(Serialize)]
struct ParameterJson {
    name: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aliases: &'static [&'static str],
    r#in: &'static str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    values: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    several: bool,
    required: bool,
    doc: &'static str,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path::end()
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let form = query.word(&FORMAT);
    query.finish()?;
    let forms = [(Form::Index, JSON), (Form::Page, HTML)];
    let mut response = match form.map_or_else(|| preferred(&request.headers, &forms), Ok)? {
        Form::Index => json(StatusCode::OK, JSON, &index(context))?,
        Form::Page => page(request),
    };
    set(&mut response, VARY, "accept");
    Ok(response)
}

fn index(context: &Context) -> Index {
    let endpoints = ROUTES.iter().flat_map(|entry| entry.endpoints);
    Index {
        name: "tickweave",
        version: context.version,
        run: context.run.to_string(),
        uptime_seconds: context.started.elapsed().as_secs(),
        links: endpoints
            .map(|endpoint| Link {
                methods: endpoint.methods.iter().map(Method::as_str).collect(),
                path: endpoint.path,
                needs: endpoint.access.name(),
                doc: endpoint.doc,
                parameters: endpoint.parameters.iter().map(ParameterJson::of).collect(),
            })
            .collect(),
    }
}

impl ParameterJson {
    fn of(parameter: &RouteParameter) -> ParameterJson {
        let RouteParameter { name, aliases, place, kind, several, required, doc } = *parameter;
        let (mut values, mut least, mut most, mut default) = (&[][..], None, None, None);
        match kind {
            ParameterType::Count(range) | ParameterType::Milliseconds(range) => {
                let CountRange { least: from, most: to, default: without } = range;
                (least, most, default) = (Some(from), Some(to), Some(without.into()));
            }
            ParameterType::Word { words, default: without } => {
                (values, default) = (words, without.map(Value::from));
            }
            ParameterType::MediaTypes(words) | ParameterType::ContentCodings(words) => {
                values = words;
            }
            ParameterType::VisibleAscii(bytes) => (least, most) = (Some(1), Some(bytes)),
            _ => {}
        }
        let (r#in, r#type) = (place.name(), kind.name());
        ParameterJson {
            name,
            aliases,
            r#in,
            r#type,
            values,
            least,
            most,
            default,
            several,
            required,
            doc,
        }
    }
}
